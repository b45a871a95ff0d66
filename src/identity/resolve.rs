//! From a proven holder to the subject or person that the registry knows.

use std::{collections::BTreeSet, sync::Arc};

use super::AuthError;
use crate::domain::{AgentId, Credential, Delegator, Duty, Person, PersonId, Registry, RoleName, Subject};

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
        Holder::Agent { agent, roles, person } => {
            let entry = registry.agents.get(agent).ok_or(AuthError::Unregistered)?;
            let on_behalf_of = person.as_ref().map(|(id, roles)| delegator(id, roles, registry)).transpose()?;
            Ok(Identity::Agent(Arc::new(Subject {
                agent: agent.clone(),
                roles: union(roles, &entry.roles),
                on_behalf_of,
                credential: credential.clone(),
            })))
        }
        Holder::Person(id) => {
            let duties = match registry.people.get(id) {
                Some(entry) if entry.active => entry.duties.clone(),
                None if administrator == Some(id) => BTreeSet::from([Duty::Administer]),
                Some(_) | None => return Err(AuthError::Unregistered),
            };
            Ok(Identity::Person(Arc::new(Person { id: id.clone(), duties, credential: credential.clone() })))
        }
    }
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
