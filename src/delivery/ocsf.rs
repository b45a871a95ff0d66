//! Records → OCSF 1.8.0 events: one event for each record, and its `metadata.uid` is the record's place in the journal.
//!
//! | record | class |
//! |---|---|
//! | calls, refusals, inquiries, lists, subscriptions | API Activity (6003), profiles `security_control` and `trace` |
//! | reads of evidence by people | the same |
//! | exceptions, pilots, policies, keys, definitions, freezes and what else people do | Entity Management (3004) |
//! | alarms, dead letters, what was found at a start | Detection Finding (2004) |
//! | start and stop of the gateway | Application Lifecycle (6002) |
//!
//! What has no place in these classes stands under `unmapped`, by its name in the record. Arguments are not exported:
//! they are sealed. Reads members by name, so that a kind of record that is added later is exported too.

use serde_json::{Map, Value, json};

use crate::{
    domain::Timestamp,
    evidence::{Pruned, Row},
};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// Who exports.
#[derive(Debug, Clone)]
pub struct Product {
    /// This gateway: its public URL.
    pub source: String,
    /// The program's version.
    pub version: &'static str,
}

/// What is known of a call beside its last record: the record of its beginning.
pub type Begun<'a> = Option<&'a Value>;

/// The event of a record. `begun` is the intent of an outcome.
///
/// # Errors
/// The record is not JSON or has no time: it was damaged.
pub fn event(row: &Row, begun: Begun<'_>, product: &Product) -> Result<Value, String> {
    let record: Value = serde_json::from_slice(&row.payload).map_err(|_| format!("record {} is not JSON", row.seq))?;
    let at: Timestamp = text(&record, "at").parse().map_err(|_| format!("record {} has no time", row.seq))?;
    let gone = row.pruned();
    let kind = if gone.is_some() { "pruned" } else { text(&record, "kind") };
    let Mapped { class, activity, severity, message, members } = match kind {
        "intent" | "denial" | "inquiry" | "listing" | "subscription" => activity_of(&record, kind, &record),
        "read" => reading(&record),
        "outcome" => activity_of(&record, kind, begun.unwrap_or(&record)),
        "alarm" | "recovered" | "aborted" | "delivery" => finding(&record, kind, row.seq),
        "start" => lifecycle(3, "Start", product),
        "stop" => lifecycle(4, "Stop", product),
        "pruned" | "retention" => removal(&record, gone.as_ref(), product),
        _ => entity(&record, kind),
    };
    let (category, class_name, category_name) = match class {
        6003 => (6, "API Activity", "Application Activity"),
        6002 => (6, "Application Lifecycle", "Application Activity"),
        3004 => (3, "Entity Management", "Identity & Access Management"),
        _ => (2, "Detection Finding", "Findings"),
    };
    let decision = text(&record, "decision");
    let mut metadata = json!({
        "version": VERSION, "uid": row.seq.to_string(), "sequence": row.seq, "log_name": "postern.journal",
        "event_code": kind, "original_time": text(&record, "at"),
        "product": {"name": "Postern", "vendor_name": "Postern", "uid": product.source, "version": product.version},
        "profiles": if class == 6003 { vec!["security_control", "trace"] } else { vec!["security_control"] },
    });
    if let Some(members) = metadata.as_object_mut().filter(|_| !decision.is_empty()) {
        members.insert("correlation_uid".to_owned(), decision.into());
    }
    let chain: String = row.chain.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut event = json!({
        "class_uid": class, "class_name": class_name, "category_uid": category, "category_name": category_name,
        "activity_id": activity.0, "activity_name": activity.1, "type_uid": class * 100 + activity.0,
        "severity_id": severity, "severity": SEVERITY.get(severity).copied().unwrap_or("Other"),
        "time": at.timestamp_millis(), "message": message, "metadata": metadata,
        "unmapped": unmapped(record, &chain),
    });
    if let Some(event) = event.as_object_mut() {
        event.extend(members);
    }
    Ok(event)
}

const SEVERITY: [&str; 6] = ["Unknown", "Informational", "Low", "Medium", "High", "Critical"];

struct Mapped {
    class: u64,
    activity: (u64, &'static str),
    severity: usize,
    message: String,
    members: Map<String, Value>,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn members(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

/// What an agent asked; `first` is the record that says who and what.
fn activity_of(record: &Value, kind: &str, first: &Value) -> Mapped {
    let caller = first.get("caller").unwrap_or(&Value::Null);
    let call = first.get("call").unwrap_or(&Value::Null);
    let verdict = first.get("verdict").unwrap_or(&Value::Null);
    let server = if call.is_null() { text(first, "server") } else { text(call, "server") };
    let operation = match kind {
        _ if !call.is_null() => format!("tools/call {server}/{}", text(call, "tool")),
        "denial" => format!("tools/call {}", text(first, "asked")),
        "listing" => first.get("method").and_then(Value::as_str).unwrap_or("tools/list").to_owned(),
        "subscription" => "subscriptions/listen".to_owned(),
        _ => format!("{} {}", text(first, "method"), text(first, "target")),
    };
    let operation = if operation.trim().is_empty() { "unknown".to_owned() } else { operation };
    let refused = kind == "denial";
    let exception = text(verdict, "exception");
    let (action, disposition) = match (refused, exception.is_empty() || refused) {
        (true, _) => ((2, "Denied"), (2, "Blocked")),
        (false, true) => ((1, "Allowed"), (1, "Allowed")),
        (false, false) => ((1, "Allowed"), (8, "Approved")),
    };
    let agent = text(caller, "agent");
    let person = text(caller, "on_behalf_of");
    let user = if person.is_empty() {
        json!({"uid": agent, "name": agent, "type_id": 4, "type": "Service"})
    } else {
        json!({"uid": person, "name": person, "type_id": 1, "type": "User"})
    };
    let mut found = members(json!({
        "actor": {"app_uid": agent, "app_name": agent, "user": user},
        "api": {"operation": operation, "version": text(caller, "protocol"), "service": {"name": server},
            "request": {"uid": text(record, "decision")}},
        "src_endpoint": {"uid": text(caller, "credential"), "name": agent},
        "action_id": action.0, "action": action.1, "disposition_id": disposition.0, "disposition": disposition.1,
        "is_alert": refused || text(verdict, "basis") == "break_glass",
    }));
    if !verdict.is_null() {
        let policy = |id: &str| json!({"decision": action.1, "policy": {"uid": id, "name": id}});
        let determining = verdict.get("determining").and_then(Value::as_array).into_iter().flatten();
        let mut by: Vec<Value> = determining.filter_map(Value::as_str).map(policy).collect();
        if !exception.is_empty() {
            by.push(policy(exception));
        }
        found.insert("authorizations".to_owned(), by.into());
    }
    if !text(caller, "trace").is_empty() {
        found.insert("trace".to_owned(), json!({"uid": text(caller, "trace")}));
    }
    let how = text(record, "how");
    let (activity, status, said) = match kind {
        "intent" => ("Admit", None, format!("admitted: {}", text(verdict, "reason"))),
        "denial" => ("Refuse", Some((2, "Failure")), format!("refused: {}", text(verdict, "reason"))),
        "outcome" if matches!(how, "answered" | "input_required" | "task") => {
            ("End", Some((1, "Success")), how.to_owned())
        }
        "outcome" => ("End", Some((2, "Failure")), format!("{how}: {}", text(record, "detail"))),
        _ => ("Read", Some((1, "Success")), "given out".to_owned()),
    };
    if let Some((id, name)) = status {
        found.insert("status_id".to_owned(), id.into());
        found.insert("status".to_owned(), name.into());
        found.insert("status_detail".to_owned(), said.clone().into());
    }
    if let Some(duration) = record.get("duration_us").and_then(Value::as_u64) {
        found.insert("duration".to_owned(), (duration / 1_000).into());
    }
    let severity = match (text(verdict, "basis"), refused) {
        ("break_glass", _) => 4,
        ("exception", false) => 3,
        (_, true) => 2,
        _ => 1,
    };
    let activity = if activity == "Read" { (2, "Read") } else { (99, activity) };
    Mapped { class: 6003, activity, severity, message: format!("{agent} {operation}: {said}"), members: found }
}

/// What a person read of the evidence.
fn reading(record: &Value) -> Mapped {
    let by = [text(record, "by"), "console session"].into_iter().find(|by| !by.is_empty()).unwrap_or_default();
    let of = [text(record, "exception"), text(record, "decision"), text(record, "what")].join(" ");
    let operation = format!("read {} {}", text(record, "surface"), of.trim());
    let found = members(json!({
        "actor": {"app_name": "Postern", "user": {"uid": by, "name": by, "type_id": 1, "type": "User"}},
        "api": {"operation": operation.trim(), "service": {"name": "postern"}},
        "src_endpoint": {"name": by},
        "action_id": 1, "action": "Allowed", "disposition_id": 1, "disposition": "Allowed",
        "status_id": 1, "status": "Success",
    }));
    let message = format!("{by} {}", operation.trim());
    Mapped { class: 6003, activity: (2, "Read"), severity: 1, message, members: found }
}

/// Something that people or the gateway did to an exception, a policy, a key…
fn entity(record: &Value, kind: &str) -> Mapped {
    let event = record.pointer("/event/event").and_then(Value::as_str).unwrap_or_else(|| text(record, "event"));
    let activity = match (kind, event) {
        (_, "submitted" | "created" | "asked") => (1, "Create"),
        (_, "scheduled" | "activated" | "loaded" | "approved") => (10, "Activate"),
        (_, "suspended" | "trial_begun") => (12, "Suspend"),
        (_, "resumed" | "trial_ended") => (13, "Resume"),
        (_, "revoked" | "finished" | "expired" | "exhausted" | "graduated" | "ended" | "rejected" | "withdrawn") => {
            (11, "Deactivate")
        }
        ("freeze", _) if record.get("frozen") == Some(&Value::Bool(true)) => (12, "Suspend"),
        ("freeze", _) => (13, "Resume"),
        ("lifecycle" | "pilot" | "policy" | "catalog" | "key" | "signing", _) => (3, "Update"),
        _ => (99, "Other"),
    };
    let names = ["exception", "pilot", "credential", "digest", "agent", "server"];
    let name = names.into_iter().map(|member| text(record, member)).find(|name| !name.is_empty()).unwrap_or(kind);
    let actor = [text(record, "actor"), text(record, "person")].into_iter().find(|actor| !actor.is_empty());
    let actor = actor.unwrap_or("postern");
    let reason = [text(record, "reason"), text(record, "detail")].join(" ").trim().to_owned();
    let policy = matches!(kind, "lifecycle" | "pilot" | "policy");
    let entity = if policy {
        json!({"uid": name, "name": name, "type_id": 5, "type": "Policy", "policy": {"uid": name, "name": name}})
    } else {
        json!({"uid": name, "name": name, "type_id": 99, "type": kind})
    };
    let found = members(json!({
        "entity": entity, "comment": reason, "status_id": 1, "status": "Success",
        "actor": {"user": {"uid": actor, "name": actor, "type_id": if actor == "postern" { 4 } else { 1 }}},
    }));
    let severity = if matches!(activity.0, 12) { 3 } else { 1 };
    let what = if event.is_empty() { activity.1 } else { event };
    Mapped {
        class: 3004,
        activity,
        severity,
        message: format!("{actor}: {kind} {name} {what} {reason}"),
        members: found,
    }
}

/// Something that a person must look at.
fn finding(record: &Value, kind: &str, seq: u64) -> Mapped {
    let about = [text(record, "about"), text(record, "event")].into_iter().find(|about| !about.is_empty());
    let title = about.map_or_else(|| kind.to_owned(), |about| format!("{kind}: {about}"));
    let said = text(record, "detail");
    let severity = match about.unwrap_or_default() {
        "store_behind" | "approval_invalid" | "exception_changed" | "witness_refused" => 5,
        _ => 4,
    };
    let found = members(json!({
        "finding_info": {"uid": seq.to_string(), "title": title, "desc": said, "types": [kind],
            "analytic": {"name": "postern", "type_id": 1, "type": "Rule"}},
        "is_alert": true, "status_id": 1, "status": "New",
    }));
    Mapped { class: 2004, activity: (1, "Create"), severity, message: format!("{title} {said}"), members: found }
}

fn lifecycle(id: u64, name: &'static str, product: &Product) -> Mapped {
    let app = json!({"app": {"name": "Postern", "uid": product.source, "version": product.version}});
    Mapped {
        class: 6002,
        activity: (id, name),
        severity: 1,
        message: format!("Postern: {name}"),
        members: members(app),
    }
}

/// Records that were removed, or the place of one.
fn removal(record: &Value, gone: Option<&Pruned>, product: &Product) -> Mapped {
    let message = match gone {
        Some(gone) => {
            format!("the record of kind `{}` was removed when its time was over; record {} says so", gone.kind, gone.by)
        }
        None => {
            let number = |name: &str| record.get(name).and_then(Value::as_u64).unwrap_or_default();
            let (count, through, days) = (number("count"), number("through"), number("days"));
            format!("{count} records of traffic up to record {through} were removed after {days} days")
        }
    };
    Mapped { activity: (99, "Other"), message, ..lifecycle(99, "Other", product) }
}

/// The record without its bulk, and its chain value.
fn unmapped(mut record: Value, chain: &str) -> Value {
    const BULK: [&str; 4] = ["spec", "analysis", "approval", "report"];
    if let Some(event) = record.get_mut("event").and_then(Value::as_object_mut) {
        BULK.into_iter().for_each(|name| drop(event.remove(name)));
    }
    if let Some(arguments) = record.pointer_mut("/call/arguments").and_then(Value::as_object_mut) {
        arguments.remove("sealed");
    }
    if let Some(members) = record.as_object_mut() {
        members.remove("result_sealed");
    }
    json!({"record": record, "chain": chain})
}
