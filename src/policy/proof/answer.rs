//! What is claimed, and what the solver says to it.

use std::{fmt, time::Duration};

use serde::Serialize;

/// What is claimed of a policy or an exception; true is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// An exception admits no call that a hard guardrail forbids.
    ClearOfHardGuardrails,
    /// For each agent and tool, an exception admits something that roles do not.
    AddsToRoles,
    /// For each agent and tool, an exception admits something at all.
    Alive,
    /// It can be evaluated whatever the call.
    NeverErrors,
    /// An exception admits nothing before its begin and after its end.
    WithinItsWindow,
    /// A candidate role admits nothing that roles and exceptions did not.
    NothingGained,
}

impl Claim {
    /// The claim in words, to follow the name of what it is about.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClearOfHardGuardrails => "reaches nothing that a hard guardrail forbids",
            Self::AddsToRoles => "admits what no role permits",
            Self::Alive => "admits something for each agent and tool",
            Self::NeverErrors => "can never fail to evaluate",
            Self::WithinItsWindow => "admits nothing outside of its window",
            Self::NothingGained => "admits nothing that was not admitted before",
        }
    }
}

/// One call, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Who calls.
    pub principal: String,
    /// For whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The action.
    pub action: String,
    /// What it is done to.
    pub resource: String,
    /// The context that matters, in Cedar's notation.
    pub context: String,
    /// Policies that it is an example for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.principal)?;
        if let Some(user) = &self.on_behalf_of {
            write!(f, " for {user}")?;
        }
        write!(f, ", {}, {}, context {}", self.action, self.resource, self.context)?;
        if !self.policies.is_empty() {
            write!(f, " (by {})", self.policies.join(", "))?;
        }
        Ok(())
    }
}

/// What the solver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// It holds for every call.
    Proven,
    /// It does not hold.
    Refuted {
        /// Why, in words.
        why: String,
        /// A call for which it does not hold, where one can show it.
        #[serde(skip_serializing_if = "Option::is_none")]
        example: Option<Box<Example>>,
    },
    /// Nobody knows.
    NotProven {
        /// Why.
        why: String,
    },
}

impl Answer {
    /// Nobody knows, and why.
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::NotProven { why: why.into() }
    }

    /// Refuted by this example.
    pub(super) fn by(example: Example) -> Self {
        Self::Refuted { why: String::new(), example: Some(Box::new(example)) }
    }

    /// Whether it is proven.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        matches!(self, Self::Proven)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven => f.write_str("proven"),
            Self::NotProven { why } => write!(f, "not proven: {why}"),
            Self::Refuted { why, example: None } => write!(f, "refuted: {why}"),
            Self::Refuted { why, example: Some(example) } if why.is_empty() => write!(f, "refuted: {example}"),
            Self::Refuted { why, example: Some(example) } => write!(f, "refuted: {why}: {example}"),
        }
    }
}

/// One claim with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// What it is about: an exception, a policy, an agent.
    pub about: String,
    /// What is claimed.
    pub claim: Claim,
    /// What the solver says.
    #[serde(flatten)]
    pub answer: Answer,
    /// How long it took.
    pub millis: u64,
}

impl Proof {
    pub(super) fn new(about: &str, claim: Claim, answer: Answer, took: Duration) -> Self {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { about: about.to_owned(), claim, answer, millis }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: {} ({} ms)", self.about, self.claim.as_str(), self.answer, self.millis)
    }
}
