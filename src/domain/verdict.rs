//! The decision as data: what evidence, telemetry and `explain` speak of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Digest, ExceptionId, PilotId};

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The value as records, telemetry and the API have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

closed!(
    /// The answer.
    Effect {
        /// The call may go on.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
    }
);

closed!(
    /// Which of the four sets spoke.
    Basis {
        /// A role permits it.
        Rbac = "rbac",
        /// An exception admits it.
        Exception = "exception",
        /// A break-glass exception admits it.
        BreakGlass = "break_glass",
        /// A guardrail forbids it.
        Guardrail = "guardrail",
        /// Nothing permits it.
        DefaultDeny = "default_deny",
    }
);

closed!(
    /// Why; a closed list, so that it can be a metric label.
    Reason {
        /// Permitted.
        Granted = "granted",
        /// No role permits it and no exception matches.
        NoGrant = "no_grant",
        /// A hard guardrail forbids it.
        HardGuardrail = "hard_guardrail",
        /// A soft guardrail forbids it.
        SoftGuardrail = "soft_guardrail",
        /// The tool is not visible to this subject, or there is none of that name.
        UnknownTool = "unknown_tool",
        /// The tool's definition is new or has changed and is not approved.
        ToolQuarantined = "tool_quarantined",
        /// The arguments break the tool's input schema.
        InvalidArguments = "invalid_arguments",
        /// An exception names this agent and tool, but not these arguments or this person.
        ScopeMismatch = "scope_mismatch",
        /// The exception has ended.
        ExceptionExpired = "exception_expired",
        /// Its budget is spent.
        ExceptionExhausted = "exception_exhausted",
        /// It is suspended.
        ExceptionSuspended = "exception_suspended",
        /// It was revoked, edited, or is not what was approved.
        ExceptionRevoked = "exception_revoked",
        /// A control that it demands does not work now.
        MonitoringUnavailable = "monitoring_unavailable",
        /// A control that it demands is not met by this call or its result.
        ControlUnmet = "control_unmet",
        /// A person has to say yes to this call, and has not yet.
        ApprovalPending = "approval_pending",
        /// A person said no, or nobody answered in time.
        ApprovalDenied = "approval_denied",
        /// Too many calls.
        RateLimited = "rate_limited",
        /// The record of the call cannot be made durable.
        AuditUnavailable = "audit_unavailable",
        /// A policy could not be evaluated.
        PolicyError = "policy_error",
        /// The policies or credentials changed between decision and admission.
        Stale = "stale",
        /// The gateway is frozen.
        Frozen = "frozen",
    }
);

/// A decision as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub effect: Effect,
    /// Which set spoke.
    pub basis: Basis,
    /// Why.
    pub reason: Reason,
    /// The `@id`s of the policies that determined it, in order.
    pub determining: Arc<[Arc<str>]>,
    /// The digest of the policy set that was asked.
    pub policy_set: Digest,
    /// The exception that admits the call, or that came closest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
    /// Its revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The pilot that the exception belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pilot: Option<PilotId>,
    /// The ids of the obligations that it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// Other exceptions that matched, each with why it was not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<(ExceptionId, String)>,
    /// Advisory guardrails that would have forbidden it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<Arc<str>>,
}

impl Verdict {
    /// The answer in one word, as spans and metrics have it: a refusal that waits for a person is `pending`, one that
    /// a fault of the gateway caused is `error`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match (self.effect, self.reason) {
            (Effect::Deny, Reason::ApprovalPending) => "pending",
            (Effect::Deny, Reason::AuditUnavailable | Reason::PolicyError) => "error",
            (effect, _) => effect.as_str(),
        }
    }

    /// A refusal that names these policies and no exception.
    #[must_use]
    pub fn refusal(basis: Basis, reason: Reason, determining: Vec<Arc<str>>, policy_set: Digest) -> Self {
        Self {
            effect: Effect::Deny,
            basis,
            reason,
            determining: determining.into(),
            policy_set,
            exception: None,
            revision: None,
            pilot: None,
            controls: Vec::new(),
            passed_over: Vec::new(),
            advisories: Vec::new(),
        }
    }
}
