//! What would break without an exception: every call that it admitted, judged without it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    Change, Changes, Completeness, Filter, RecordedCall, ShadowVerdict, Shadowed, Stand, Study, World, shadow::Shadow,
};
use crate::{
    domain::{AgentId, DecisionId, Digest, Effect, ExceptionId, Reason, Timestamp},
    exception::{Event, RemovalTest, StoredEvent, TestResult},
};

/// So much of what it admitted must have been judged before a test says that nothing breaks.
const ENOUGH: u8 = 95;

/// What one of its agents would lose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Calls that it admitted.
    pub admitted: u64,
    /// Those that would be refused.
    pub would_break: u64,
    /// Calls that were refused while the agent was a member of a trial.
    pub refused_in_trials: u64,
}

/// The report of a removal test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalReport {
    /// The exception.
    pub exception: ExceptionId,
    /// When it was made.
    pub at: Timestamp,
    /// The policies that it was judged under, without the exception.
    pub policy_set: Digest,
    /// Whether those are the policies in force; else they are a candidate.
    pub in_force: bool,
    /// In one word.
    pub result: TestResult,
    /// Recorded calls that it admitted.
    pub admitted: u64,
    /// Those that would be refused without it.
    pub would_break: u64,
    /// Those that something else would admit, by what.
    pub taken_over: BTreeMap<String, u64>,
    /// By agent.
    pub agents: BTreeMap<AgentId, Loss>,
    /// What would break, by agent and tool.
    pub breaks: Vec<Change>,
    /// Calls that would break and are in no group, because there are too many.
    pub more: u64,
    /// When it was last used.
    pub last_use: Option<Timestamp>,
    /// How complete this is.
    pub completeness: Completeness,
    /// What was judged of each call at its time; absent where the exception has not the duty `shadow.evaluate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadowed>,
}

impl RemovalReport {
    /// What is kept of it in the exception's life.
    #[must_use]
    pub fn test(&self) -> Option<RemovalTest> {
        let report = serde_json_canonicalizer::to_vec(self).ok().map(|bytes| Digest::of(&bytes))?;
        Some(RemovalTest {
            result: self.result,
            since: self.completeness.since,
            admitted: self.admitted,
            would_break: self.would_break,
            percent: self.completeness.percent,
            policy_set: self.policy_set,
            report,
        })
    }
}

/// Looks at the calls of one exception.
pub struct RemovalStudy {
    exception: ExceptionId,
    then: World,
    trials: Vec<(Timestamp, Timestamp, BTreeSet<AgentId>)>,
    admitted: u64,
    would_break: u64,
    taken_over: BTreeMap<String, u64>,
    agents: BTreeMap<AgentId, Loss>,
    changes: Changes,
    last_use: Option<Timestamp>,
    completeness: Completeness,
    shadow: Option<Shadow>,
}

impl RemovalStudy {
    /// A study of the calls since this moment. `history` is the exception's, for its trials; `then` is a world, in
    /// which the exception is taken away here.
    #[must_use]
    pub fn new(exception: &ExceptionId, history: &[StoredEvent], then: World, since: Timestamp) -> Self {
        Self {
            exception: exception.clone(),
            then: then.without(exception.clone()),
            trials: trials(history),
            admitted: 0,
            would_break: 0,
            taken_over: BTreeMap::new(),
            agents: BTreeMap::new(),
            changes: Changes::default(),
            last_use: None,
            completeness: Completeness::new(since),
            shadow: None,
        }
    }

    /// The same for an exception with the duty `shadow.evaluate`: what was judged of its calls at their time. A call
    /// without that leaves the test incomplete.
    #[must_use]
    pub fn shadowed(self, known: HashMap<DecisionId, ShadowVerdict>) -> Self {
        Self { shadow: Some(Shadow::of(known)), ..self }
    }

    /// The calls that it looks at.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter { exceptions: BTreeSet::from([self.exception.clone()]), ..Filter::default() }
    }

    /// The report.
    #[must_use]
    pub fn finish(self, at: Timestamp, in_force: bool) -> RemovalReport {
        let shadow = self.shadow.map(|shadow| shadow.found);
        let whole = shadow.as_ref().is_none_or(|shadow| shadow.missing == 0);
        let enough = self.completeness.percent >= ENOUGH && !self.completeness.truncated && whole;
        let result = match (self.would_break, enough) {
            (1.., _) => TestResult::Needed,
            (0, true) => TestResult::Unneeded,
            (0, false) => TestResult::Incomplete,
        };
        let (breaks, more) = self.changes.finish();
        RemovalReport {
            exception: self.exception,
            at,
            policy_set: self.then.set().digest(),
            in_force,
            result,
            admitted: self.admitted,
            would_break: self.would_break,
            taken_over: self.taken_over,
            agents: self.agents,
            breaks,
            more,
            last_use: self.last_use,
            completeness: self.completeness,
            shadow,
        }
    }

    fn in_trial(&self, call: &RecordedCall) -> bool {
        let holds = |(from, until, members): &(Timestamp, Timestamp, BTreeSet<AgentId>)| {
            *from <= call.at && call.at < *until && members.contains(call.agent())
        };
        call.verdict.reason == Reason::ExceptionSuspended && self.trials.iter().any(holds)
    }
}

impl Study for RemovalStudy {
    fn take(&mut self, call: &RecordedCall) {
        let noticed = self.in_trial(call);
        let loss = self.agents.entry(call.agent().clone()).or_default();
        loss.refused_in_trials = loss.refused_in_trials.saturating_add(u64::from(noticed));
        if !call.was_allowed() {
            return;
        }
        loss.admitted = loss.admitted.saturating_add(1);
        self.admitted = self.admitted.saturating_add(1);
        self.last_use = self.last_use.max(Some(call.at));
        if let Some(shadow) = &mut self.shadow {
            shadow.take(&call.decision);
        }
        let to = match self.then.judge(call) {
            Ok(verdict) => Stand::from(&verdict),
            Err(why) => return self.completeness.missed(why),
        };
        self.completeness.judged(call.definition != self.then.set().definition(&call.tool).map(|tool| tool.digest));
        if to.effect == Effect::Allow {
            let count = self.taken_over.entry(to.to_string()).or_default();
            *count = count.saturating_add(1);
            return;
        }
        loss.would_break = loss.would_break.saturating_add(1);
        self.would_break = self.would_break.saturating_add(1);
        self.changes.take(call, Stand::from(&call.verdict), to);
    }

    fn cut(&mut self) {
        self.completeness.truncated = true;
    }
}

/// The trials of a history: from, until, and who.
fn trials(history: &[StoredEvent]) -> Vec<(Timestamp, Timestamp, BTreeSet<AgentId>)> {
    let mut found: Vec<(Timestamp, Timestamp, BTreeSet<AgentId>)> = Vec::new();
    for stored in history {
        if let Event::TrialBegun { members, until, .. } = &stored.event {
            found.push((stored.at, *until, members.clone()));
        } else if let (Event::TrialEnded { .. }, Some((_, until, _))) = (&stored.event, found.last_mut()) {
            *until = (*until).min(stored.at);
        }
    }
    found
}
