//! The states of an exception and the steps between them; each step consumes the state it leaves.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Approval,
    approval::{Quorum, Vote},
};
use crate::domain::{PersonId, SuspendReason, Timestamp};

/// Where an exception stands by its events alone. The clock is asked apart from this ([`super::Exception::phase`]):
/// a window that is over, an attestation that lapsed and a request that nobody decided need no event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Asked for; some may have said yes, not enough.
    Pending {
        /// When this revision was submitted.
        since: Timestamp,
        /// Who said yes to it so far.
        approvals: Vec<Approval>,
    },
    /// Approved by enough people: scheduled, then active by the clock.
    Approved(Live),
    /// Approved, and not to be used for these reasons. Never without a reason.
    Suspended {
        /// What was approved.
        live: Live,
        /// Why, each with who and when.
        holds: BTreeMap<SuspendReason, Hold>,
    },
    /// Over for ever (I14): no step leads out of here.
    Ended {
        /// How.
        how: Ending,
        /// When.
        at: Timestamp,
        /// What was approved, if it ever was.
        live: Option<Live>,
    },
}

/// The facts of an approved exception.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Live {
    /// The approvals that made it so.
    pub approvals: Vec<Approval>,
    /// When they were complete.
    pub since: Timestamp,
    /// The last word of its owner; at first the later of `since` and the beginning of the window.
    pub attested: Timestamp,
}

/// One reason for a suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The person who suspended it, or nobody: the gateway did.
    pub by: Option<PersonId>,
    /// Since when.
    pub since: Timestamp,
}

/// How an exception ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A person said no.
    Rejected,
    /// The requester took it back.
    Withdrawn,
    /// Nobody decided in time.
    RequestExpired,
    /// Its window is over.
    Expired,
    /// Its budget is spent.
    Exhausted,
    /// A person ended it.
    Revoked,
    /// The event that it ends on was reported.
    Finished,
    /// A role took over.
    Graduated,
    /// Its renewal has begun.
    Superseded,
}

/// The step does not lead out of this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an exception that is {from} cannot be {to}")]
pub struct TransitionError {
    /// The state it is in.
    pub from: &'static str,
    /// Where the step would lead.
    pub to: &'static str,
}

impl State {
    /// The state's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending_approval",
            Self::Approved(_) => "approved",
            Self::Suspended { .. } => "suspended",
            Self::Ended { how, .. } => how.as_str(),
        }
    }

    /// What was approved, if it was.
    #[must_use]
    pub const fn live(&self) -> Option<&Live> {
        match self {
            Self::Pending { .. } => None,
            Self::Approved(live) | Self::Suspended { live, .. } => Some(live),
            Self::Ended { live, .. } => live.as_ref(),
        }
    }

    /// The approvals so far; they count once there are enough.
    #[must_use]
    pub fn approvals(&self) -> &[Approval] {
        match self {
            Self::Pending { approvals, .. } => approvals,
            Self::Approved(_) | Self::Suspended { .. } | Self::Ended { .. } => {
                self.live().map(|live| live.approvals.as_slice()).unwrap_or_default()
            }
        }
    }

    /// Adds one person's yes.
    ///
    /// # Errors
    /// It is not pending, or the person said yes already.
    pub fn approve(self, approval: Approval) -> Result<Self, TransitionError> {
        let from = self.name();
        match self {
            Self::Pending { since, mut approvals } if approvals.iter().all(|a| a.by != approval.by) => {
                approvals.push(approval);
                Ok(Self::Pending { since, approvals })
            }
            Self::Pending { .. } | Self::Approved(_) | Self::Suspended { .. } | Self::Ended { .. } => {
                Err(TransitionError { from, to: "approved by the same person again" })
            }
        }
    }

    /// Closes the request as approved.
    ///
    /// # Errors
    /// It is not pending, or its approvals do not suffice for the kind.
    pub(super) fn schedule(
        self,
        quorum: Quorum<'_>,
        at: Timestamp,
        not_before: Timestamp,
    ) -> Result<Self, TransitionError> {
        let from = self.name();
        match self {
            Self::Pending { approvals, .. } if quorum.suffices(approvals.iter().map(Vote::then)) => {
                Ok(Self::Approved(Live { approvals, since: at, attested: at.max(not_before) }))
            }
            Self::Pending { .. } | Self::Approved(_) | Self::Suspended { .. } | Self::Ended { .. } => {
                Err(TransitionError { from, to: "scheduled without the approvals that its kind needs" })
            }
        }
    }

    /// Stays as it is, if it can be used now or later.
    ///
    /// # Errors
    /// It is not approved.
    pub(super) fn holds_on(self, to: &'static str) -> Result<Self, TransitionError> {
        match self {
            Self::Approved(_) | Self::Suspended { .. } => Ok(self),
            Self::Pending { .. } | Self::Ended { .. } => Err(TransitionError { from: self.name(), to }),
        }
    }

    /// Adds a reason not to use it.
    ///
    /// # Errors
    /// It is not approved.
    pub fn suspend(self, reason: SuspendReason, hold: Hold) -> Result<Self, TransitionError> {
        match self {
            Self::Approved(live) => Ok(Self::Suspended { live, holds: BTreeMap::from([(reason, hold)]) }),
            Self::Suspended { live, mut holds } => {
                holds.entry(reason).or_insert(hold);
                Ok(Self::Suspended { live, holds })
            }
            Self::Pending { .. } | Self::Ended { .. } => Err(TransitionError { from: self.name(), to: "suspended" }),
        }
    }

    /// Clears a reason.
    ///
    /// # Errors
    /// It is not suspended for this reason.
    pub fn resume(self, reason: SuspendReason) -> Result<Self, TransitionError> {
        let from = self.name();
        match self {
            Self::Suspended { live, mut holds } if holds.contains_key(&reason) => {
                holds.remove(&reason);
                Ok(if holds.is_empty() { Self::Approved(live) } else { Self::Suspended { live, holds } })
            }
            Self::Pending { .. } | Self::Approved(_) | Self::Suspended { .. } | Self::Ended { .. } => {
                Err(TransitionError { from, to: "resumed from a suspension that it does not have" })
            }
        }
    }

    /// Takes the owner's word, which also clears a suspension for the lack of it.
    ///
    /// # Errors
    /// It is not approved.
    pub fn attest(self, at: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Approved(live) => Ok(Self::Approved(Live { attested: live.attested.max(at), ..live })),
            Self::Suspended { live, mut holds } => {
                holds.remove(&SuspendReason::AttestationLapsed);
                let live = Live { attested: live.attested.max(at), ..live };
                Ok(if holds.is_empty() { Self::Approved(live) } else { Self::Suspended { live, holds } })
            }
            Self::Pending { .. } | Self::Ended { .. } => Err(TransitionError { from: self.name(), to: "attested" }),
        }
    }

    /// Ends it for ever.
    ///
    /// # Errors
    /// It is over already, or this ending is not one of its state: only a request can be rejected, withdrawn or
    /// left undecided, and only what was approved can expire, be spent, revoked or finished. What is spent can still
    /// be revoked, for the calls that were paid for.
    pub fn end(self, how: Ending, at: Timestamp) -> Result<Self, TransitionError> {
        let of_request = matches!(how, Ending::Rejected | Ending::Withdrawn | Ending::RequestExpired);
        match self {
            Self::Pending { .. } if of_request => Ok(Self::Ended { how, at, live: None }),
            Self::Approved(live) | Self::Suspended { live, .. } if !of_request => {
                Ok(Self::Ended { how, at, live: Some(live) })
            }
            Self::Ended { how: Ending::Exhausted, at: spent, live } if how == Ending::Revoked => {
                Ok(Self::Ended { how, at: spent, live })
            }
            Self::Pending { .. } | Self::Approved(_) | Self::Suspended { .. } | Self::Ended { .. } => {
                Err(TransitionError { from: self.name(), to: how.as_str() })
            }
        }
    }
}

impl Ending {
    /// The ending as records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::RequestExpired => "request_expired",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Revoked => "revoked",
            Self::Finished => "finished",
            Self::Graduated => "graduated",
            Self::Superseded => "superseded",
        }
    }
}
