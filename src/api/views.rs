//! What the API answers; the commands and the console show these.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    domain::{
        AgentId, CredentialId, DecisionId, Digest, Duty, ExceptionId, Kind, Network, Person, PersonId, PilotId,
        Timestamp, Verdict,
    },
    evidence::{OldKey, VerifyingKey},
};

/// A key that was just made; the only time it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeKey {
    /// Its id, by which it is revoked.
    pub id: CredentialId,
    /// The key.
    pub key: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// `POST /api/v1/console/links`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The link; it opens one session.
    pub url: String,
}

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// Its id.
    pub id: CredentialId,
    /// `agent` or `person`.
    pub kind: String,
    /// Whose it is.
    pub principal: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// What people call it.
    pub note: String,
    /// From where it may be shown; none means from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
}

/// One yes of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// Who.
    pub by: PersonId,
    /// Whether as security.
    pub as_security: bool,
    /// Whether as vendor risk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_vendor_risk: bool,
    /// When.
    pub at: Timestamp,
}

/// A deadline that comes near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueView {
    /// `expiry` or `attestation`.
    pub what: String,
    /// When.
    pub at: Timestamp,
}

/// A step on the way out of an exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MilestoneView {
    /// What.
    pub name: String,
    /// By when, as the record has it.
    pub due: String,
    /// Whether its owner reported it as met.
    pub met: bool,
}

/// The review after the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewView {
    /// `due`, `overdue` or `closed`.
    pub state: String,
    /// Until when it is due; absent once it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonId>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// An exception as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExceptionView {
    /// Its id.
    pub id: ExceptionId,
    /// The revision that is spoken of.
    pub revision: u32,
    /// The digest of its spec, which approvers sign.
    pub digest: Digest,
    /// Its state in one word.
    pub state: String,
    /// Why, where the state has a reason (`attestation_lapsed`, …).
    pub reason: Option<String>,
    /// Its kind.
    pub kind: Kind,
    /// Its pilot.
    pub pilot: Option<PilotId>,
    /// Who answers for it.
    pub owner: PersonId,
    /// Who asked for it.
    pub requester: PersonId,
    /// For which agents.
    pub agents: Vec<AgentId>,
    /// On which server.
    pub server: String,
    /// Which tools.
    pub tools: Vec<String>,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Calls over its whole life.
    pub calls: u64,
    /// Calls that were charged.
    pub used: u64,
    /// When the owner's word is due next.
    pub attestation_due: Option<Timestamp>,
    /// The nearest deadline, once people are reminded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DueView>,
    /// The soft guardrails that it lifts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// The incident that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// The steps on its way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<MilestoneView>,
    /// Where the review after its end stands; absent where none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_review: Option<ReviewView>,
    /// Who approved this revision.
    pub approvals: Vec<ApprovalView>,
    /// What the analysis of this revision found; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Value>,
    /// The last removal test: what it found and when; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_test: Option<Value>,
    /// Agents that go without it now, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Value>,
    /// The record as it was submitted; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
}

impl ExceptionView {
    /// Whether this person may see it: owner, requester, and those whose duty it is to look at all.
    #[must_use]
    pub fn visible_to(&self, person: &Person) -> bool {
        const OVERSIGHT: [Duty; 5] = [Duty::Approve, Duty::Security, Duty::VendorRisk, Duty::Audit, Duty::Administer];
        self.owner == person.id
            || self.requester == person.id
            || OVERSIGHT.iter().any(|duty| person.duties.contains(duty))
    }
}

/// A tool server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its name.
    pub name: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// Its health in one word (`connected`, `starting`, `backing_off`, `disabled`).
    pub health: String,
    /// What is wrong, if something is.
    pub detail: Option<String>,
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolView {
    /// The server.
    pub server: String,
    /// The tool's own name.
    pub tool: String,
    /// The name that agents see on `/mcp`.
    pub exposed: Option<String>,
    /// `approved`, `new`, `drifted` or `refused`.
    pub pin: String,
    /// The digest of its definition as it is now.
    pub digest: Option<Digest>,
    /// The digest that was approved.
    pub approved: Option<Digest>,
    /// Why it is refused.
    pub detail: Option<String>,
}

/// `GET /api/v1/catalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogView {
    /// Grows with every change.
    pub epoch: u64,
    /// The servers, by name.
    pub servers: Vec<ServerView>,
    /// The tools, by server and name.
    pub tools: Vec<ToolView>,
}

/// `GET /api/v1/decisions/{id}`: a decision, read from its record and judged anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The decision.
    pub decision: DecisionId,
    /// When it was made.
    pub at: Timestamp,
    /// Who called.
    pub agent: AgentId,
    /// For whom.
    pub on_behalf_of: Option<PersonId>,
    /// Which tool, as `server/tool`.
    pub tool: String,
    /// One sentence that says what happened and why.
    pub summary: String,
    /// The decision as data.
    pub verdict: Verdict,
    /// How the call ended; absent for a refusal, `unknown` if it never came to an end.
    pub outcome: Option<String>,
    /// Its place in the journal.
    pub seq: u64,
    /// Whether the same facts give the same decision again; absent if the policies of then are gone.
    pub reproduced: Option<bool>,
    /// What the record has of the arguments: `clear`, `omitted`, and `text`: whether the rest is sealed, not kept, or
    /// shredded. Absent in lists, and where no tool was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
}

/// A control and its health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlView {
    /// The obligation's id.
    pub id: String,
    /// Whether it works now.
    pub healthy: bool,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, if something is.
    pub detail: Option<String>,
    /// What shows whether it works.
    #[serde(default)]
    pub probe: Option<String>,
    /// The control of controls.yaml that meets it.
    #[serde(default)]
    pub control: Option<String>,
    /// Who keeps that.
    #[serde(default)]
    pub kept_by: Option<PersonId>,
    /// Whether a record may name it: some control meets it, or no controls.yaml says otherwise.
    #[serde(default)]
    pub declared: bool,
    /// The live exceptions that are suspended when it is lost.
    #[serde(default)]
    pub needed_by: Vec<ExceptionId>,
}

/// A control was lost or came back, or an exception was suspended or resumed for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlEvent {
    /// When.
    pub at: Timestamp,
    /// The obligation that it meets, where it is a single one.
    pub control: Option<String>,
    /// The exception that was suspended or resumed.
    pub exception: Option<ExceptionId>,
    /// Whether it works from here on.
    pub healthy: bool,
    /// What was found.
    pub detail: String,
}

/// `POST /api/v1/reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// The digest of the policies that are in force now.
    pub policy_set: Digest,
    /// Whether that is another one than before.
    pub changed: bool,
}

/// `POST /api/v1/evidence/rotate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// The record that says so.
    pub seq: u64,
    /// The key until here.
    pub old: VerifyingKey,
    /// What became of its private half.
    pub old_key: OldKey,
    /// The key from here on.
    pub new: VerifyingKey,
    /// The checkpoint that covers the record.
    pub checkpoint: String,
}

/// `GET /api/v1/evidence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidencePage {
    /// Records in the form of the export, in order.
    pub records: Vec<Value>,
    /// Where the next page begins; absent at the end.
    pub next: Option<u64>,
}
