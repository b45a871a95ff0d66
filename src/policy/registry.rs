//! agents.yaml and people.yaml, all faults at once.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;

use super::source::SourceFile;
use crate::domain::{
    AgentEntry, AgentId, Document, Duty, Findings, GroupEntry, GroupName, PersonEntry, PersonId, Registry, RoleName,
};

const AGENTS: &str = include_str!("../../policies/schema/agents.json");
const PEOPLE: &str = include_str!("../../policies/schema/people.json");

#[derive(Deserialize)]
struct Agents {
    agents: BTreeMap<AgentId, Agent>,
}

#[derive(Deserialize)]
struct Agent {
    owner: PersonId,
    operator: PersonId,
    channel: String,
    #[serde(default)]
    roles: BTreeSet<RoleName>,
}

#[derive(Deserialize)]
struct People {
    people: BTreeMap<PersonId, Human>,
    #[serde(default)]
    groups: BTreeMap<GroupName, Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    duties: BTreeSet<Duty>,
    #[serde(default)]
    roles: BTreeSet<RoleName>,
}

#[derive(Deserialize)]
struct Human {
    #[serde(default)]
    duties: BTreeSet<Duty>,
    #[serde(default)]
    roles: BTreeSet<RoleName>,
    #[serde(default = "yes")]
    active: bool,
}

const fn yes() -> bool {
    true
}

/// A file against its schema.
pub(super) fn document(file: &SourceFile, schema: &str) -> Result<Document, Findings> {
    let document = Document::parse(&file.path, &file.text)?;
    let schema = validator(schema).map_err(|message| Findings::one(&file.path, 0, "", message))?;
    document.faults(&schema).or(document)
}

fn validator(schema: &str) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    jsonschema::validator_for(&schema).map_err(|error| error.to_string())
}

/// The registry of these files; a file that is absent names nobody.
pub(super) fn read(agents: Option<&SourceFile>, people: Option<&SourceFile>, findings: &mut Findings) -> Registry {
    let mut registry = Registry::default();
    let before = findings.0.len();
    if let Some(file) = people {
        match document(file, PEOPLE).and_then(|document| document.read::<People>()) {
            Ok(read) => {
                registry.people.extend(read.people.into_iter().map(|(id, human)| {
                    (id, PersonEntry { duties: human.duties, roles: human.roles, active: human.active })
                }));
                registry.groups.extend(
                    read.groups
                        .into_iter()
                        .map(|(name, group)| (name, GroupEntry { duties: group.duties, roles: group.roles })),
                );
            }
            Err(found) => findings.extend(found),
        }
    }
    let people_are_known = findings.0.len() == before;
    let Some(file) = agents else { return registry };
    let document = match document(file, AGENTS) {
        Ok(document) => document,
        Err(found) => {
            findings.extend(found);
            return registry;
        }
    };
    match document.read::<Agents>() {
        Ok(read) => registry.agents.extend(read.agents.into_iter().map(|(id, agent)| {
            let Agent { owner, operator, channel, roles } = agent;
            (id, AgentEntry { owner, operator, channel, roles })
        })),
        Err(found) => findings.extend(found),
    }
    for (id, agent) in registry.agents.iter().filter(|_| people_are_known) {
        let place = format!("/agents/{}", id.as_str().replace('~', "~0").replace('/', "~1"));
        for (member, person) in [("owner", &agent.owner), ("operator", &agent.operator)] {
            if !registry.people.contains_key(person) {
                let message = format!("`{person}` is not in people.yaml; add the person, or name another");
                document.find(findings, &format!("{place}/{member}"), message);
            }
        }
    }
    registry
}
