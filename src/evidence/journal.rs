//! The port through which rooms write evidence.

use async_trait::async_trait;

use super::Record;
use crate::domain::{Fault, Timestamp};

/// Where a record stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its sequence number, from 1, without gaps.
    pub seq: u64,
}

/// A record is not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It cannot be written now.
    #[error("the journal cannot be written: {0}")]
    Unavailable(String),
    /// It is larger than an entry may be.
    #[error("a record of kind `{kind}` has {bytes} bytes; 65535 is the most")]
    TooLarge {
        /// The record's kind.
        kind: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// It has no JSON form.
    #[error("the record has no JSON form")]
    Unreadable,
    /// It was removed when its time was over.
    #[error("it was recorded {} and removed when its time was over; record {by} says so", at.format("%Y-%m-%dT%H:%M:%SZ"))]
    Removed {
        /// When it was made.
        at: Timestamp,
        /// The record that says so.
        by: u64,
    },
}

impl JournalError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Unavailable(_) => Fault::Unavailable,
            Self::TooLarge { .. } | Self::Unreadable => Fault::Internal,
            Self::Removed { .. } => Fault::Refused,
        }
    }
}

/// A journal that only grows.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends a record; it is durable when this returns.
    async fn append(&self, record: Record) -> Result<Position, JournalError>;
}
