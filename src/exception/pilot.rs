//! A pilot: a named set of exceptions over several servers, with one owner, a cohort, an end and a role to aim at.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Change, FoldError, Milestone, Owner, Spec, StoreError};
use crate::domain::{AgentId, Digest, ExceptionId, PersonId, PilotId, RoleName, Timestamp, Window};

/// How a pilot is to become unnecessary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PilotExit {
    /// The role that takes over.
    pub target_role: RoleName,
    /// When it is done.
    pub criteria: String,
    /// Steps on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<Milestone>,
}

/// What a pilot is. It permits nothing by itself: it bounds the exceptions that name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PilotSpec {
    /// Its id, never used again.
    pub id: PilotId,
    /// What people call it.
    pub title: String,
    /// Who answers for it, and for each of its exceptions.
    pub owner: Owner,
    /// Who asks for it; filled in with the person who submits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<PersonId>,
    /// The agents that take part; never empty.
    pub cohort: BTreeSet<AgentId>,
    /// From when to when.
    pub window: Window,
    /// The way out.
    pub exit: PilotExit,
    /// Why.
    pub rationale: String,
    /// Where the work is tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl PilotSpec {
    /// SHA-256 over the canonical JSON (RFC 8785) of the spec.
    ///
    /// # Errors
    /// A value that canonical JSON does not have; a checked pilot never holds one.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self).map(|bytes| Digest::of(&bytes))
    }

    /// In what an exception that names this pilot goes beyond it: the member of the record, and why.
    #[must_use]
    pub fn exceeded_by(&self, spec: &Spec) -> Vec<(&'static str, String)> {
        let mut beyond = Vec::new();
        let id = &self.id;
        if spec.owner.human != self.owner.human {
            beyond.push((
                "/owner/human",
                format!("`{}` owns the pilot `{id}` and each of its exceptions", self.owner.human),
            ));
        }
        for agent in spec.subject.agents.difference(&self.cohort) {
            beyond.push(("/subject/agents", format!("`{agent}` is not in the cohort of the pilot `{id}`")));
        }
        if spec.window.not_before < self.window.not_before {
            beyond.push(("/not_before", format!("the pilot `{id}` begins at {}", moment(self.window.not_before))));
        }
        if spec.window.not_after > self.window.not_after {
            beyond.push(("/not_after", format!("the pilot `{id}` ends at {}", moment(self.window.not_after))));
        }
        let role = spec.exit.as_ref().and_then(|exit| exit.target_role.as_ref());
        if role != Some(&self.exit.target_role) {
            let message = format!("the pilot `{id}` aims at the role `{}`", self.exit.target_role);
            beyond.push(("/exit/target_role", message));
        }
        beyond
    }
}

fn moment(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// One thing that happened to a pilot. Append-only; when and by whom stand in [`StoredPilot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PilotEvent {
    /// A person set it up, or changed it while no exception hung on it.
    Submitted {
        /// From 1, dense.
        revision: u32,
        /// What it is.
        spec: Box<PilotSpec>,
        /// Its digest; it must be what the spec gives.
        digest: Digest,
        /// The requester.
        by: PersonId,
    },
    /// A person ended it, and with it all that was live of its exceptions.
    Ended {
        /// Who.
        by: PersonId,
        /// The exceptions that were revoked in the same act.
        revoked: BTreeSet<ExceptionId>,
    },
}

impl PilotEvent {
    /// The event's name as records have it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submitted { .. } => "submitted",
            Self::Ended { .. } => "ended",
        }
    }
}

/// An event of a pilot as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPilot {
    /// The pilot.
    pub pilot: PilotId,
    /// The event's place in the pilot's history, from 1, dense.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// The person's id.
    pub actor: String,
    /// In the person's words; may be empty.
    pub reason: String,
    /// What.
    pub event: PilotEvent,
}

/// Keeps the histories of pilots, append-only, beside those of exceptions.
#[async_trait]
pub trait PilotStore: Send + Sync {
    /// The histories of all pilots, each in order.
    async fn pilots(&self) -> Result<Vec<StoredPilot>, StoreError>;

    /// Appends, durably and all or nothing, this event of a pilot and these changes of exceptions, each if its
    /// history is at the version that is expected.
    async fn append_pilot(
        &self,
        event: StoredPilot,
        changes: Vec<(ExceptionId, u64, Change)>,
    ) -> Result<(), StoreError>;
}

/// A pilot: what it is, and whether it was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pilot {
    /// Its id.
    pub id: PilotId,
    /// How many events it has.
    pub version: u64,
    /// Which submission this is, from 1.
    pub revision: u32,
    /// The digest of the spec.
    pub digest: Digest,
    /// What it is.
    pub spec: Arc<PilotSpec>,
    /// Who asked.
    pub requester: PersonId,
    /// Who ended it, when and why.
    pub ended: Option<PilotEnd>,
}

/// The end of a pilot by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PilotEnd {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Where a pilot stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PilotPhase {
    /// Its window has not begun.
    Planned,
    /// It is under way.
    Active,
    /// It is over for ever, by the clock or by a person.
    Ended,
}

impl PilotPhase {
    /// The phase as the API has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

impl Pilot {
    /// Folds the whole history of one pilot.
    ///
    /// # Errors
    /// The history is not one that could have happened; such a pilot is never relied on.
    pub fn fold(events: &[StoredPilot]) -> Result<Self, FoldError> {
        let mut pilot: Option<Self> = None;
        for stored in events {
            pilot = Some(Self::then(pilot, stored)?);
        }
        pilot.ok_or(FoldError::Empty)
    }

    fn then(before: Option<Self>, stored: &StoredPilot) -> Result<Self, FoldError> {
        let version = stored.version;
        let broken = || FoldError::Broken(version);
        if version != before.as_ref().map_or(0, |pilot| pilot.version).saturating_add(1)
            || before.as_ref().is_some_and(|pilot| pilot.ended.is_some() || pilot.id != stored.pilot)
        {
            return Err(broken());
        }
        match (&stored.event, before) {
            (PilotEvent::Submitted { revision, spec, digest, by }, before) => {
                let next = before.as_ref().map_or(0, |pilot| pilot.revision).saturating_add(1);
                if *revision != next || spec.id != stored.pilot {
                    return Err(broken());
                }
                if spec.digest().ok() != Some(*digest) || spec.requester.as_ref() != Some(by) {
                    return Err(FoldError::Edited(version));
                }
                let (spec, requester) = (Arc::new(PilotSpec::clone(spec)), by.clone());
                let id = stored.pilot.clone();
                Ok(Self { id, version, revision: *revision, digest: *digest, spec, requester, ended: None })
            }
            (PilotEvent::Ended { by, .. }, Some(pilot)) => {
                let ended = PilotEnd { by: by.clone(), at: stored.at, reason: stored.reason.clone() };
                Ok(Self { version, ended: Some(ended), ..pilot })
            }
            (PilotEvent::Ended { .. }, None) => Err(broken()),
        }
    }

    /// Where it stands at this moment.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> PilotPhase {
        if self.ended.is_some() || now >= self.spec.window.not_after {
            PilotPhase::Ended
        } else if now < self.spec.window.not_before {
            PilotPhase::Planned
        } else {
            PilotPhase::Active
        }
    }
}
