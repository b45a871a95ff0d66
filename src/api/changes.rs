//! What changed around an exception since its owner's last word: what the owner is shown before the next.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ApiError;
use crate::domain::{Digest, ExceptionId, PersonId, Timestamp};

/// The part of [`super::Operations`] that is about what changed.
#[async_trait]
pub trait ChangeOperations: Send + Sync + 'static {
    /// What changed since the last attestation, or since the approval if there was none.
    async fn changes(&self, id: &ExceptionId) -> Result<ChangesView, ApiError>;
}

/// A tool of the exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolChange {
    /// Its name.
    pub tool: String,
    /// The digest that was approved with the exception.
    pub approved: Digest,
    /// The digest of what the server offers now; absent if it offers none.
    pub now: Option<Digest>,
    /// Whether the two differ.
    pub changed: bool,
}

/// `GET /api/v1/exceptions/{id}/changes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesView {
    /// The exception.
    pub exception: ExceptionId,
    /// Since when.
    pub since: Timestamp,
    /// What happened then: `attested` or `scheduled`.
    pub event: String,
    /// Who did it.
    pub by: PersonId,
    /// Calls that it admitted since.
    pub calls: u64,
    /// Calls that were refused since though it was looked at.
    pub denials: u64,
    /// Its tools.
    pub tools: Vec<ToolChange>,
    /// Policy files that were added, changed or removed, each with which of these; absent if those of then are gone.
    pub policies: Option<Vec<(String, String)>>,
    /// What changed in the registry about its agents and owner, in words; absent if that of then is gone.
    pub registry: Option<Vec<String>>,
    /// Alarms about the exception and its controls, in words.
    pub alarms: Vec<String>,
    /// What happened to the exception itself, in words.
    pub events: Vec<String>,
}

impl ChangesView {
    /// Whether anything but the use changed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.tools.iter().all(|tool| !tool.changed)
            && self.policies.as_ref().is_some_and(Vec::is_empty)
            && self.registry.as_ref().is_some_and(Vec::is_empty)
            && self.alarms.is_empty()
    }
}
