//! Records of calls: who asked, what for, what was decided and how it ended.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fingerprint, Sealed};
use crate::domain::{
    AgentId, Basis, CredentialId, DecisionId, Digest, ExceptionId, ExposedName, PersonId, RoleName, ServerName,
    SessionId, Subject, Timestamp, ToolName, Verdict,
};

/// Who asked, with everything a decision read of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The agent.
    pub agent: AgentId,
    /// Its roles at that moment.
    pub roles: Arc<[RoleName]>,
    /// The person it acted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<PersonId>,
    /// That person's roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of_roles: Option<Arc<[RoleName]>>,
    /// The credential that was shown.
    pub credential: CredentialId,
    /// The MCP revision that was spoken.
    pub protocol: String,
    /// The legacy session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The trace id, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The caller's own span in that trace, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The labels of what it had seen, which guardrails read as `context.taints`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub taints: Arc<[String]>,
}

fn is_empty(labels: &[String]) -> bool {
    labels.is_empty()
}

impl Caller {
    /// The subject as a record has it; session and trace are added by the caller where there are any.
    #[must_use]
    pub fn of(subject: &Subject, protocol: &str) -> Self {
        Self {
            agent: subject.agent.clone(),
            roles: Arc::clone(&subject.roles),
            on_behalf_of: subject.on_behalf_of.as_ref().map(|delegator| delegator.person.clone()),
            on_behalf_of_roles: subject.on_behalf_of.as_ref().map(|delegator| Arc::clone(&delegator.roles)),
            credential: subject.credential.id.clone(),
            protocol: protocol.to_owned(),
            session: None,
            trace: None,
            parent: None,
            taints: Arc::clone(&subject.taints),
        }
    }
}

/// The arguments of a call: always a digest that cannot be guessed, their text sealed, and in clear only what the
/// configuration names (T106).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arguments {
    /// Over the exact bytes that were to be sent, what is omitted included.
    pub digest: Fingerprint,
    /// The text without what is omitted, encrypted; absent where all is omitted or it is larger than
    /// [`super::SEALED_PLAINTEXT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// What is kept in clear, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clear: BTreeMap<String, Value>,
    /// What was sent and is kept nowhere: JSON pointers, or `*` for all that no list names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
}

impl Arguments {
    /// All of them sealed.
    #[must_use]
    pub const fn sealed(digest: Fingerprint, sealed: Option<Sealed>) -> Self {
        Self { digest, sealed, clear: BTreeMap::new(), omitted: Vec::new() }
    }
}

/// What was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The tool server.
    pub server: ServerName,
    /// The tool, by its own name.
    pub tool: ToolName,
    /// The name that the agent used.
    pub exposed: ExposedName,
    /// The digest of the definition that the arguments were checked against.
    pub definition: Digest,
    /// What was passed.
    pub arguments: Arguments,
}

/// A call is about to leave. Durable before it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Joins intent, outcome, telemetry and the agent's answer.
    pub decision: DecisionId,
    /// When it was decided.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Caller,
    /// For what.
    pub call: Called,
    /// Why it may.
    pub verdict: Verdict,
    /// The decision of the first round, where this is a later one of the same call; that one was charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<DecisionId>,
}

impl Intent {
    /// The exception whose budget the call is taken from: the one that admits it, if one does, in the first round.
    #[must_use]
    pub fn charged(&self) -> Option<&ExceptionId> {
        self.admitted_by().filter(|_| self.continues.is_none())
    }

    /// The exception that admits the call, if one does.
    #[must_use]
    pub fn admitted_by(&self) -> Option<&ExceptionId> {
        match self.verdict.basis {
            Basis::Exception | Basis::BreakGlass => self.verdict.exception.as_ref(),
            Basis::Rbac | Basis::Guardrail | Basis::DefaultDeny => None,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The tool answered.
    Answered,
    /// The server asked for input instead; the request ends here and may come again.
    InputRequired,
    /// The server made a task of it.
    Task,
    /// The tool answered that it failed.
    ToolError,
    /// The tool server refused the request.
    Refused,
    /// The tool server could not be asked or did not answer properly.
    Failed,
    /// The caller, a revocation or a freeze ended it.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// The result came and was not given out.
    Withheld,
    /// It never left.
    Aborted,
    /// The gateway ended before it knew.
    Unknown,
}

impl How {
    /// The value as records, telemetry and the API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::InputRequired => "input_required",
            Self::Task => "task",
            Self::ToolError => "tool_error",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Withheld => "withheld",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
        }
    }
}

/// How a call ended. Durable before the answer leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The intent's decision.
    pub decision: DecisionId,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub how: How,
    /// Whether the tool may have done what it was asked to.
    pub effect_possible: bool,
    /// Of the result's bytes, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Fingerprint>,
    /// Bytes of the result.
    pub result_bytes: u64,
    /// Microseconds from dispatch to end.
    pub duration_us: u64,
    /// The control that withheld it, the kind of failure, the reason of a cancellation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What left as the result, encrypted, where `response.capture` demands it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// What `response.redact` took out of the result: how often, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<String, u64>,
    /// The labels that `taint.mark` left on the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marked: Vec<String>,
}

/// A call was refused; the only record of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Joins the record, telemetry and the agent's answer.
    pub decision: DecisionId,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Caller,
    /// The name that was asked for, cut to 128 characters.
    pub asked: String,
    /// The tool, where the name is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Called>,
    /// Why not.
    pub verdict: Verdict,
    /// The control that was not met, the first broken place of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A request that calls no tool is about to leave: a prompt, a resource, a completion, a task, a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    /// Joins it with its outcome, telemetry and the agent's answer.
    pub decision: DecisionId,
    /// When it was judged.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Caller,
    /// The MCP method.
    pub method: String,
    /// The tool server.
    pub server: ServerName,
    /// The prompt, the URI, or the tool of a task; cut to 256 characters.
    pub target: String,
    /// Over method, target and the other params, as they are sent.
    pub params: Fingerprint,
    /// Why it may.
    pub verdict: Verdict,
}

/// A subscription began or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Joins beginning and end.
    pub decision: DecisionId,
    /// When.
    pub at: Timestamp,
    /// Who listens.
    pub caller: Caller,
    /// Whether it begins.
    pub opened: bool,
    /// The lists and resources that are told of, as granted; each cut to 256 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

/// A list was given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The MCP method, where it is not `tools/list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub caller: Caller,
    /// The server, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
    /// How many entries were shown.
    pub tools: u32,
    /// The digest of the catalog that was read.
    pub catalog: Digest,
}
