//! What an agent does not use to do: seen in the stream of decisions, with bounded memory. Pure.

use std::{collections::BTreeMap, time::Duration};

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
        let (time, day) = (local.time(), local.weekday());
        if self.from <= self.to {
            return self.from <= time && time < self.to && self.days.contains(&day);
        }
        // The hours after midnight are those of the day on which they began.
        self.from <= time && self.days.contains(&day) || time < self.to && self.days.contains(&day.pred())
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
/// Tools, and shapes of each, that are remembered of a pair; again the one that was silent longest is forgotten.
const EACH: usize = 256;
/// Calls of a tool before a new shape of its arguments is news.
const SETTLED: u32 = 5;
/// Minutes of a baseline before it counts.
const MINUTES: u32 = 5;
/// Weight of a new minute in the trailing mean.
const WEIGHT: f64 = 0.1;

/// The place of a decision among those that were seen: what has the smallest was silent longest, whatever the clock
/// says.
type Turn = u64;

#[derive(Debug, Default)]
struct Habit {
    last: Turn,
    tools: BTreeMap<ToolRef, Tool>,
    minute: i64,
    count: u32,
    mean: f64,
    minutes: u32,
}

#[derive(Debug, Default)]
struct Tool {
    last: Turn,
    calls: u32,
    shapes: BTreeMap<String, Turn>,
}

/// Refusals of one agent in a row.
#[derive(Debug, Default)]
struct Streak {
    last: Turn,
    row: u32,
}

/// What was seen so far.
#[derive(Debug)]
pub struct Anomalies {
    unusual: Unusual,
    turn: Turn,
    habits: BTreeMap<(AgentId, ExceptionId), Habit>,
    refused: BTreeMap<AgentId, Streak>,
    told: BTreeMap<String, Timestamp>,
}

impl Anomalies {
    /// Nothing was seen yet.
    #[must_use]
    pub const fn new(unusual: Unusual) -> Self {
        Self { unusual, turn: 0, habits: BTreeMap::new(), refused: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Learns from one decision, and says what is unusual about it.
    pub fn see(&mut self, seen: &Seen) -> Vec<Anomaly> {
        let mut found = self.learn(seen);
        found.retain(|anomaly| self.news(seen, anomaly.kind));
        found
    }

    /// Learns from one decision, and says what is unusual about it even if that was told before. Nothing counts as
    /// told.
    pub fn learn(&mut self, seen: &Seen) -> Vec<Anomaly> {
        self.turn += 1;
        let mut found = Vec::new();
        found.extend(self.streak(seen));
        if let (Some(exception), Some(tool), false) = (&seen.exception, &seen.tool, seen.refused) {
            found.extend(self.off_hours(seen, exception));
            let key = (seen.agent.clone(), exception.clone());
            let turn = self.turn;
            let habit = room(&mut self.habits, key, KEYS, |habit| habit.last);
            habit.last = turn;
            found.extend(first_seen(habit, seen, exception, tool));
            found.extend(rate(habit, seen, exception, &self.unusual));
        }
        found
    }

    /// An alarm of this kind about this decision is on record.
    pub fn told(&mut self, seen: &Seen, kind: &str) {
        if self.told.len() >= KEYS {
            let oldest = self.told.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| self.told.remove(&oldest));
        }
        self.told.insert(about(seen, kind), seen.at);
    }

    fn streak(&mut self, seen: &Seen) -> Option<Anomaly> {
        if !seen.refused {
            self.refused.remove(&seen.agent);
            return None;
        }
        let streak = room(&mut self.refused, seen.agent.clone(), KEYS, |streak| streak.last);
        streak.last = self.turn;
        streak.row = streak.row.saturating_add(1);
        let row = streak.row;
        (row >= self.unusual.refusals).then(|| Anomaly {
            kind: "refusals",
            exception: seen.exception.clone(),
            detail: format!("{row} calls of `{}` were refused in a row", seen.agent),
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
    fn news(&mut self, seen: &Seen, kind: &str) -> bool {
        let quiet = TimeDelta::from_std(self.unusual.quiet).unwrap_or(TimeDelta::MAX);
        self.told.retain(|_, at| seen.at - *at < quiet);
        if self.told.contains_key(&about(seen, kind)) {
            return false;
        }
        self.told(seen, kind);
        true
    }
}

/// What an alarm is about. A streak is one whichever exceptions were passed over in it.
fn about(seen: &Seen, kind: &str) -> String {
    let exception = seen.exception.as_ref().filter(|_| kind != "refusals").map_or("", ExceptionId::as_str);
    let tool = seen.tool.as_ref().filter(|_| kind.starts_with("first_seen"));
    let tool = tool.map(ToString::to_string).unwrap_or_default();
    format!("{kind} {exception} {tool} {}", seen.agent)
}

/// The value of a key, new if it has none; then the one that was silent longest makes room for it.
fn room<K: Ord + Clone, V: Default>(
    map: &mut BTreeMap<K, V>,
    key: K,
    most: usize,
    last: impl Fn(&V) -> Turn,
) -> &mut V {
    if map.len() >= most && !map.contains_key(&key) {
        let silent = map.iter().min_by_key(|(_, value)| last(value)).map(|(key, _)| key.clone());
        silent.and_then(|silent| map.remove(&silent));
    }
    map.entry(key).or_default()
}

fn first_seen(habit: &mut Habit, seen: &Seen, exception: &ExceptionId, tool: &ToolRef) -> Option<Anomaly> {
    let anomaly = |kind, what: String| Anomaly { kind, exception: Some(exception.clone()), detail: what };
    let (agent, others, turn) = (&seen.agent, !habit.tools.is_empty(), habit.last);
    let known = room(&mut habit.tools, tool.clone(), EACH, |tool| tool.last);
    known.last = turn;
    known.calls = known.calls.saturating_add(1);
    let new_shape = seen.shape.as_ref().filter(|shape| !known.shapes.contains_key(*shape));
    if let Some(shape) = &seen.shape {
        *room(&mut known.shapes, shape.clone(), EACH, |last| *last) = turn;
    }
    if known.calls == 1 {
        let what = || format!("`{agent}` calls `{tool}` under {exception} for the first time");
        return others.then(|| anomaly("first_seen_tool", what()));
    }
    let shape = new_shape?;
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
