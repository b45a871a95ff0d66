//! Records of everything that is not a call: exceptions, catalog, policy, keys, freeze, the gateway itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{
    CredentialId, DecisionId, Digest, ExceptionId, FreezeScope, Network, PersonId, PilotId, ServerName, Timestamp,
    ToolName,
};

/// Something happened to an exception.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// When.
    pub at: Timestamp,
    /// The exception.
    pub exception: ExceptionId,
    /// The place of the event in the exception's life, from 1.
    pub version: u64,
    /// Who did it: a person, or the gateway.
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The digest of the spec that it is about, where the event itself does not carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The event, as the exception room writes it.
    pub event: Value,
}

/// Something happened to a pilot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PilotChange {
    /// When.
    pub at: Timestamp,
    /// The pilot.
    pub pilot: PilotId,
    /// The place of the event in the pilot's life, from 1.
    pub version: u64,
    /// Who did it.
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The event, as the exception room writes it.
    pub event: Value,
}

/// What happened to a tool's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogEvent {
    /// Seen for the first time; quarantined.
    Seen,
    /// Differs from what was approved; quarantined.
    Drifted,
    /// Approved.
    Approved,
    /// The server does not offer it any more.
    Gone,
}

/// Something happened to a tool's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogChange {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: CatalogEvent,
    /// The server.
    pub server: ServerName,
    /// The tool.
    pub tool: ToolName,
    /// The digest of the definition.
    pub digest: Digest,
    /// Who did it: a person, or the gateway.
    pub actor: String,
}

/// What happened to the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEvent {
    /// The set is in force.
    Loaded,
    /// The set is faulty; the last good one stays in force.
    Refused,
}

/// The policies were changed, or a change was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: PolicyEvent,
    /// The digest of the set (of its sources, if it was refused).
    pub digest: Digest,
    /// The epoch that is in force from here on.
    pub epoch: u64,
    /// Who did it: a person, or the gateway.
    pub actor: String,
    /// What is wrong with it, in short.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyEvent {
    /// Made.
    Created,
    /// Revoked.
    Revoked,
}

/// A key was made or revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: KeyEvent,
    /// The key's id.
    pub credential: CredentialId,
    /// For whom it speaks: `agent:…` or `person:…`.
    pub principal: String,
    /// When it ends.
    pub expires: Timestamp,
    /// From where it may be shown; none means from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
}

/// The gateway, or a part of what passes it, was frozen or released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// When.
    pub at: Timestamp,
    /// Whether it is frozen from here on.
    pub frozen: bool,
    /// How far it reaches; everything, if nothing is said.
    #[serde(default, skip_serializing_if = "FreezeScope::is_all")]
    pub scope: FreezeScope,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// A person began or ceased to watch an exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// When.
    pub at: Timestamp,
    /// The exception.
    pub exception: ExceptionId,
    /// Who.
    pub person: PersonId,
    /// Whether the person watches from here on.
    pub attached: bool,
}

/// The gateway began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// When.
    pub at: Timestamp,
    /// The program's version.
    pub version: String,
    /// SHA-256 of the bytes of `postern.yaml`, if there is one: a change of the settings shows here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
}

/// The gateway ended in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// When.
    pub at: Timestamp,
}

/// What was found when the store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// When.
    pub at: Timestamp,
    /// Intents without an outcome: the call may have happened.
    pub unknown: Vec<DecisionId>,
    /// Exceptions whose use counter did not match the journal and was set to what the journal says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recounted: Vec<ExceptionId>,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// The stored exception is not what was approved.
    ExceptionChanged,
    /// A use counter was not what the journal says.
    BudgetChanged,
    /// A stored key is not what was made; it is revoked.
    KeyChanged,
    /// The store could not be written for a while.
    StoreFailed,
    /// The store is behind a checkpoint that left the machine.
    StoreBehind,
    /// A control stopped working.
    ControlUnhealthy,
    /// A control works again, and what it had suspended goes on.
    ControlRestored,
    /// The wall clock went backwards.
    ClockSuspect,
    /// A tool's definition differs from what was approved.
    ToolDrifted,
    /// A signature of an approval does not hold.
    ApprovalInvalid,
    /// An agent does what it does not use to do.
    Anomaly,
    /// The collector refuses the trace of a use for good.
    TraceLost,
    /// Records of traffic whose time is over cannot be removed.
    RetentionHeld,
    /// A witness has seen another log, or gives what is no cosignature of it.
    WitnessRefused,
}

/// Something that a person must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub about: AlarmKind,
    /// The exception, if one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
    /// The decision, if one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// What was found.
    pub detail: String,
}

/// A record became durable after its caller had given up and acted on that: an intent did not leave, an
/// outcome's answer was withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aborted {
    /// When.
    pub at: Timestamp,
    /// The record that came too late.
    pub record: u64,
    /// Its decision.
    pub decision: DecisionId,
    /// The exception whose budget was given back; only for an intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<ExceptionId>,
}
