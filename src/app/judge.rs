//! The one place where a question about an agent and a tool is judged without a call: for `can` and for AuthZEN.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, value::to_raw_value};

use crate::{
    api::ApiError,
    catalog::{Tool, ToolCall},
    domain::{
        AgentId, Candidate, Credential, CredentialId, CredentialKind, Delegator, Digest, PersonId, RoleName, Subject,
        Timestamp, ToolRef, Verdict,
    },
    gateway::World,
    policy::Decision,
};

/// A question, judged.
pub(super) struct Ruled {
    /// The answer.
    pub(super) verdict: Verdict,
    /// Whether an exception may be asked for.
    pub(super) requestable: bool,
    /// What was passed, as canonical text.
    pub(super) arguments: String,
    /// The digest of that.
    pub(super) digest: Digest,
}

/// The approved tool at `server/tool`.
pub(super) fn tool_at(world: &World, name: &str) -> Option<Arc<Tool>> {
    let (server, tool) = name.split_once('/')?;
    let reference = ToolRef { server: server.parse().ok()?, tool: tool.parse().ok()? };
    world.catalog.tool_at(&reference.server, &reference.tool).cloned()
}

/// The agent as the gateway would know it, with roles that a token would assert beside those of agents.yaml. A person
/// of whom people.yaml says nothing lends no roles; one who is not active lends nothing to anybody.
pub(super) fn subject(
    world: &World,
    agent: &AgentId,
    (person, roles): (Option<&PersonId>, &[RoleName]),
    now: Timestamp,
) -> Result<Subject, ApiError> {
    let registry = world.policies.registry();
    let entry = registry.agents.get(agent);
    let entry = entry.ok_or_else(|| ApiError::invalid(format!("agents.yaml does not know `{agent}`")))?;
    let roles: BTreeSet<RoleName> = entry.roles.iter().chain(roles).cloned().collect();
    let lend = |person: &PersonId| match registry.people.get(person) {
        Some(entry) if !entry.active => {
            Err(ApiError::invalid(format!("`{person}` is not active and lends nothing to an agent")))
        }
        entry => Ok(Delegator {
            person: person.clone(),
            roles: entry.map(|entry| entry.roles.iter().cloned().collect()).unwrap_or_default(),
        }),
    };
    let credential =
        Credential { id: CredentialId::from_bits(0), kind: CredentialKind::ApiKey, issued: None, expires: now };
    let on_behalf_of = person.map(lend).transpose()?;
    Ok(Subject {
        agent: agent.clone(),
        roles: roles.into_iter().collect(),
        on_behalf_of,
        credential,
        taints: Arc::default(),
    })
}

/// The decision for these arguments at this moment. Nothing of it is recorded as a call, and no budget is charged.
pub(super) fn rule(
    world: &World,
    subject: &Subject,
    (tool, arguments): (Arc<Tool>, &Map<String, Value>),
    candidates: &[Candidate],
    now: Timestamp,
) -> Result<Ruled, ApiError> {
    let raw = to_raw_value(arguments).map_err(|_| ApiError::internal())?;
    let name = tool.reference.to_string();
    let call = ToolCall::check(tool, Some(&raw), Vec::new())
        .map_err(|error| ApiError::invalid(format!("the arguments do not fit `{name}`: {error}")))?;
    let (arguments, digest) = (raw.get().to_owned(), call.digest());
    let (verdict, requestable) = match world.policies.decide(subject, call, candidates, now) {
        Decision::Permit(permit) => (permit.verdict().clone(), false),
        Decision::Deny(denial) => (denial.verdict, denial.requestable),
    };
    Ok(Ruled { verdict, requestable, arguments, digest })
}
