//! Recorded calls in two worlds: what changes from one to the other.

use serde::{Deserialize, Serialize};

use super::{Change, Changes, Completeness, RecordedCall, Stand, Study, Unjudged, World};
use crate::domain::{Effect, Timestamp};

/// Judges each recorded call as things stand and as they would be.
pub struct Replay {
    now: World,
    then: World,
    changes: Changes,
    unchanged: u64,
    drifted: u64,
    gained: u64,
    lost: u64,
    completeness: Completeness,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// What changes, the most frequent first.
    pub changes: Vec<Change>,
    /// Calls that change and are in no group, because there are too many.
    pub more: u64,
    /// Calls that stay as they are.
    pub unchanged: u64,
    /// Calls that would be let through and are not.
    pub gained: u64,
    /// Calls that are let through and would not be.
    pub lost: u64,
    /// Calls whose record says something else than the policies in force say now: those of then are not those of now.
    pub drifted: u64,
    /// How complete this is.
    pub completeness: Completeness,
}

impl Replay {
    /// A replay of the calls since this moment: as things stand, and in the other world.
    #[must_use]
    pub fn new(now: World, then: World, since: Timestamp) -> Self {
        Self {
            now,
            then,
            changes: Changes::default(),
            unchanged: 0,
            drifted: 0,
            gained: 0,
            lost: 0,
            completeness: Completeness::new(since),
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Replayed {
        let Self { changes, unchanged, drifted, gained, lost, completeness, .. } = self;
        let (changes, more) = changes.finish();
        Replayed { changes, more, unchanged, gained, lost, drifted, completeness }
    }

    fn judge(&self, call: &RecordedCall) -> Result<(Stand, Stand), Unjudged> {
        Ok((Stand::from(&self.now.judge(call)?), Stand::from(&self.then.judge(call)?)))
    }
}

impl Study for Replay {
    fn take(&mut self, call: &RecordedCall) {
        let (from, to) = match self.judge(call) {
            Ok(pair) => pair,
            Err(why) => return self.completeness.missed(why),
        };
        let redefined = call.definition != self.then.set().definition(&call.tool).map(|tool| tool.digest);
        self.completeness.judged(redefined);
        self.drifted = self.drifted.saturating_add(u64::from(from != Stand::from(&call.verdict)));
        if from == to {
            self.unchanged = self.unchanged.saturating_add(1);
            return;
        }
        self.gained = self.gained.saturating_add(u64::from(from.effect == Effect::Deny && to.effect == Effect::Allow));
        self.lost = self.lost.saturating_add(u64::from(from.effect == Effect::Allow && to.effect == Effect::Deny));
        self.changes.take(call, from, to);
    }

    fn cut(&mut self) {
        self.completeness.truncated = true;
    }
}
