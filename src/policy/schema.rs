//! The Cedar schema that is generated from the servers' real tools.
//!
//! Each tool is an action `Action::"server/tool"` in the group `Action::"call"`, on a resource
//! `Tool::"server/tool"` in `Server::"server"`. Attribute and action names are quoted strings in Cedar, so
//! any tool and any argument name works.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use crate::catalog::Tool;

/// What Cedar can say about a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Long,
    Boolean,
    Set(Box<Self>),
    Record(BTreeMap<String, Attribute>),
}

/// An attribute of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) of: Type,
    pub(super) required: bool,
}

const DEPTH: usize = 4;

/// The type of a tool's `context.input`; what Cedar cannot type is left out, so a policy that reads it is an
/// error at load.
pub(super) fn input_type(schema: &Value) -> Type {
    record(schema, DEPTH).unwrap_or_else(|| Type::Record(BTreeMap::new()))
}

fn record(schema: &Value, depth: usize) -> Option<Type> {
    let properties = schema.get("properties")?.as_object()?;
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let attributes = properties.iter().filter_map(|(name, property)| {
        let (of, nullable) = typed(property, depth.checked_sub(1)?)?;
        Some((name.clone(), Attribute { of, required: required.contains(&name.as_str()) && !nullable }))
    });
    Some(Type::Record(attributes.collect()))
}

/// The type, and whether the value may be null.
fn typed(schema: &Value, depth: usize) -> Option<(Type, bool)> {
    let (name, nullable) = match schema.get("type") {
        Some(Value::String(name)) => (name.as_str(), false),
        Some(Value::Array(names)) => {
            let mut rest = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            let (first, second) = (rest.next()?, rest.next());
            if second.is_some() {
                return None;
            }
            (first, true)
        }
        _ => return None,
    };
    let of = match name {
        "string" => Type::String,
        "integer" => Type::Long,
        "boolean" => Type::Boolean,
        "array" => match typed(schema.get("items")?, depth.checked_sub(1)?)? {
            (item, false) => Type::Set(Box::new(item)),
            (_, true) => return None,
        },
        "object" => record(schema, depth)?,
        _ => return None,
    };
    Some((of, nullable))
}

fn to_json(of: &Type) -> Value {
    match of {
        Type::String => json!({"type": "String"}),
        Type::Long => json!({"type": "Long"}),
        Type::Boolean => json!({"type": "Boolean"}),
        Type::Set(item) => json!({"type": "Set", "element": to_json(item)}),
        Type::Record(attributes) => {
            let attributes: Map<String, Value> = attributes
                .iter()
                .map(|(name, attribute)| {
                    let mut value = to_json(&attribute.of);
                    if let Value::Object(map) = &mut value {
                        map.insert("required".to_owned(), attribute.required.into());
                    }
                    (name.clone(), value)
                })
                .collect();
            json!({"type": "Record", "attributes": attributes})
        }
    }
}

/// The schema in Cedar's JSON form.
pub(super) fn cedar_schema(tools: &[Arc<Tool>]) -> Value {
    let principals = ["Agent", "User"];
    let mut actions = Map::new();
    actions.insert("call".to_owned(), json!({}));
    let empty = json!({"type": "Record", "attributes": {}});
    actions.insert("request".to_owned(), json!({"appliesTo": {"principalTypes": principals, "resourceTypes": ["Tool"], "context": empty}}));
    for tool in tools {
        let mut input = to_json(&input_type(&tool.input_schema));
        if let Value::Object(map) = &mut input {
            map.insert("required".to_owned(), true.into());
        }
        let context = json!({"type": "Record", "attributes": {
            "input": input, "now": {"type": "Extension", "name": "datetime", "required": true}}});
        let applies = json!({"principalTypes": principals, "resourceTypes": ["Tool"], "context": context});
        actions.insert(tool.reference.to_string(), json!({"memberOf": [{"id": "call"}], "appliesTo": applies}));
    }
    json!({"": {
        "entityTypes": {
            "Role": {}, "Server": {},
            "Agent": {"memberOfTypes": ["Role"]}, "User": {"memberOfTypes": ["Role"]},
            "Tool": {"memberOfTypes": ["Server"]}
        },
        "actions": actions
    }})
}
