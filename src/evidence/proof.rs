//! Proofs as text that a stranger can keep: a record is in the log (C2SP tlog-proof), a log only grew (the body of
//! `add-checkpoint` of C2SP tlog-witness).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Checkpoint, CheckpointError, KeyLine, consistent, includes, leaf};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of a proof; more than any tree has levels.
const HASHES: usize = 63;

/// The proof does not show what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the form.
    #[error("not a proof of a record (`c2sp.org/tlog-proof@v1`) and not one of growth (`old SIZE`)")]
    Form,
    /// It holds no record, and none was given beside it.
    #[error("the proof carries no record; give the record's bytes with --record FILE")]
    Record,
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path leads to another root.
    #[error("the record is not at place {seq} of the log that the checkpoint signed")]
    Excluded {
        /// Its sequence number.
        seq: u64,
    },
    /// The old checkpoint has another size than the proof.
    #[error("the proof begins at {proof} records and the earlier checkpoint has {old}")]
    Old {
        /// The proof's.
        proof: u64,
        /// The checkpoint's.
        old: u64,
    },
    /// The later tree is not a continuation of the earlier.
    #[error("the log was rewritten: the later checkpoint does not continue the earlier one")]
    Forked,
}

/// A record, its place, and the way to the signed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProof {
    /// The record's bytes, carried as the proof's extra data.
    pub record: Option<Vec<u8>>,
    /// Its sequence number, from 1.
    pub seq: u64,
    /// The hashes.
    pub path: Vec<[u8; 32]>,
    /// The signed note.
    pub note: String,
}

impl RecordProof {
    /// The text.
    #[must_use]
    pub fn write(&self) -> String {
        let extra = self.record.as_ref().map(|record| format!("extra {}\n", STANDARD.encode(record)));
        let (extra, index) = (extra.unwrap_or_default(), self.seq.saturating_sub(1));
        format!("{HEADER}\n{extra}index {index}\n{}\n{}", lines(&self.path), self.note)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// It is no proof of a record.
    pub fn read(text: &str) -> Result<Self, ProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut rest = head.lines();
        if rest.next() != Some(HEADER) {
            return Err(ProofError::Form);
        }
        let mut line = rest.next().ok_or(ProofError::Form)?;
        let mut record = None;
        if let Some(extra) = line.strip_prefix("extra ") {
            record = Some(STANDARD.decode(extra).map_err(|_| ProofError::Form)?);
            line = rest.next().ok_or(ProofError::Form)?;
        }
        let index: u64 = line.strip_prefix("index ").and_then(|n| n.parse().ok()).ok_or(ProofError::Form)?;
        let seq = index.checked_add(1).ok_or(ProofError::Form)?;
        Ok(Self { record, seq, path: hashes(rest)?, note: note.to_owned() })
    }

    /// Whether it shows that the record is in the log of these keys; gives the checkpoint.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, record: &[u8], line: &KeyLine) -> Result<Checkpoint, ProofError> {
        let signed = line.open(&self.note)?;
        let index = self.seq.saturating_sub(1);
        let holds = includes(&signed.root, signed.size, index, &leaf(record), &self.path);
        if holds { Ok(signed) } else { Err(ProofError::Excluded { seq: self.seq }) }
    }
}

/// A later checkpoint, and the way to it from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrowthProof {
    /// Records of the earlier tree.
    pub old: u64,
    /// The hashes.
    pub path: Vec<[u8; 32]>,
    /// The signed note of the later tree.
    pub note: String,
}

impl GrowthProof {
    /// The text.
    #[must_use]
    pub fn write(&self) -> String {
        format!("old {}\n{}\n{}", self.old, lines(&self.path), self.note)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// It is no proof of growth.
    pub fn read(text: &str) -> Result<Self, ProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut rest = head.lines();
        let old = rest.next().and_then(|line| line.strip_prefix("old ")?.parse().ok()).ok_or(ProofError::Form)?;
        Ok(Self { old, path: hashes(rest)?, note: note.to_owned() })
    }

    /// Whether it shows that the log of these keys only grew since the earlier checkpoint; gives the later one.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, earlier: &str, line: &KeyLine) -> Result<Checkpoint, ProofError> {
        let (old, new) = (line.open(earlier)?, line.open(&self.note)?);
        if old.size != self.old {
            return Err(ProofError::Old { proof: self.old, old: old.size });
        }
        let holds = consistent((old.size, &old.root), (new.size, &new.root), &self.path);
        if holds { Ok(new) } else { Err(ProofError::Forked) }
    }
}

fn lines(path: &[[u8; 32]]) -> String {
    path.iter().map(|hash| format!("{}\n", STANDARD.encode(hash))).collect()
}

fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<[u8; 32]>, ProofError> {
    let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
    let found: Option<Vec<[u8; 32]>> = lines.map(hash).collect();
    found.filter(|found| found.len() <= HASHES).ok_or(ProofError::Form)
}
