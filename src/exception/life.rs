//! One exception, folded from its events and asked at a moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use super::{
    Deadline, Ending, Event, Hold, RemovalTest, Spec, State, StoredEvent, TransitionError, Trial, Tried, Verifier,
    approval::Vote,
    ceiling::{Ceiling, later},
    trial,
};
use crate::domain::{Digest, ExceptionId, PersonId, SuspendReason, Timestamp};

/// An exception: what was asked (`spec`), and what happened to it since.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exception {
    /// Its id.
    pub id: ExceptionId,
    /// How many events it has; what the next append must expect.
    pub version: u64,
    /// Which submission this is, from 1.
    pub revision: u32,
    /// The digest of the spec.
    pub digest: Digest,
    /// What was asked.
    pub spec: Arc<Spec>,
    /// Who asked.
    pub requester: PersonId,
    /// Where it stands by its events.
    #[serde(flatten)]
    pub state: State,
    /// Whether its beginning was noted.
    pub activated: bool,
    /// Who reviewed it after its end, and when.
    pub review: Option<(PersonId, Timestamp)>,
    /// The milestones that its owner reported as met.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub met: BTreeSet<String>,
    /// What the analysis of this revision found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Arc<serde_json::Value>>,
    /// The last removal test, and when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<(RemovalTest, Timestamp)>,
    /// The trial that was begun last and not ended by an event; over at its end by the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// The last trial, over or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
    /// The last reminder of each deadline: what was due then, and how many seconds before that people were told.
    pub reminded: BTreeMap<Deadline, (Timestamp, i64)>,
}

/// Where an exception stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for people.
    PendingApproval,
    /// Approved; its window has not begun.
    Scheduled,
    /// Can be used.
    Active,
    /// Must not be used for now.
    Suspended(SuspendReason),
    /// Over for ever.
    Ended(Ending),
}

/// A history that no desk wrote: it was changed behind our back, or belongs to another exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// No event at all.
    #[error("the history is empty")]
    Empty,
    /// An event is missing, doubled or of another exception.
    #[error("the history breaks at version {0}: an event is missing, doubled or of another exception")]
    Broken(u64),
    /// The spec is not the one that its digest names (T082).
    #[error("the spec at version {0} is not what its digest names: it was edited")]
    Edited(u64),
    /// An approval for another exception, revision or digest, or one that stands twice (T083).
    #[error("the approval at version {0} is not for this exception, revision and digest, or stands twice")]
    StrayApproval(u64),
    /// A step that the state does not have.
    #[error("the event at version {at} cannot be: {error}")]
    Step {
        /// The event's version.
        at: u64,
        /// What is wrong with it.
        error: TransitionError,
    },
}

/// Folds the whole history of one exception.
///
/// # Errors
/// The history is not one that could have happened; such an exception is never used.
pub fn fold(events: &[StoredEvent]) -> Result<Exception, FoldError> {
    fold_each(events, |_, _| {})
}

/// The same, telling after each event how the exception stands then.
pub(super) fn fold_each(
    events: &[StoredEvent],
    mut each: impl FnMut(&StoredEvent, &Exception),
) -> Result<Exception, FoldError> {
    let (first, rest) = events.split_first().ok_or(FoldError::Empty)?;
    let mut exception = Exception::begin(first)?;
    each(first, &exception);
    let mut nonces = BTreeSet::new();
    for stored in rest {
        if stored.exception != exception.id || stored.version != exception.version.saturating_add(1) {
            return Err(FoldError::Broken(stored.version));
        }
        if let Event::Approved { approval } = &stored.event
            && !nonces.insert(approval.nonce.clone())
        {
            return Err(FoldError::StrayApproval(stored.version));
        }
        exception = exception.then(stored)?;
        each(stored, &exception);
    }
    Ok(exception)
}

impl Exception {
    fn begin(first: &StoredEvent) -> Result<Self, FoldError> {
        let Event::Submitted { revision: 1, spec, digest, by } = &first.event else {
            return Err(FoldError::Broken(first.version));
        };
        if first.version != 1 || first.exception != spec.id {
            return Err(FoldError::Broken(first.version));
        }
        checked(spec, *digest, by, first.version)?;
        Ok(Self {
            id: first.exception.clone(),
            version: 1,
            revision: 1,
            digest: *digest,
            spec: Arc::new(Spec::clone(spec)),
            requester: by.clone(),
            state: State::Pending { since: first.at, approvals: Vec::new() },
            activated: false,
            review: None,
            met: BTreeSet::new(),
            analysis: None,
            tested: None,
            trial: None,
            tried: None,
            reminded: BTreeMap::new(),
        })
    }

    /// The exception after one more event.
    fn then(mut self, stored: &StoredEvent) -> Result<Self, FoldError> {
        let (at, version) = (stored.at, stored.version);
        self.version = version;
        let state = self.state;
        let step = match &stored.event {
            Event::Submitted { revision, spec, digest, by } => {
                let pending = matches!(state, State::Pending { .. });
                if !pending || *revision != self.revision.saturating_add(1) || spec.id != self.id {
                    return Err(FoldError::Broken(version));
                }
                checked(spec, *digest, by, version)?;
                self.revision = *revision;
                self.digest = *digest;
                self.spec = Arc::new(Spec::clone(spec));
                self.requester = by.clone();
                self.analysis = None;
                Ok(State::Pending { since: at, approvals: Vec::new() })
            }
            Event::Analysed { digest, analysis } => {
                if trial::digest(analysis) != Some(*digest) {
                    return Err(FoldError::Edited(version));
                }
                self.analysis = Some(Arc::new(serde_json::Value::clone(analysis)));
                Ok(state)
            }
            Event::RemovalTested { test } => {
                self.tested = Some((test.clone(), at));
                Ok(state)
            }
            Event::TrialBegun { percent, members, until, .. } => {
                if !members.is_subset(&self.spec.subject.agents) {
                    return Err(FoldError::Broken(version));
                }
                self.trial = Some(Trial { members: members.clone(), until: *until });
                self.tried = Some(Tried { percent: *percent, from: at, until: *until });
                state.holds_on("put to a trial")
            }
            Event::TrialEnded { .. } => {
                self.trial = None;
                self.tried.iter_mut().for_each(|tried| tried.until = tried.until.min(at));
                Ok(state)
            }
            Event::Graduated { .. } => state.end(Ending::Graduated, at),
            Event::Approved { approval } => {
                if approval.exception != self.id || approval.revision != self.revision || approval.digest != self.digest
                {
                    return Err(FoldError::StrayApproval(version));
                }
                state.approve(approval.clone())
            }
            Event::Scheduled => state.schedule(self.spec.quorum(), at, self.spec.window.not_before),
            Event::Activated => {
                self.activated = true;
                Ok(state)
            }
            Event::Suspended { reason, by } => state.suspend(*reason, Hold { by: by.clone(), since: at }),
            Event::Resumed { reason, .. } => state.resume(*reason),
            Event::Attested { .. } => state.attest(at),
            Event::MilestoneMet { name, .. } => {
                self.met.insert(name.clone());
                Ok(state)
            }
            Event::Rejected { .. } => state.end(Ending::Rejected, at),
            Event::Withdrawn { .. } => state.end(Ending::Withdrawn, at),
            Event::RequestExpired => state.end(Ending::RequestExpired, at),
            Event::Revoked { .. } => state.end(Ending::Revoked, at),
            Event::Finished { .. } => state.end(Ending::Finished, at),
            Event::Superseded { .. } => state.end(Ending::Superseded, at),
            Event::Expired => state.end(Ending::Expired, at),
            Event::Exhausted => state.end(Ending::Exhausted, at),
            Event::Reminded { of, due, ahead_s } => {
                self.reminded.insert(*of, (*due, *ahead_s));
                Ok(state)
            }
            Event::Reviewed { by } => {
                self.review = Some((by.clone(), at));
                Ok(state)
            }
        };
        self.state = step.map_err(|error| FoldError::Step { at: version, error })?;
        Ok(self)
    }

    /// Where it stands at this moment. Every bound is asked, and the first that is over decides.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        let window = self.spec.window;
        match &self.state {
            State::Ended { how, .. } => Phase::Ended(*how),
            State::Pending { .. } if self.request_ends().is_some_and(|end| now >= end) => {
                Phase::Ended(Ending::RequestExpired)
            }
            State::Pending { .. } => Phase::PendingApproval,
            State::Approved(_) | State::Suspended { .. } if now >= window.not_after => Phase::Ended(Ending::Expired),
            State::Suspended { holds, .. } if !holds.is_empty() => {
                Phase::Suspended(holds.keys().next().copied().unwrap_or(SuspendReason::Manual))
            }
            State::Approved(_) | State::Suspended { .. } => {
                if self.lapses().is_some_and(|lapse| now >= lapse) {
                    Phase::Suspended(SuspendReason::AttestationLapsed)
                } else if self.milestone_due().is_some_and(|due| now >= due) {
                    Phase::Suspended(SuspendReason::MilestoneOverdue)
                } else if now < window.not_before {
                    Phase::Scheduled
                } else {
                    Phase::Active
                }
            }
        }
    }

    /// When the request ends undecided: after the time of its kind, and never after its own window.
    #[must_use]
    pub fn request_ends(&self) -> Option<Timestamp> {
        match &self.state {
            State::Pending { since, .. } => {
                Some(later(*since, Ceiling::of(self.spec.kind).request).min(self.spec.window.not_after))
            }
            State::Approved(_) | State::Suspended { .. } | State::Ended { .. } => None,
        }
    }

    /// From when on it is suspended for want of the owner's word, grace included (I8).
    #[must_use]
    pub fn lapses(&self) -> Option<Timestamp> {
        let attestation = self.spec.attestation?;
        let live = self.state.live()?;
        Some(later(later(live.attested, attestation.every.delta()), attestation.grace.delta()))
    }

    /// When the next milestone that is waited for is due; from then on it is suspended until the owner reports it.
    #[must_use]
    pub fn milestone_due(&self) -> Option<Timestamp> {
        self.spec.overdue(&self.met)
    }

    /// When the clock next brings something that is worth a note in the history; now, if that is due already.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let window = self.spec.window;
        match &self.state {
            State::Pending { .. } => self.request_ends(),
            State::Approved(_) | State::Suspended { .. } => {
                let begins = (!self.activated && matches!(self.state, State::Approved(_))).then_some(window.not_before);
                let lapses = self.lapses().filter(|_| !self.is_held_for(SuspendReason::AttestationLapsed));
                let late = self.milestone_due().filter(|_| !self.is_held_for(SuspendReason::MilestoneOverdue));
                let restored = self.trial.as_ref().map(|trial| trial.until);
                let told = self.next_reminder(now);
                let next = [begins, lapses, late, restored, told].into_iter().flatten().chain([window.not_after]).min();
                next.map(|due| due.max(now))
            }
            State::Ended { how: Ending::Exhausted, .. } if now < window.not_after => Some(window.not_after),
            State::Ended { .. } => None,
        }
    }

    /// Whether its events suspend it for this reason.
    #[must_use]
    pub fn is_held_for(&self, reason: SuspendReason) -> bool {
        matches!(&self.state, State::Suspended { holds, .. } if holds.contains_key(&reason))
    }

    /// Whether it was approved and can still be used, now or later.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        match self.phase(now) {
            Phase::Scheduled | Phase::Active | Phase::Suspended(_) => true,
            Phase::PendingApproval | Phase::Ended(_) => false,
        }
    }

    /// Whether every approval bears our signature and they suffice, for one that was approved (T082, T083).
    #[must_use]
    pub fn is_genuine(&self, verifier: &dyn Verifier) -> bool {
        self.state.live().is_none_or(|live| {
            self.spec.quorum().suffices(live.approvals.iter().map(Vote::then))
                && live.approvals.iter().all(|approval| approval.is_genuine(verifier))
        })
    }
}

/// A spec that is what its digest names, with the requester who submitted it.
fn checked(spec: &Spec, digest: Digest, by: &PersonId, version: u64) -> Result<(), FoldError> {
    if spec.digest().ok() == Some(digest) && spec.requester.as_ref() == Some(by) {
        return Ok(());
    }
    Err(FoldError::Edited(version))
}

impl Phase {
    /// The phase as records, telemetry and the API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingApproval => "pending_approval",
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Suspended(_) => "suspended",
            Self::Ended(how) => how.as_str(),
        }
    }
}
