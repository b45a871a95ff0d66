//! What a person can do with an exception.

use serde::Deserialize;

use super::ApiError;
use crate::domain::Digest;

/// A step in the life of an exception, asked for by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Approve exactly the revision with this digest.
    Approve {
        /// What the approver has read.
        digest: Digest,
    },
    /// Refuse it for good.
    Reject {
        /// Why.
        reason: String,
    },
    /// The requester takes it back.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// The owner says that it is still needed.
    Attest {
        /// What the owner adds.
        reason: String,
    },
    /// Hold it.
    Suspend {
        /// Why.
        reason: String,
    },
    /// End the hold.
    Resume {
        /// Why.
        reason: String,
    },
    /// End it for good.
    Revoke {
        /// Why.
        reason: String,
    },
    /// Report the event that a temporary elevation ends on.
    Finish {
        /// The event, as `ends_on` of the record names it.
        event: String,
    },
    /// The owner reports that a milestone is met.
    Milestone {
        /// Which, as the record names it.
        name: String,
        /// What shows it.
        reason: String,
    },
    /// End it because a role took over.
    Graduate {
        /// Why.
        reason: String,
    },
    /// Say after a break-glass exception what was found; until then its owner gets no other.
    Review {
        /// What was found.
        findings: String,
    },
}

/// The body of every such request.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ActBody {
    digest: Option<Digest>,
    milestone: Option<String>,
    reason: Option<String>,
}

/// Characters of a reason.
pub(super) const REASON: usize = 2_000;

/// A reason that says something and is not too long.
pub(super) fn reason(text: Option<String>) -> Result<String, ApiError> {
    match text.map(|text| text.trim().to_owned()) {
        Some(text) if !text.is_empty() && text.chars().count() <= REASON => Ok(text),
        Some(text) if !text.is_empty() => {
            Err(ApiError::invalid(format!("`reason` is longer than {REASON} characters")))
        }
        Some(_) | None => Err(ApiError::invalid("give a `reason`; it becomes part of the record")),
    }
}

impl Act {
    /// The words that stand in the path.
    pub const WORDS: [&'static str; 11] = [
        "approve",
        "reject",
        "withdraw",
        "attest",
        "suspend",
        "resume",
        "revoke",
        "finish",
        "graduate",
        "review",
        "milestone",
    ];

    pub(super) fn read(word: &str, body: ActBody) -> Result<Self, ApiError> {
        let ActBody { digest, milestone, reason: text } = body;
        if word != "milestone" && milestone.is_some() {
            return Err(ApiError::invalid("`milestone` belongs to reports of milestones only; remove it"));
        }
        if word != "approve" && digest.is_some() {
            return Err(ApiError::invalid("`digest` belongs to approvals only; remove it"));
        }
        Ok(match word {
            "approve" => {
                let digest = digest.ok_or_else(|| {
                    ApiError::invalid("give the `digest` of the revision that you read; `exception show` prints it")
                })?;
                Self::Approve { digest }
            }
            "milestone" => {
                let name =
                    milestone.ok_or_else(|| ApiError::invalid("give the `milestone`, as the record names it"))?;
                Self::Milestone { name, reason: reason(text)? }
            }
            "reject" => Self::Reject { reason: reason(text)? },
            "withdraw" => Self::Withdraw { reason: reason(text)? },
            "attest" => {
                Self::Attest { reason: text.map_or_else(|| Ok("still needed".to_owned()), |text| reason(Some(text)))? }
            }
            "suspend" => Self::Suspend { reason: reason(text)? },
            "resume" => Self::Resume { reason: reason(text)? },
            "revoke" => Self::Revoke { reason: reason(text)? },
            "finish" => Self::Finish { event: reason(text)? },
            "graduate" => Self::Graduate { reason: reason(text)? },
            "review" => Self::Review { findings: reason(text)? },
            _ => return Err(ApiError::not_found()),
        })
    }
}
