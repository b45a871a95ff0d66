//! Whose credential was shown: a person with duties, or an agent with roles.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Caller;
use crate::domain::{AgentId, CredentialId, Duty, PersonId, RoleName, Timestamp};

/// `GET /api/v1/whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WhoView {
    /// A person.
    Person {
        /// Who asks.
        person: PersonId,
        /// What people.yaml lets this person do.
        duties: BTreeSet<Duty>,
        /// The credential that was shown.
        credential: CredentialId,
        /// When it ends.
        expires: Timestamp,
    },
    /// An agent; its key administers nothing.
    Agent {
        /// Who asks.
        agent: AgentId,
        /// Its roles.
        roles: Vec<RoleName>,
        /// The credential that was shown.
        credential: CredentialId,
        /// When it ends.
        expires: Timestamp,
    },
}

impl WhoView {
    /// Says who this is, and nothing else.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Person(person) => Self::Person {
                person: person.id.clone(),
                duties: person.duties.clone(),
                credential: person.credential.id.clone(),
                expires: person.credential.expires,
            },
            Caller::Agent(subject) => Self::Agent {
                agent: subject.agent.clone(),
                roles: subject.roles.to_vec(),
                credential: subject.credential.id.clone(),
                expires: subject.credential.expires,
            },
        }
    }
}
