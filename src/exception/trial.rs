//! Trying to do without an exception: tests on the records, trials with a part of its agents, and its graduation.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    Desk, DeskError, Event, Exception,
    ceiling::later,
    separation::{is_owner, may},
    steward::steward,
};
use crate::domain::{AgentId, Digest, Duty, ExceptionId, Kind, Person, Timestamp};

/// The longest trial.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// What a removal test found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalTest {
    /// In one word.
    pub result: TestResult,
    /// Calls from then on were looked at.
    pub since: Timestamp,
    /// Recorded calls that it admitted.
    pub admitted: u64,
    /// Those that would be refused without it.
    pub would_break: u64,
    /// Those that could be judged, in per cent.
    pub percent: u8,
    /// The policies without it.
    pub policy_set: Digest,
    /// SHA-256 over the canonical JSON of the whole report.
    pub report: Digest,
}

/// A removal test in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestResult {
    /// Calls would break: it is still needed.
    Needed,
    /// Nothing would break: it can go. Red for a renewal.
    Unneeded,
    /// Too little of what it admitted could be judged. Red for a renewal.
    Incomplete,
}

/// Some of its agents go without it until this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// These.
    pub members: BTreeSet<AgentId>,
    /// Until then.
    pub until: Timestamp,
}

/// A trial of its removal, kept when it is over: a pilot is renewed only after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The part of its agents that was asked for, in per cent.
    pub percent: u8,
    /// When it began.
    pub from: Timestamp,
    /// When it ended, or will end.
    pub until: Timestamp,
}

impl Exception {
    /// Refuses the renewal of a pilot that was never tried without a part of its agents while it could be used. An
    /// exception is approved once, so every trial in its life came after its last approval.
    pub(super) fn canary(&self, now: Timestamp) -> Result<(), String> {
        let (id, spec) = (&self.id, &self.spec);
        if spec.kind != Kind::Pilot {
            return Ok(());
        }
        let percent = spec.removal.and_then(|plan| plan.canary_percent).unwrap_or(1);
        let how = format!("run `postern removal trial {id} --percent {} --minutes N` first", percent.max(10));
        let Some(tried) = self.tried else {
            return Err(format!("a pilot is renewed after a trial of its removal, and `{id}` had none: {how}"));
        };
        if now < tried.until {
            return Err(format!("a trial of the removal of `{id}` is under way until {}: wait for it", tried.until));
        }
        if tried.until <= spec.window.not_before {
            return Err(format!("`{id}` could not be used yet when its removal was tried: {how}"));
        }
        if tried.percent < percent {
            let asked = tried.percent;
            return Err(format!("the trial of `{id}` took {asked} per cent, and its plan says {percent}: {how}"));
        }
        Ok(())
    }
}

impl Trial {
    /// Whether this agent goes without it at this moment.
    #[must_use]
    pub fn holds(&self, agent: &AgentId, now: Timestamp) -> bool {
        now < self.until && self.members.contains(agent)
    }
}

impl Desk {
    /// Keeps what a removal test found.
    ///
    /// # Errors
    /// The person may not, or it is not live.
    pub async fn tested(&self, id: &ExceptionId, by: &Person, test: RemovalTest) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        let registry = self.parts.registry.load_full();
        if !may(&registry, by, Duty::Audit) {
            steward(&exception, by, &registry)?;
        }
        let change = self.change(vec![Event::RemovalTested { test }], by, "");
        self.append(turn, id, exception.version, change).await
    }

    /// Takes it from a part of its agents for a while. The members follow from the exception, its version and their
    /// ids alone, so that nobody picks them; at least one agent is a member.
    ///
    /// # Errors
    /// The person may not, it is not live, a trial is under way, or share and length are out of bounds.
    pub async fn begin_trial(
        &self,
        id: &ExceptionId,
        by: &Person,
        (percent, minutes): (u8, u32),
        reason: &str,
    ) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        steward(&exception, by, &self.parts.registry.load())?;
        let now = self.parts.clock.now();
        let length = TimeDelta::minutes(i64::from(minutes));
        if !(1..=100).contains(&percent) || length < TimeDelta::minutes(1) || length > LONGEST {
            return Err(DeskError::Conflict("a trial takes 1 to 100 per cent, for 1 minute to 24 hours".to_owned()));
        }
        if exception.trial.as_ref().is_some_and(|trial| now < trial.until) {
            return Err(DeskError::Conflict(format!("a trial of `{id}` is under way: wait for its end, or end it")));
        }
        let until = later(now, length);
        if until >= exception.spec.window.not_after {
            return Err(DeskError::Conflict(format!("`{id}` ends before the trial would")));
        }
        let members = members(&exception, percent);
        let event = Event::TrialBegun { percent, members, until, by: by.id.clone() };
        self.append(turn, id, exception.version, self.change(vec![event], by, reason)).await
    }

    /// Gives it back before the time.
    ///
    /// # Errors
    /// The person may not, it is not live, or no trial is under way.
    pub async fn end_trial(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        steward(&exception, by, &self.parts.registry.load())?;
        if exception.trial.as_ref().is_none_or(|trial| self.parts.clock.now() >= trial.until) {
            return Err(DeskError::Conflict(format!("no trial of `{id}` is under way")));
        }
        let event = Event::TrialEnded { by: Some(by.id.clone()) };
        self.append(turn, id, exception.version, self.change(vec![event], by, reason)).await
    }

    /// Ends it because a role took over. Whoever asks has shown that nothing is lost.
    ///
    /// # Errors
    /// The person is neither owner nor security, or it is not live.
    pub async fn graduate(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        let registry = self.parts.registry.load_full();
        if !is_owner(&exception, &by.id, &registry) && !may(&registry, by, Duty::Security) {
            let message = format!("`{}` is not the owner of `{id}` and has not the duty `security`", by.id);
            return Err(DeskError::Forbidden(message));
        }
        let change = self.change(vec![Event::Graduated { by: by.id.clone() }], by, reason);
        self.append(turn, id, exception.version, change).await
    }
}

/// The agents that a trial takes it from, in the order of a digest that nobody chooses.
fn members(exception: &Exception, percent: u8) -> BTreeSet<AgentId> {
    let agents = &exception.spec.subject.agents;
    let version = exception.version.to_be_bytes();
    let mut order: Vec<_> = agents
        .iter()
        .map(|agent| {
            let parts: [&[u8]; 4] = [exception.id.as_str().as_bytes(), b"\0", &version, agent.as_str().as_bytes()];
            (*Digest::of_parts(&parts).as_bytes(), agent)
        })
        .collect();
    order.sort();
    let count = agents.len().saturating_mul(usize::from(percent)).div_ceil(100).max(1);
    order.into_iter().take(count).map(|(_, agent)| agent.clone()).collect()
}

/// SHA-256 over the canonical JSON of a value.
pub(super) fn digest(value: &serde_json::Value) -> Option<Digest> {
    serde_json_canonicalizer::to_vec(value).ok().map(|bytes| Digest::of(&bytes))
}
