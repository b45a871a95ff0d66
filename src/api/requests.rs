//! Bodies of requests; what a caller may not set is not in them (T164).

use serde::{Deserialize, de::DeserializeOwned};

use super::ApiError;
use crate::domain::{AgentId, Digest, Network, PersonId, ServerName, ToolName, limits};

/// The longest life of a key, in days.
const KEY_DAYS: u32 = 90;
/// Characters of a note.
const NOTE: usize = 200;

/// Whom a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFor {
    /// An agent of agents.yaml.
    Agent(AgentId),
    /// A person of people.yaml.
    Person(PersonId),
}

/// A key to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Whom it is for.
    pub principal: KeyFor,
    /// Days until it ends, 1 to 90.
    pub days: u32,
    /// What people call it.
    pub note: String,
    /// From where it may be shown, for an agent's; none means from anywhere.
    pub networks: Vec<Network>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKeyBody {
    agent: Option<AgentId>,
    person: Option<PersonId>,
    days: Option<u32>,
    note: Option<String>,
    #[serde(default)]
    networks: Vec<Network>,
}

impl NewKeyBody {
    pub(super) fn check(self) -> Result<NewKey, ApiError> {
        let principal = match (self.agent, self.person) {
            (Some(agent), None) => KeyFor::Agent(agent),
            (None, Some(person)) => KeyFor::Person(person),
            (Some(_), Some(_)) | (None, None) => return Err(ApiError::invalid("give either `agent` or `person`")),
        };
        let days = self.days.unwrap_or(30);
        if !(1..=KEY_DAYS).contains(&days) {
            return Err(ApiError::invalid(format!("`days` must be from 1 to {KEY_DAYS}")));
        }
        let note = self.note.unwrap_or_default();
        if note.chars().count() > NOTE {
            return Err(ApiError::invalid(format!("`note` is longer than {NOTE} characters")));
        }
        if !self.networks.is_empty() && matches!(principal, KeyFor::Person(_)) {
            return Err(ApiError::invalid("only an agent's key is bound to addresses; leave out `networks`"));
        }
        if self.networks.len() > limits::NETWORKS_PER_KEY {
            return Err(ApiError::invalid(format!("`networks` has at most {} ranges", limits::NETWORKS_PER_KEY)));
        }
        Ok(NewKey { principal, days, note, networks: self.networks })
    }
}

/// Tools whose definitions, as they are now, become the approved ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolApproval {
    /// The server.
    pub server: ServerName,
    /// Its tools; none means all that wait.
    #[serde(default)]
    pub tools: Vec<ToolName>,
    /// For one tool: the digest that the approver has read.
    pub digest: Option<Digest>,
}

impl ToolApproval {
    pub(super) fn check(self) -> Result<Self, ApiError> {
        if self.digest.is_some() && self.tools.len() != 1 {
            return Err(ApiError::invalid("`digest` goes with exactly one tool"));
        }
        Ok(self)
    }
}

/// `{event, reason}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventBody {
    pub(super) event: String,
    pub(super) reason: Option<String>,
}

/// `{reason}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    pub(super) reason: Option<String>,
}

/// `?from=&limit=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceQuery {
    #[serde(default)]
    pub(super) from: u64,
    pub(super) limit: Option<u32>,
}

/// Reads a JSON body; nothing at all reads as `{}`.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let kind = if error.is_data() { "the body does not fit" } else { "the body is not JSON" };
        let mut told = ApiError::invalid(format!("{kind}: {error}"));
        if error.is_data() {
            told.status = http::StatusCode::UNPROCESSABLE_ENTITY;
        }
        told
    })
}
