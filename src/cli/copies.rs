//! `postern evidence`: what can be typed about the journal and its copies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{shred::ShredArguments, signing::SigningCommand};

#[derive(Debug, Args)]
pub(super) struct Journal {
    /// The data folder [default: the one of the configuration]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Begin at this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(super) since: u64,
}

#[derive(Debug, Args)]
pub(super) struct CopyArguments {
    /// A data folder, a folder of tiles, or an export [default: the data folder of the configuration]
    pub(super) path: Option<PathBuf>,
    /// The data folder
    #[arg(long, value_name = "DIR", conflicts_with = "path")]
    pub(super) data: Option<PathBuf>,
    /// A public key of the log, as text or in a file [default: `signing.pub` of the data folder]; may be given several times
    #[arg(long, value_name = "KEY")]
    pub(super) key: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    pub(super) copy: CopyArguments,
    /// A checkpoint that was kept elsewhere, and that must hold too; for a proof of growth, the earlier one
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Vec<PathBuf>,
    /// Check this proof alone, by its key and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "data"])]
    pub(super) proof: Option<PathBuf>,
    /// Changes of the signing key, where what is checked does not carry them: `postern evidence keys --changes`
    #[arg(long, value_name = "FILE")]
    pub(super) line: Option<PathBuf>,
    /// The record's bytes, where the proof does not carry them
    #[arg(long, value_name = "FILE", requires = "proof")]
    pub(super) record: Option<PathBuf>,
    /// The key of a witness, as text or in a file, whose cosignature the newest checkpoint must bear
    #[arg(long, value_name = "KEY")]
    pub(super) witness: Vec<String>,
    /// How many of them must have cosigned [default: all]
    #[arg(long, value_name = "N", requires = "witness")]
    pub(super) quorum: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct ProveArguments {
    #[command(flatten)]
    pub(super) copy: CopyArguments,
    /// The record with this sequence number
    #[arg(long, value_name = "SEQ", required_unless_present = "decision")]
    pub(super) seq: Option<u64>,
    /// The first record of this decision
    #[arg(long, value_name = "ID", conflicts_with = "seq")]
    pub(super) decision: Option<String>,
    /// Prove the leaf of a record that was removed, for whoever kept the record
    #[arg(long, requires = "seq")]
    pub(super) hash_only: bool,
    /// Under this checkpoint [default: the newest of the copy]
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ConsistencyArguments {
    #[command(flatten)]
    pub(super) copy: CopyArguments,
    /// The earlier checkpoint
    #[arg(long, value_name = "FILE")]
    pub(super) from: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum EvidenceCommand {
    /// Check a copy of the journal, record by record, against its checkpoints; or check one proof
    Verify(VerifyArguments),
    /// Print records as a table
    Show(Journal),
    /// Write records as JSON lines
    Export(Journal),
    /// Prove that a record is in the log (C2SP tlog-proof): `postern evidence prove --seq 7 > record.tlog-proof`
    Prove(ProveArguments),
    /// Prove that the log only grew since an earlier checkpoint
    Consistency(ConsistencyArguments),
    #[command(flatten)]
    Signing(SigningCommand),
    /// Remove records of traffic whose time is over (`evidence.retention`), now; asks the running gateway
    Prune {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Destroy sealing keys, so that what was captured under them is gone for good; asks the running gateway
    Shred(ShredArguments),
}
