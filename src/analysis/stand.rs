//! How a call stands in a world, what changes between two, and how complete that knowledge is.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{RecordedCall, Unjudged};
use crate::domain::{AgentId, Basis, DecisionId, Effect, ExceptionId, Reason, Timestamp, ToolRef, Verdict};

/// Groups of changes that one answer holds.
const GROUPS: usize = 2_000;
/// Decisions that are named as examples of a group.
const EXAMPLES: usize = 3;

/// What was decided, as far as two decisions are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stand {
    /// Yes or no.
    pub effect: Effect,
    /// Which set spoke.
    pub basis: Basis,
    /// Why.
    pub reason: Reason,
    /// The exception that admits it, or came closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
}

impl From<&Verdict> for Stand {
    fn from(verdict: &Verdict) -> Self {
        let Verdict { effect, basis, reason, exception, .. } = verdict;
        Self { effect: *effect, basis: *basis, reason: *reason, exception: exception.clone() }
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.effect == Effect::Allow { self.basis.as_str() } else { self.reason.as_str() };
        write!(f, "{} ({why}", self.effect.as_str())?;
        match &self.exception {
            Some(exception) => write!(f, " {exception})"),
            None => f.write_str(")"),
        }
    }
}

/// Calls of one agent and tool whose decision changes alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The agent.
    pub agent: AgentId,
    /// The tool, as `server/tool`.
    pub tool: String,
    /// What is decided as things stand.
    pub from: Stand,
    /// What would be decided.
    pub to: Stand,
    /// How many calls.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// The first decisions, for `postern explain`.
    pub examples: Vec<DecisionId>,
}

/// Changes, grouped and bounded.
#[derive(Debug, Default)]
pub struct Changes {
    groups: BTreeMap<(AgentId, ToolRef, Stand, Stand), Group>,
    /// Calls whose group had no place any more.
    more: u64,
}

#[derive(Debug)]
struct Group {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    examples: Vec<DecisionId>,
}

impl Changes {
    /// Takes a call whose decision changes.
    pub fn take(&mut self, call: &RecordedCall, from: Stand, to: Stand) {
        let full = self.groups.len() >= GROUPS;
        let group = match self.groups.entry((call.agent().clone(), call.tool.clone(), from, to)) {
            btree_map::Entry::Occupied(entry) => entry.into_mut(),
            btree_map::Entry::Vacant(_) if full => {
                self.more = self.more.saturating_add(1);
                return;
            }
            btree_map::Entry::Vacant(entry) => {
                entry.insert(Group { count: 0, first: call.at, last: call.at, examples: Vec::new() })
            }
        };
        group.count = group.count.saturating_add(1);
        group.first = group.first.min(call.at);
        group.last = group.last.max(call.at);
        if group.examples.len() < EXAMPLES {
            group.examples.push(call.decision.clone());
        }
    }

    /// The groups, the largest first, and how many calls are in none of them.
    #[must_use]
    pub fn finish(self) -> (Vec<Change>, u64) {
        let mut changes: Vec<_> = self
            .groups
            .into_iter()
            .map(|((agent, tool, from, to), Group { count, first, last, examples })| Change {
                agent,
                tool: tool.to_string(),
                from,
                to,
                count,
                first,
                last,
                examples,
            })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.count));
        (changes, self.more)
    }
}

/// How much of what was recorded an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Records from then on were looked at.
    pub since: Timestamp,
    /// Calls that were found.
    pub recorded: u64,
    /// Calls that were judged.
    pub judged: u64,
    /// Calls that could not be judged, by why.
    pub not_judged: BTreeMap<String, u64>,
    /// Calls that a control, a budget or a freeze decided and not the policies; they count for neither side.
    pub aside: u64,
    /// Judged calls whose tool has another definition now.
    pub redefined: u64,
    /// Whether records of the time were left out because there are too many.
    pub truncated: bool,
    /// Judged calls among those that policies decide, in per cent, rounded down.
    pub percent: u8,
}

impl Completeness {
    /// Nothing was looked at yet.
    #[must_use]
    pub const fn new(since: Timestamp) -> Self {
        Self {
            since,
            recorded: 0,
            judged: 0,
            not_judged: BTreeMap::new(),
            aside: 0,
            redefined: 0,
            truncated: false,
            percent: 100,
        }
    }

    /// Notes a call that was judged.
    pub fn judged(&mut self, redefined: bool) {
        self.recorded = self.recorded.saturating_add(1);
        self.judged = self.judged.saturating_add(1);
        self.redefined = self.redefined.saturating_add(u64::from(redefined));
        self.weigh();
    }

    /// Notes a call that could not be judged.
    pub fn missed(&mut self, why: Unjudged) {
        self.recorded = self.recorded.saturating_add(1);
        if why == Unjudged::Aside {
            self.aside = self.aside.saturating_add(1);
        } else {
            let count = self.not_judged.entry(why.as_str().to_owned()).or_default();
            *count = count.saturating_add(1);
        }
        self.weigh();
    }

    /// Whether every call of the time was judged that policies decide.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.truncated && self.not_judged.is_empty()
    }

    fn weigh(&mut self) {
        let of = self.recorded.saturating_sub(self.aside);
        let percent = self.judged.saturating_mul(100).checked_div(of).unwrap_or(100);
        self.percent = u8::try_from(percent).unwrap_or(100);
    }
}
