//! From a refused call to the smallest record that would have admitted it; people add why.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Ceiling, Risk, ceiling::GRACE, parse};
use crate::domain::{AgentId, DecisionId, Digest, Document, Finding, Kind, PersonId, Registry, Timestamp, ToolRef};

/// A call that was refused, as its record has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The decision.
    pub decision: DecisionId,
    /// When it was refused.
    pub at: Timestamp,
    /// Whose call it was.
    pub agent: AgentId,
    /// The person it acted for.
    pub on_behalf_of: Option<PersonId>,
    /// The tool.
    pub tool: ToolRef,
    /// The digest of its definition.
    pub definition: Digest,
    /// What was passed.
    pub arguments: Map<String, Value>,
}

/// What people add to a refused call; all of it may be added later, in the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// The kind [default: pilot].
    pub kind: Option<Kind>,
    /// The pilot it belongs to.
    pub pilot: Option<String>,
    /// Until when [default: the shorter of seven days and what the kind allows].
    pub until: Option<Timestamp>,
    /// Calls over the whole life [default: 10].
    pub calls: Option<u64>,
    /// Calls in a minute.
    pub calls_per_min: Option<u32>,
    /// Why it is needed, at least 40 characters.
    pub rationale: Option<String>,
    /// Where the work is tracked.
    pub ticket: Option<String>,
    /// The incident, for break_glass.
    pub incident: Option<String>,
    /// The event that ends a temporary_elevation.
    pub ends_on: Option<String>,
    /// Who answers for it [default: the agent's owner of agents.yaml].
    pub owner: Option<PersonId>,
    /// The owner's team.
    pub team: Option<String>,
    /// What stands in the way of keeping the rule.
    pub constraint: Option<String>,
    /// What the rule is for.
    pub objective: Option<String>,
    /// What may go wrong.
    pub identified_risk: Option<String>,
    /// What is left of that under the controls.
    pub residual_risk: Option<Risk>,
    /// The role that takes over, for a pilot.
    pub target_role: Option<String>,
    /// When it is done.
    pub criteria: Option<String>,
}

/// A record that is not submitted yet, and what it still lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The record, in the order in which people write it.
    pub record: Value,
    /// What is still wrong with it or missing; empty if it can be submitted.
    pub missing: Vec<Finding>,
}

/// Calls that are asked for where nobody says how many.
const CALLS: u64 = 10;
/// Days that are asked for where nobody says how long.
const DAYS: i64 = 7;

impl Refused {
    /// The smallest record that would have admitted this call: this agent, this person, this tool as it is, these
    /// values. `salt` keeps ids of different people apart. The same call and wish give the same record.
    #[must_use]
    pub fn draft(&self, wish: &Wish, salt: &str, registry: &Registry) -> Draft {
        let record = Value::Object(self.record(wish, salt, registry));
        let missing = parse(&Document::of_value(record.clone())).err().map(|findings| findings.0).unwrap_or_default();
        Draft { record, missing }
    }

    fn record(&self, wish: &Wish, salt: &str, registry: &Registry) -> Map<String, Value> {
        let kind = wish.kind.unwrap_or(Kind::Pilot);
        let known = registry.agents.get(&self.agent);
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                record.insert(name.to_owned(), value);
            }
        };
        put("apiVersion", "postern/v1".into());
        put("id", self.id(salt).into());
        put("kind", json!(kind));
        put("category", "mitigated".into());
        put("pilot", json!(wish.pilot));
        put("subject", self.subject());
        put("grant", self.grant());
        put(
            "deviation",
            present(json!({
                "rule": "rbac.default", "constraint": wish.constraint, "objective": wish.objective,
                "identified_risk": wish.identified_risk, "residual_risk": wish.residual_risk
            })),
        );
        put("rationale", json!(wish.rationale));
        put("ticket", json!(wish.ticket));
        put("incident", json!(wish.incident));
        put("ends_on", json!(wish.ends_on));
        let owner = wish.owner.as_ref().or(known.map(|entry| &entry.owner));
        put("owner", present(json!({"human": owner, "team": wish.team})));
        let begin = second(self.at);
        let longest = begin + Ceiling::of(kind).window.min(chrono::TimeDelta::days(DAYS));
        put("not_before", time(begin));
        put("not_after", time(wish.until.map_or(longest, second)));
        put("budget", present(json!({"calls": wish.calls.unwrap_or(CALLS), "calls_per_min": wish.calls_per_min})));
        put("controls", controls(!self.bounds().is_empty()));
        let every = Ceiling::of(kind).attestation;
        put("attestation", every.map_or(Value::Null, |every| {
            json!({"every": format!("P{}D", every.num_days()), "grace": format!("PT{}H", GRACE.num_hours())})
        }));
        if kind == Kind::Pilot {
            put("removal", json!({"shadow_every": "P7D"}));
            put(
                "exit",
                present(json!({"type": "graduate", "target_role": wish.target_role, "criteria": wish.criteria})),
            );
        }
        put("governance", present(json!({"channel": known.map(|entry| &entry.channel)})));
        put("refs", json!({"decision": self.decision}));
        record
    }

    /// An id that no other decision and no other person's request has.
    fn id(&self, salt: &str) -> String {
        let digest = Digest::of_parts(&[b"postern draft\n", self.decision.as_str().as_bytes(), b"\n", salt.as_bytes()]);
        let hex: String = digest.as_bytes().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("EX-{}-{hex}", self.at.format("%Y"))
    }

    fn subject(&self) -> Value {
        match &self.on_behalf_of {
            Some(person) => json!({"agents": [self.agent], "on_behalf_of": {"users": [person], "required": true}}),
            None => json!({"agents": [self.agent]}),
        }
    }

    fn grant(&self) -> Value {
        let bounds = self.bounds();
        let mut grant = json!({
            "server": self.tool.server, "tools": [self.tool.tool], "descriptor_digest": self.definition
        });
        if let (false, Some(map)) = (bounds.is_empty(), grant.as_object_mut()) {
            map.insert("args".to_owned(), Value::Object(bounds));
        }
        grant
    }

    /// Each argument that can be bounded, bounded to the value it had.
    fn bounds(&self) -> Map<String, Value> {
        let plain = |value: &Value| value.is_string() || value.is_boolean() || value.is_i64();
        let bounded = self.arguments.iter().filter(|(_, value)| plain(value));
        bounded.map(|(name, value)| (name.clone(), json!({"in": [value]}))).collect()
    }
}

fn controls(bounded: bool) -> Value {
    let mut controls = vec![
        json!({
            "id": "intent", "obligation": "audit.write_ahead",
            "definition": "Intent and outcome of each call are durable before the call leaves and before its answer does."
        }),
        json!({
            "id": "same-tool", "obligation": "descriptor.pin",
            "definition": "The tool is the one that was there when this was asked for."
        }),
    ];
    if bounded {
        controls.push(json!({
            "id": "only-these", "obligation": "args.constrain",
            "definition": "Only the values that are named here can be passed."
        }));
    }
    controls.into()
}

/// The object without members that are null.
fn present(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, member| !member.is_null());
    }
    value
}

fn second(at: Timestamp) -> Timestamp {
    chrono::DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

fn time(at: Timestamp) -> Value {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into()
}
