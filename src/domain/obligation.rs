//! The duties that a control of an exception lays on the gateway.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PersonId;

/// A duty that must be met for a call under an exception; `GET /api/v1/controls` lists their health.
///
/// The ids are those of the record's `controls[].obligation`. An id that is not here is refused at submission:
/// a decision may not carry a duty that nobody declared to meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "obligation", content = "params", rename_all = "snake_case")]
pub enum Obligation {
    /// The intent is durable before dispatch, the outcome before release.
    #[serde(rename = "audit.write_ahead")]
    AuditWriteAhead,
    /// The trace is sampled, its exporter acknowledged within the lease, and its end is queued before release.
    #[serde(rename = "trace.full")]
    TraceFull,
    /// The arguments that are sent satisfy the grant's bounds and name nothing else.
    #[serde(rename = "args.constrain")]
    ArgsConstrain,
    /// The tool's live definition has the digest that was approved.
    #[serde(rename = "descriptor.pin")]
    DescriptorPin,
    /// One call of the budget is taken in the admission transaction.
    #[serde(rename = "budget.reserve")]
    BudgetReserve,
    /// At most this many calls in a minute, per exception.
    #[serde(rename = "rate.limit")]
    RateLimit {
        /// Calls in a minute, from 1.
        per_minute: u32,
    },
    /// The call ends after this time, at the exception's end or at its revocation, whichever is first.
    #[serde(rename = "timebox")]
    Timebox {
        /// Seconds, 1 to 300.
        seconds: u32,
    },
    /// The tool server is contacted at one of these hosts and nowhere else.
    #[serde(rename = "egress.allow")]
    EgressAllow {
        /// Host names or addresses, as the server's URL has them; never empty.
        hosts: BTreeSet<String>,
    },
    /// The credential that the agent shows was issued no longer ago than this.
    #[serde(rename = "principal.fresh")]
    PrincipalFresh {
        /// Seconds, from 1.
        max_age_s: u64,
    },
    /// A result larger than this, or with content of another kind, is withheld.
    #[serde(rename = "response.limit")]
    ResponseLimit {
        /// Bytes of the result as JSON.
        bytes: u64,
        /// Rows of the result: elements of its longest list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
        /// Kinds of content that it may have (`text`, `image`, `audio`, `resource`, `resource_link`); none means any.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        types: BTreeSet<String>,
    },
    /// The arguments that are sent are kept, sealed, in the intent, bound to the digest of the action.
    #[serde(rename = "args.capture")]
    ArgsCapture,
    /// A person says yes to this one call before it leaves; no answer is a no.
    #[serde(rename = "approval.hold")]
    ApprovalHold {
        /// Seconds until the question is void, 10 to 3600.
        expires_s: u32,
    },
    /// The same call was made as a preview by this agent before.
    #[serde(rename = "dry_run_first")]
    DryRunFirst {
        /// The boolean argument that makes a preview of a call when it is `true`.
        argument: String,
        /// Seconds that a preview counts, from 1.
        max_age_s: u64,
    },
    /// What these classes match is taken out of the result; a result that cannot be searched is withheld.
    #[serde(rename = "response.redact")]
    ResponseRedact {
        /// Names of classes, as `controls.yaml` or the built-in ones have them; never empty.
        classes: BTreeSet<String>,
    },
    /// The result is kept, sealed, in the outcome.
    #[serde(rename = "response.capture")]
    ResponseCapture,
    /// Labels stand on the agent's session after the call, for guardrails to read.
    #[serde(rename = "taint.mark")]
    TaintMark {
        /// The labels; never empty.
        labels: BTreeSet<String>,
        /// Seconds that they stand, 1 to 86400; 3600 where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u32>,
    },
    /// The owner is told of each use by a webhook; deliveries that lag further than the grace refuse the next call.
    #[serde(rename = "notify.owner")]
    NotifyOwner {
        /// Seconds, from 1.
        grace_s: u32,
    },
    /// Each call is judged again without the exception, and under the candidate role.
    #[serde(rename = "shadow.evaluate")]
    ShadowEvaluate,
    /// A named person follows the live events of this exception at this moment.
    #[serde(rename = "watch.attached")]
    WatchAttached {
        /// Who may be the one that watches; never empty.
        people: BTreeSet<PersonId>,
    },
    /// An export's destination acknowledged all records but the last few seconds.
    #[serde(rename = "export.acknowledged")]
    ExportAcknowledged {
        /// The destination, as `exports` in postern.yaml names it.
        sink: String,
        /// Seconds, from 1.
        max_lag_s: u32,
    },
}

impl Obligation {
    /// The ids of all duties, in order.
    pub const IDS: [&'static str; 20] = [
        "approval.hold",
        "args.capture",
        "args.constrain",
        "audit.write_ahead",
        "budget.reserve",
        "descriptor.pin",
        "dry_run_first",
        "egress.allow",
        "export.acknowledged",
        "notify.owner",
        "principal.fresh",
        "rate.limit",
        "response.capture",
        "response.limit",
        "response.redact",
        "shadow.evaluate",
        "taint.mark",
        "timebox",
        "trace.full",
        "watch.attached",
    ];

    /// Whether two of them with different parameters both hold, because neither is stricter than the other.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        matches!(
            self,
            Self::ResponseRedact { .. }
                | Self::ResponseLimit { .. }
                | Self::TaintMark { .. }
                | Self::EgressAllow { .. }
                | Self::DryRunFirst { .. }
                | Self::WatchAttached { .. }
                | Self::ExportAcknowledged { .. }
        )
    }

    /// The id, as records and telemetry have it.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::AuditWriteAhead => "audit.write_ahead",
            Self::TraceFull => "trace.full",
            Self::ArgsConstrain => "args.constrain",
            Self::DescriptorPin => "descriptor.pin",
            Self::BudgetReserve => "budget.reserve",
            Self::RateLimit { .. } => "rate.limit",
            Self::Timebox { .. } => "timebox",
            Self::ResponseLimit { .. } => "response.limit",
            Self::EgressAllow { .. } => "egress.allow",
            Self::PrincipalFresh { .. } => "principal.fresh",
            Self::ArgsCapture => "args.capture",
            Self::ApprovalHold { .. } => "approval.hold",
            Self::DryRunFirst { .. } => "dry_run_first",
            Self::ResponseRedact { .. } => "response.redact",
            Self::ResponseCapture => "response.capture",
            Self::TaintMark { .. } => "taint.mark",
            Self::NotifyOwner { .. } => "notify.owner",
            Self::ShadowEvaluate => "shadow.evaluate",
            Self::WatchAttached { .. } => "watch.attached",
            Self::ExportAcknowledged { .. } => "export.acknowledged",
        }
    }
}
