//! The smallest exception that would have admitted a refused call.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::visit::Visit;
use crate::catalog::Tool;

/// How long people can ask about a refusal.
const ASKABLE: TimeDelta = TimeDelta::hours(24);

/// Where and how to ask: the AuthZEN request with all that must be echoed (Access Request and Approval Profile), the
/// command for people, and the record with its scope filled in. What only people know is left out.
pub(super) fn smallest(visit: &Visit, tool: &Tool, arguments: Option<&Value>, admin_url: &str) -> Value {
    let scalar = |value: &&Value| value.is_string() || value.is_boolean() || value.is_i64();
    let given = arguments.and_then(Value::as_object);
    let bounds: Map<String, Value> = given
        .into_iter()
        .flatten()
        .filter(|(_, value)| scalar(value))
        .map(|(name, value)| (name.clone(), json!({"in": [value]})))
        .collect();
    let (subject, reference) = (&visit.subject, &tool.reference);
    let record = json!({
        "apiVersion": "postern/v1",
        "kind": "pilot",
        "subject": {"agents": [subject.agent]},
        "grant": {"server": reference.server, "tools": [reference.tool], "args": bounds}
    });
    let mut context = json!({"arguments": given.cloned().unwrap_or_default()});
    if let (Some(delegator), Some(map)) = (&subject.on_behalf_of, context.as_object_mut()) {
        map.insert("on_behalf_of".to_owned(), json!(delegator.person));
    }
    json!({
        "url": format!("{admin_url}/access/v1/requests"),
        "command": format!("postern exception request --from-decision {}", visit.id),
        "access_request": {
            "subject": {"type": "agent", "id": subject.agent},
            "action": {"name": "tools/call"},
            "resource": {"type": "tool", "id": reference.to_string()},
            "context": context,
            "denial": {"evaluation_id": visit.id, "evaluated_at": visit.now, "expires_at": visit.now + ASKABLE}
        },
        "request_schema_url": format!("{admin_url}/access/v1/request.schema.json"),
        "record": record
    })
}
