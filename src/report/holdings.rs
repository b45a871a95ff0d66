//! Which kinds of evidence a journal holds, and how much of each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Gone, members::Members, register::word};
use crate::{
    domain::{ExceptionId, Timestamp},
    evidence::{Line, Record},
};

/// How much there is of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// Counts the records of a journal by tags: the kind (`intent`), the kind and what happened (`lifecycle/approved`,
/// `key/revoked`), and what a submitted record holds (`record/deviation`, `record/control`, `record/milestone`,
/// `record/kind/pilot`).
#[derive(Debug, Default)]
pub struct Holdings {
    only: Option<Members>,
    tags: BTreeMap<String, Held>,
    checkpoints: u64,
    gone: Option<Gone>,
}

impl Holdings {
    /// Of the whole journal, or of this exception alone.
    #[must_use]
    pub fn of(exception: Option<&ExceptionId>) -> Self {
        Self { only: exception.map(Members::of), tags: BTreeMap::new(), checkpoints: 0, gone: None }
    }

    /// Reads the next line. A record that cannot be read is no evidence of anything.
    pub fn line(&mut self, line: &Line) {
        let Line::Row(row) = line else {
            self.checkpoints += 1;
            return;
        };
        if let Some(pruned) = row.pruned() {
            let of = self.only.as_mut().is_none_or(|members| members.has(row.index.as_ref()));
            self.gone = if of { Gone::with(self.gone, pruned.at) } else { self.gone };
            return;
        }
        let Ok(record) = serde_json::from_slice::<Record>(&row.payload) else { return };
        if self.only.as_mut().is_some_and(|members| !members.take(&record)) {
            return;
        }
        let summary = record.summary();
        self.add(summary.kind, 1, summary.at);
        if let Record::Lifecycle(lifecycle) = &record {
            let event = lifecycle.event.get("event").and_then(Value::as_str).unwrap_or_default();
            self.add(&format!("lifecycle/{event}"), 1, summary.at);
            if let Some(spec) = lifecycle.event.get("spec") {
                self.spec(spec, summary.at);
            }
        } else if let Record::Alarm(alarm) = &record {
            self.add(&format!("alarm/{}", word(&alarm.about)), 1, summary.at);
        } else if let Record::Key(key) = &record {
            self.add(&format!("key/{}", word(&key.event)), 1, summary.at);
        }
    }

    /// The checkpoints that were passed.
    #[must_use]
    pub const fn checkpoints(&self) -> u64 {
        self.checkpoints
    }

    /// Records that were removed when their time was over; they are evidence of nothing here.
    #[must_use]
    pub const fn gone(&self) -> Option<Gone> {
        self.gone
    }

    pub(super) fn held(&self, tag: &str) -> Option<Held> {
        self.tags.get(tag).copied()
    }

    fn spec(&mut self, spec: &Value, at: Timestamp) {
        let length = |path: &str| {
            let items = spec.pointer(path).and_then(Value::as_array).map_or(0, Vec::len);
            u64::try_from(items).unwrap_or(u64::MAX)
        };
        self.add("record/control", length("/controls"), at);
        self.add("record/milestone", length("/exit/milestones"), at);
        self.add("record/deviation", u64::from(spec.get("deviation").is_some_and(Value::is_object)), at);
        self.add("record/removal", u64::from(spec.get("removal").is_some_and(Value::is_object)), at);
        let kind = spec.get("kind").and_then(Value::as_str).unwrap_or_default();
        self.add(&format!("record/kind/{kind}"), 1, at);
    }

    fn add(&mut self, tag: &str, count: u64, at: Timestamp) {
        if count == 0 {
            return;
        }
        let held = self.tags.entry(tag.to_owned()).or_insert(Held { count: 0, first: at, last: at });
        held.count += count;
        held.first = held.first.min(at);
        held.last = held.last.max(at);
    }
}
