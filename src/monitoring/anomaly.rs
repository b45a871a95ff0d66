//! What an agent does not use to do: seen in the stream of decisions, with bounded memory. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{Datelike as _, NaiveTime, TimeDelta, Weekday};

use crate::domain::{AgentId, ExceptionId, Timestamp, ToolRef};

/// When people are at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeHours {
    /// From then.
    pub from: NaiveTime,
    /// Until then; earlier than `from` means over midnight.
    pub to: NaiveTime,
    /// On these days.
    pub days: Vec<Weekday>,
    /// Minutes that the local clock is ahead of UTC.
    pub offset_minutes: i32,
}

impl OfficeHours {
    fn open(&self, at: Timestamp) -> bool {
        let local = at.naive_utc() + TimeDelta::minutes(i64::from(self.offset_minutes));
        let time = local.time();
        let within = if self.from <= self.to {
            self.from <= time && time < self.to
        } else {
            self.from <= time || time < self.to
        };
        within && self.days.contains(&local.weekday())
    }
}

/// What is unusual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusual {
    /// A use of an exception outside of these hours.
    pub hours: Option<OfficeHours>,
    /// More calls in a minute than so many times the trailing mean.
    pub rate_factor: u32,
    /// Calls in a minute that are never too many.
    pub rate_floor: u32,
    /// Refusals of one agent in a row.
    pub refusals: u32,
    /// One alarm of a kind about one thing in this time.
    pub quiet: Duration,
}

impl Default for Unusual {
    fn default() -> Self {
        Self { hours: None, rate_factor: 5, rate_floor: 20, refusals: 20, quiet: Duration::from_secs(3_600) }
    }
}

/// One decision, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub agent: AgentId,
    /// The exception that admitted it, if one did.
    pub exception: Option<ExceptionId>,
    /// What was called, if it is a tool.
    pub tool: Option<ToolRef>,
    /// Which arguments were passed, by name and type; absent where nobody can say.
    pub shape: Option<String>,
    /// Whether it was refused.
    pub refused: bool,
}

/// Something that people should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// What kind, in a word.
    pub kind: &'static str,
    /// The exception, if it is about its use.
    pub exception: Option<ExceptionId>,
    /// What was seen, in one clause.
    pub detail: String,
}

/// Pairs of agent and exception that are remembered; beyond them the one that was silent longest is forgotten.
const KEYS: usize = 4_096;
/// Tools, and shapes of each, that are remembered of a pair.
const EACH: usize = 256;
/// Calls of a tool before a new shape of its arguments is news.
const SETTLED: u32 = 5;
/// Minutes of a baseline before it counts.
const MINUTES: u32 = 5;
/// Weight of a new minute in the trailing mean.
const WEIGHT: f64 = 0.1;

#[derive(Debug, Default)]
struct Habit {
    last: Timestamp,
    tools: BTreeMap<ToolRef, Tool>,
    minute: i64,
    count: u32,
    mean: f64,
    minutes: u32,
}

#[derive(Debug, Default)]
struct Tool {
    calls: u32,
    shapes: BTreeSet<String>,
}

/// What was seen so far.
#[derive(Debug)]
pub struct Anomalies {
    unusual: Unusual,
    habits: BTreeMap<(AgentId, ExceptionId), Habit>,
    refused: BTreeMap<AgentId, u32>,
    told: BTreeMap<String, Timestamp>,
}

impl Anomalies {
    /// Nothing was seen yet.
    #[must_use]
    pub const fn new(unusual: Unusual) -> Self {
        Self { unusual, habits: BTreeMap::new(), refused: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Learns from one decision, and says what is unusual about it.
    pub fn see(&mut self, seen: &Seen) -> Vec<Anomaly> {
        let mut found = Vec::new();
        found.extend(self.streak(seen));
        if let (Some(exception), Some(tool), false) = (&seen.exception, &seen.tool, seen.refused) {
            found.extend(self.off_hours(seen, exception));
            let key = (seen.agent.clone(), exception.clone());
            if !self.habits.contains_key(&key) && self.habits.len() >= KEYS {
                let oldest = self.habits.iter().min_by_key(|(_, habit)| habit.last).map(|(key, _)| key.clone());
                oldest.and_then(|oldest| self.habits.remove(&oldest));
            }
            let habit = self.habits.entry(key).or_default();
            habit.last = seen.at;
            found.extend(first_seen(habit, seen, exception, tool));
            found.extend(rate(habit, seen, exception, &self.unusual));
        }
        found.retain(|anomaly| self.news(seen, anomaly));
        found
    }

    fn streak(&mut self, seen: &Seen) -> Option<Anomaly> {
        if !seen.refused {
            self.refused.remove(&seen.agent);
            return None;
        }
        if self.refused.len() >= KEYS && !self.refused.contains_key(&seen.agent) {
            self.refused.pop_first();
        }
        let row = self.refused.entry(seen.agent.clone()).or_default();
        *row = row.saturating_add(1);
        let detail = || format!("{row} calls of `{}` were refused in a row", seen.agent);
        (*row == self.unusual.refusals).then(|| Anomaly {
            kind: "refusals",
            exception: seen.exception.clone(),
            detail: detail(),
        })
    }

    fn off_hours(&self, seen: &Seen, exception: &ExceptionId) -> Option<Anomaly> {
        let hours = self.unusual.hours.as_ref().filter(|hours| !hours.open(seen.at))?;
        let detail = format!(
            "`{}` uses {exception} at {}, outside of {} to {}",
            seen.agent,
            seen.at.format("%a %H:%M UTC"),
            hours.from.format("%H:%M"),
            hours.to.format("%H:%M"),
        );
        Some(Anomaly { kind: "off_hours", exception: Some(exception.clone()), detail })
    }

    /// One alarm about one thing in a while, however often it is seen.
    fn news(&mut self, seen: &Seen, anomaly: &Anomaly) -> bool {
        let about = anomaly.exception.as_ref().map_or("", ExceptionId::as_str);
        let tool = seen.tool.as_ref().filter(|_| anomaly.kind.starts_with("first_seen"));
        let tool = tool.map(ToString::to_string).unwrap_or_default();
        let key = format!("{} {} {about} {tool}", anomaly.kind, seen.agent);
        let quiet = TimeDelta::from_std(self.unusual.quiet).unwrap_or(TimeDelta::MAX);
        if self.told.get(&key).is_some_and(|at| seen.at - *at < quiet) {
            return false;
        }
        self.told.retain(|_, at| seen.at - *at < quiet);
        if self.told.len() >= KEYS {
            // So much is unusual that one more says nothing.
            return false;
        }
        self.told.insert(key, seen.at);
        true
    }
}

fn first_seen(habit: &mut Habit, seen: &Seen, exception: &ExceptionId, tool: &ToolRef) -> Option<Anomaly> {
    let anomaly = |kind, what: String| Anomaly { kind, exception: Some(exception.clone()), detail: what };
    let (agent, others) = (&seen.agent, !habit.tools.is_empty());
    if !habit.tools.contains_key(tool) {
        if habit.tools.len() >= EACH {
            habit.tools.pop_first();
        }
        let mut known = Tool { calls: 1, shapes: BTreeSet::new() };
        known.shapes.extend(seen.shape.clone());
        habit.tools.insert(tool.clone(), known);
        let what = || format!("`{agent}` calls `{tool}` under {exception} for the first time");
        return others.then(|| anomaly("first_seen_tool", what()));
    }
    let known = habit.tools.get_mut(tool)?;
    known.calls = known.calls.saturating_add(1);
    let shape = seen.shape.as_ref().filter(|shape| !known.shapes.contains(*shape))?;
    if known.shapes.len() >= EACH {
        known.shapes.pop_first();
    }
    known.shapes.insert(shape.clone());
    let what = || format!("`{agent}` passes `{tool}` the arguments {shape} under {exception} for the first time");
    (known.calls > SETTLED).then(|| anomaly("first_seen_arguments", what()))
}

fn rate(habit: &mut Habit, seen: &Seen, exception: &ExceptionId, unusual: &Unusual) -> Option<Anomaly> {
    let minute = seen.at.timestamp().div_euclid(60);
    if minute != habit.minute {
        if habit.minute != 0 {
            let first = habit.minutes == 0;
            let count = f64::from(habit.count);
            habit.mean = if first { count } else { habit.mean + WEIGHT * (count - habit.mean) };
            // Minutes without a call count as such; beyond an hour of them nothing is left of the mean anyway.
            let empty = (minute - habit.minute - 1).clamp(0, 60);
            habit.mean *= (1.0 - WEIGHT).powi(i32::try_from(empty).unwrap_or(60));
            habit.minutes = habit.minutes.saturating_add(1).saturating_add(u32::try_from(empty).unwrap_or(60));
        }
        (habit.minute, habit.count) = (minute, 0);
    }
    habit.count = habit.count.saturating_add(1);
    let limit = (habit.mean * f64::from(unusual.rate_factor)).max(f64::from(unusual.rate_floor));
    if habit.minutes < MINUTES || f64::from(habit.count) <= limit {
        return None;
    }
    let detail = format!(
        "`{}` makes {} calls in a minute under {exception}; the trailing mean is {:.1}",
        seen.agent, habit.count, habit.mean
    );
    Some(Anomaly { kind: "rate", exception: Some(exception.clone()), detail })
}
