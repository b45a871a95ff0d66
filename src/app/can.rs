//! What one subject can do with one tool now. Nothing of it is recorded as a call.

use std::sync::Arc;

use super::{explain::summary, house::House, judge};
use crate::{
    api::{ApiError, Can, CanView},
    catalog::Tool,
    domain::{Candidate, Effect, Reach, Standing, Verdict},
    gateway::{Admission as _, World},
    policy::Visibility,
};

impl House {
    /// The decision for this subject and tool at this moment.
    pub(super) fn can(&self, can: Can) -> Result<CanView, ApiError> {
        let world = self.keeper.world.load_full();
        let now = self.clock.now();
        let tool = named(&world, &can.tool)?;
        let subject = judge::subject(&world, &can.agent, (can.person.as_ref(), &can.roles), now)?;
        let suspect = self.clock.is_suspect();
        let candidates = self.desk.index().candidates(&subject.agent, &tool.reference, now, suspect);
        let policies = &world.policies;
        let sees = policies.visibility(&subject, &tool, &candidates, now);
        let usable: Vec<_> = candidates.iter().filter(|one| one.standing == Standing::Usable).cloned().collect();
        let answered = policies.visibility(&subject, &tool, &usable, now);
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
        let reach = Reach { agent: &subject.agent, server: Some(&tool.reference.server), exception: None, pilot: None };
        if self.store.is_frozen(&reach) {
            view.besides.push("it is frozen (`postern freezes`): every call is refused".to_owned());
        }
        match can.arguments {
            None if answered != sees => {
                view.answer = "no".to_owned();
                view.summary = "no role allows it, and no exception that names it works now".to_owned();
            }
            None => (view.answer, view.summary) = told(sees),
            Some(arguments) => {
                let verdict = judge::rule(&world, &subject, (tool, &arguments), &candidates, now)?.verdict;
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
    let tool = exposed.cloned().or_else(|| judge::tool_at(world, name));
    tool.ok_or_else(|| ApiError::invalid(format!("no approved tool is called `{name}`; see `postern catalog list`")))
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
