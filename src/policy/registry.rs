//! agents.yaml and people.yaml → the registry, all faults at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Sources;
use crate::domain::{AgentEntry, AgentId, Document, Duty, Findings, PersonEntry, PersonId, Registry, RoleName};

#[derive(Deserialize)]
struct Agents {
    agents: BTreeMap<AgentId, AgentEntry>,
}

#[derive(Deserialize)]
struct People {
    people: BTreeMap<PersonId, PersonForm>,
}

#[derive(Deserialize)]
struct PersonForm {
    #[serde(default)]
    duties: std::collections::BTreeSet<Duty>,
    #[serde(default)]
    roles: std::collections::BTreeSet<RoleName>,
    #[serde(default = "yes")]
    active: bool,
}

const fn yes() -> bool {
    true
}

/// Reads both files; a file that is not there names nobody.
pub(super) fn read(sources: &Sources, findings: &mut Findings) -> Registry {
    let mut registry = Registry::default();
    if let Some((document, people)) = document::<People>(sources, "people.yaml", &people_schema(), findings) {
        for (id, form) in people.people {
            if id.as_str() == "administrator" {
                document.find(findings, "/people/administrator", "`administrator` is the name of the first key's holder; choose another id");
            }
            registry.people.insert(id, PersonEntry { duties: form.duties, roles: form.roles, active: form.active });
        }
    }
    if let Some((document, agents)) = document::<Agents>(sources, "agents.yaml", &agents_schema(), findings) {
        for (id, entry) in &agents.agents {
            let at = format!("/agents/{}", id.as_str().replace('~', "~0").replace('/', "~1"));
            for (member, person) in [("owner", &entry.owner), ("operator", &entry.operator)] {
                if !registry.people.contains_key(person) {
                    document.find(findings, &format!("{at}/{member}"), format!("`{person}` is not in people.yaml; add the person or name another"));
                }
            }
        }
        registry.agents = agents.agents;
    }
    registry
}

fn document<T: serde::de::DeserializeOwned>(sources: &Sources, path: &str, schema: &Value, findings: &mut Findings) -> Option<(Document, T)> {
    let file = sources.file(path)?;
    let read = Document::parse(&file.path, &file.text).and_then(|document| {
        let validator = jsonschema::validator_for(schema).map_err(|error| Findings::one(path, 0, "", error.to_string()))?;
        document.faults(&validator).or(())?;
        let typed = document.read::<T>()?;
        Ok((document, typed))
    });
    read.map_err(|faults| findings.extend(faults)).ok()
}

fn agents_schema() -> Value {
    json!({
        "type": "object", "required": ["agents"], "additionalProperties": false,
        "properties": {"agents": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["owner", "operator", "channel"], "additionalProperties": false,
            "properties": {
                "owner": {"type": "string", "minLength": 1}, "operator": {"type": "string", "minLength": 1},
                "channel": {"type": "string", "minLength": 1},
                "roles": {"type": "array", "items": {"type": "string", "minLength": 1}}
            }
        }}}
    })
}

fn people_schema() -> Value {
    json!({
        "type": "object", "required": ["people"], "additionalProperties": false,
        "properties": {"people": {"type": "object", "additionalProperties": {
            "type": "object", "additionalProperties": false,
            "properties": {
                "duties": {"type": "array", "items": {"enum": ["own", "request", "approve", "security", "audit", "administer"]}},
                "roles": {"type": "array", "items": {"type": "string", "minLength": 1}},
                "active": {"type": "boolean"}
            }
        }}}
    })
}
