//! Which records of the journal are about one exception.

use std::collections::HashSet;

use crate::{
    domain::{DecisionId, ExceptionId},
    evidence::{AlarmKind, Index, Record},
};

/// Reads records in order and says of each whether it is about the exception.
#[derive(Debug)]
pub(super) struct Members {
    id: ExceptionId,
    decisions: HashSet<DecisionId>,
    alive: bool,
}

impl Members {
    pub(super) fn of(id: &ExceptionId) -> Self {
        Self { id: id.clone(), decisions: HashSet::new(), alive: false }
    }

    /// Whether this record is about it: what happened to it, what was decided under it and how that ended, alarms
    /// that name it, and controls that failed while it lived.
    pub(super) fn take(&mut self, record: &Record) -> bool {
        // Who signed what: without it, nothing of an earlier key could be verified.
        if matches!(record, Record::Signing(_)) {
            return true;
        }
        let named = record.summary().exception.as_ref() == Some(&self.id);
        if let Record::Intent(intent) = record {
            // Of a later round only the first is charged, so the summary does not name the exception.
            let under = named || intent.verdict.exception.as_ref() == Some(&self.id);
            return under && self.decided(&intent.decision);
        }
        if let Record::Denial(denial) = record {
            return named && self.decided(&denial.decision);
        }
        if let Record::Outcome(outcome) = record {
            return self.decisions.contains(&outcome.decision);
        }
        if let Record::Aborted(aborted) = record {
            return named || self.decisions.contains(&aborted.decision);
        }
        if let Record::Recovered(recovered) = record {
            let unknown = recovered.unknown.iter().any(|decision| self.decisions.contains(decision));
            return unknown || recovered.recounted.contains(&self.id);
        }
        if let Record::Alarm(alarm) = record {
            return named || self.alive && alarm.about == AlarmKind::ControlUnhealthy;
        }
        if let Record::Lifecycle(lifecycle) = record {
            if named {
                self.live(lifecycle.event.get("event").and_then(serde_json::Value::as_str).unwrap_or_default());
            }
            return named;
        }
        named
    }

    /// Whether a record of which only the index is left was about it. Its decision is remembered.
    pub(super) fn has(&mut self, index: Option<&Index>) -> bool {
        let Some(index) = index else { return false };
        let decision = index.decision.as_deref().and_then(|decision| decision.parse::<DecisionId>().ok());
        if index.exception.as_deref() == Some(self.id.as_str()) {
            return decision.is_none_or(|decision| self.decided(&decision));
        }
        decision.is_some_and(|decision| self.decisions.contains(&decision))
    }

    fn decided(&mut self, decision: &DecisionId) -> bool {
        self.decisions.insert(decision.clone());
        true
    }

    fn live(&mut self, event: &str) {
        match event {
            "submitted" => self.alive = true,
            "rejected" | "withdrawn" | "request_expired" | "revoked" | "finished" | "expired" | "exhausted"
            | "graduated" | "superseded" => self.alive = false,
            _ => {}
        }
    }
}
