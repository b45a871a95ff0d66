//! The port of admission: the one transaction that is the moment of decision.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::Holding;
use crate::{
    domain::{Budget, CredentialId, Digest, ExceptionId, Fault, Reach},
    evidence::{Hold, Inquiry, Intent, Position, Record},
};

/// What an exception pays for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The exception.
    pub exception: ExceptionId,
    /// The revision that was judged.
    pub revision: u32,
    /// The digest of the spec that was judged.
    pub digest: Digest,
    /// How much it may use over its life.
    pub budget: Budget,
    /// Whether an earlier round of the same call was taken from the budget: then it is looked at and not taken again.
    pub paid: bool,
}

/// A call that was decided and now asks to be admitted.
#[derive(Debug, Clone)]
pub struct Admit {
    /// The record that becomes durable.
    pub intent: Intent,
    /// The credential that must still hold.
    pub credential: CredentialId,
    /// The epoch of the policies that decided.
    pub epoch: u64,
    /// What it is taken from, if an exception admits it.
    pub charge: Option<Charge>,
    /// What a person must have said yes to, if the exception demands it.
    pub hold: Option<Holding>,
}

/// An inquiry that was judged and now asks to be admitted.
#[derive(Debug, Clone)]
pub struct AdmitInquiry {
    /// The record that becomes durable.
    pub inquiry: Inquiry,
    /// The credential that must still hold.
    pub credential: CredentialId,
    /// The epoch of the policies that judged.
    pub epoch: u64,
}

/// The call is not admitted; nothing may leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The gateway, or a part of what the call touches, is frozen.
    #[error("it is frozen")]
    Frozen,
    /// The credential was revoked after it was verified.
    #[error("the credential was revoked")]
    CredentialRevoked,
    /// The policies changed after the decision.
    #[error("the policies changed after the decision")]
    Stale,
    /// The budget is spent.
    #[error("the budget of the exception is spent")]
    Exhausted,
    /// The exception is not what was judged: edited, suspended, revoked or ended.
    #[error("the exception is not what was judged: {0}")]
    ExceptionChanged(String),
    /// A person has to say yes first.
    #[error("a person has to say yes first ({})", .0.id)]
    Held(Box<Hold>),
    /// The answer was no, or none came.
    #[error("it is not approved: {0}")]
    NotApproved(String),
    /// The record cannot be made durable now.
    #[error("the record cannot be made durable: {0}")]
    Unavailable(String),
}

impl AdmissionError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Frozen
            | Self::CredentialRevoked
            | Self::Stale
            | Self::Exhausted
            | Self::ExceptionChanged(_)
            | Self::Held(_)
            | Self::NotApproved(_) => Fault::Refused,
            Self::Unavailable(_) => Fault::Unavailable,
        }
    }
}

/// Makes calls and their ends durable.
#[async_trait]
pub trait Admission: Send + Sync {
    /// In one transaction: the intent, the budget, and a check that freeze, credential, policies and exception
    /// are still what they were when the call was decided.
    async fn admit(&self, admit: Admit) -> Result<Position, AdmissionError>;

    /// The same for an inquiry, of which no exception and no budget knows.
    async fn admit_inquiry(&self, admit: AdmitInquiry) -> Result<Position, AdmissionError>;

    /// Whether anything that a request touches is frozen at this moment; [`Self::admit`] looks itself.
    fn is_frozen(&self, request: &Reach<'_>) -> bool;

    /// All calls that wait for a person's yes, or have it and were not made yet.
    fn holds(&self) -> watch::Receiver<Arc<Vec<Hold>>>;

    /// Makes any other record durable.
    async fn record(&self, record: Record) -> Result<Position, AdmissionError>;
}
