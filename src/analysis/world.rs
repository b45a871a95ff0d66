//! A policy set with the exceptions of each moment, to judge recorded calls in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{RecordedCall, Timeline, Unjudged};
use crate::{
    catalog::ToolCall,
    domain::{
        AgentId, Candidate, Digest, ExceptionId, Grant, PersonId, Registry, RoleName, Standing, Timestamp, Verdict,
        Window,
    },
    policy::PolicySet,
};

/// The registries of the policy sets that calls were decided under.
pub type Registries = BTreeMap<Digest, Registry>;

/// Policies and exceptions under which recorded calls are judged. Cheap to clone.
#[derive(Clone)]
pub struct World {
    /// Whose registry stands for that of a call whose own is not known.
    base: Arc<PolicySet>,
    set: Arc<PolicySet>,
    timeline: Arc<Timeline>,
    registries: Arc<Registries>,
    without: BTreeSet<ExceptionId>,
    with: Vec<Arc<Grant>>,
    given: Option<(RoleName, BTreeSet<AgentId>, BTreeSet<PersonId>)>,
}

impl World {
    /// These policies, with the exceptions as they lived.
    #[must_use]
    pub fn new(set: Arc<PolicySet>, timeline: Arc<Timeline>) -> Self {
        Self {
            base: Arc::clone(&set),
            set,
            timeline,
            registries: Arc::default(),
            without: BTreeSet::new(),
            with: Vec::new(),
            given: None,
        }
    }

    /// The same world, knowing the registries of then: roles that one gave an agent or a person are replaced by those
    /// that the registry of this world gives; what a token asserted stays.
    #[must_use]
    pub fn recalling(mut self, registries: Arc<Registries>) -> Self {
        self.registries = registries;
        self
    }

    /// The same world under other policies and their registry.
    #[must_use]
    pub fn under(mut self, set: Arc<PolicySet>) -> Self {
        self.set = set;
        self
    }

    /// The same world, in which these agents and people have this role besides.
    #[must_use]
    pub fn giving(mut self, role: RoleName, agents: BTreeSet<AgentId>, people: BTreeSet<PersonId>) -> Self {
        self.given = Some((role, agents, people));
        self
    }

    /// The same world without this exception.
    #[must_use]
    pub fn without(mut self, id: ExceptionId) -> Self {
        self.without.insert(id);
        self
    }

    /// The same world with what this grant would make usable, at any time.
    #[must_use]
    pub fn with(mut self, grant: Grant) -> Self {
        let always = |seconds, or| Timestamp::from_timestamp(seconds, 0).unwrap_or(or);
        // The years 1 and 9999: what Cedar can write.
        let window = Window {
            not_before: always(-62_135_596_800, grant.window.not_before),
            not_after: always(253_402_300_799, grant.window.not_after),
        };
        self.with.push(Arc::new(Grant { window, ..grant }));
        self
    }

    /// The policies.
    #[must_use]
    pub const fn set(&self) -> &Arc<PolicySet> {
        &self.set
    }

    /// What would be decided of this call here, at its moment.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn judge(&self, call: &RecordedCall) -> Result<Verdict, Unjudged> {
        let arguments = call.arguments.as_ref().map_err(|why| *why)?;
        let tool = self.set.definition(&call.tool).ok_or(Unjudged::NoTool)?;
        let checked = ToolCall::check(Arc::clone(tool), Some(arguments), Vec::new()).map_err(|_| Unjudged::Misfit)?;
        let mut candidates =
            self.timeline.candidates((call.agent(), &call.tool), call.at, self.set.registry(), &self.without);
        let granted = |grant: &Arc<Grant>| Candidate { grant: Arc::clone(grant), standing: Standing::Usable };
        candidates.extend(self.with.iter().map(granted));
        let (roles, of_person) = self.roles(call);
        let subject = call.subject(roles, of_person);
        Ok(self.set.decide(&subject, checked, &candidates, call.at).verdict().clone())
    }

    /// The roles of the agent, and of the person that it acts for.
    fn roles(&self, call: &RecordedCall) -> (Arc<[RoleName]>, Arc<[RoleName]>) {
        let before = self.registries.get(&call.verdict.policy_set).unwrap_or_else(|| self.base.registry());
        let now = self.set.registry();
        let caller = &call.caller;
        let (role, agents, people) = self
            .given
            .as_ref()
            .map_or((None, None, None), |(role, agents, people)| (Some(role), Some(agents), Some(people)));
        let of = |registry: &Registry| registry.agents.get(&caller.agent).map(|entry| entry.roles.clone());
        let besides = role.filter(|_| agents.is_some_and(|agents| agents.contains(&caller.agent)));
        let of_agent = swapped(&caller.roles, &of(before).unwrap_or_default(), &of(now).unwrap_or_default(), besides);
        let recorded = caller.on_behalf_of_roles.clone().unwrap_or_else(|| Arc::from([]));
        let Some(person) = &caller.on_behalf_of else { return (of_agent, recorded) };
        let of = |registry: &Registry| registry.people.get(person).map(|entry| entry.roles.clone());
        let besides = role.filter(|_| people.is_some_and(|people| people.contains(person)));
        let of_person = swapped(&recorded, &of(before).unwrap_or_default(), &of(now).unwrap_or_default(), besides);
        (of_agent, of_person)
    }
}

/// The recorded roles, less those that only the registry of then gave, and with those that the one of now gives.
fn swapped(
    recorded: &Arc<[RoleName]>,
    before: &BTreeSet<RoleName>,
    now: &BTreeSet<RoleName>,
    besides: Option<&RoleName>,
) -> Arc<[RoleName]> {
    if before == now && besides.is_none() {
        return Arc::clone(recorded);
    }
    let asserted = recorded.iter().filter(|role| !before.contains(*role) || now.contains(*role));
    let given = now.iter().filter(|role| !before.contains(*role));
    let all: BTreeSet<RoleName> = asserted.chain(given).chain(besides).cloned().collect();
    all.into_iter().collect()
}
