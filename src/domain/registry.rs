//! The agents and people that the policies know.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AgentId, PersonId, RoleName};

/// What a person may do in governance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Own exceptions: attest, suspend and revoke one's own.
    Own,
    /// Submit exceptions.
    Request,
    /// Approve exceptions of others.
    Approve,
    /// Approve as security, which a pilot needs among its approvers.
    Security,
    /// Approve what a vendor is trusted with, which a third-party connector needs among its approvers.
    VendorRisk,
    /// Read evidence.
    Audit,
    /// Keys, catalog, freeze, reload.
    Administer,
}

/// An agent of agents.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEntry {
    /// The person who answers for the agent.
    pub owner: PersonId,
    /// The person who runs the agent, and so never approves an exception for it (I5).
    pub operator: PersonId,
    /// The governance channel through which the agent was let in (I13).
    pub channel: String,
    /// Roles beside what tokens assert.
    #[serde(default)]
    pub roles: BTreeSet<RoleName>,
}

/// A person of people.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonEntry {
    /// What the person may do in governance.
    pub duties: BTreeSet<Duty>,
    /// Roles that count when an agent acts for this person.
    pub roles: BTreeSet<RoleName>,
    /// `false` suspends every exception that the person owns (T090).
    pub active: bool,
}

/// agents.yaml and people.yaml, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// By the agent's stable id.
    pub agents: BTreeMap<AgentId, AgentEntry>,
    /// By the person's stable id.
    pub people: BTreeMap<PersonId, PersonEntry>,
}

impl Registry {
    /// Whether this person is known, active and has the duty.
    #[must_use]
    pub fn may(&self, person: &PersonId, duty: Duty) -> bool {
        self.people.get(person).is_some_and(|entry| entry.active && entry.duties.contains(&duty))
    }
}
