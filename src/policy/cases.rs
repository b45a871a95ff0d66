//! policies/tests/*.yaml: a request and the decision that is expected of it.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Decision, PolicySet, SourceFile, Sources};
use crate::{
    catalog::{Tool, ToolCall},
    domain::{AgentId, Credential, CredentialId, CredentialKind, Delegator, Document, Effect, Findings, PersonId, Subject, Timestamp, Verdict},
};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    agent: AgentId,
    on_behalf_of: Option<PersonId>,
    server: String,
    tool: String,
    #[serde(default)]
    arguments: Value,
    expect: Effect,
    basis: Option<String>,
    reason: Option<String>,
}

impl PolicySet {
    /// Runs every case; each that is decided otherwise is a finding with its line.
    #[must_use]
    pub fn run_cases(&self, sources: &Sources, tools: &[Arc<Tool>], now: Timestamp) -> (usize, Findings) {
        let by_name: BTreeMap<String, &Arc<Tool>> = tools.iter().map(|tool| (tool.reference.to_string(), tool)).collect();
        let (mut run, mut findings) = (0, Findings::default());
        for file in sources.files.iter().filter(|file| file.path.starts_with("tests/")) {
            match read(file) {
                Err(faults) => findings.extend(faults),
                Ok((document, cases)) => {
                    for (index, case) in cases.cases.iter().enumerate() {
                        run += 1;
                        if let Err(message) = self.run(case, &by_name, now) {
                            document.find(&mut findings, &format!("/cases/{index}"), format!("`{}`: {message}", case.name));
                        }
                    }
                }
            }
        }
        (run, findings)
    }

    fn run(&self, case: &Case, tools: &BTreeMap<String, &Arc<Tool>>, now: Timestamp) -> Result<(), String> {
        let name = format!("{}/{}", case.server, case.tool);
        let tool = tools.get(&name).ok_or_else(|| format!("no server offers `{name}`"))?;
        let arguments = if case.arguments.is_null() { json!({}) } else { case.arguments.clone() };
        let raw: Box<RawValue> = serde_json::value::to_raw_value(&arguments).map_err(|error| error.to_string())?;
        let call = ToolCall::check(Arc::clone(tool), Some(&raw), Vec::new()).map_err(|error| error.to_string())?;
        let subject = self.subject(case, now)?;
        let verdict = match self.decide(&subject, call, &[], now) {
            Decision::Permit(permit) => permit.verdict().clone(),
            Decision::Deny(denial) => denial.verdict,
        };
        let good = verdict.effect == case.expect
            && case.basis.as_deref().is_none_or(|basis| basis == verdict.basis.as_str())
            && case.reason.as_deref().is_none_or(|reason| reason == verdict.reason.as_str());
        if good { Ok(()) } else { Err(format!("decided {}", described(&verdict))) }
    }

    fn subject(&self, case: &Case, now: Timestamp) -> Result<Subject, String> {
        let registry = self.registry();
        let entry = registry.agents.get(&case.agent).ok_or_else(|| format!("`{}` is not in agents.yaml", case.agent))?;
        let on_behalf_of = match &case.on_behalf_of {
            None => None,
            Some(person) => {
                let entry = registry.people.get(person).ok_or_else(|| format!("`{person}` is not in people.yaml"))?;
                Some(Delegator { person: person.clone(), roles: entry.roles.iter().cloned().collect() })
            }
        };
        let credential = Credential { id: CredentialId::from_bits(0), kind: CredentialKind::ApiKey, expires: now };
        Ok(Subject { agent: case.agent.clone(), roles: entry.roles.iter().cloned().collect(), on_behalf_of, credential })
    }
}

fn described(verdict: &Verdict) -> String {
    format!("{} by {} ({}) {:?}", verdict.effect.as_str(), verdict.basis.as_str(), verdict.reason.as_str(), verdict.determining)
}

fn read(file: &SourceFile) -> Result<(Document, Cases), Findings> {
    let document = Document::parse(&file.path, &file.text)?;
    let schema = json!({
        "type": "object", "required": ["cases"], "additionalProperties": false,
        "properties": {"cases": {"type": "array", "items": {
            "type": "object", "required": ["name", "agent", "server", "tool", "expect"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string"}, "agent": {"type": "string"}, "on_behalf_of": {"type": "string"},
                "server": {"type": "string"}, "tool": {"type": "string"}, "arguments": {"type": "object"},
                "expect": {"enum": ["allow", "deny"]},
                "basis": {"enum": ["rbac", "guardrail", "default_deny"]},
                "reason": {"enum": ["granted", "no_grant", "hard_guardrail", "soft_guardrail"]}
            }
        }}}
    });
    let validator = jsonschema::validator_for(&schema).map_err(|error| Findings::one(&file.path, 0, "", error.to_string()))?;
    document.faults(&validator).or(())?;
    let cases = document.read()?;
    Ok((document, cases))
}
