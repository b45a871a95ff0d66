//! The promises of the catalog.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json, value::RawValue};

use super::{Catalog, Names, Pin, PinRow, Pins, Quarantine, Tool, admit};
use crate::domain::ServerName;

mod admission;
mod arguments;
mod snapshots;

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

fn tool(definition: &Value) -> Result<Tool, Quarantine> {
    admit(&server("fs"), &raw(definition), &mut Names::default())
}

fn with_schema(schema: &Value) -> Result<Tool, Quarantine> {
    tool(&json!({"name": "x", "inputSchema": schema}))
}

fn read_file() -> Value {
    json!({
        "name": "read_file",
        "description": "Reads a file.",
        "inputSchema": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
            "required": ["path"]
        }
    })
}

/// Definitions of one server.
fn definitions(name: &str, tools: &[Value]) -> BTreeMap<ServerName, Vec<Box<RawValue>>> {
    BTreeMap::from([(server(name), tools.iter().map(raw).collect())])
}

/// Approvals of everything that these definitions offer.
fn approve_all(definitions: &BTreeMap<ServerName, Vec<Box<RawValue>>>) -> Vec<PinRow> {
    let catalog = Catalog::build(1, definitions, &Pins::default());
    catalog.entries().map(|entry| entry.approval("carol@corp", chrono::DateTime::UNIX_EPOCH)).collect()
}

fn exposed(catalog: &Catalog) -> Vec<&str> {
    catalog.tools().map(|tool| tool.exposed.as_str()).collect()
}

fn pin_of(catalog: &Catalog, name: &str) -> Option<Pin> {
    catalog.entries().find(|entry| entry.tool.reference.tool.as_str() == name).map(|entry| entry.pin)
}

fn arc(definition: &Value) -> Arc<Tool> {
    Arc::new(tool(definition).unwrap())
}
