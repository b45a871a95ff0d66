//! What an approved exception makes usable: for whom, which tools, within which bounds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentId, Digest, ExceptionId, Obligation, PersonId, PilotId, ServerName, Timestamp, ToolName};

/// The kind of an exception; ceilings hang on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A short elevation that ends with an event.
    TemporaryElevation,
    /// Broader tools for a cohort of agents while roles catch up.
    Pilot,
    /// Emergency access, approved by two people and reviewed after.
    BreakGlass,
    /// Lifts named soft guardrails while a cause is mended; permits nothing by itself.
    RuleExemption,
    /// An inherited connector of a vendor that cannot federate.
    ThirdPartyConnector,
}

impl Kind {
    /// The kind as records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TemporaryElevation => "temporary_elevation",
            Self::Pilot => "pilot",
            Self::BreakGlass => "break_glass",
            Self::RuleExemption => "rule_exemption",
            Self::ThirdPartyConnector => "third_party_connector",
        }
    }
}

/// From when to when; `not_after` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First moment of use.
    pub not_before: Timestamp,
    /// First moment at which it is over.
    pub not_after: Timestamp,
}

/// How much may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Calls over the whole life.
    pub calls: u64,
}

/// A bound on one argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// One of these values (strings, integers or booleans).
    In(Vec<Value>),
    /// An integer from `min` to `max`, both included; both are required.
    Between {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// Not given, or exactly this value.
    AbsentOr(Value),
}

/// A bound and the top-level argument that it is on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArgumentBound {
    /// The argument's name.
    pub name: String,
    /// What it may be.
    pub bound: Bound,
}

/// What an approved exception makes usable. Immutable; one per revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The exception.
    pub exception: ExceptionId,
    /// Its revision, from 1.
    pub revision: u32,
    /// The digest of its spec, which the approvers signed.
    pub digest: Digest,
    /// Its kind.
    pub kind: Kind,
    /// The pilot it belongs to.
    pub pilot: Option<PilotId>,
    /// The agents, named one by one; never empty.
    pub agents: BTreeSet<AgentId>,
    /// People an agent may act for under it; empty means any, if one is required at all.
    pub users: BTreeSet<PersonId>,
    /// Whether the agent must act for a person.
    pub user_required: bool,
    /// The server.
    pub server: ServerName,
    /// Its tools with the digest of the definition that was approved.
    pub tools: BTreeMap<ToolName, Digest>,
    /// The soft guardrails that a rule exemption lifts, by their `@id`; none for the other kinds.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<Arc<str>>,
    /// Bounds on arguments; with any, arguments that the tool's schema does not declare are refused.
    pub arguments: Vec<ArgumentBound>,
    /// When.
    pub window: Window,
    /// How much.
    pub budget: Budget,
    /// The duties that its controls lay on the gateway.
    pub obligations: Vec<Obligation>,
}

/// Why an exception is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspendReason {
    /// The owner's word is overdue, grace included.
    AttestationLapsed,
    /// A control does not work.
    ControlUnhealthy,
    /// The tool's definition, a role or the record changed.
    Drift,
    /// The owner is gone or may no longer own.
    OwnerIneligible,
    /// A milestone passed and nobody reported it.
    MilestoneOverdue,
    /// A person suspended it.
    Manual,
    /// The store is behind the last checkpoint that left the machine.
    StoreBehind,
    /// It is tried for a while whether this agent can do without it.
    RemovalTrial,
}

/// Whether a grant can be used at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Usable,
    /// It cannot for now; its tools stay visible.
    Suspended(SuspendReason),
    /// Its budget is spent; its tools stay visible until it ends.
    Exhausted,
}

/// A grant that matches an agent and a tool, with its standing at this moment.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it makes usable.
    pub grant: Arc<Grant>,
    /// Whether it can be used now.
    pub standing: Standing,
}
