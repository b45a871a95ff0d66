//! What the journal says of calls and exceptions, added up row by row.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{DecisionId, ExceptionId, PersonId, Timestamp},
    evidence::{Index, Intent, Lifecycle, Pruned, Record, Row},
};

/// Days that are kept, the newest.
const DAYS: usize = 3_660;
/// Exceptions that are followed.
const EXCEPTIONS: usize = 100_000;
/// Calls under exceptions that wait for their outcome.
const OPEN: usize = 10_000;

/// The decisions of one day (UTC). A later round of a call is no decision of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// Calls that a role allowed.
    pub by_role: u64,
    /// Calls that an exception admitted.
    pub by_exception: u64,
    /// Calls that were refused.
    pub refused: u64,
}

/// What the journal says of one exception.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// When it was first asked for.
    pub submitted: Option<Timestamp>,
    /// Calls that were charged, less those that were given back.
    pub used: u64,
    /// Refusals that name it.
    pub refused: u64,
    /// The last call that it admitted, a later round of one included.
    pub last_call: Option<Timestamp>,
    /// The last word of its owner.
    pub attested: Option<(Timestamp, PersonId)>,
    /// When a person ended it.
    pub revoked: Option<Timestamp>,
    /// Calls that were admitted after the record of its end.
    pub calls_after_end: u64,
    /// Milliseconds from its revocation to the end of the last call that was then under way.
    pub settled_ms: u64,
    ended: bool,
}

/// Adds up the journal. Rows come in order; those that were read are not read again.
#[derive(Debug, Clone)]
pub struct Tally {
    next: u64,
    days: BTreeMap<NaiveDate, Day>,
    facts: BTreeMap<ExceptionId, Facts>,
    open: HashMap<DecisionId, ExceptionId>,
    complete: bool,
    gone: Option<Gone>,
}

/// Records that were removed when their time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// How many.
    pub records: u64,
    /// When the youngest of them was made.
    pub until: Timestamp,
}

impl Gone {
    /// With one more, which was made then.
    pub(super) fn with(gone: Option<Self>, at: Timestamp) -> Option<Self> {
        let Self { records, until } = gone.unwrap_or(Self { records: 0, until: at });
        Some(Self { records: records + 1, until: until.max(at) })
    }

    /// In one sentence.
    #[must_use]
    pub fn told(&self) -> String {
        let until = self.until.format("%Y-%m-%d");
        format!("{} records of traffic, the youngest of {until}, were removed when their time was over", self.records)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            next: 1,
            days: BTreeMap::new(),
            facts: BTreeMap::new(),
            open: HashMap::new(),
            complete: true,
            gone: None,
        }
    }
}

impl Tally {
    /// The sequence number of the row that is to come next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Whether everything was counted: no row was missing or unreadable, and no bound was reached.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Records that were removed before they were read here; of them only what is indexed is counted.
    #[must_use]
    pub const fn gone(&self) -> Option<Gone> {
        self.gone
    }

    /// The decisions of each day.
    #[must_use]
    pub const fn days(&self) -> &BTreeMap<NaiveDate, Day> {
        &self.days
    }

    /// What is known of each exception.
    #[must_use]
    pub const fn facts(&self) -> &BTreeMap<ExceptionId, Facts> {
        &self.facts
    }

    /// The exceptions that were asked for, in the order of their ids.
    pub fn submitted(&self) -> impl Iterator<Item = &ExceptionId> {
        self.facts.iter().filter(|(_, facts)| facts.submitted.is_some()).map(|(id, _)| id)
    }

    /// Reads the next row.
    pub fn row(&mut self, row: &Row) {
        if row.seq < self.next {
            return;
        }
        self.complete &= row.seq == self.next;
        self.next = row.seq + 1;
        if let Some(pruned) = row.pruned() {
            return self.removed(&pruned, row.index.as_ref());
        }
        match serde_json::from_slice::<Record>(&row.payload) {
            Ok(record) => self.record(&record),
            Err(_) => self.complete = false,
        }
    }

    fn record(&mut self, record: &Record) {
        if let Record::Intent(intent) = record {
            self.intent(intent);
        } else if let Record::Denial(denial) = record {
            self.day(denial.at).refused += 1;
            if let Some(id) = &denial.verdict.exception {
                self.of(id, |facts| facts.refused += 1);
            }
        } else if let Record::Outcome(outcome) = record {
            self.settle(&outcome.decision, Some(outcome.at));
        } else if let Record::Aborted(aborted) = record {
            self.settle(&aborted.decision, None);
            if let Some(id) = &aborted.refunded {
                self.of(id, |facts| facts.used = facts.used.saturating_sub(1));
            }
        } else if let Record::Recovered(recovered) = record {
            recovered.unknown.iter().for_each(|decision| self.settle(decision, None));
        } else if let Record::Lifecycle(lifecycle) = record {
            self.lifecycle(lifecycle);
        }
    }

    /// Counts what is still indexed of a record that was removed. A later round of a call cannot be told from a call.
    fn removed(&mut self, pruned: &Pruned, index: Option<&Index>) {
        self.complete = false;
        self.gone = Gone::with(self.gone, pruned.at);
        let id = index.and_then(|index| index.exception.as_deref()?.parse::<ExceptionId>().ok());
        let day = self.day(pruned.at);
        match (pruned.kind.as_str(), &id) {
            ("intent", Some(_)) => day.by_exception += 1,
            ("intent", None) => day.by_role += 1,
            ("denial", _) => day.refused += 1,
            _ => {}
        }
        let Some(id) = id else { return };
        self.of(&id, |facts| match pruned.kind.as_str() {
            "intent" => {
                facts.used += 1;
                facts.last_call = facts.last_call.max(Some(pruned.at));
                facts.calls_after_end += u64::from(facts.ended);
            }
            "denial" => facts.refused += 1,
            "aborted" => facts.used = facts.used.saturating_sub(1),
            _ => {}
        });
    }

    fn intent(&mut self, intent: &Intent) {
        let admitted = intent.admitted_by().cloned();
        if intent.continues.is_none() {
            let day = self.day(intent.at);
            match admitted {
                Some(_) => day.by_exception += 1,
                None => day.by_role += 1,
            }
        }
        let Some(id) = admitted else { return };
        if self.open.len() < OPEN {
            self.open.insert(intent.decision.clone(), id.clone());
        } else {
            self.complete = false;
        }
        self.of(&id, |facts| {
            facts.used += u64::from(intent.charged().is_some());
            facts.last_call = facts.last_call.max(Some(intent.at));
            facts.calls_after_end += u64::from(facts.ended);
        });
    }

    /// A call under an exception is over.
    fn settle(&mut self, decision: &DecisionId, at: Option<Timestamp>) {
        let Some(id) = self.open.remove(decision) else { return };
        let Some(at) = at else { return };
        self.of(&id, |facts| {
            let late = facts.revoked.map(|revoked| (at - revoked).num_milliseconds().max(0).unsigned_abs());
            facts.settled_ms = facts.settled_ms.max(late.unwrap_or_default());
        });
    }

    fn lifecycle(&mut self, lifecycle: &Lifecycle) {
        let text = |name: &str| lifecycle.event.get(name).and_then(serde_json::Value::as_str);
        let event = text("event").unwrap_or_default();
        let by = PersonId::from(text("by").unwrap_or(&lifecycle.actor));
        let at = lifecycle.at;
        self.of(&lifecycle.exception, |facts| match event {
            "submitted" => facts.submitted = facts.submitted.or(Some(at)),
            "attested" => facts.attested = Some((at, by)),
            "revoked" => {
                facts.revoked = Some(at);
                facts.ended = true;
            }
            "rejected" | "withdrawn" | "request_expired" | "finished" | "expired" | "graduated" | "superseded" => {
                facts.ended = true;
            }
            _ => {}
        });
    }

    fn day(&mut self, at: Timestamp) -> &mut Day {
        if self.days.len() >= DAYS && !self.days.contains_key(&at.date_naive()) {
            self.days.pop_first();
        }
        self.days.entry(at.date_naive()).or_default()
    }

    fn of(&mut self, id: &ExceptionId, change: impl FnOnce(&mut Facts)) {
        if let Some(facts) = self.facts.get_mut(id) {
            change(facts);
        } else if self.facts.len() < EXCEPTIONS {
            change(self.facts.entry(id.clone()).or_default());
        } else {
            self.complete = false;
        }
    }
}
