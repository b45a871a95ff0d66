//! The duties that a control of an exception lays on the gateway.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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
    /// A result larger than this is withheld.
    #[serde(rename = "response.limit")]
    ResponseLimit {
        /// Bytes of the result as JSON.
        bytes: u64,
    },
}

impl Obligation {
    /// The ids of all duties that this build can meet, in order.
    pub const IDS: [&'static str; 10] = [
        "args.constrain",
        "audit.write_ahead",
        "budget.reserve",
        "descriptor.pin",
        "egress.allow",
        "principal.fresh",
        "rate.limit",
        "response.limit",
        "timebox",
        "trace.full",
    ];

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
        }
    }
}
