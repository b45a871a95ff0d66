//! Real policy sets, an exception that lives by real events, and calls as the gateway records them.

use std::sync::Arc;

use serde_json::{Value, json, value::RawValue};

use crate::{
    analysis::{RecordedCall, Timeline, World},
    catalog::{Names, Tool, ToolCall, admit},
    domain::{Credential, CredentialKind, DecisionId, Digest, Document, RoleName, Secret, Subject, Timestamp, ToolRef},
    evidence::{Arguments, Called, Caller, Denial, Intent, Record, Sealer},
    exception::{Approval, Event, Lived, Spec, StoredEvent, parse},
    policy::{Decision, PolicySet, SourceFile, Sources, compile},
};

pub const AGENT: &str = "pilot-7";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn noon() -> Timestamp {
    at("2026-11-10T12:00:00Z")
}

pub fn tool(name: &str, schema: Value) -> Arc<Tool> {
    let (server, tool) = name.split_once('/').unwrap();
    let raw = serde_json::value::to_raw_value(&json!({"name": tool, "inputSchema": schema})).unwrap();
    Arc::new(admit(&server.parse().unwrap(), &raw, &mut Names::default()).unwrap())
}

pub fn tools() -> Vec<Arc<Tool>> {
    vec![
        tool(
            "crm/export",
            json!({"type": "object", "required": ["region", "max_rows"], "properties": {
                "region": {"type": "string"}, "max_rows": {"type": "integer"}, "include_pii": {"type": "boolean"}}}),
        ),
        tool("crm/read", json!({"type": "object", "properties": {"id": {"type": "string"}}})),
        tool("crm/drop", json!({"type": "object"})),
    ]
}

pub fn reference(name: &str) -> ToolRef {
    let (server, tool) = name.split_once('/').unwrap();
    ToolRef { server: server.parse().unwrap(), tool: tool.parse().unwrap() }
}

const AGENTS: &str = "agents:
  pilot-7: {owner: alice, operator: omar, channel: board, roles: [reader]}
  pilot-8: {owner: alice, operator: omar, channel: board, roles: [reader]}
";
const PEOPLE: &str = "people:
  alice: {duties: [own], roles: [], active: true}
  sam: {duties: [approve, security], roles: [], active: true}
  dave: {duties: [approve], roles: [], active: true}
  omar: {duties: [], roles: [], active: true}
";
pub const READ: (&str, &str) = (
    "roles/read.cedar",
    r#"@id("read") permit (principal in Role::"reader", action == Action::"crm/read", resource);"#,
);
pub const NO_DROP: (&str, &str) = (
    "guardrails/hard/drop.cedar",
    r#"@id("no-drop") @level("hard") @owner("sec") forbid (principal, action == Action::"crm/drop", resource);"#,
);
pub const EXPORT: (&str, &str) = (
    "roles/export.cedar",
    r#"@id("export") permit (principal in Role::"reader", action == Action::"crm/export", resource)
       when { context.input.max_rows <= 200 };"#,
);

pub fn set(files: &[(&str, &str)]) -> Arc<PolicySet> {
    set_of(AGENTS, files)
}

pub fn set_of(agents: &str, files: &[(&str, &str)]) -> Arc<PolicySet> {
    let registries = [("agents.yaml", agents), ("people.yaml", PEOPLE)];
    let files = files.iter().chain(&registries);
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
    let sources = Sources { files: files.map(file).collect() };
    Arc::new(compile(&sources, &tools()).unwrap_or_else(|findings| panic!("{findings}")))
}

/// A pilot on `crm/export`: eu and us, 1 to 500 rows, November 2026.
pub fn record() -> Value {
    json!({
        "apiVersion": "postern/v1", "id": "EX-1", "kind": "pilot", "category": "mitigated", "pilot": "PI-1",
        "subject": {"agents": ["pilot-7", "pilot-8"]},
        "grant": {"server": "crm", "tools": ["export"], "descriptor_digest": tools()[0].digest.to_string(),
            "args": {"region": {"in": ["eu", "us"]}, "max_rows": {"min": 1, "max": 500}}},
        "deviation": {"rule": "rbac.default", "constraint": "c", "objective": "o", "identified_risk": "r",
            "residual_risk": "low"},
        "rationale": "The pilot exports accounts for the review of the cohort.",
        "owner": {"human": "alice", "team": "crm"},
        "not_before": "2026-11-01T00:00:00Z", "not_after": "2026-12-01T00:00:00Z",
        "budget": {"calls": 1000},
        "controls": [{"id": "c1", "obligation": "audit.write_ahead", "definition": "recorded before it leaves"}],
        "attestation": {"every": "P7D", "grace": "PT24H"},
        "removal": {"shadow_every": "P7D", "canary_percent": 50},
        "exit": {"type": "graduate", "target_role": "exporter", "criteria": "used without harm"},
        "governance": {"channel": "board"}
    })
}

pub fn spec(record: Value) -> Spec {
    let mut spec = parse(&Document::of_value(record)).unwrap_or_else(|findings| panic!("{findings}"));
    spec.requester = Some("carol".into());
    spec
}

/// The pilot's history: approved on the first of November, attested each week.
pub fn history() -> Vec<StoredEvent> {
    let spec = spec(record());
    let digest = spec.digest().unwrap();
    let yes = |by: &str, as_security| Event::Approved {
        approval: Approval {
            exception: spec.id.clone(),
            revision: 1,
            digest,
            by: by.into(),
            as_security,
            as_approver: true,
            as_vendor_risk: false,
            methods: vec![],
            at: at("2026-11-01T08:00:00Z"),
            nonce: by.to_owned(),
            signature: String::new(),
        },
    };
    let attested = || Event::Attested { by: "alice".into() };
    let submitted = Event::Submitted { revision: 1, spec: Box::new(spec.clone()), digest, by: "carol".into() };
    [
        ("2026-11-01T07:00:00Z", submitted),
        ("2026-11-01T08:00:00Z", yes("sam", true)),
        ("2026-11-01T08:00:00Z", yes("dave", false)),
        ("2026-11-01T08:00:00Z", Event::Scheduled),
        ("2026-11-08T08:00:00Z", attested()),
        ("2026-11-15T08:00:00Z", attested()),
        ("2026-11-20T08:00:00Z", Event::Revoked { by: "alice".into() }),
    ]
    .into_iter()
    .zip(1..)
    .map(|((moment, event), version)| StoredEvent {
        exception: spec.id.clone(),
        version,
        at: at(moment),
        actor: "x".to_owned(),
        reason: String::new(),
        event,
    })
    .collect()
}

pub fn timeline() -> Arc<Timeline> {
    Arc::new(Timeline::of([Lived::of(&history()).unwrap()]))
}

pub fn world(files: &[(&str, &str)]) -> World {
    World::new(set(files), timeline())
}

pub fn subject(agent: &str, roles: &[&str]) -> Subject {
    let credential = Credential {
        id: "crd_1".parse().unwrap(),
        kind: CredentialKind::ApiKey,
        issued: None,
        expires: at("2030-01-01T00:00:00Z"),
    };
    let roles = roles.iter().map(|role| RoleName::from(*role)).collect();
    Subject { agent: agent.into(), roles, on_behalf_of: None, credential, taints: [].into() }
}

pub fn sealer() -> Sealer {
    Sealer::new(&Secret::new(vec![7; 32])).unwrap()
}

/// One call as the gateway of this world decides and records it.
pub fn recorded(
    set: &PolicySet,
    n: u128,
    when: Timestamp,
    (agent, name): (&str, &str),
    arguments: &Value,
) -> RecordedCall {
    let subject = subject(agent, &["reader"]);
    let tool = tools().into_iter().find(|tool| tool.reference == reference(name)).unwrap();
    let raw: Box<RawValue> = serde_json::value::to_raw_value(arguments).unwrap();
    let call = ToolCall::check(Arc::clone(&tool), Some(&raw), Vec::new()).unwrap();
    let decision = DecisionId::from_bits(n);
    let sealed = sealer().seal(&decision, raw.get().as_bytes()).unwrap();
    let called = Called {
        server: tool.reference.server.clone(),
        tool: tool.reference.tool.clone(),
        exposed: tool.exposed.clone(),
        definition: tool.digest,
        arguments: Arguments::sealed(call.digest().into(), sealed),
    };
    let none = std::collections::BTreeSet::new();
    let candidates = timeline().candidates((&subject.agent, &tool.reference), when, set.registry(), &none);
    let caller = Caller::of(&subject, "2026-07-28");
    let record = match set.decide(&subject, call, &candidates, when) {
        Decision::Permit(permit) => Record::Intent(Intent {
            decision,
            at: when,
            caller,
            call: called,
            verdict: permit.verdict().clone(),
            continues: None,
        }),
        Decision::Deny(denial) => Record::Denial(Denial {
            decision,
            at: when,
            caller,
            asked: tool.exposed.to_string(),
            call: Some(called),
            verdict: denial.verdict,
            detail: None,
        }),
    };
    RecordedCall::of(record, &sealer(), |_| None).unwrap()
}

pub fn export(set: &PolicySet, n: u128, when: Timestamp, region: &str, rows: i64) -> RecordedCall {
    recorded(set, n, when, (AGENT, "crm/export"), &json!({"region": region, "max_rows": rows}))
}

/// A denial of a tool that the agent did not see.
pub fn hidden(n: u128, name: &str) -> RecordedCall {
    let verdict = set(&[]).allows(&subject(AGENT, &[]), &crate::policy::Deed::Elicit(&reference(name).server), noon());
    let verdict = crate::domain::Verdict { reason: crate::domain::Reason::UnknownTool, ..verdict };
    let denial = Denial {
        decision: DecisionId::from_bits(n),
        at: noon(),
        caller: Caller::of(&subject(AGENT, &[]), "2026-07-28"),
        asked: name.replace('/', "__"),
        call: None,
        verdict,
        detail: None,
    };
    RecordedCall::of(Record::Denial(denial), &sealer(), |_| Some(reference(name))).unwrap()
}

/// The record of a call that was let through.
pub fn intent_of(call: &RecordedCall) -> Record {
    let raw = call.arguments.as_ref().unwrap();
    let called = Called {
        server: call.tool.server.clone(),
        tool: call.tool.tool.clone(),
        exposed: tools()[0].exposed.clone(),
        definition: call.definition.unwrap(),
        arguments: Arguments::sealed(
            Digest::of(raw.get().as_bytes()).into(),
            sealer().seal(&call.decision, raw.get().as_bytes()).unwrap(),
        ),
    };
    Record::Intent(Intent {
        decision: call.decision.clone(),
        at: call.at,
        caller: call.caller.clone(),
        call: called,
        verdict: call.verdict.clone(),
        continues: None,
    })
}
