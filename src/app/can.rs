//! What one subject can do with one tool now. Nothing of it is recorded as a call.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::value::to_raw_value;

use super::{explain::summary, house::House};
use crate::{
    api::{ApiError, Can, CanView},
    catalog::{Tool, ToolCall},
    domain::{
        Candidate, Credential, CredentialId, CredentialKind, Delegator, Effect, RoleName, Standing, Subject, ToolRef,
        Verdict,
    },
    gateway::{Admission as _, World},
    policy::Visibility,
};

impl House {
    /// The decision for this subject and tool at this moment.
    pub(super) fn can(&self, can: Can) -> Result<CanView, ApiError> {
        let world = self.keeper.world.load_full();
        let now = self.clock.now();
        let tool = named(&world, &can.tool)?;
        let subject = subject(&world, &can, now)?;
        let suspect = self.clock.is_suspect();
        let candidates = self.desk.index().candidates(&subject.agent, &tool.reference, now, suspect);
        let policies = &world.policies;
        let sees = policies.visibility(&subject, &tool, &candidates, now);
        let speaking = policies.speaking(&tool.reference, &subject.agent, &subject.roles);
        let speaking =
            speaking.iter().map(|one| format!("{} {} ({}:{})", one.level.as_str(), one.id, one.file, one.line));
        let mut view = CanView {
            agent: subject.agent.clone(),
            on_behalf_of: can.person,
            roles: subject.roles.to_vec(),
            tool: tool.reference.to_string(),
            answer: String::new(),
            summary: String::new(),
            sees: sees_word(sees).to_owned(),
            verdict: None,
            policies: speaking.collect(),
            exceptions: candidates.iter().map(stands).collect(),
            besides: Vec::new(),
        };
        if self.store.is_frozen() {
            view.besides.push("the gateway is frozen: every call is refused".to_owned());
        }
        match can.arguments {
            None => (view.answer, view.summary) = told(sees),
            Some(arguments) => {
                let raw = to_raw_value(&arguments).map_err(|error| ApiError::invalid(error.to_string()))?;
                let call = ToolCall::check(tool, Some(&raw), Vec::new())
                    .map_err(|error| ApiError::invalid(error.to_string()))?;
                let verdict = policies.decide(&subject, call, &candidates, now).verdict().clone();
                view.answer = if verdict.effect == Effect::Allow { "yes" } else { "no" }.to_owned();
                view.summary = summary(&verdict, None);
                view.besides.extend(self.unhealthy(&verdict));
                view.verdict = Some(verdict);
            }
        }
        Ok(view)
    }

    /// Controls of the decision that do not work now.
    fn unhealthy(&self, verdict: &Verdict) -> Vec<String> {
        let health = self.controls.health(self.clock.now());
        let broken = health.iter().filter(|one| !one.healthy && verdict.controls.iter().any(|id| id == one.id));
        broken.map(|one| format!("the control `{}` does not work now: the call is refused", one.id)).collect()
    }
}

/// The tool of this name: as agents see it on `/mcp`, or `server/tool`.
fn named(world: &World, name: &str) -> Result<Arc<Tool>, ApiError> {
    let exposed = name.parse().ok().and_then(|name| world.catalog.tool(&name));
    let plain = || {
        let (server, tool) = name.split_once('/')?;
        let reference = ToolRef { server: server.parse().ok()?, tool: tool.parse().ok()? };
        world.catalog.tool_at(&reference.server, &reference.tool)
    };
    let tool = exposed.or_else(plain).cloned();
    tool.ok_or_else(|| ApiError::invalid(format!("no approved tool is called `{name}`; see `postern catalog list`")))
}

fn subject(world: &World, can: &Can, now: crate::domain::Timestamp) -> Result<Subject, ApiError> {
    let registry = world.policies.registry();
    let agent = registry.agents.get(&can.agent);
    let agent = agent.ok_or_else(|| ApiError::invalid(format!("agents.yaml does not know `{}`", can.agent)))?;
    let roles: BTreeSet<RoleName> = agent.roles.iter().chain(&can.roles).cloned().collect();
    let on_behalf_of = match &can.person {
        None => None,
        Some(person) => match registry.people.get(person) {
            Some(entry) if !entry.active => {
                return Err(ApiError::invalid(format!("`{person}` is not active and lends nothing to an agent")));
            }
            entry => Some(Delegator {
                person: person.clone(),
                roles: entry.map(|entry| entry.roles.iter().cloned().collect()).unwrap_or_default(),
            }),
        },
    };
    let credential =
        Credential { id: CredentialId::from_bits(0), kind: CredentialKind::ApiKey, issued: None, expires: now };
    Ok(Subject {
        agent: can.agent.clone(),
        roles: roles.into_iter().collect(),
        on_behalf_of,
        credential,
        taints: Arc::default(),
    })
}

const fn sees_word(sees: Visibility) -> &'static str {
    match sees {
        Visibility::Hidden => "hidden",
        Visibility::Requestable => "requestable",
        Visibility::Exception => "exception",
        Visibility::Depends => "depends",
        Visibility::Allowed => "allowed",
    }
}

fn told(sees: Visibility) -> (String, String) {
    let (answer, summary) = match sees {
        Visibility::Hidden => ("no", "every call is refused, and the tool answers as one that is not there"),
        Visibility::Requestable => ("no", "nothing permits it; an exception may be asked for"),
        Visibility::Exception => ("depends", "no role allows it; an exception names it: give --args to know"),
        Visibility::Depends => ("depends", "it depends on arguments or time: give --args to know"),
        Visibility::Allowed => ("yes", "a role allows it whatever the arguments"),
    };
    (answer.to_owned(), summary.to_owned())
}

fn stands(candidate: &Candidate) -> String {
    let standing = match candidate.standing {
        Standing::Usable => "usable".to_owned(),
        Standing::Suspended(reason) => {
            let word = serde_json::to_value(reason).ok().and_then(|value| value.as_str().map(str::to_owned));
            format!("suspended ({})", word.unwrap_or_default())
        }
        Standing::Exhausted => "exhausted".to_owned(),
    };
    format!("{} {standing}", candidate.grant.exception)
}
