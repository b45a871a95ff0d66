//! The agents and people that the policies know.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{AgentId, CredentialKind, GroupName, Person, PersonId, RoleName};

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

impl Duty {
    /// Whether the duty matters only while the person acts, so that a token's word of this moment suffices.
    #[must_use]
    pub const fn is_momentary(self) -> bool {
        match self {
            Self::Request | Self::Audit | Self::Administer => true,
            Self::Own | Self::Approve | Self::Security | Self::VendorRisk => false,
        }
    }
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

/// A group of people.yaml: what an identity provider's word about a person is worth.
///
/// Its duties hold while the person acts, by a token that asserts the group. What must hold while nobody acts (to
/// own, to have approved) is asked at every decision, so it comes from people.yaml alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// Of [`Duty::Request`], [`Duty::Audit`], [`Duty::Administer`].
    pub duties: BTreeSet<Duty>,
    /// Roles that count when an agent acts for a member.
    pub roles: BTreeSet<RoleName>,
}

/// agents.yaml and people.yaml, read and checked, and who owns the guardrails that can be lifted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// By the agent's stable id.
    pub agents: BTreeMap<AgentId, AgentEntry>,
    /// By the person's stable id.
    pub people: BTreeMap<PersonId, PersonEntry>,
    /// Groups that identity providers assert, by name.
    #[serde(default)]
    pub groups: BTreeMap<GroupName, GroupEntry>,
    /// The soft guardrails in force, each with its `@owner`, without whom nobody is exempt from it.
    #[serde(default)]
    pub soft_rules: BTreeMap<Arc<str>, PersonId>,
}

impl Registry {
    /// Whether this person is known, active and has the duty.
    #[must_use]
    pub fn may(&self, person: &PersonId, duty: Duty) -> bool {
        self.people.get(person).is_some_and(|entry| entry.active && entry.duties.contains(&duty))
    }

    /// Whether the person has the duty at this moment from a group that a token asserted. One whom people.yaml knows
    /// as inactive has none.
    #[must_use]
    pub fn may_by_group(&self, person: &Person, duty: Duty) -> bool {
        person.credential.kind == CredentialKind::Jwt
            && duty.is_momentary()
            && person.duties.contains(&duty)
            && self.people.get(&person.id).is_none_or(|entry| entry.active)
            && self.groups.values().any(|group| group.duties.contains(&duty))
    }
}
