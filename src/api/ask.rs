//! From a refused call to an exception: the draft that people fill in.

use serde::{Deserialize, Serialize};

use crate::{
    domain::DecisionId,
    exception::{Draft, Wish},
};

/// `POST /api/v1/exceptions/drafts`: which refused call, and what is known already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    /// The refusal, as the agent was told it.
    pub decision: DecisionId,
    /// What people add.
    #[serde(default)]
    pub wish: Wish,
}

/// What it is answered with.
pub type DraftView = Draft;
