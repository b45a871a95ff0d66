//! How many exceptions an owner and a channel may have alive at once (I17).

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, DeskError, Exception, Spec};
use crate::domain::{ExceptionId, PersonId, Timestamp};

/// The most live exceptions of one owner and of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SprawlBudget {
    /// Of one owner.
    pub per_owner: usize,
    /// Of one governance channel.
    pub per_channel: usize,
}

impl Default for SprawlBudget {
    fn default() -> Self {
        Self { per_owner: 10, per_channel: 50 }
    }
}

/// Live exceptions beside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Of its owner.
    pub of_owner: usize,
    /// Of its channel.
    pub of_channel: usize,
}

/// Live exceptions by owner and by channel, each with the moment at which it is over by the clock.
#[derive(Default)]
pub(super) struct Sprawl {
    by_owner: BTreeMap<PersonId, BTreeMap<ExceptionId, Timestamp>>,
    by_channel: BTreeMap<String, BTreeMap<ExceptionId, Timestamp>>,
}

impl Sprawl {
    /// Takes notice of how an exception stands now.
    pub(super) fn note(&mut self, exception: &Exception, now: Timestamp) {
        let (spec, id) = (&exception.spec, &exception.id);
        let of_owner = self.by_owner.entry(spec.owner.human.clone()).or_default();
        let of_channel = self.by_channel.entry(spec.channel.clone()).or_default();
        for live in [of_owner, of_channel] {
            live.retain(|_, end| *end > now);
            if exception.is_live(now) {
                live.insert(id.clone(), spec.window.not_after);
            } else {
                live.remove(id);
            }
        }
    }

    /// Live ones beside this and the one that it renews.
    pub(super) fn beside(&self, spec: &Spec, now: Timestamp) -> Live {
        let excused = BTreeSet::from_iter([Some(&spec.id), spec.supersedes.as_ref()].into_iter().flatten());
        let count = |live: Option<&BTreeMap<ExceptionId, Timestamp>>| {
            let live = live.into_iter().flatten();
            live.filter(|(id, end)| **end > now && !excused.contains(id)).count()
        };
        Live {
            of_owner: count(self.by_owner.get(&spec.owner.human)),
            of_channel: count(self.by_channel.get(&spec.channel)),
        }
    }
}

impl Desk {
    /// The most live exceptions from here on.
    pub fn limit(&self, budget: SprawlBudget) {
        self.parts.ledger().budget = budget;
    }

    /// Live exceptions beside this record, and the most that there may be.
    #[must_use]
    pub fn sprawl(&self, spec: &Spec) -> (Live, SprawlBudget) {
        let now = self.parts.clock.now();
        let ledger = self.parts.ledger();
        (ledger.sprawl.beside(spec, now), ledger.budget)
    }

    /// Whether there is room for one more (I17).
    pub(super) fn room(&self, spec: &Spec) -> Result<(), DeskError> {
        let (live, budget) = self.sprawl(spec);
        let full = |whose: &str, count: usize, most: usize| {
            let message = format!("{whose} has {count} live exceptions of at most {most}: end one first");
            Err(DeskError::Conflict(message))
        };
        if live.of_owner >= budget.per_owner {
            return full(&format!("its owner `{}`", spec.owner.human), live.of_owner, budget.per_owner);
        }
        if live.of_channel >= budget.per_channel {
            return full(&format!("its channel `{}`", spec.channel), live.of_channel, budget.per_channel);
        }
        Ok(())
    }
}
