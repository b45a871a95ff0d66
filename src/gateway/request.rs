//! The smallest exception that would have admitted a refused call.

use serde_json::{Map, Value, json};

use crate::{catalog::Tool, domain::Subject};

/// Where and how to ask, and a record with the scope filled in; what only people know is left out.
pub(super) fn smallest(subject: &Subject, tool: &Tool, arguments: Option<&Value>, admin_url: &str) -> Value {
    let scalar = |value: &&Value| value.is_string() || value.is_boolean() || value.is_i64();
    let given = arguments.and_then(Value::as_object);
    let bounds: Map<String, Value> = given
        .into_iter()
        .flatten()
        .filter(|(_, value)| scalar(value))
        .map(|(name, value)| (name.clone(), json!({"in": [value]})))
        .collect();
    let record = json!({
        "apiVersion": "postern/v1",
        "kind": "pilot",
        "subject": {"agents": [subject.agent]},
        "grant": {"server": tool.reference.server, "tools": [tool.reference.tool], "args": bounds}
    });
    json!({"url": format!("{admin_url}/api/v1/exceptions"), "command": "postern exception submit FILE", "record": record})
}
