//! What people read in a bundle, made from its records alone and made again when it is verified.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{csv, register::moment};
use crate::{
    domain::{Digest, ExceptionId, Timestamp},
    evidence::{AlarmKind, Lifecycle, Record},
};

/// Makes the views while the records go by.
pub(super) struct Views<W> {
    decisions: W,
    id: ExceptionId,
    revisions: Vec<Value>,
    approvals: Vec<Value>,
    attestations: Vec<Value>,
    events: Vec<Value>,
    alarms: Vec<Value>,
    removal_tests: Vec<Value>,
    trials: Vec<Value>,
    control_health: Vec<Value>,
    counts: [(&'static str, u64); 4],
}

impl<W: Write> Views<W> {
    /// Views of this exception; the table of decisions is written as it goes.
    pub(super) fn begin(id: &ExceptionId, mut decisions: W) -> io::Result<Self> {
        let columns =
            ["seq", "at", "kind", "decision", "agent", "on_behalf_of", "tool", "revision", "reason", "detail"];
        decisions.write_all(csv::line(columns).as_bytes())?;
        let counts = [("intent", 0), ("denial", 0), ("outcome", 0), ("aborted", 0)];
        let (revisions, approvals, attestations) = (Vec::new(), Vec::new(), Vec::new());
        let (events, alarms) = (Vec::new(), Vec::new());
        let (removal_tests, trials, control_health) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            decisions,
            id: id.clone(),
            revisions,
            approvals,
            attestations,
            events,
            alarms,
            removal_tests,
            trials,
            control_health,
            counts,
        })
    }

    /// One more record.
    pub(super) fn record(&mut self, seq: u64, record: &Record) -> io::Result<()> {
        let summary = record.summary();
        if let Some((_, count)) = self.counts.iter_mut().find(|(kind, _)| *kind == summary.kind) {
            *count += 1;
        }
        if let Record::Lifecycle(lifecycle) = record {
            self.lifecycle(seq, lifecycle);
            return Ok(());
        }
        if let Record::Alarm(alarm) = record {
            let told = json!({"seq": seq, "at": alarm.at, "about": alarm.about, "detail": alarm.detail});
            if alarm.about == AlarmKind::ControlUnhealthy {
                self.control_health.push(told.clone());
            }
            self.alarms.push(told);
            return Ok(());
        }
        let Some(decision) = summary.decision else { return Ok(()) };
        let [agent, person, tool, revision, reason, detail] = told(record);
        let cells = [seq.to_string(), precise(summary.at), summary.kind.to_owned(), decision.to_string()];
        let line = csv::line(cells.into_iter().chain([agent, person, tool, revision, reason, detail]));
        self.decisions.write_all(line.as_bytes())
    }

    /// The record of the exception as one document, and where the table of decisions was written to.
    pub(super) fn finish(mut self) -> io::Result<(Vec<u8>, W)> {
        self.decisions.flush()?;
        let counts: Value = self.counts.iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect();
        let whole = json!({
            "exception": self.id,
            "revisions": self.revisions,
            "approvals": self.approvals,
            "attestations": self.attestations,
            "events": self.events,
            "alarms": self.alarms,
            "control_health": self.control_health,
            "removal_tests": self.removal_tests,
            "trials": self.trials,
            "decisions": counts,
        });
        let mut text = serde_json::to_vec_pretty(&whole)?;
        text.push(b'\n');
        Ok((text, self.decisions))
    }

    fn lifecycle(&mut self, seq: u64, lifecycle: &Lifecycle) {
        let event = &lifecycle.event;
        let name = event.get("event").and_then(Value::as_str).unwrap_or_default();
        let part = |key: &str| event.get(key).cloned().unwrap_or_default();
        match name {
            "submitted" => self.revisions.push(json!({
                "seq": seq, "at": lifecycle.at, "revision": part("revision"), "digest": part("digest"),
                "by": part("by"), "record": part("spec"),
            })),
            "approved" => self.approvals.push(json!({"seq": seq, "at": lifecycle.at, "approval": part("approval")})),
            "attested" => self.attestations.push(json!({"seq": seq, "at": lifecycle.at, "by": part("by"),
                "reason": lifecycle.reason})),
            "removal_tested" => self.removal_tests.push(json!({"seq": seq, "at": lifecycle.at,
                "actor": lifecycle.actor, "reason": lifecycle.reason, "test": part("test")})),
            "trial_begun" | "trial_ended" => self.trials.push(json!({"seq": seq, "at": lifecycle.at, "event": name,
                "actor": lifecycle.actor, "percent": part("percent"), "members": part("members"),
                "until": part("until")})),
            "suspended" | "resumed" if event.get("reason").and_then(Value::as_str) == Some("control_unhealthy") => {
                self.control_health.push(json!({"seq": seq, "at": lifecycle.at, "event": name,
                    "actor": lifecycle.actor, "detail": lifecycle.reason}));
            }
            _ => {}
        }
        // The record and the approvals stand above; the event names them by the digest of their text.
        let digest = Digest::of(event.to_string().as_bytes());
        self.events.push(json!({"seq": seq, "version": lifecycle.version, "at": lifecycle.at, "event": name,
            "actor": lifecycle.actor, "reason": lifecycle.reason, "digest": digest}));
    }
}

fn precise(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Agent, person, tool, revision, reason and detail. Arguments are not among them: they stay sealed in the record.
fn told(record: &Record) -> [String; 6] {
    let text = |item: Option<String>| item.unwrap_or_default();
    if let Record::Intent(intent) = record {
        let (caller, verdict) = (&intent.caller, &intent.verdict);
        return [
            caller.agent.to_string(),
            text(caller.on_behalf_of.as_ref().map(ToString::to_string)),
            format!("{}/{}", intent.call.server, intent.call.tool),
            text(verdict.revision.map(|revision| revision.to_string())),
            verdict.reason.as_str().to_owned(),
            text(intent.continues.as_ref().map(|first| format!("continues {first}"))),
        ];
    }
    if let Record::Denial(denial) = record {
        let (caller, verdict) = (&denial.caller, &denial.verdict);
        return [
            caller.agent.to_string(),
            text(caller.on_behalf_of.as_ref().map(ToString::to_string)),
            denial.call.as_ref().map_or_else(|| denial.asked.clone(), |call| format!("{}/{}", call.server, call.tool)),
            text(verdict.revision.map(|revision| revision.to_string())),
            verdict.reason.as_str().to_owned(),
            text(denial.detail.clone()),
        ];
    }
    let mut row: [String; 6] = Default::default();
    let [.., reason, detail] = &mut row;
    if let Record::Outcome(outcome) = record {
        outcome.how.as_str().clone_into(reason);
        *detail = text(outcome.detail.clone());
    } else if let Record::Aborted(aborted) = record {
        *detail = format!("record {} came too late, told {}", aborted.record, moment(aborted.at));
    }
    row
}
