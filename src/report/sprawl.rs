//! The measures of exception sprawl.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::{Register, RegisterRow, ReviewState, Tally, csv, register::word};
use crate::domain::{ExceptionId, Timestamp};

/// Exceptions of one age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Age {
    /// In words.
    pub age: String,
    /// How many.
    pub active: u64,
}

/// The decisions of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRow {
    /// The day, UTC.
    pub day: NaiveDate,
    /// Calls that a role allowed.
    pub by_role: u64,
    /// Calls that an exception admitted.
    pub by_exception: u64,
    /// Calls that were refused.
    pub refused: u64,
}

/// The owners' regular word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestations {
    /// Active although the word is overdue; there must be none.
    pub overdue_active: Vec<ExceptionId>,
    /// Suspended for want of it.
    pub lapsed: Vec<ExceptionId>,
    /// Due, and within the grace.
    pub in_grace: Vec<ExceptionId>,
}

/// Renewals among what was approved in the time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extensions {
    /// Exceptions that were approved.
    pub approved: u64,
    /// Those of them that renew another.
    pub renewals: u64,
    /// The share; absent if nothing was approved.
    pub rate: Option<f64>,
}

/// Approved exceptions that ended in the time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Removals {
    /// How many.
    pub ended: u64,
    /// Hours from approval to end, the mean; absent if none ended.
    pub mean_hours: Option<f64>,
}

/// What an analysis found at this moment; the report itself proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// Exceptions that roles imply already.
    pub redundant: Vec<ExceptionId>,
    /// Exceptions that can admit nothing.
    pub dead: Vec<ExceptionId>,
    /// How each of them was found: `solver` (proven for every call), `policies` (read off them) or `recorded calls` (of
    /// its last removal test), and what was found.
    #[serde(default)]
    pub how: BTreeMap<ExceptionId, String>,
    /// Active exceptions that were not looked at, because there are too many.
    #[serde(default)]
    pub not_looked_at: u64,
}

/// Whether the controls of active exceptions work at this moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// Active exceptions all of whose controls work.
    pub fresh: u64,
    /// Their share of the active, in percent; absent if none is active.
    pub percent: Option<f64>,
    /// Controls that do not work, with the exceptions that need them.
    pub failing: BTreeMap<String, Vec<ExceptionId>>,
}

/// From revocation to the last call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// Exceptions that were revoked in the time.
    pub revoked: u64,
    /// Calls that were admitted after the record of an end; there must be none.
    pub calls_after: u64,
    /// Milliseconds until the last call that was under way had ended, the longest.
    pub longest_ms: u64,
}

/// All measures at one moment, over the days up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sprawl {
    /// When it was made.
    pub at: Timestamp,
    /// The last record of the journal that was read for it.
    pub records: u64,
    /// Whether every record was read and every exception counted.
    pub complete: bool,
    /// Records that were removed, of which only what is indexed is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<super::Gone>,
    /// How many days it looks back; the present one is the last, and days begin at 00:00 UTC.
    pub days: u32,
    /// Exceptions ever.
    pub exceptions: u64,
    /// All of them by state.
    pub by_state: BTreeMap<String, u64>,
    /// Active now.
    pub active: u64,
    /// The active by kind.
    pub active_by_kind: BTreeMap<String, u64>,
    /// The active by owner.
    pub active_by_owner: BTreeMap<String, u64>,
    /// The active by time since their approval.
    pub active_by_age: Vec<Age>,
    /// Calls that were allowed.
    pub allows: u64,
    /// Those of them that an exception admitted.
    pub by_exception: u64,
    /// The share of calls through exceptions; absent if none was allowed.
    pub ratio: Option<f64>,
    /// Calls that were refused.
    pub refused: u64,
    /// The same day by day.
    pub by_day: Vec<DayRow>,
    /// The owners' word.
    pub attestations: Attestations,
    /// Renewals.
    pub extensions: Extensions,
    /// Time to removal.
    pub removals: Removals,
    /// Active for that long, and not used in that time.
    pub unused: Vec<ExceptionId>,
    /// Redundant and dead ones; absent if nobody analysed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// Whether controls work; absent if nobody could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// Reviews after the end that are overdue.
    pub reviews_overdue: Vec<ExceptionId>,
    /// From revocation to the last call.
    pub revocations: Revocations,
}

/// What the register does not say.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// How many days to look back, from 1.
    pub days: u32,
    /// Whether each control works, by the id of its duty.
    pub health: Option<&'a BTreeMap<String, bool>>,
    /// What an analysis found.
    pub analysis: Option<&'a Analysis>,
}

impl Sprawl {
    /// The measures of this register.
    #[must_use]
    pub fn of(register: &Register, tally: &Tally, scope: Scope<'_>) -> Self {
        let (rows, at) = (&register.rows, register.at);
        let since = at.checked_sub_days(Days::new(scope.days.saturating_sub(1).into())).unwrap_or(at).date_naive();
        let active: Vec<&RegisterRow> = rows.iter().filter(|row| row.state == "active").collect();
        let by_day = days(tally, since, at.date_naive());
        let by_exception = by_day.iter().map(|day| day.by_exception).sum();
        let allows = by_day.iter().map(|day| day.by_role).sum::<u64>() + by_exception;
        Self {
            at,
            records: register.records,
            complete: register.complete,
            gone: register.gone,
            days: scope.days,
            exceptions: count(rows.len()),
            by_state: counted(rows.iter().map(|row| row.state.clone())),
            active: count(active.len()),
            active_by_kind: counted(active.iter().map(|row| word(&row.kind))),
            active_by_owner: counted(active.iter().map(|row| row.owner.to_string())),
            active_by_age: ages(&active, at),
            allows,
            by_exception,
            ratio: share(by_exception, allows),
            refused: by_day.iter().map(|day| day.refused).sum(),
            by_day,
            attestations: attestations(rows, at),
            extensions: extensions(rows, since),
            removals: removals(rows, since),
            unused: ids(active.iter().copied().filter(|row| is_unused(row, at, scope.days))),
            analysis: scope.analysis.cloned(),
            probes: scope.health.map(|health| probes(&active, health)),
            reviews_overdue: ids(rows.iter().filter(|row| row.review == ReviewState::Overdue)),
            revocations: revocations(rows, tally, since),
        }
    }

    /// The measures as CSV (RFC 4180): measure, of what, value.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = csv::line(["measure", "of", "value"]);
        for (measure, of, value) in self.measures() {
            out.push_str(&csv::line([measure, &of, &value]));
        }
        out
    }

    /// Every measure as text: its name, what it is of, its value. What is not known is `-`.
    #[must_use]
    pub fn measures(&self) -> Vec<(&'static str, String, String)> {
        let mut all: Vec<(&'static str, String, String)> = Vec::new();
        let mut one = |name, value: String| all.push((name, String::new(), value));
        let unknown = || "-".to_owned();
        one("records read", self.records.to_string());
        one("complete", self.complete.to_string());
        one("days", self.days.to_string());
        one("exceptions ever", self.exceptions.to_string());
        one("active", self.active.to_string());
        one("calls allowed", self.allows.to_string());
        one("calls by exception", self.by_exception.to_string());
        one("share by exception", self.ratio.map_or_else(unknown, |share| format!("{share:.4}")));
        one("calls refused", self.refused.to_string());
        one("active with overdue attestation", self.attestations.overdue_active.len().to_string());
        one("suspended for lapsed attestation", self.attestations.lapsed.len().to_string());
        one("attestation due, in grace", self.attestations.in_grace.len().to_string());
        one("approved", self.extensions.approved.to_string());
        one("renewals", self.extensions.renewals.to_string());
        one("extension rate", self.extensions.rate.map_or_else(unknown, |rate| format!("{rate:.4}")));
        one("ended", self.removals.ended.to_string());
        one("mean hours to removal", self.removals.mean_hours.map_or_else(unknown, |hours| format!("{hours:.1}")));
        one("active and unused", self.unused.len().to_string());
        one("redundant", self.analysis.as_ref().map_or_else(unknown, |found| found.redundant.len().to_string()));
        one("dead", self.analysis.as_ref().map_or_else(unknown, |found| found.dead.len().to_string()));
        let fresh = self.probes.as_ref().and_then(|probes| probes.percent);
        one("percent with fresh probes", fresh.map_or_else(unknown, |percent| format!("{percent:.1}")));
        one("post-reviews overdue", self.reviews_overdue.len().to_string());
        one("revoked", self.revocations.revoked.to_string());
        one("calls after an end", self.revocations.calls_after.to_string());
        one("ms from revocation to the end of the last call", self.revocations.longest_ms.to_string());
        let groups = [
            ("by state", &self.by_state),
            ("active by kind", &self.active_by_kind),
            ("active by owner", &self.active_by_owner),
        ];
        for (name, group) in groups {
            all.extend(group.iter().map(|(of, number)| (name, of.clone(), number.to_string())));
        }
        let how = self.analysis.iter().flat_map(|found| &found.how);
        all.extend(how.map(|(id, how)| ("not needed", id.to_string(), how.clone())));
        all.extend(self.active_by_age.iter().map(|age| ("active by age", age.age.clone(), age.active.to_string())));
        all
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A share as a fraction; precise enough for any count of calls.
fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let fraction = |part: u64, whole: u64| part as f64 / whole as f64;
    (whole > 0).then(|| fraction(part, whole))
}

fn counted(words: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

fn ids<'a>(rows: impl Iterator<Item = &'a RegisterRow>) -> Vec<ExceptionId> {
    rows.map(|row| row.id.clone()).collect()
}

fn days(tally: &Tally, since: NaiveDate, until: NaiveDate) -> Vec<DayRow> {
    let all = since.iter_days().take_while(|day| *day <= until);
    all.map(|day| {
        let counts = tally.days().get(&day).copied().unwrap_or_default();
        DayRow { day, by_role: counts.by_role, by_exception: counts.by_exception, refused: counts.refused }
    })
    .collect()
}

fn ages(active: &[&RegisterRow], now: Timestamp) -> Vec<Age> {
    let bounds = [("less than 1 day", 0, 1), ("1 to 7 days", 1, 7), ("7 to 30 days", 7, 30), ("30 to 90 days", 30, 90)];
    let bounds = bounds.into_iter().chain([("90 days and more", 90, i64::MAX)]);
    let age = |row: &RegisterRow| row.approved.map_or(0, |approved| (now - approved).num_days());
    bounds
        .map(|(words, from, to)| {
            let those = active.iter().filter(|row| (from..to).contains(&age(row)));
            Age { age: words.to_owned(), active: count(those.count()) }
        })
        .collect()
}

fn attestations(rows: &[RegisterRow], now: Timestamp) -> Attestations {
    let over = |moment: Option<Timestamp>| moment.is_some_and(|moment| now >= moment);
    let lapsed = |row: &&RegisterRow| row.reason.as_deref() == Some("attestation_lapsed");
    let active = || rows.iter().filter(|row| row.state == "active");
    Attestations {
        overdue_active: ids(active().filter(|row| over(row.attestation_lapses))),
        lapsed: ids(rows.iter().filter(lapsed)),
        in_grace: ids(active().filter(|row| over(row.attestation_due) && !over(row.attestation_lapses))),
    }
}

fn within(moment: Option<Timestamp>, since: NaiveDate) -> bool {
    moment.is_some_and(|moment| moment.date_naive() >= since)
}

fn extensions(rows: &[RegisterRow], since: NaiveDate) -> Extensions {
    let approved: Vec<_> = rows.iter().filter(|row| within(row.approved, since)).collect();
    let renewals = count(approved.iter().filter(|row| row.supersedes.is_some()).count());
    let approved = count(approved.len());
    Extensions { approved, renewals, rate: share(renewals, approved) }
}

fn removals(rows: &[RegisterRow], since: NaiveDate) -> Removals {
    let lives = rows.iter().filter(|row| within(row.ended, since)).filter_map(|row| Some(row.ended? - row.approved?));
    let (mut ended, mut seconds) = (0_u64, 0_u64);
    for life in lives {
        ended += 1;
        seconds += life.num_seconds().max(0).unsigned_abs();
    }
    Removals { ended, mean_hours: share(seconds, ended).map(|mean| mean / 3_600.0) }
}

/// Whether it could be used for so long, and was not.
fn is_unused(row: &RegisterRow, now: Timestamp, days: u32) -> bool {
    let begun = row.approved.map(|approved| approved.max(row.from));
    row.last_call.max(begun).is_some_and(|moment| now - moment >= TimeDelta::days(days.into()))
}

fn probes(active: &[&RegisterRow], health: &BTreeMap<String, bool>) -> Probes {
    let mut failing: BTreeMap<String, Vec<ExceptionId>> = BTreeMap::new();
    let mut fresh = 0;
    for row in active {
        let mut works = true;
        for duty in row.duties.iter().filter(|duty| health.get(*duty) != Some(&true)) {
            failing.entry(duty.clone()).or_default().push(row.id.clone());
            works = false;
        }
        fresh += u64::from(works);
    }
    Probes { fresh, percent: share(fresh, count(active.len())).map(|part| part * 100.0), failing }
}

fn revocations(rows: &[RegisterRow], tally: &Tally, since: NaiveDate) -> Revocations {
    let facts = rows.iter().filter_map(|row| tally.facts().get(&row.id));
    let mut found = Revocations::default();
    for facts in facts {
        found.calls_after += facts.calls_after_end;
        if within(facts.revoked, since) {
            found.revoked += 1;
            found.longest_ms = found.longest_ms.max(facts.settled_ms);
        }
    }
    found
}
