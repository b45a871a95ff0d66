//! A bundle of evidence: all records of one exception, with the proof that each stands under a signed checkpoint.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Gone, members::Members, readme::readme, views::Views};
use crate::{
    domain::ExceptionId,
    evidence::{KeyLine, Line, Prover, Record, SigningChange, Tree, VerifyingKey},
};

/// Records of one bundle.
pub(super) const RECORDS: usize = 500_000;
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const KEY: &str = "key.txt";
pub(super) const CHECKPOINT: &str = "checkpoint.txt";
pub(super) const JOURNAL: &str = "records.jsonl";
pub(super) const VIEW: &str = "exception.json";
pub(super) const DECISIONS: &str = "decisions.csv";
pub(super) const README: &str = "README.md";
/// All files but [`SUMS`], in the order of their names.
pub(super) const FILES: [&str; 6] = [README, CHECKPOINT, DECISIONS, VIEW, KEY, JOURNAL];

/// Gives the whole journal in order, with the checkpoints after the records that they sign; can be asked twice.
pub trait Rows {
    /// Every line.
    ///
    /// # Errors
    /// The journal cannot be read, or `take` failed.
    fn each(&self, take: &mut dyn FnMut(Line) -> io::Result<()>) -> Result<(), String>;
}

/// The bundle cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The journal does not know it.
    #[error("the journal has no signed record of `{0}`")]
    Unknown(ExceptionId),
    /// More records than a bundle holds.
    #[error("`{0}` has more than {RECORDS} records; use `postern evidence export`")]
    TooLarge(ExceptionId),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(String),
    /// The journal is not what was signed.
    #[error("the journal is not what was signed at record {0}; run `postern evidence verify`")]
    Broken(u64),
    /// A file cannot be written.
    #[error("`{0}` cannot be written: {1}")]
    Write(String, io::Error),
}

/// A record with its proof, as a line of a bundle.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) seq: u64,
    pub(super) payload: String,
    pub(super) proof: Vec<String>,
}

/// What was found of one exception, ready to be written.
#[derive(Debug)]
pub struct Bundle {
    id: ExceptionId,
    key: VerifyingKey,
    note: String,
    state: Tree,
    chosen: BTreeSet<u64>,
    prover: Prover,
    /// Records of it that no checkpoint signs yet.
    unsigned: usize,
    gone: Option<Gone>,
}

impl Bundle {
    /// Looks through the journal. Memory grows with the records of this exception, not with the journal.
    ///
    /// # Errors
    /// The journal cannot be read or does not know the exception, or there are too many records.
    pub fn collect(rows: &dyn Rows, id: &ExceptionId, key: &VerifyingKey) -> Result<Self, BundleError> {
        let mut members = Members::of(id);
        let mut prover = Prover::default();
        let mut chosen = BTreeSet::new();
        let mut signed: Option<(String, Tree)> = None;
        let mut changes: Vec<(u64, SigningChange)> = Vec::new();
        let (mut broken, mut about) = (None, false);
        let mut gone = None;
        let mut read = |line: Line| {
            match line {
                Line::Row(row) => {
                    let record: Option<Record> = serde_json::from_slice(&row.payload).ok();
                    let belongs = record.as_ref().is_some_and(|record| members.take(record));
                    if let Some(Record::Signing(change)) = record {
                        changes.push((row.seq, change));
                    } else {
                        about |= belongs;
                    }
                    prover.push(row.leaf(), belongs);
                    if let Some(pruned) = row.pruned().filter(|_| members.has(row.index.as_ref())) {
                        gone = Gone::with(gone, pruned.at);
                    }
                    if row.seq != prover.tree().size() {
                        broken.get_or_insert(row.seq);
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    if belongs {
                        chosen.insert(row.seq);
                    }
                    if chosen.len() > RECORDS {
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                }
                Line::Checkpoint(note) => signed = Some((note, prover.tree().clone())),
            }
            Ok(())
        };
        let done = rows.each(&mut read);
        if let Some(seq) = broken {
            return Err(BundleError::Broken(seq));
        }
        if chosen.len() > RECORDS {
            return Err(BundleError::TooLarge(id.clone()));
        }
        done.map_err(BundleError::Journal)?;
        let (note, state) = signed.ok_or_else(|| BundleError::Unknown(id.clone()))?;
        let later = chosen.split_off(&(state.size() + 1));
        if chosen.is_empty() || !about {
            return Err(BundleError::Unknown(id.clone()));
        }
        let line = KeyLine::of(std::slice::from_ref(key), &changes);
        let opened = line.open(&note).ok();
        if opened.is_none_or(|checkpoint| checkpoint.root != state.root()) {
            return Err(BundleError::Broken(state.size()));
        }
        Ok(Self { id: id.clone(), key: key.clone(), note, state, chosen, prover, unsigned: later.len(), gone })
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> usize {
        self.chosen.len()
    }

    /// How many records of it are not in the bundle, since no checkpoint signs them yet.
    #[must_use]
    pub const fn unsigned(&self) -> usize {
        self.unsigned
    }

    /// Records of it that were removed when their time was over, as far as the index still tells.
    #[must_use]
    pub const fn gone(&self) -> Option<Gone> {
        self.gone
    }

    /// The records up to which the checkpoint signs.
    #[must_use]
    pub const fn signed(&self) -> u64 {
        self.state.size()
    }

    /// Writes the bundle into a new folder, whole or not at all.
    ///
    /// # Errors
    /// The folder is there already, a file cannot be written, or the journal cannot be read.
    pub fn write(&self, rows: &dyn Rows, folder: &Path) -> Result<(), BundleError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error| BundleError::Write(path, error)
        };
        if fs::symlink_metadata(folder).is_ok() {
            return Err(failed(folder)(io::ErrorKind::AlreadyExists.into()));
        }
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let draft = folder.with_file_name(name);
        DirBuilder::new().mode(0o700).create(&draft).map_err(failed(&draft))?;
        let done = self.fill(rows, &draft).and_then(|()| fs::rename(&draft, folder).map_err(failed(folder)));
        if done.is_err() {
            // What was begun is of no use; if it cannot be removed, it says `.new`.
            let _ = fs::remove_dir_all(&draft);
        }
        done
    }

    fn fill(&self, rows: &dyn Rows, folder: &Path) -> Result<(), BundleError> {
        let failed = |error| BundleError::Write(folder.display().to_string(), error);
        let small = |name: &'static str, text: &str| -> io::Result<(&'static str, String)> {
            let mut file = Summed::create(&folder.join(name))?;
            file.write_all(text.as_bytes())?;
            Ok((name, file.finish()?))
        };
        let mut sums = Vec::new();
        sums.push(small(README, &readme(&self.id, self.gone)).map_err(failed)?);
        sums.push(small(CHECKPOINT, &self.note).map_err(failed)?);
        let decisions = Summed::create(&folder.join(DECISIONS)).map_err(failed)?;
        let mut views = Views::begin(&self.id, decisions).map_err(failed)?;
        let mut journal = Summed::create(&folder.join(JOURNAL)).map_err(failed)?;
        let mut written = 0;
        let read = rows.each(&mut |line| {
            let Line::Row(row) = line else { return Ok(()) };
            if !self.chosen.contains(&row.seq) {
                return Ok(());
            }
            let record: Record = serde_json::from_slice(&row.payload)?;
            views.record(row.seq, &record)?;
            journal.write_all(&self.line(row.seq, row.payload)?)?;
            written += 1;
            Ok(())
        });
        read.map_err(BundleError::Journal)?;
        if written != self.chosen.len() {
            return Err(BundleError::Journal("it changed while it was read".to_owned()));
        }
        let (view, decisions) = views.finish().map_err(failed)?;
        sums.push((DECISIONS, decisions.finish().map_err(failed)?));
        sums.push(small(VIEW, &String::from_utf8_lossy(&view)).map_err(failed)?);
        sums.push(small(KEY, &format!("{}\n", self.key)).map_err(failed)?);
        sums.push((JOURNAL, journal.finish().map_err(failed)?));
        small(SUMS, &sums_text(&sums)).map_err(failed).map(drop)
    }

    fn line(&self, seq: u64, payload: Vec<u8>) -> io::Result<Vec<u8>> {
        let proof = self.prover.proof(seq - 1, &self.state).ok_or(io::ErrorKind::InvalidData)?;
        let proof = proof.iter().map(|hash| STANDARD.encode(hash)).collect();
        let payload = String::from_utf8(payload).map_err(io::Error::other)?;
        let mut line = serde_json::to_vec(&Item { seq, payload, proof })?;
        line.push(b'\n');
        Ok(line)
    }
}

/// The lines of [`SUMS`], as `sha256sum` writes them.
pub(super) fn sums_text(sums: &[(&str, String)]) -> String {
    sums.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}

/// Adds up the SHA-256 of what is written through it.
pub(super) struct Summed<W: Write> {
    inner: W,
    context: Context,
}

impl Summed<BufWriter<File>> {
    fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self::over(BufWriter::new(file)))
    }
}

impl<W: Write> Summed<W> {
    pub(super) fn over(inner: W) -> Self {
        Self { inner, context: Context::new(&SHA256) }
    }

    /// The digest as 64 hex digits.
    pub(super) fn finish(mut self) -> io::Result<String> {
        self.inner.flush()?;
        Ok(self.context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
