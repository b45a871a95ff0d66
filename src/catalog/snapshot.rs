//! The catalog at one moment: every tool of every server with its pin.

use std::{collections::{BTreeMap, HashMap}, sync::Arc};

use serde_json::value::RawValue;

use super::{Pin, Pins, Quarantine, Tool, admit};
use crate::domain::{Digest, ExposedName, ServerName, ToolName, ToolRef};

/// A tool with its pin.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The tool.
    pub tool: Arc<Tool>,
    /// Whether its definition is approved.
    pub pin: Pin,
    /// The definition as its server sent it.
    pub definition: Arc<RawValue>,
}

/// A definition that was not admitted.
#[derive(Debug, Clone)]
pub struct Held {
    /// The server.
    pub server: ServerName,
    /// The name as the server sent it, escaped and shortened.
    pub name: String,
    /// Why.
    pub why: Quarantine,
}

/// The catalog at one moment; immutable.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<ToolRef, Entry>,
    exposed: HashMap<ExposedName, Arc<Tool>>,
    held: Vec<Held>,
}

impl Catalog {
    /// Builds the catalog from what each server lists. One bad definition never hides another.
    #[must_use]
    pub fn build(definitions: &BTreeMap<ServerName, Vec<Box<RawValue>>>, pins: &Pins) -> Self {
        let mut catalog = Self::default();
        for (server, tools) in definitions {
            for raw in tools {
                match admit(server, raw) {
                    Ok(tool) => catalog.insert(tool, raw, pins),
                    Err(why) => catalog.hold(server, raw, why),
                }
            }
        }
        catalog.index();
        catalog
    }

    fn insert(&mut self, tool: Tool, raw: &RawValue, pins: &Pins) {
        let reference = tool.reference.clone();
        if self.entries.contains_key(&reference) {
            self.entries.remove(&reference);
            self.hold(&reference.server, raw, Quarantine::Twice);
            return;
        }
        let pin = match pins.get(&reference) {
            None => Pin::New,
            Some(approved) if *approved == tool.digest => Pin::Approved,
            Some(approved) => Pin::Drifted { approved: *approved },
        };
        self.entries.insert(reference, Entry { tool: Arc::new(tool), pin, definition: Arc::from(raw.to_owned()) });
    }

    fn hold(&mut self, server: &ServerName, raw: &RawValue, why: Quarantine) {
        let name = serde_json::from_str::<serde_json::Value>(raw.get())
            .ok()
            .and_then(|value| value.get("name").and_then(|name| name.as_str().map(str::to_owned)))
            .unwrap_or_default();
        let name = name.chars().take(80).flat_map(char::escape_default).collect();
        self.held.push(Held { server: server.clone(), name, why });
    }

    /// Exposed names of approved tools; two tools with one name stay both out (T064).
    fn index(&mut self) {
        let mut twice = Vec::new();
        for entry in self.entries.values().filter(|entry| entry.pin == Pin::Approved) {
            if self.exposed.insert(entry.tool.exposed.clone(), Arc::clone(&entry.tool)).is_some() {
                twice.push(entry.tool.exposed.clone());
            }
        }
        for name in twice {
            self.exposed.remove(&name);
        }
    }

    /// The approved tool that agents see under this name on `/mcp`.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.exposed.get(&name.parse::<ExposedName>().ok()?)
    }

    /// The approved tool of this server with this name.
    #[must_use]
    pub fn tool_at(&self, server: &ServerName, name: &str) -> Option<&Arc<Tool>> {
        let tool: ToolName = name.parse().ok()?;
        let entry = self.entry(&ToolRef { server: server.clone(), tool })?;
        (entry.pin == Pin::Approved).then_some(&entry.tool)
    }

    /// The tool whatever its pin.
    #[must_use]
    pub fn entry(&self, tool: &ToolRef) -> Option<&Entry> {
        self.entries.get(tool)
    }

    /// Every tool whatever its pin, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Approved tools, in order.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.entries.values().filter(|entry| entry.pin == Pin::Approved).map(|entry| &entry.tool)
    }

    /// Definitions that were not admitted.
    #[must_use]
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Digest over the approved tools and their definitions.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let text: Vec<String> = self.tools().map(|tool| format!("{} {}\n", tool.reference, tool.digest)).collect();
        Digest::of(text.concat().as_bytes())
    }
}
