//! Retention: removes records of traffic whose time is over, or says what would be removed.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ApiError;

/// The part of [`super::Operations`] that is about retention.
#[async_trait]
pub trait RetentionOperations: Send + Sync + 'static {
    /// Removes what may go, a bounded number of records at once; a dry run removes nothing.
    async fn prune(&self, by: &str, dry_run: bool) -> Result<RetentionView, ApiError>;
}

/// The body of `POST /api/v1/evidence/prune`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PruneBody {
    /// Only say what would be removed.
    pub(super) dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionView {
    /// Days that records of traffic are kept.
    pub days: u32,
    /// Whether this only says what would be.
    pub dry_run: bool,
    /// Records that were removed now.
    pub removed: u64,
    /// Up to this record all traffic is removed.
    pub through: u64,
    /// What holds back records that are older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Whether there are more, which the next turn removes.
    pub more: bool,
    /// Whether the write-ahead log of the database is free of what was removed.
    pub scrubbed: bool,
}
