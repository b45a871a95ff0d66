//! An exception before one agent, one person and one tool, with all policies that meet there.

use cedar_policy::Policy;
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet};
use serde_json::{Value, json};

use super::{
    cast::{Part, Principal, plain, user, when},
    ground::{Bound, Ground},
};
use crate::{
    domain::{AgentId, Grant, PersonId},
    policy::{set::PolicySet, source::Level},
};

const FORBIDS: [Level; 2] = [Level::Hard, Level::Soft];

/// For whom the agent acts.
#[derive(Debug, Clone)]
pub(super) enum Person {
    /// For nobody.
    Nobody,
    /// For this person.
    Known(Part),
    /// For anybody, whatever the roles.
    Anybody,
}

/// The agent with the roles of the registry.
pub(super) fn agent(set: &PolicySet, id: &AgentId) -> Part {
    let roles = set.registry().agents.get(id).map(|entry| &entry.roles);
    let parents = roles.into_iter().flatten().map(|role| set.names.role(role)).collect();
    Part { uid: set.names.agent(id.as_str()), parents }
}

/// The person with the roles of the registry.
pub(super) fn person(set: &PolicySet, id: &PersonId) -> Part {
    let roles = set.registry().people.get(id).map(|entry| &entry.roles);
    let parents = roles.into_iter().flatten().map(|role| set.names.role(role)).collect();
    Part { uid: set.names.user(id.as_str()), parents }
}

/// For whom an agent may act under this grant.
pub(super) fn persons(set: &PolicySet, grant: &Grant) -> Vec<Person> {
    let mut persons = if grant.user_required { Vec::new() } else { vec![Person::Nobody] };
    if grant.users.is_empty() {
        persons.push(Person::Anybody);
    }
    persons.extend(grant.users.iter().map(|id| Person::Known(person(set, id))));
    persons
}

/// What is compiled for one agent, one person and one tool.
pub(super) struct World {
    /// The exception.
    pub(super) exception: CompiledPolicy,
    /// The hard guardrails, with their `@id`s.
    pub(super) hard: Vec<(String, CompiledPolicy)>,
    /// The exception under all guardrails.
    pub(super) admitted: CompiledPolicySet,
    /// What roles permit the agent, and the person if there is one; `None` where no role permits anything.
    pub(super) roles: Vec<Option<CompiledPolicySet>>,
}

impl World {
    /// Compiles it.
    pub(super) fn new(
        ground: &Ground,
        set: &PolicySet,
        exception: &Policy,
        (agent, person): (&Part, &Person),
    ) -> Result<Self, String> {
        let exception = narrowed(exception, agent, person)?;
        let named = if let Person::Known(part) = person { Some(part) } else { None };
        let mut stands = vec![(Principal::Known(agent), "agent:")];
        match person {
            Person::Nobody => {}
            Person::Known(part) => stands.push((Principal::Known(part), "user:")),
            Person::Anybody => stands.push((Principal::User, "user:")),
        }
        let mut bound: Vec<Bound> = Vec::new();
        for (principal, mark) in stands {
            bound.push(ground.bind(&ground.rules(&set.rules, principal), (principal, named), mark)?);
        }
        let mut hard = Vec::new();
        for (id, _, policy) in
            bound.iter().flat_map(|bound| &bound.policies).filter(|(_, level, _)| *level == Level::Hard)
        {
            hard.push((id.clone(), ground.compile(policy)?));
        }
        let forbids = bound.iter().flat_map(|bound| bound.of(&FORBIDS));
        let admitted = ground.compile_all(std::iter::once(&exception).chain(forbids))?;
        let permits = |bound: &Bound| {
            let any = bound.of(&[Level::Role]).next().is_some();
            any.then(|| ground.compile_all(bound.of(&[Level::Role]))).transpose()
        };
        let roles = bound.iter().map(permits).collect::<Result<_, _>>()?;
        Ok(Self { exception: ground.compile(&exception)?, hard, admitted, roles })
    }
}

/// The exception for one agent and one person only.
fn narrowed(exception: &Policy, agent: &Part, person: &Person) -> Result<Policy, String> {
    let mut json = exception.to_json().map_err(|error| error.to_string())?;
    let has = json!({"has": {"left": {"Var": "context"}, "attr": "user"}});
    let more = match person {
        Person::Nobody => vec![when(json!({"!": {"arg": has}}))],
        Person::Anybody => vec![when(has)],
        Person::Known(part) => {
            let is = json!({"==": {"left": user(), "right": {"Value": {"__entity": plain(&part.uid)}}}});
            vec![when(has), when(is)]
        }
    };
    let map = json.as_object_mut().ok_or("a policy that is no object")?;
    map.insert("principal".to_owned(), json!({"op": "==", "entity": plain(&agent.uid)}));
    if let Some(conditions) = map.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.splice(0..0, more);
    }
    Policy::from_json(Some(exception.id().clone()), json).map_err(|error| error.to_string())
}
