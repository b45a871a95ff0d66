//! Cases: a request and the decision that is expected, as a table that people can read.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    decision::{Decision, Visibility},
    registry,
    set::PolicySet,
    source::{Place, SourceFile, Sources},
};
use crate::{
    catalog::ToolCall,
    domain::{
        AgentId, Basis, Credential, CredentialId, CredentialKind, Delegator, Document, Effect, Findings, PersonId,
        Reason, RoleName, Subject, Timestamp, ToolRef,
    },
};

const SCHEMA: &str = include_str!("../../policies/schema/tests.json");

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    agent: AgentId,
    #[serde(default)]
    roles: Vec<RoleName>,
    on_behalf_of: Option<User>,
    tool: String,
    arguments: Option<Box<RawValue>>,
    now: Option<Timestamp>,
    expect: Expectation,
}

#[derive(Deserialize)]
struct User {
    person: PersonId,
    #[serde(default)]
    roles: Vec<RoleName>,
}

#[derive(Deserialize)]
struct Expectation {
    effect: Option<Effect>,
    basis: Option<Basis>,
    reason: Option<Reason>,
    determining: Option<Vec<String>>,
    advisories: Option<Vec<String>>,
    requestable: Option<bool>,
    visibility: Option<String>,
}

impl PolicySet {
    /// Runs the cases of `tests/*.yaml` against this set, without exceptions; what differs is a finding.
    #[must_use]
    pub fn run_cases(&self, sources: &Sources) -> Findings {
        let mut findings = Findings::default();
        for file in sources.files.iter().filter(|file| Place::of(&file.path) == Ok(Place::Cases)) {
            self.run_file(file, &mut findings);
        }
        findings.0.sort();
        findings
    }

    fn run_file(&self, file: &SourceFile, findings: &mut Findings) {
        let document = match registry::document(file, SCHEMA) {
            Ok(document) => document,
            Err(found) => return findings.extend(found),
        };
        match document.read::<Cases>() {
            Ok(read) => {
                for (index, case) in read.cases.iter().enumerate() {
                    self.run(case, &document, &format!("/cases/{index}"), findings);
                }
            }
            Err(found) => findings.extend(found),
        }
    }

    fn run(&self, case: &Case, document: &Document, path: &str, findings: &mut Findings) {
        let mut find = |member: &str, message: String| {
            document.find(findings, &format!("{path}{member}"), format!("case `{}`: {message}", case.name));
        };
        let Some(known) = reference(&case.tool).and_then(|tool| self.tool(&tool)) else {
            return find("/tool", format!("no approved tool is called `{}`", case.tool));
        };
        let Some(subject) = self.subject(case) else {
            return find("/agent", "the agent cannot be made a subject".to_owned());
        };
        let now = case.now.unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
        let expect = &case.expect;
        if let Some(expected) = &expect.visibility {
            let seen = word(self.visibility(&subject, &known.tool, &[], now));
            if seen != expected {
                find("/expect/visibility", format!("the agent's view of the tool is `{seen}`, not `{expected}`"));
            }
        }
        let call = match ToolCall::check(Arc::clone(&known.tool), case.arguments.as_deref(), Vec::new()) {
            Ok(call) => call,
            Err(_) if expect.reason == Some(Reason::InvalidArguments) => return,
            Err(error) => return find("/arguments", error.to_string()),
        };
        let decision = self.decide(&subject, call, &[], now);
        let verdict = decision.verdict();
        let all = |ids: &[Arc<str>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let differences = [
            differs("effect", expect.effect.map(Effect::as_str), verdict.effect.as_str()),
            differs("basis", expect.basis.map(Basis::as_str), verdict.basis.as_str()),
            differs("reason", expect.reason.map(Reason::as_str), verdict.reason.as_str()),
            differs("determining", expect.determining.clone().map(sorted), all(&verdict.determining)),
            differs("advisories", expect.advisories.clone().map(sorted), all(&verdict.advisories)),
            differs("requestable", expect.requestable, is_requestable(&decision)),
        ];
        for (member, message) in differences.into_iter().flatten() {
            find(&format!("/expect/{member}"), message);
        }
    }

    /// The subject of a case: the roles of the registry and those that the case adds.
    fn subject(&self, case: &Case) -> Option<Subject> {
        let registered = self.registry().agents.get(&case.agent).map(|entry| &entry.roles);
        let roles = registered.into_iter().flatten().chain(&case.roles).cloned().collect();
        let on_behalf_of = case.on_behalf_of.as_ref().map(|user| {
            let registered = self.registry().people.get(&user.person).map(|entry| &entry.roles);
            let roles = registered.into_iter().flatten().chain(&user.roles).cloned().collect();
            Delegator { person: user.person.clone(), roles }
        });
        let credential = Credential {
            id: "crd_case".parse::<CredentialId>().ok()?,
            kind: CredentialKind::ApiKey,
            issued: None,
            expires: DateTime::<Utc>::MAX_UTC,
        };
        Some(Subject { agent: case.agent.clone(), roles, on_behalf_of, credential, taints: Arc::default() })
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(
    name: &'static str,
    expected: Option<T>,
    found: T,
) -> Option<(&'static str, String)> {
    let expected = expected.filter(|expected| *expected != found)?;
    Some((name, format!("{name} is {found:?}, not {expected:?}")))
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

const fn is_requestable(decision: &Decision) -> bool {
    match decision {
        Decision::Permit(_) => false,
        Decision::Deny(denial) => denial.requestable,
    }
}

const fn word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Hidden => "hidden",
        Visibility::Requestable => "requestable",
        Visibility::Exception => "exception",
        Visibility::Depends => "depends",
        Visibility::Allowed => "allowed",
    }
}

/// A tool as people write it: `server/tool`.
fn reference(text: &str) -> Option<ToolRef> {
    let (server, tool) = text.split_once('/')?;
    Some(ToolRef { server: server.parse().ok()?, tool: tool.parse().ok()? })
}
