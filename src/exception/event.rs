//! What happened to an exception, and the door to where that is kept.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Approval, Deadline, PilotStore, RemovalTest, Spec};
use crate::domain::{AgentId, Digest, ExceptionId, Fault, PersonId, SuspendReason, Timestamp};

/// One thing that happened. Append-only; when and by whom stand in [`StoredEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A person asked. A later revision voids the approvals of the earlier one.
    Submitted {
        /// From 1, dense.
        revision: u32,
        /// What is asked.
        spec: Box<Spec>,
        /// Its digest; it must be what the spec gives.
        digest: Digest,
        /// The requester.
        by: PersonId,
    },
    /// What the analysis of this revision found, for its approvers.
    Analysed {
        /// SHA-256 over the canonical JSON of the analysis.
        digest: Digest,
        /// The analysis.
        analysis: Box<serde_json::Value>,
    },
    /// A person said yes.
    Approved {
        /// To what, signed.
        approval: Approval,
    },
    /// Enough people said yes: from `not_before` on it is active, with no further event.
    Scheduled,
    /// A person said no.
    Rejected {
        /// Who.
        by: PersonId,
    },
    /// The requester took it back.
    Withdrawn {
        /// Who.
        by: PersonId,
    },
    /// Nobody decided in time.
    RequestExpired,
    /// `not_before` was reached; a note for readers, nothing depends on it.
    Activated,
    /// It must not be used for now.
    Suspended {
        /// Why. Several reasons can hold at once; each is cleared by itself.
        reason: SuspendReason,
        /// The person, if a person did it.
        by: Option<PersonId>,
    },
    /// A reason no longer holds.
    Resumed {
        /// Which.
        reason: SuspendReason,
        /// The person, if a person cleared it.
        by: Option<PersonId>,
    },
    /// The owner, or the backup, says that it is still needed.
    Attested {
        /// Who.
        by: PersonId,
    },
    /// The owner, or the backup, reports that a milestone is met.
    MilestoneMet {
        /// Which, as the record names it.
        name: String,
        /// Who.
        by: PersonId,
    },
    /// A person ended it.
    Revoked {
        /// Who.
        by: PersonId,
    },
    /// The event that it ends on was reported.
    Finished {
        /// Who reported it: a person, or an agent that it names.
        by: String,
    },
    /// A renewal of it has begun.
    Superseded {
        /// The renewal.
        by: ExceptionId,
    },
    /// Its window is over; a note for readers, since the clock decides without it.
    Expired,
    /// Its budget is spent.
    Exhausted,
    /// It was tried on the records what would break without it.
    RemovalTested {
        /// What was found.
        test: RemovalTest,
    },
    /// Some of its agents go without it for a while.
    TrialBegun {
        /// Part of its agents, in per cent.
        percent: u8,
        /// Those agents.
        members: BTreeSet<AgentId>,
        /// Until when; decisions give it back at that moment, with no further event.
        until: Timestamp,
        /// Who began it.
        by: PersonId,
    },
    /// They have it again.
    TrialEnded {
        /// The person, if it was ended before its time.
        by: Option<PersonId>,
    },
    /// A role took over.
    Graduated {
        /// Who said so.
        by: PersonId,
    },
    /// It was reviewed after its end.
    Reviewed {
        /// Who.
        by: PersonId,
    },
    /// People were told of a deadline that comes near.
    Reminded {
        /// What is due.
        of: Deadline,
        /// When.
        due: Timestamp,
        /// How long before that, in seconds.
        ahead_s: i64,
    },
}

impl Event {
    /// The event's name as records and telemetry have it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submitted { .. } => "submitted",
            Self::Analysed { .. } => "analysed",
            Self::Approved { .. } => "approved",
            Self::Scheduled => "scheduled",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn { .. } => "withdrawn",
            Self::RequestExpired => "request_expired",
            Self::Activated => "activated",
            Self::Suspended { .. } => "suspended",
            Self::Resumed { .. } => "resumed",
            Self::Attested { .. } => "attested",
            Self::MilestoneMet { .. } => "milestone_met",
            Self::Revoked { .. } => "revoked",
            Self::Finished { .. } => "finished",
            Self::Superseded { .. } => "superseded",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::RemovalTested { .. } => "removal_tested",
            Self::TrialBegun { .. } => "trial_begun",
            Self::TrialEnded { .. } => "trial_ended",
            Self::Graduated { .. } => "graduated",
            Self::Reviewed { .. } => "reviewed",
            Self::Reminded { .. } => "reminded",
        }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// The exception.
    pub exception: ExceptionId,
    /// The event's place in the exception's history, from 1, dense.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// The person's id, or `postern`.
    pub actor: String,
    /// In the actor's words; may be empty.
    pub reason: String,
    /// What.
    pub event: Event,
}

/// Events that are appended together, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happened, in order; never empty.
    pub events: Vec<Event>,
    /// When.
    pub at: Timestamp,
    /// The person's id, or `postern`.
    pub actor: String,
    /// In the actor's words; may be empty.
    pub reason: String,
}

/// The histories could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else was faster.
    #[error("the exception has changed since it was read: it is at version {found}, not {expected}")]
    Conflict {
        /// The version that was expected.
        expected: u64,
        /// The version that is there.
        found: u64,
    },
    /// The store cannot do it now, or the append may or may not have been kept.
    #[error("the store of exceptions cannot be used now: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Conflict { .. } => Fault::Refused,
            Self::Unavailable(_) => Fault::Unavailable,
        }
    }
}

/// Keeps the histories of exceptions, append-only.
#[async_trait]
pub trait ExceptionStore: PilotStore {
    /// The whole histories of the next exceptions behind `after` in the order of their ids, at most `limit`
    /// exceptions, each history in order. Empty when there are no more.
    async fn load(&self, after: Option<&ExceptionId>, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;

    /// The whole history of one exception, in order; empty if there is none.
    async fn history(&self, id: &ExceptionId) -> Result<Vec<StoredEvent>, StoreError>;

    /// Appends, durably, if the history is at version `expected` (0: there is none); gives the new version.
    async fn append(&self, id: &ExceptionId, expected: u64, change: Change) -> Result<u64, StoreError>;

    /// How many calls of the budget are charged.
    async fn uses(&self, id: &ExceptionId) -> Result<u64, StoreError>;
}
