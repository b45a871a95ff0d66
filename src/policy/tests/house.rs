//! A small house to ask: tools, sources, subjects, grants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    catalog::{Names, Tool, ToolCall, admit},
    domain::{
        ArgumentBound, Bound, Budget, Candidate, Credential, CredentialKind, Delegator, Digest, Findings, Grant, Kind,
        Obligation, Standing, Subject, Timestamp, ToolRef, Window,
    },
    policy::{Decision, PolicySet, SourceFile, Sources, compile},
};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    at("2026-11-10T12:00:00Z")
}

pub fn reference(text: &str) -> ToolRef {
    let (server, tool) = text.split_once('/').unwrap();
    ToolRef { server: server.parse().unwrap(), tool: tool.parse().unwrap() }
}

pub fn tool(name: &str, schema: Value) -> Arc<Tool> {
    let ToolRef { server, tool } = reference(name);
    let raw = serde_json::value::to_raw_value(&json!({"name": tool, "inputSchema": schema})).unwrap();
    Arc::new(admit(&server, &raw, &mut Names::default()).unwrap())
}

/// `crm/export {region, max_rows, ratio?, include_pii?, note?}`, `crm/read {}` and `fs/read {path}`.
pub fn tools() -> Vec<Arc<Tool>> {
    vec![
        tool(
            "crm/export",
            json!({"type": "object", "required": ["region", "max_rows"], "properties": {
                "region": {"type": "string"},
                "max_rows": {"type": "integer"},
                "ratio": {"type": "number"},
                "include_pii": {"type": "boolean"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "mixed": {"type": ["string", "integer"]},
            }}),
        ),
        tool("crm/read", json!({"type": "object"})),
        tool("fs/read", json!({"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}})),
    ]
}

pub fn sources(files: &[(&str, &str)]) -> Sources {
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
    Sources { files: files.iter().map(file).collect() }
}

pub fn set(files: &[(&str, &str)]) -> PolicySet {
    compile(&sources(files), &tools()).unwrap_or_else(|findings| panic!("{findings}"))
}

pub fn findings(files: &[(&str, &str)]) -> Findings {
    compile(&sources(files), &tools()).unwrap_err()
}

pub fn agent(id: &str, roles: &[&str]) -> Subject {
    Subject {
        agent: id.into(),
        roles: roles.iter().map(|role| (*role).into()).collect(),
        on_behalf_of: None,
        credential: Credential {
            id: "crd_1".parse().unwrap(),
            kind: CredentialKind::ApiKey,
            issued: None,
            expires: at("2030-01-01T00:00:00Z"),
        },
        taints: [].into(),
    }
}

pub fn acting_for(subject: Subject, person: &str, roles: &[&str]) -> Subject {
    let roles = roles.iter().map(|role| (*role).into()).collect();
    Subject { on_behalf_of: Some(Delegator { person: person.into(), roles }), ..subject }
}

pub fn call_with(name: &str, arguments: Value, passthrough: &[&str]) -> ToolCall {
    let tool = tools().into_iter().find(|tool| tool.reference == reference(name)).unwrap();
    let raw = serde_json::value::to_raw_value(&arguments).unwrap();
    let passthrough =
        passthrough.iter().map(|key| ((*key).into(), serde_json::value::to_raw_value(&1).unwrap())).collect();
    ToolCall::check(tool, Some(&raw), passthrough).unwrap()
}

pub fn call(name: &str, arguments: Value) -> ToolCall {
    call_with(name, arguments, &[])
}

pub fn export(region: &str, max_rows: i64) -> ToolCall {
    call("crm/export", json!({"region": region, "max_rows": max_rows}))
}

/// A pilot for agent `a` on `crm/export`: region eu, 1 to 500 rows, no personal data; November 2026.
pub fn grant() -> Grant {
    let export = tools().into_iter().next().unwrap();
    Grant {
        rules: BTreeSet::new(),
        exception: "EX-1".parse().unwrap(),
        revision: 1,
        digest: Digest::of(b"EX-1"),
        kind: Kind::Pilot,
        pilot: Some("PI-1".parse().unwrap()),
        agents: BTreeSet::from(["a".into()]),
        users: BTreeSet::new(),
        user_required: false,
        server: export.reference.server.clone(),
        tools: BTreeMap::from([(export.reference.tool.clone(), export.digest)]),
        arguments: vec![
            ArgumentBound { name: "region".into(), bound: Bound::In(vec![json!("eu")]) },
            ArgumentBound { name: "max_rows".into(), bound: Bound::Between { min: 1, max: 500 } },
            ArgumentBound { name: "include_pii".into(), bound: Bound::AbsentOr(json!(false)) },
        ],
        window: Window { not_before: at("2026-11-01T00:00:00Z"), not_after: at("2026-12-01T00:00:00Z") },
        budget: Budget { calls: 10 },
        obligations: vec![Obligation::AuditWriteAhead, Obligation::ArgsConstrain],
    }
}

pub fn usable(grant: Grant) -> Candidate {
    standing(grant, Standing::Usable)
}

pub fn standing(grant: Grant, standing: Standing) -> Candidate {
    Candidate { grant: Arc::new(grant), standing }
}

/// `allow rbac granted`, and the like.
pub fn short(decision: &Decision) -> String {
    let verdict = decision.verdict();
    format!("{} {} {}", verdict.effect.as_str(), verdict.basis.as_str(), verdict.reason.as_str())
}
