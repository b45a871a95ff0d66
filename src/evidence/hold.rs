//! Records of calls that wait for a person's yes, and what is known of one that waits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Called, Caller};
use crate::domain::{CredentialId, DecisionId, Digest, ExceptionId, HoldId, Timestamp};

/// What happened to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEvent {
    /// A call waits; people are asked.
    Asked,
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// A call was admitted by it; it admits no other.
    Spent,
    /// Nobody answered, or nobody called again, in time.
    Expired,
    /// The yes does not count any more: who gave it may not answer now, or the key that was shown was revoked. Or nobody
    /// can say yes: the arguments were shredded.
    Void,
}

/// What is asked: one call of one agent, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldAsk {
    /// SHA-256 over agent, person, server, tool, definition, arguments, policy epoch, exception and revision.
    pub action: Digest,
    /// The exception that admits the call if the answer is yes.
    pub exception: ExceptionId,
    /// Its revision.
    pub revision: u32,
    /// Who asked.
    pub caller: Caller,
    /// For what; the arguments are sealed under the decision of the record.
    pub call: Called,
    /// First moment at which it is void, answered or not.
    pub expires: Timestamp,
    /// Where people answer: an address of the administration listener.
    pub page: String,
}

/// Something happened to a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldChange {
    /// When.
    pub at: Timestamp,
    /// The hold.
    pub hold: HoldId,
    /// What.
    pub event: HoldEvent,
    /// The exception.
    pub exception: ExceptionId,
    /// The decision that asked, or that spends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// Who did it: the agent, a person, or the gateway.
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The credential that a person showed to say yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// How that person signed in, if the credential said (`amr`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// What is asked; with [`HoldEvent::Asked`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Arc<HoldAsk>>,
}

/// How a hold stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldState {
    /// Nobody answered yet.
    Open,
    /// This person said yes, with this credential; one whose record does not name it never counts.
    Approved(String, Option<CredentialId>),
    /// This person said no, and why.
    Denied(String, String),
}

impl HoldState {
    /// The state in one word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved(..) => "approved",
            Self::Denied(..) => "denied",
        }
    }
}

/// A hold that is not spent and not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which one.
    pub id: HoldId,
    /// When it was asked.
    pub asked: Timestamp,
    /// The decision that asked.
    pub decision: DecisionId,
    /// What is asked.
    pub ask: Arc<HoldAsk>,
    /// How it stands.
    pub state: HoldState,
}
