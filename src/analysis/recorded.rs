//! A recorded decision of a call, made ready to be judged again.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::{
    domain::{
        AgentId, Credential, CredentialId, CredentialKind, DecisionId, Delegator, Digest, Effect, Reason, RoleName,
        Subject, Timestamp, ToolRef, Verdict,
    },
    evidence::{Called, Caller, Intent, Record, SealError, Sealer},
};

/// Why a recorded call is not judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unjudged {
    /// Its arguments were too large to keep.
    NotKept,
    /// Some of its arguments are omitted from the record.
    Omitted,
    /// Its arguments do not open: sealed with another key, or changed.
    Sealed,
    /// The key of its arguments was destroyed.
    Shredded,
    /// Members beside the arguments were sent and not kept.
    Beside,
    /// The tool was hidden from the agent, so its arguments were never looked at.
    Hidden,
    /// The tool is not there any more.
    NoTool,
    /// The arguments do not fit the definition of now.
    Misfit,
    /// Not the policies decided it: a control, the budget, a freeze, the arguments.
    Aside,
}

impl Unjudged {
    /// The word that reports have.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotKept => "arguments_not_kept",
            Self::Omitted => "arguments_omitted",
            Self::Sealed => "arguments_do_not_open",
            Self::Shredded => "arguments_shredded",
            Self::Beside => "members_beside_arguments_not_kept",
            Self::Hidden => "tool_was_hidden",
            Self::NoTool => "tool_is_gone",
            Self::Misfit => "arguments_do_not_fit_the_definition_of_now",
            Self::Aside => "not_decided_by_policies",
        }
    }
}

/// A decision of the past about a call, with all that it was made of.
#[derive(Debug, Clone)]
pub struct RecordedCall {
    /// The decision.
    pub decision: DecisionId,
    /// When it was made.
    pub at: Timestamp,
    /// Who called.
    pub caller: Caller,
    /// What was called.
    pub tool: ToolRef,
    /// The digest of its definition then; none where the tool was hidden.
    pub definition: Option<Digest>,
    /// What was passed, or why it is not known.
    pub arguments: Result<Box<RawValue>, Unjudged>,
    /// What was decided.
    pub verdict: Verdict,
}

impl RecordedCall {
    /// The call of a record, if it is one of a call whose tool is known. `named` finds the tool that a refused name
    /// stood for.
    #[must_use]
    pub fn of(record: Record, sealer: &Sealer, named: impl Fn(&str) -> Option<ToolRef>) -> Option<Self> {
        let record = match intent(record) {
            Ok(intent) => {
                let by = (intent.at, intent.caller);
                return Some(Self::called(intent.decision, by, intent.call, intent.verdict, sealer));
            }
            Err(record) => record,
        };
        let Record::Denial(denial) = *record else { return None };
        let (decision, at, caller, verdict) = (denial.decision, denial.at, denial.caller, denial.verdict);
        if let Some(call) = denial.call {
            return Some(Self::called(decision, (at, caller), call, verdict, sealer));
        }
        let hidden = verdict.reason == Reason::UnknownTool;
        let arguments = Err(if hidden { Unjudged::Hidden } else { Unjudged::Aside });
        let tool = named(&denial.asked)?;
        Some(Self { decision, at, caller, tool, definition: None, arguments, verdict })
    }

    fn called(
        decision: DecisionId,
        (at, caller): (Timestamp, Caller),
        call: Called,
        verdict: Verdict,
        sealer: &Sealer,
    ) -> Self {
        let arguments = opened(&decision, &call, sealer)
            .and_then(|raw| if aside(verdict.reason) { Err(Unjudged::Aside) } else { Ok(raw) });
        let tool = ToolRef { server: call.server, tool: call.tool };
        Self { decision, at, caller, tool, definition: Some(call.definition), arguments, verdict }
    }

    /// The agent.
    #[must_use]
    pub const fn agent(&self) -> &AgentId {
        &self.caller.agent
    }

    /// Whether it was let through.
    #[must_use]
    pub fn was_allowed(&self) -> bool {
        self.verdict.effect == Effect::Allow
    }

    /// Who it was judged as, with these roles instead of those of then.
    #[must_use]
    pub(super) fn subject(&self, roles: Arc<[RoleName]>, person: Arc<[RoleName]>) -> Subject {
        let caller = &self.caller;
        let on_behalf_of = caller.on_behalf_of.clone().map(|id| Delegator { person: id, roles: person });
        let credential =
            Credential { id: caller.credential.clone(), kind: CredentialKind::ApiKey, issued: None, expires: self.at };
        Subject { agent: caller.agent.clone(), roles, on_behalf_of, credential, taints: Arc::clone(&caller.taints) }
    }
}

fn intent(record: Record) -> Result<Intent, Box<Record>> {
    if let Record::Intent(intent) = record { Ok(intent) } else { Err(Box::new(record)) }
}

/// Somebody who showed nothing: for questions that no credential stands behind.
pub(super) fn stranger(
    agent: AgentId,
    roles: Vec<RoleName>,
    on_behalf_of: Option<Delegator>,
    expires: Timestamp,
) -> Subject {
    let credential = Credential { id: CredentialId::from_bits(0), kind: CredentialKind::ApiKey, issued: None, expires };
    Subject { agent, roles: roles.into(), on_behalf_of, credential, taints: Arc::default() }
}

/// The arguments, if all that was sent is known.
fn opened(decision: &DecisionId, call: &Called, sealer: &Sealer) -> Result<Box<RawValue>, Unjudged> {
    if !call.arguments.omitted.is_empty() {
        return Err(Unjudged::Omitted);
    }
    let sealed = call.arguments.sealed.as_ref().ok_or(Unjudged::NotKept)?;
    let closed = |error: SealError| {
        if matches!(error, SealError::Shredded { .. }) { Unjudged::Shredded } else { Unjudged::Sealed }
    };
    let text = sealer.open(decision, sealed).map_err(closed)?;
    if !sealer.is_print(&call.arguments.digest, &Digest::of(&text)).map_err(closed)? {
        return Err(Unjudged::Beside);
    }
    let text = String::from_utf8(text).map_err(|_| Unjudged::Sealed)?;
    RawValue::from_string(text).map_err(|_| Unjudged::Sealed)
}

/// Whether the reason arises after the policies have spoken, or before they are asked.
const fn aside(reason: Reason) -> bool {
    match reason {
        Reason::UnknownTool
        | Reason::ToolQuarantined
        | Reason::InvalidArguments
        | Reason::MonitoringUnavailable
        | Reason::ControlUnmet
        | Reason::ApprovalPending
        | Reason::ApprovalDenied
        | Reason::RateLimited
        | Reason::AuditUnavailable
        | Reason::ExceptionRevoked
        | Reason::ExceptionExhausted
        | Reason::Stale
        | Reason::Frozen => true,
        Reason::Granted
        | Reason::NoGrant
        | Reason::HardGuardrail
        | Reason::SoftGuardrail
        | Reason::ScopeMismatch
        | Reason::ExceptionExpired
        | Reason::ExceptionSuspended
        | Reason::PolicyError => false,
    }
}
