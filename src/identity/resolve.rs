//! From a proven holder to the subject or person that the registry knows.

use std::{collections::BTreeSet, sync::Arc};

use super::AuthError;
use crate::domain::{
    AgentId, Credential, Delegator, Duty, GroupName, Person, PersonId, Registry, RoleName, SignIn, Subject,
};

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// An agent, which may call tools and nothing else.
    Agent(Arc<Subject>),
    /// A person, who may govern and not call tools.
    Person(Arc<Person>),
}

/// Whom a credential stands for, before the registry was asked.
#[derive(Debug, Clone)]
pub(super) enum Holder {
    Agent {
        agent: AgentId,
        /// The agent's roles that the credential asserts.
        roles: Vec<RoleName>,
        /// The person it acts for, with the roles that the credential asserts.
        person: Option<(PersonId, Vec<RoleName>)>,
        /// The groups of the person, from an issuer that speaks for people; without `person`, the holder may be one.
        groups: Option<BTreeSet<GroupName>>,
        /// How the holder signed in, in case it is a person.
        sign_in: Option<SignIn>,
    },
    Person(PersonId),
}

/// Asks the registry. An agent that it does not know has no owner and gets nothing, whatever its token
/// says; a person whom it knows as inactive lends nothing to an agent.
pub(super) fn resolve(
    holder: &Holder,
    credential: &Credential,
    registry: &Registry,
    administrator: Option<&PersonId>,
) -> Result<Identity, AuthError> {
    match holder {
        Holder::Agent { agent, roles, person, groups, sign_in } => {
            let Some(entry) = registry.agents.get(agent) else {
                let groups = groups.as_ref().filter(|_| person.is_none()).ok_or(AuthError::Unregistered)?;
                return member((PersonId::from(agent.as_str()), sign_in.clone()), groups, credential, registry);
            };
            let of_groups = |(id, roles): &(PersonId, Vec<RoleName>)| {
                let asserted: Vec<_> = roles.iter().chain(roles_of(groups.as_ref(), registry)).cloned().collect();
                delegator(id, &asserted, registry)
            };
            let on_behalf_of = person.as_ref().map(of_groups).transpose()?;
            Ok(Identity::Agent(Arc::new(Subject {
                agent: agent.clone(),
                roles: union(roles, &entry.roles),
                on_behalf_of,
                credential: credential.clone(),
                taints: Arc::default(),
            })))
        }
        Holder::Person(id) => {
            let duties = match registry.people.get(id) {
                Some(entry) if entry.active => entry.duties.clone(),
                None if administrator == Some(id) => BTreeSet::from([Duty::Administer]),
                Some(_) | None => return Err(AuthError::Unregistered),
            };
            Ok(Identity::Person(Arc::new(Person {
                id: id.clone(),
                duties,
                credential: credential.clone(),
                sign_in: None,
            })))
        }
    }
}

/// A person by a token: what people.yaml says of the person, and of the groups that the token asserts. Somebody of
/// whom it says neither is nobody.
fn member(
    (id, sign_in): (PersonId, Option<SignIn>),
    groups: &BTreeSet<GroupName>,
    credential: &Credential,
    registry: &Registry,
) -> Result<Identity, AuthError> {
    let known: Vec<_> = groups.iter().filter_map(|group| registry.groups.get(group)).collect();
    let mut duties = match registry.people.get(&id) {
        Some(entry) if entry.active => entry.duties.clone(),
        None if !known.is_empty() => BTreeSet::new(),
        Some(_) | None => return Err(AuthError::Unregistered),
    };
    duties.extend(known.iter().flat_map(|group| &group.duties).filter(|duty| duty.is_momentary()));
    Ok(Identity::Person(Arc::new(Person { id, duties, credential: credential.clone(), sign_in })))
}

fn roles_of<'a>(groups: Option<&'a BTreeSet<GroupName>>, registry: &'a Registry) -> impl Iterator<Item = &'a RoleName> {
    groups.into_iter().flatten().filter_map(|group| registry.groups.get(group)).flat_map(|group| &group.roles)
}

fn delegator(id: &PersonId, asserted: &[RoleName], registry: &Registry) -> Result<Delegator, AuthError> {
    let roles = match registry.people.get(id) {
        Some(entry) if entry.active => union(asserted, &entry.roles),
        Some(_) => return Err(AuthError::Unregistered),
        None => union(asserted, &BTreeSet::new()),
    };
    Ok(Delegator { person: id.clone(), roles })
}

fn union(asserted: &[RoleName], registered: &BTreeSet<RoleName>) -> Arc<[RoleName]> {
    asserted.iter().chain(registered).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}
