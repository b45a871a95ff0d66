//! The record as people write it, and how it becomes a spec.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Access, Attestation, Beneficiary, Category, Control, Deviation, Exit, Owner, Period, Removal, Spec, Validation,
};
use crate::domain::{
    AgentId, ArgumentBound, Bound, Budget, DecisionId, Digest, ExceptionId, Kind, Obligation, PersonId, PilotId,
    ServerName, Timestamp, ToolName, Window,
};

/// The members of the file. The schema has been satisfied, so what is read here is only given its types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    id: ExceptionId,
    kind: Kind,
    category: Category,
    pilot: Option<PilotId>,
    supersedes: Option<ExceptionId>,
    subject: SubjectForm,
    grant: GrantForm,
    deviation: Deviation,
    rationale: String,
    ticket: Option<String>,
    incident: Option<String>,
    ends_on: Option<String>,
    #[serde(default)]
    rule_ids: BTreeSet<String>,
    rule_owner: Option<PersonId>,
    owner: Owner,
    requester: Option<PersonId>,
    not_before: Timestamp,
    not_after: Timestamp,
    budget: BudgetForm,
    controls: Vec<ControlForm>,
    attestation: Option<AttestationForm>,
    removal: Option<Removal>,
    exit: Option<Exit>,
    governance: GovernanceForm,
    refs: Option<RefsForm>,
}

#[derive(Deserialize)]
struct SubjectForm {
    agents: BTreeSet<AgentId>,
    on_behalf_of: Option<OnBehalfOf>,
}

#[derive(Deserialize)]
struct OnBehalfOf {
    #[serde(default)]
    users: BTreeSet<PersonId>,
    required: bool,
}

#[derive(Deserialize)]
struct GrantForm {
    server: ServerName,
    tools: BTreeSet<ToolName>,
    descriptor_digest: Value,
    #[serde(default)]
    args: BTreeMap<String, BoundForm>,
}

#[derive(Deserialize)]
struct BoundForm {
    r#in: Option<Vec<Value>>,
    min: Option<i64>,
    max: Option<i64>,
    absent_or: Option<Value>,
}

#[derive(Deserialize)]
struct BudgetForm {
    calls: u64,
    calls_per_min: Option<u32>,
}

#[derive(Deserialize)]
struct ControlForm {
    id: String,
    obligation: String,
    params: Option<Value>,
    definition: String,
    validation: Option<Validation>,
    maintenance: Option<String>,
}

#[derive(Deserialize)]
struct AttestationForm {
    every: Period,
    grace: Period,
}

#[derive(Deserialize)]
struct GovernanceForm {
    channel: String,
}

#[derive(Deserialize, Default)]
struct RefsForm {
    #[serde(default)]
    controls_mapped: Vec<String>,
    decision: Option<DecisionId>,
}

/// A fault that the form could not say: a JSON pointer and the sentence.
pub(super) type Misfit = (String, String);

impl Form {
    /// The spec of this record.
    pub(super) fn spec(self) -> Result<Spec, Misfit> {
        let mut access = self.grant.access()?;
        access.rules = self.rule_ids.into_iter().map(Arc::from).collect();
        let mut controls = Vec::with_capacity(self.controls.len());
        for (at, control) in self.controls.into_iter().enumerate() {
            controls.push(control.control(at)?);
        }
        let on_behalf_of = self.subject.on_behalf_of;
        let refs = self.refs.unwrap_or_default();
        Ok(Spec {
            id: self.id,
            kind: self.kind,
            category: self.category,
            pilot: self.pilot,
            supersedes: self.supersedes,
            subject: Beneficiary {
                agents: self.subject.agents,
                user_required: on_behalf_of.as_ref().is_some_and(|people| people.required),
                users: on_behalf_of.map(|people| people.users).unwrap_or_default(),
            },
            access,
            deviation: self.deviation,
            rationale: self.rationale,
            ticket: self.ticket,
            incident: self.incident,
            ends_on: self.ends_on,
            rule_owner: self.rule_owner,
            owner: self.owner,
            requester: self.requester,
            window: Window { not_before: self.not_before, not_after: self.not_after },
            budget: Budget { calls: self.budget.calls },
            calls_per_min: self.budget.calls_per_min,
            controls,
            attestation: self.attestation.map(|form| Attestation { every: form.every, grace: form.grace }),
            removal: self.removal,
            exit: self.exit,
            channel: self.governance.channel,
            controls_mapped: refs.controls_mapped,
            decision: refs.decision,
        })
    }
}

impl GrantForm {
    fn access(self) -> Result<Access, Misfit> {
        let fault = |error: String| ("/grant/descriptor_digest".to_owned(), error);
        let mut tools = BTreeMap::new();
        for tool in self.tools {
            let digests = &self.descriptor_digest;
            let text = digests.as_str().or_else(|| digests.get(tool.as_str()).and_then(Value::as_str));
            let text = text.ok_or_else(|| fault(format!("the digest of tool `{tool}` is missing")))?;
            let digest: Digest = text.parse().map_err(|error| fault(format!("{error}")))?;
            tools.insert(tool, digest);
        }
        let mut arguments = Vec::with_capacity(self.args.len());
        for (name, form) in self.args {
            let bound = match form {
                BoundForm { r#in: Some(values), min: None, max: None, absent_or: None } => Bound::In(values),
                BoundForm { r#in: None, min: Some(min), max: Some(max), absent_or: None } => {
                    Bound::Between { min, max }
                }
                BoundForm { r#in: None, min: None, max: None, absent_or: Some(value) } => Bound::AbsentOr(value),
                BoundForm { .. } => {
                    let sentence = "write `{in: [eu]}`, `{min: 1, max: 500}` (both) or `{absent_or: false}`";
                    return Err((format!("/grant/args/{}", escape(&name)), sentence.to_owned()));
                }
            };
            arguments.push(ArgumentBound { name, bound });
        }
        Ok(Access { server: self.server, tools, rules: BTreeSet::new(), arguments })
    }
}

impl ControlForm {
    fn control(self, at: usize) -> Result<Control, Misfit> {
        let duty = match self.params.filter(|params| params.as_object().is_none_or(|members| !members.is_empty())) {
            Some(params) => json!({"obligation": self.obligation, "params": params}),
            None => json!({"obligation": self.obligation}),
        };
        let duty: Obligation =
            serde_json::from_value(duty).map_err(|error| (format!("/controls/{at}/obligation"), error.to_string()))?;
        Ok(Control {
            id: self.id,
            duty,
            definition: self.definition,
            validation: self.validation,
            maintenance: self.maintenance,
        })
    }
}

/// A member's name as a token of a JSON pointer (RFC 6901).
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
