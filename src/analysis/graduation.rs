//! From what was used under exceptions to the role that takes over, and what that gains and loses.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Completeness, Filter, Gain, RecordedCall, Replay, Replayed, Role, Study, Unjudged, World,
    role::{Used, cedar},
};
use crate::{
    domain::{AgentId, ExceptionId, Grant, PersonId, RoleName, Timestamp, ToolRef},
    policy::PolicySet,
};

/// Collects what was used under these exceptions.
pub struct Graduation {
    role: RoleName,
    source: String,
    grants: Vec<Grant>,
    used: BTreeMap<ToolRef, Used>,
    agents: BTreeSet<AgentId>,
    people: BTreeSet<PersonId>,
    completeness: Completeness,
}

/// A role that takes over from exceptions: a draft, and nothing is in force by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graduated {
    /// The role.
    pub role: RoleName,
    /// The exceptions that it takes over from.
    pub exceptions: Vec<ExceptionId>,
    /// Where it belongs in the policies folder.
    pub file: String,
    /// The Cedar file.
    pub cedar: String,
    /// The agents that used them, and so get the role in agents.yaml.
    pub members: BTreeSet<AgentId>,
    /// The people they acted for, who need it in people.yaml.
    pub people: BTreeSet<PersonId>,
    /// Agents that never used them.
    pub idle: BTreeSet<AgentId>,
    /// By tool.
    pub tools: Vec<Role>,
    /// Tools that were never used, which the role leaves out.
    pub unused: Vec<String>,
    /// How much of what was used could be read.
    pub completeness: Completeness,
    /// The replay under the role without the exceptions; absent where nothing was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replayed>,
    /// What a solver says: that nothing is gained beyond the exceptions; absent where nothing was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
}

impl Graduation {
    /// A graduation to this role. `source` is the exception's or the pilot's id.
    #[must_use]
    pub fn new(role: RoleName, source: String, grants: Vec<Grant>, since: Timestamp) -> Self {
        let (used, agents, people) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { role, source, grants, used, agents, people, completeness: Completeness::new(since) }
    }

    /// The calls that it looks at.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter { exceptions: self.ids().into_iter().collect(), ..Filter::default() }
    }

    /// The calls that the role is tried on: all of its agents and tools.
    #[must_use]
    pub fn trial(&self) -> Filter {
        let mut tools = BTreeSet::new();
        for grant in &self.grants {
            let server = &grant.server;
            tools.extend(grant.tools.keys().map(|tool| ToolRef { server: server.clone(), tool: tool.clone() }));
        }
        let agents = self.grants.iter().flat_map(|grant| grant.agents.iter().cloned()).collect();
        Filter { agents, tools, ..Filter::default() }
    }

    /// The draft of the role; definitions are those of this set.
    #[must_use]
    pub fn draft(&self, set: &PolicySet) -> Graduated {
        let mut tools = Vec::new();
        for (reference, used) in &self.used {
            let of = |grant: &&Grant| grant.server == reference.server && grant.tools.contains_key(&reference.tool);
            let grants: Vec<_> = self.grants.iter().filter(of).collect();
            if let Some(tool) = set.definition(reference) {
                tools.push((reference.clone(), used.role(tool, &grants)));
            }
        }
        let unused = self.trial().tools.into_iter().filter(|tool| !self.used.contains_key(tool));
        let every = self.grants.iter().flat_map(|grant| grant.agents.iter());
        Graduated {
            role: self.role.clone(),
            exceptions: self.ids(),
            file: format!("roles/{}-{}.cedar", self.role, self.source),
            cedar: cedar(&self.role, &self.source, &tools),
            members: self.agents.clone(),
            people: self.people.clone(),
            idle: every.filter(|agent| !self.agents.contains(*agent)).cloned().collect(),
            tools: tools.into_iter().map(|(_, role)| role).collect(),
            unused: unused.map(|tool| tool.to_string()).collect(),
            completeness: self.completeness.clone(),
            replay: None,
            gain: None,
        }
    }

    /// The replay of the draft: with the exceptions usable all the time, and under the set that holds the role, with its
    /// members and without the exceptions. What is gained so is gained beyond the exceptions.
    #[must_use]
    pub fn replay(&self, now: &World, with_role: std::sync::Arc<PolicySet>) -> Replay {
        let then = now.clone().under(with_role);
        let then = then.giving(self.role.clone(), self.agents.clone(), self.people.clone());
        let then = self.ids().into_iter().fold(then, World::without);
        let without = self.ids().into_iter().fold(now.clone(), World::without);
        let now = self.grants.iter().cloned().fold(without, World::with);
        Replay::new(now, then, self.completeness.since)
    }

    /// The exceptions that it takes over from.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    fn ids(&self) -> Vec<ExceptionId> {
        self.grants.iter().map(|grant| grant.exception.clone()).collect()
    }
}

impl Study for Graduation {
    fn take(&mut self, call: &RecordedCall) {
        if !call.was_allowed() {
            return;
        }
        self.agents.insert(call.agent().clone());
        self.people.extend(call.caller.on_behalf_of.clone());
        let arguments = call.arguments.as_ref().map_err(|why| *why);
        let arguments: Result<Map<String, Value>, _> =
            arguments.and_then(|raw| serde_json::from_str(raw.get()).map_err(|_| Unjudged::Misfit));
        match arguments {
            Ok(arguments) => {
                let person = call.caller.on_behalf_of.is_some();
                self.used.entry(call.tool.clone()).or_default().take(&arguments, person);
                self.completeness.judged(false);
            }
            Err(why) => self.completeness.missed(why),
        }
    }

    fn cut(&mut self) {
        self.completeness.truncated = true;
    }
}
