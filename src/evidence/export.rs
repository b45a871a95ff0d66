//! A journal as JSON lines: rows with their exact payload, and checkpoints between them.

use serde::{Deserialize, Serialize};

use super::{Summary, leaf};
use crate::domain::{Digest, Timestamp};

/// What a store indexes beside a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The record's kind.
    pub kind: String,
    /// Its decision.
    pub decision: Option<String>,
    /// The exception it counts for.
    pub exception: Option<String>,
}

impl Index {
    pub(super) fn fits(&self, summary: &Summary) -> bool {
        self.kind == summary.kind
            && self.decision.as_deref() == summary.decision.as_ref().map(crate::domain::DecisionId::as_str)
            && self.exception.as_deref() == summary.exception.as_ref().map(crate::domain::ExceptionId::as_str)
    }
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its sequence number.
    pub seq: u64,
    /// Its chain value.
    pub chain: [u8; 32],
    /// The record as JSON, byte for byte.
    pub payload: Vec<u8>,
    /// What a store indexes beside it; an export has none.
    pub index: Option<Index>,
}

/// The version of [`Pruned`] as JSON.
const FORM: u32 = 1;

/// What stands in the place of a record that was removed when its time was over: its leaf hash, so that the proofs of
/// all others still hold, what it was, and which record says that it was removed. Only the hash is held by the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// The hash of the leaf that the record was.
    pruned: Digest,
    /// The version of this form.
    form: u32,
    /// The record's kind.
    pub kind: String,
    /// When the record was made.
    pub at: Timestamp,
    /// The record of kind `retention` that says so.
    pub by: u64,
}

impl Pruned {
    /// What is to stand in the place of this payload.
    ///
    /// # Errors
    /// It has no JSON form.
    pub fn of(payload: &[u8], kind: &str, at: Timestamp, by: u64) -> Result<Vec<u8>, ExportError> {
        let pruned = Digest::from_bytes(leaf(payload));
        serde_json::to_vec(&Self { pruned, form: FORM, kind: kind.to_owned(), at, by }).map_err(|_| ExportError)
    }

    /// Reads what stands in the place of a payload; none if the payload is a record.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        if payload.starts_with(br#"{"pruned":"#) { serde_json::from_slice(payload).ok() } else { None }
    }

    /// The hash of the leaf that the record was.
    #[must_use]
    pub const fn leaf(&self) -> [u8; 32] {
        *self.pruned.as_bytes()
    }
}

impl Row {
    /// What stands there if the record was removed.
    #[must_use]
    pub fn pruned(&self) -> Option<Pruned> {
        Pruned::read(&self.payload)
    }

    /// Its leaf in the tree.
    #[must_use]
    pub fn leaf(&self) -> [u8; 32] {
        self.pruned().map_or_else(|| leaf(&self.payload), |pruned| pruned.leaf())
    }
}

/// A line that is none of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a line of an export of evidence")]
pub struct ExportError;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A record.
    Row(Row),
    /// A signed checkpoint.
    Checkpoint(String),
}

/// The JSON form of a line. The payload is a string, so that any JSON reader gives back its exact bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Export {
    /// A record.
    Record {
        /// Its sequence number.
        seq: u64,
        /// Its chain value.
        chain: Digest,
        /// The record as JSON.
        payload: String,
    },
    /// A signed checkpoint.
    Checkpoint(String),
}

impl Line {
    /// The line, without its end.
    ///
    /// # Errors
    /// The payload is not UTF-8.
    pub fn write(&self) -> Result<String, ExportError> {
        let export = match self {
            Self::Row(row) => Export::Record {
                seq: row.seq,
                chain: Digest::from_bytes(row.chain),
                payload: String::from_utf8(row.payload.clone()).map_err(|_| ExportError)?,
            },
            Self::Checkpoint(note) => Export::Checkpoint(note.clone()),
        };
        serde_json::to_string(&export).map_err(|_| ExportError)
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is none of an export.
    pub fn read(line: &str) -> Result<Self, ExportError> {
        Ok(match serde_json::from_str(line).map_err(|_| ExportError)? {
            Export::Record { seq, chain, payload } => {
                Self::Row(Row { seq, chain: *chain.as_bytes(), payload: payload.into_bytes(), index: None })
            }
            Export::Checkpoint(note) => Self::Checkpoint(note),
        })
    }
}
