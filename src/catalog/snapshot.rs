//! Everything that can be called at one moment: an immutable snapshot.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::value::RawValue;

use super::{Names, Pin, PinRow, Pins, Quarantine, QuarantineReason, Tool, admit::admit};
use crate::domain::{Digest, ExposedName, ServerName, Timestamp, ToolName, ToolRef, limits};

/// An admitted tool and how it stands to what was approved.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The tool.
    pub tool: Arc<Tool>,
    /// Its standing.
    pub pin: Pin,
}

impl Entry {
    /// The row that approves this definition.
    #[must_use]
    pub fn approval(&self, by: &str, at: Timestamp) -> PinRow {
        PinRow {
            server: self.tool.reference.server.clone(),
            tool: self.tool.reference.tool.clone(),
            digest: self.tool.digest,
            definition: self.tool.definition.to_string(),
            approved_by: by.to_owned(),
            at,
        }
    }
}

/// What can be called: an immutable snapshot, made anew when a server's list or an approval changes.
#[derive(Debug)]
pub struct Catalog {
    epoch: u64,
    digest: Digest,
    entries: BTreeMap<ToolRef, Entry>,
    /// Approved tools in the order of their exposed names.
    approved: Vec<Arc<Tool>>,
    /// Approved tools by exposed name.
    exposed: HashMap<ExposedName, Arc<Tool>>,
    quarantined: Vec<Quarantine>,
}

impl Catalog {
    /// The catalog of these definitions under these approvals.
    #[must_use]
    pub fn build(epoch: u64, definitions: &BTreeMap<ServerName, Vec<Box<RawValue>>>, pins: &Pins) -> Self {
        Self::of(epoch, definitions, pins, &HashMap::new())
    }

    /// The same, without compiling anew what this snapshot holds already.
    #[must_use]
    pub fn rebuild(&self, epoch: u64, definitions: &BTreeMap<ServerName, Vec<Box<RawValue>>>, pins: &Pins) -> Self {
        let known = self.entries.values().map(|entry| ((&entry.tool.reference.server, entry.tool.source), &entry.tool));
        Self::of(epoch, definitions, pins, &known.collect())
    }

    fn of(
        epoch: u64,
        definitions: &BTreeMap<ServerName, Vec<Box<RawValue>>>,
        pins: &Pins,
        known: &HashMap<(&ServerName, Digest), &Arc<Tool>>,
    ) -> Self {
        let mut building = Building::default();
        for (server, tools) in definitions {
            for raw in tools.iter().take(limits::TOOLS_PER_SERVER) {
                building.add(server, raw, known);
            }
            if tools.len() > limits::TOOLS_PER_SERVER {
                let reason = QuarantineReason::TooMany;
                building.quarantined.push(Quarantine { server: server.clone(), tool: String::new(), reason });
            }
        }
        building.finish(epoch, pins)
    }

    /// The approved tool of this name on `/mcp`.
    #[must_use]
    pub fn tool(&self, exposed: &ExposedName) -> Option<&Arc<Tool>> {
        self.exposed.get(exposed)
    }

    /// The approved tool of this name at this server, for `/mcp/{server}`.
    #[must_use]
    pub fn tool_at(&self, server: &ServerName, tool: &ToolName) -> Option<&Arc<Tool>> {
        let entry = self.entry(&ToolRef { server: server.clone(), tool: tool.clone() })?;
        matches!(entry.pin, Pin::Approved).then_some(&entry.tool)
    }

    /// All approved tools, in the order of their exposed names.
    #[must_use]
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &Arc<Tool>> {
        self.approved.iter()
    }

    /// An admitted tool, approved or not.
    #[must_use]
    pub fn entry(&self, tool: &ToolRef) -> Option<&Entry> {
        self.entries.get(tool)
    }

    /// All admitted tools, approved or not, in the order of server and name.
    #[must_use]
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    /// Tools that were not admitted, for operators.
    #[must_use]
    pub fn quarantined(&self) -> &[Quarantine] {
        &self.quarantined
    }

    /// A digest of all admitted tools and their standing.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Counts snapshots.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
}

#[derive(Default)]
struct Building {
    names: Names,
    tools: BTreeMap<ExposedName, Arc<Tool>>,
    collided: BTreeSet<ExposedName>,
    quarantined: Vec<Quarantine>,
}

impl Building {
    fn add(&mut self, server: &ServerName, raw: &RawValue, known: &HashMap<(&ServerName, Digest), &Arc<Tool>>) {
        let source = (!known.is_empty()).then(|| Digest::of(raw.get().as_bytes()));
        if let Some(tool) = source.and_then(|source| known.get(&(server, source)))
            && self.names.take(&tool.reference).is_ok()
        {
            self.tools.insert(tool.exposed.clone(), Arc::clone(tool));
            return;
        }
        match admit(server, raw, &mut self.names) {
            Ok(tool) => {
                self.tools.insert(tool.exposed.clone(), Arc::new(tool));
            }
            Err(quarantine) => {
                if let QuarantineReason::Collision(exposed) = &quarantine.reason {
                    self.collided.insert(exposed.clone());
                }
                self.quarantined.push(quarantine);
            }
        }
    }

    fn finish(mut self, epoch: u64, pins: &Pins) -> Catalog {
        // Neither of two tools of one name is to be trusted with it.
        for exposed in self.collided {
            if let Some(tool) = self.tools.remove(&exposed) {
                let ToolRef { server, tool } = tool.reference.clone();
                let reason = QuarantineReason::Collision(exposed);
                self.quarantined.push(Quarantine { server, tool: tool.to_string(), reason });
            }
        }
        let mut entries = BTreeMap::new();
        let mut approved = Vec::new();
        let mut exposed = HashMap::new();
        for (name, tool) in self.tools {
            let pin = pins.judge(&tool.reference, tool.digest);
            if matches!(pin, Pin::Approved) {
                approved.push(Arc::clone(&tool));
                exposed.insert(name, Arc::clone(&tool));
            }
            entries.insert(tool.reference.clone(), Entry { tool, pin });
        }
        let digest = digest(&entries);
        Catalog { epoch, digest, entries, approved, exposed, quarantined: self.quarantined }
    }
}

fn digest(entries: &BTreeMap<ToolRef, Entry>) -> Digest {
    let lines: Vec<String> = entries
        .values()
        .map(|Entry { tool, pin }| match pin {
            Pin::Approved => format!("{} {} approved\n", tool.reference, tool.digest),
            Pin::New => format!("{} {} new\n", tool.reference, tool.digest),
            Pin::Drifted { approved } => format!("{} {} drifted {approved}\n", tool.reference, tool.digest),
        })
        .collect();
    Digest::of(lines.concat().as_bytes())
}
