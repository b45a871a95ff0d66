//! What happens outside and ends exceptions: events that are reported, incidents that are closed.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{ApiError, ExceptionView};
use crate::domain::{ExceptionId, Person, Subject};

/// Bytes of the name of an event or an incident.
const NAME: usize = 256;

/// Who may report an event: the agent whose work it is, or a person.
#[derive(Debug, Clone)]
pub enum Caller {
    /// An agent.
    Agent(Arc<Subject>),
    /// A person.
    Person(Arc<Person>),
}

/// One that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stayed {
    /// The exception.
    pub exception: ExceptionId,
    /// Why the reporter may not end it.
    pub why: String,
}

/// The answer to a reported event and to a closed incident.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HappeningView {
    /// What was reported.
    pub event: String,
    /// The exceptions that ended with it; none if none was live.
    pub ended: Vec<ExceptionView>,
    /// The requests for the incident that are rejected with it.
    pub rejected: Vec<ExceptionView>,
    /// Those that end on it and stay, because the reporter may not end them.
    pub refused: Vec<Stayed>,
}

/// What is asked when something happened.
#[async_trait]
pub trait HappeningOperations: Send + Sync + 'static {
    /// Whoever shows a credential: an agent or a person.
    async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError>;
    /// Ends the live exceptions that end on this event or belong to this incident and that this caller may end, and
    /// rejects the pending requests of that incident.
    async fn report_event(&self, by: &Caller, event: &str, reason: &str) -> Result<HappeningView, ApiError>;
}

/// The name of an event or an incident: one line that is not empty.
pub(super) fn name(text: &str) -> Result<&str, ApiError> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME || text.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("the name of an event or incident has 1 to {NAME} bytes on one line")));
    }
    Ok(text)
}
