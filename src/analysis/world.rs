//! A policy set with the exceptions of each moment, to judge recorded calls in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{RecordedCall, Timeline, Unjudged};
use crate::{
    catalog::ToolCall,
    domain::{
        AgentId, Candidate, ExceptionId, Grant, PersonId, Registry, RoleName, Standing, Timestamp, Verdict, Window,
    },
    policy::PolicySet,
};

/// Policies and exceptions under which recorded calls are judged. Cheap to clone.
#[derive(Clone)]
pub struct World {
    set: Arc<PolicySet>,
    timeline: Arc<Timeline>,
    without: BTreeSet<ExceptionId>,
    with: Vec<Arc<Grant>>,
    agents: BTreeMap<AgentId, Swap>,
    people: BTreeMap<PersonId, Swap>,
}

/// Roles that the registry of this world takes and gives.
#[derive(Clone, Default)]
struct Swap {
    taken: BTreeSet<RoleName>,
    given: BTreeSet<RoleName>,
}

impl Swap {
    fn of(before: &BTreeSet<RoleName>, now: &BTreeSet<RoleName>) -> Option<Self> {
        let taken: BTreeSet<_> = before.difference(now).cloned().collect();
        let given: BTreeSet<_> = now.difference(before).cloned().collect();
        (!taken.is_empty() || !given.is_empty()).then_some(Self { taken, given })
    }

    fn apply(&self, roles: &[RoleName]) -> Arc<[RoleName]> {
        let kept = roles.iter().filter(|role| !self.taken.contains(role));
        let all: BTreeSet<RoleName> = kept.chain(&self.given).cloned().collect();
        all.into_iter().collect()
    }
}

impl World {
    /// These policies, with the exceptions as they lived.
    #[must_use]
    pub const fn new(set: Arc<PolicySet>, timeline: Arc<Timeline>) -> Self {
        Self {
            set,
            timeline,
            without: BTreeSet::new(),
            with: Vec::new(),
            agents: BTreeMap::new(),
            people: BTreeMap::new(),
        }
    }

    /// The same world under other policies. Roles that the old registry gave an agent or a person and the new one
    /// does not are taken, those that the new one adds are given; what a token asserted stays.
    #[must_use]
    pub fn under(mut self, set: Arc<PolicySet>) -> Self {
        let (before, now) = (self.set.registry(), set.registry());
        let nothing = BTreeSet::new();
        let swaps = |id: &AgentId| {
            let of =
                |registry: &Registry| registry.agents.get(id).map_or_else(BTreeSet::new, |entry| entry.roles.clone());
            Swap::of(&of(before), &of(now))
        };
        let agents: BTreeSet<&AgentId> = before.agents.keys().chain(now.agents.keys()).collect();
        self.agents = agents.into_iter().filter_map(|id| Some((id.clone(), swaps(id)?))).collect();
        let people: BTreeSet<&PersonId> = before.people.keys().chain(now.people.keys()).collect();
        let swaps = |id: &PersonId| {
            let before = before.people.get(id).map_or(&nothing, |entry| &entry.roles);
            Swap::of(before, now.people.get(id).map_or(&nothing, |entry| &entry.roles))
        };
        self.people = people.into_iter().filter_map(|id| Some((id.clone(), swaps(id)?))).collect();
        self.set = set;
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
        let caller = &call.caller;
        let roles =
            self.agents.get(&caller.agent).map_or_else(|| Arc::clone(&caller.roles), |s| s.apply(&caller.roles));
        let of_person = caller.on_behalf_of_roles.clone().unwrap_or_else(|| Arc::from([]));
        let swap = caller.on_behalf_of.as_ref().and_then(|person| self.people.get(person));
        let of_person = swap.map_or_else(|| Arc::clone(&of_person), |swap| swap.apply(&of_person));
        let subject = call.subject(roles, of_person);
        Ok(self.set.decide(&subject, checked, &candidates, call.at).verdict().clone())
    }
}
