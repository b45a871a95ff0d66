//! What happened: records, their chain, signed checkpoints, verification and export.
//!
//! An **intent** is durable before a call leaves and an **outcome** before its answer does. Records are
//! linked by SHA-256 ([`chain`]) and committed to by signed checkpoints of a Merkle tree (RFC 6962) whose
//! leaves are the records' bytes, so [`Verifier`] and software that is not ours can check a copy offline.
//! Deliberately absent: I/O (the store does it) and anything that could change a record once it is written.

mod call;
mod chain;
mod checkpoint;
mod consistency;
mod cosignature;
mod delivery;
mod export;
mod feed;
mod fingerprint;
mod governance;
mod hold;
mod inclusion;
mod journal;
mod keep;
mod line;
mod merkle;
mod proof;
mod read;
mod record;
mod retention;
mod seal;
mod sealer;
mod shred;
mod signing;
mod succession;
pub mod tiles;
mod verify;

pub use call::{Arguments, Called, Caller, Denial, How, Inquiry, Intent, Listing, Outcome, Subscription};
pub use chain::{GENESIS, Head, chain};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use consistency::{Bridge, bridge, consistent};
pub use cosignature::{Cosignature, CosignatureError, WitnessKey, WitnessKeyError};
pub use delivery::{Delivery, DeliveryEvent};
pub use export::{ExportError, Index, Line, Pruned, Row};
pub use feed::Feed;
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use governance::{
    Aborted, Alarm, AlarmKind, CatalogChange, CatalogEvent, Freeze, KeyChange, KeyEvent, Lifecycle, PilotChange,
    PolicyChange, PolicyEvent, Recovered, Start, Stop, Watching,
};
pub use hold::{Hold, HoldAsk, HoldChange, HoldEvent, HoldState};
pub use inclusion::{Prover, includes};
pub use journal::{Journal, JournalError, Position};
pub use keep::{Keep, KeepRule, Rest, Split};
pub use line::{Began, KeyLine, LineKey};
pub use merkle::{Tree, leaf};
pub use proof::{GrowthProof, ProofError, RecordProof};
pub use read::{Read, Readers, Surface};
pub use record::{ENTRY, Record, Summary};
pub use retention::{Retention, Runs, TRAFFIC};
pub use seal::{SEALED_PLAINTEXT, SealError, SealKey, Sealed};
pub use sealer::{Captured, Sealer, Under, Vault};
pub use shred::{SHREDDED, Shred};
pub use signing::{KeyError, SigningKey, VerifyingKey};
pub use succession::{OldKey, SigningChange, SuccessionError, What};
pub use verify::{Breach, Break, Report, Verifier};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::cosignature as cosigner;
