//! What the gateway does by itself about exceptions that may have become unneeded: tests by their plan, and proposals.

use chrono::TimeDelta;

use super::{Deadline, Desk, DeskError, Event, Exception, Notice, Phase, RemovalTest, TestResult, ceiling::later};
use crate::domain::{ExceptionId, Timestamp};

/// Between two removal tests of one exception, whatever its plan says.
const LEAST: TimeDelta = TimeDelta::seconds(5);
/// So long without use, or half of its window if that is shorter, and it is proposed to let it go.
const UNUSED: TimeDelta = TimeDelta::days(30);

/// An exception that looks unneeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unneeded {
    /// Since when.
    pub since: Timestamp,
    /// Why, in words.
    pub why: String,
}

impl Exception {
    /// When its next removal test is due by the plan in its record; none where there is no plan, or it cannot be used.
    #[must_use]
    pub fn test_due(&self, now: Timestamp) -> Option<Timestamp> {
        let every = self.spec.removal?.shadow_every.delta().max(LEAST);
        let last = self.tested.as_ref().map(|(_, at)| *at).or_else(|| self.usable_since(now));
        self.usable_since(now)?;
        last.map(|last| later(last, every))
    }

    /// Whether it was not used for long, or its last removal test found that nothing breaks and it was not used since.
    #[must_use]
    pub fn unneeded(&self, last_use: Option<Timestamp>, now: Timestamp) -> Option<Unneeded> {
        let begun = self.usable_since(now)?;
        let window = self.spec.window;
        let half = window.not_after.signed_duration_since(window.not_before) / 2;
        let idle = last_use.map_or(begun, |used| used.max(begun));
        let since = later(idle, UNUSED.min(half));
        if since <= now {
            return Some(Unneeded { since, why: format!("it was not used since {}", minute(idle)) });
        }
        let (test, at) =
            self.tested.as_ref().filter(|(test, at)| test.result == TestResult::Unneeded && idle <= *at)?;
        let why = format!("its removal test of {} found that nothing breaks ({} per cent)", minute(*at), test.percent);
        Some(Unneeded { since: *at, why })
    }

    /// Since when it could be used, if it can be now or is suspended for a while.
    fn usable_since(&self, now: Timestamp) -> Option<Timestamp> {
        let usable =
            matches!(self.phase(now), Phase::Active | Phase::Suspended(_)) && now >= self.spec.window.not_before;
        let live = self.state.live().filter(|_| usable)?;
        Some(live.since.max(self.spec.window.not_before))
    }

    /// Whether its removal was proposed since it was last used.
    fn was_proposed(&self, last_use: Option<Timestamp>) -> bool {
        self.reminded.get(&Deadline::Removal).is_some_and(|(since, _)| last_use.is_none_or(|used| used <= *since))
    }
}

impl Desk {
    /// The exceptions that were approved and are not over, as far as was noted.
    #[must_use]
    pub fn live_ids(&self) -> Vec<ExceptionId> {
        self.parts.ledger().live()
    }

    /// Keeps what a removal test found that the gateway made because it was due.
    ///
    /// # Errors
    /// It is not live, or the store cannot be used.
    pub async fn tested_by_plan(&self, id: &ExceptionId, test: RemovalTest) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        let change = self.own(vec![Event::RemovalTested { test }], "due by the plan in its record");
        self.append(turn, id, exception.version, change).await
    }

    /// Proposes to let it go, once for each time that it lies idle: on record, and told to its owner. Says whether it
    /// did so now.
    ///
    /// # Errors
    /// It is not live, or the store cannot be used.
    pub async fn propose(&self, id: &ExceptionId, last_use: Option<Timestamp>) -> Result<bool, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        let now = self.parts.clock.now();
        let Some(found) = exception.unneeded(last_use, now).filter(|_| !exception.was_proposed(last_use)) else {
            return Ok(false);
        };
        let event = Event::Reminded { of: Deadline::Removal, due: found.since, ahead_s: 0 };
        let why = format!("it is proposed to let it go: {}", found.why);
        self.append(turn, id, exception.version, self.own(vec![event], &why)).await?;
        let owner = exception.spec.owner.human.clone();
        self.tell(&Notice::Due { exception: id.clone(), owner, deadline: Deadline::Removal, at: found.since });
        Ok(true)
    }
}

fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%MZ").to_string()
}
