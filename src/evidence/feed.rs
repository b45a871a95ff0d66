//! The port through which records are carried on: in their order, from a place that is remembered.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{JournalError, Row};

/// The journal as something to follow. What leaves the machine because of a record is read from here and never
/// kept apart: the journal is the outbox, and a cursor says how far a destination has got.
#[async_trait]
pub trait Feed: Send + Sync + std::fmt::Debug {
    /// At most `limit` durable records behind this sequence number, in their order.
    async fn after(&self, seq: u64, limit: u32) -> Result<Vec<Row>, JournalError>;
    /// The sequence number of the last durable record; changes wake whoever follows.
    fn durable(&self) -> watch::Receiver<u64>;
    /// How far the destination of this name has got; none if it was never told.
    async fn cursor(&self, name: &str) -> Result<Option<u64>, JournalError>;
    /// Notes how far the destination of this name has got. A cursor never goes back.
    async fn advance(&self, name: &str, seq: u64) -> Result<(), JournalError>;
}
