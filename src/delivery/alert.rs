//! Records → alerts: which record is worth telling somebody, and in which words. Pure.

use serde_json::{Value, json};

use crate::{
    domain::{Basis, DecisionId, ExceptionId, PersonId, Timestamp},
    evidence::{Intent, Row},
};

/// Every kind of alert, as `alerts.webhooks.<name>.on` names it.
pub const KINDS: [&str; 40] = [
    "exception.used",
    "exception.first_used",
    "exception.break_glass",
    "exception.budget",
    "exception.submitted",
    "exception.analysed",
    "exception.approved",
    "exception.scheduled",
    "exception.rejected",
    "exception.withdrawn",
    "exception.request_expired",
    "exception.activated",
    "exception.suspended",
    "exception.resumed",
    "exception.attested",
    "exception.milestone_met",
    "exception.revoked",
    "exception.finished",
    "exception.expired",
    "exception.exhausted",
    "exception.removal_tested",
    "exception.trial_begun",
    "exception.trial_ended",
    "exception.graduated",
    "exception.reviewed",
    "exception.reminded",
    "exception.changed",
    "control.lost",
    "control.returned",
    "hold.asked",
    "hold.answered",
    "gateway.frozen",
    "gateway.released",
    "signing.changed",
    "store.behind",
    "store.failed",
    "anomaly",
    "alarm",
    "delivery.dead",
    "tool.drifted",
];

/// Goes to every webhook, whatever it asks for: the emergency way in is never used in silence.
pub const ALWAYS: &str = "exception.break_glass";

/// Shares of a budget that are told once they are spent.
const THRESHOLDS: [u64; 3] = [50, 80, 100];

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The sequence number of the record, and what tells its alerts apart where it gives more than one.
    pub id: String,
    /// Which kind, of [`KINDS`].
    pub kind: &'static str,
    /// The record.
    pub record: u64,
    /// When that was.
    pub at: Timestamp,
    /// The exception, if one is concerned.
    pub exception: Option<ExceptionId>,
    /// The decision on the call, and its trace as 32 hex digits.
    pub call: Option<(DecisionId, Option<String>)>,
    /// What happened, in one clause.
    pub summary: String,
    /// The facts.
    pub data: Value,
}

/// What is known of an exception beside its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Who answers for it.
    pub owner: Option<PersonId>,
    /// Who does when the owner cannot.
    pub backup: Option<PersonId>,
    /// Calls of its budget.
    pub calls: Option<u64>,
}

/// The exception whose use a record is.
#[must_use]
pub fn used(row: &Row) -> Option<Intent> {
    if row.index.as_ref().is_some_and(|index| index.kind != "intent" || index.exception.is_none()) {
        return None;
    }
    let crate::evidence::Record::Intent(intent) = serde_json::from_slice(&row.payload).ok()? else { return None };
    intent.charged().is_some().then_some(intent)
}

/// The alerts of a use, of which `before` were charged before it.
#[must_use]
pub fn of_use(seq: u64, intent: &Intent, entry: &Entry, before: u64) -> Vec<Alert> {
    let Some(exception) = intent.charged() else { return Vec::new() };
    let (agent, tool) = (&intent.caller.agent, format!("{}/{}", intent.call.server, intent.call.tool));
    let uses = before + 1;
    let data = json!({
        "decision": intent.decision, "agent": agent, "on_behalf_of": intent.caller.on_behalf_of, "tool": tool,
        "basis": intent.verdict.basis, "pilot": intent.verdict.pilot, "uses": uses, "calls": entry.calls,
        "owner": entry.owner, "arguments": intent.call.arguments.digest,
    });
    let alert = |id: String, kind, summary| Alert {
        id,
        kind,
        record: seq,
        at: intent.at,
        exception: Some(exception.clone()),
        call: Some((intent.decision.clone(), intent.caller.trace.clone())),
        summary,
        data: data.clone(),
    };
    let mut alerts =
        vec![alert(seq.to_string(), "exception.used", format!("{agent} calls {tool} under {exception}, use {uses}"))];
    if before == 0 {
        let summary = format!("{agent} calls {tool} under {exception} for the first time");
        alerts.push(alert(format!("{seq}-first"), "exception.first_used", summary));
    }
    if intent.verdict.basis == Basis::BreakGlass {
        let summary = format!("{agent} calls {tool} by break-glass, {exception}");
        alerts.push(alert(format!("{seq}-break-glass"), ALWAYS, summary));
    }
    let calls = entry.calls.filter(|calls| *calls > 0).unwrap_or(u64::MAX);
    let spent = |uses: u64, share: u64| u128::from(uses) * 100 >= u128::from(share) * u128::from(calls);
    for share in THRESHOLDS.into_iter().filter(|share| spent(uses, *share) && !spent(before, *share)) {
        let summary = format!("{share} % of the budget of {exception} is spent: {uses} of {calls} calls");
        alerts.push(alert(format!("{seq}-budget-{share}"), "exception.budget", summary));
    }
    alerts
}

/// The alert of a record that is no use of an exception, if it is worth one.
#[must_use]
pub fn of_record(row: &Row) -> Option<Alert> {
    const TOLD: [&str; 7] = ["lifecycle", "alarm", "freeze", "control", "hold", "delivery", "signing"];
    if row.index.as_ref().is_some_and(|index| !TOLD.contains(&index.kind.as_str())) {
        return None;
    }
    let record: Value = serde_json::from_slice(&row.payload).ok()?;
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, summary) = match text("kind") {
        "lifecycle" => lifecycle(&record),
        "alarm" => (about(text("about")), text("detail").to_owned()),
        "freeze" if record.get("frozen") == Some(&Value::Bool(true)) => {
            ("gateway.frozen", format!("{} refuses every call: {}", text("actor"), text("reason")))
        }
        "freeze" => ("gateway.released", format!("{} ends the freeze: {}", text("actor"), text("reason"))),
        "signing" => {
            let lost = if record.get("signed_by_old").is_none() { ", and the old one was LOST" } else { "" };
            let summary = format!("another key signs the log, {}{lost}: {}", text("new"), text("reason"));
            ("signing.changed", summary)
        }
        "control" => control(&record),
        "hold" => hold(&record)?,
        // One that tells of a dead letter and dies itself is not told again, or two faulty receivers would feed each other.
        "delivery" if text("event") == "dead" && text("alert") != "delivery.dead" => {
            let summary = format!("`{}` refuses the event {}: {}", text("destination"), text("id"), text("detail"));
            ("delivery.dead", summary)
        }
        _ => return None,
    };
    let at = record.get("at").and_then(Value::as_str)?.parse().ok()?;
    let exception = record.get("exception").and_then(Value::as_str).and_then(|id| id.parse().ok());
    Some(Alert {
        id: row.seq.to_string(),
        kind,
        record: row.seq,
        at,
        exception,
        call: None,
        summary,
        data: short(record),
    })
}

fn lifecycle(record: &Value) -> (&'static str, String) {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let event = record.pointer("/event/event").and_then(Value::as_str).unwrap_or_default();
    let named = format!("exception.{event}");
    let kind = KINDS.into_iter().find(|kind| *kind == named).unwrap_or("exception.changed");
    let why = record.pointer("/event/reason").and_then(Value::as_str).unwrap_or_default();
    let parts = [text("exception"), event, why, "by", text("actor"), text("reason")];
    (kind, parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

fn about(alarm: &str) -> &'static str {
    match alarm {
        "control_unhealthy" | "control_lost" => "control.lost",
        "control_healthy" | "control_returned" | "control_restored" => "control.returned",
        "store_behind" => "store.behind",
        "store_failed" => "store.failed",
        "tool_drifted" => "tool.drifted",
        "anomaly" => "anomaly",
        _ => "alarm",
    }
}

fn control(record: &Value) -> (&'static str, String) {
    let control = record.get("control").and_then(Value::as_str).unwrap_or_default();
    let works = record.get("healthy").and_then(Value::as_bool).unwrap_or_default();
    if works {
        ("control.returned", format!("the control `{control}` works again"))
    } else {
        ("control.lost", format!("the control `{control}` does not work"))
    }
}

/// Whoever is asked is told where to answer. That a call was made by a yes is told as a use of its exception.
fn hold(record: &Value) -> Option<(&'static str, String)> {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (hold, event, actor) = (text("/hold"), text("/event"), text("/actor"));
    let told = match event {
        "asked" => {
            let (server, tool) = (text("/ask/call/server"), text("/ask/call/tool"));
            let (page, until) = (text("/ask/page"), text("/ask/expires"));
            return Some((
                "hold.asked",
                format!("{actor} waits to call {server}/{tool}; answer until {until} at {page}"),
            ));
        }
        "approved" | "denied" => format!("{hold} was {event} by {actor}"),
        "expired" => format!("{hold} is over: nobody answered, or nobody called again, in time"),
        "void" => format!("the yes to {hold} does not count any more: {}", text("/reason")),
        _ => return None,
    };
    Some(("hold.answered", told))
}

/// The facts of a record without its bulk: a whole spec or analysis is read where it is kept, and so are arguments.
fn short(mut record: Value) -> Value {
    const BULK: [&str; 3] = ["spec", "analysis", "approval"];
    if let Some(event) = record.get_mut("event").and_then(Value::as_object_mut) {
        BULK.into_iter().for_each(|name| drop(event.remove(name)));
    }
    if let Some(arguments) = record.pointer_mut("/ask/call/arguments").and_then(Value::as_object_mut) {
        drop(arguments.remove("sealed"));
    }
    record
}

#[cfg(test)]
mod tests {
    use crate::{
        delivery::alert::of_record,
        evidence::{Record, Row, SigningChange, SigningKey, What},
    };

    #[test]
    fn another_signing_key_is_told_and_a_lost_one_by_name() {
        let key = || SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
        let (old, new) = (key(), key());
        let new_name = new.verifying().to_string();
        let at = chrono::DateTime::UNIX_EPOCH;
        let what = || What { at, seq: 7, actor: "ada".to_owned(), reason: "so it is".to_owned() };
        for (change, lost) in [
            (SigningChange::handover(what(), &old, &new), false),
            (SigningChange::lost(what(), old.verifying(), &new), true),
        ] {
            let payload = Record::Signing(change.unwrap()).encode().unwrap();
            let alert = of_record(&Row { seq: 7, chain: [0; 32], payload, index: None }).unwrap();
            assert_eq!((alert.kind, alert.record), ("signing.changed", 7));
            assert!(alert.summary.contains(&new_name) && alert.summary.contains("LOST") == lost, "{}", alert.summary);
        }
    }
}
