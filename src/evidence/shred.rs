//! Records of keys that were destroyed, so that what they sealed is gone.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::{ExceptionId, Timestamp};

/// Keys in one record.
pub const SHREDDED: usize = 400;

/// Sealing keys are destroyed. Durable before they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shred {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What was captured before this day is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<NaiveDate>,
    /// What was captured under this exception is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
    /// The ids of the keys, at most [`SHREDDED`].
    pub keys: Vec<String>,
}
