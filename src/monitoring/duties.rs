//! What a call under an exception is held against, as plain facts.

use serde_json::{Map, Value};

use super::Who;
use crate::domain::{ArgumentBound, Digest, ExceptionId, Obligation, Timestamp, ToolRef};

/// The facts of one call under an exception.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The exception that admits the call.
    pub exception: &'a ExceptionId,
    /// The agent, and the person it acts for.
    pub who: &'a Who,
    /// The tool that is called.
    pub tool: &'a ToolRef,
    /// The duties that its controls lay on the gateway.
    pub obligations: &'a [Obligation],
    /// The digest of the tool's definition that was approved; none if the exception does not name the tool.
    pub approved: Option<Digest>,
    /// The digest of the definition that the server offers now.
    pub live: Digest,
    /// The arguments that will be sent.
    pub arguments: &'a Map<String, Value>,
    /// The bounds that the exception puts on them.
    pub bounds: &'a [ArgumentBound],
    /// `properties` of the tool's input schema: the names that it declares.
    pub declared: Option<&'a Map<String, Value>>,
    /// Whether members of `params` that the gateway does not know would travel with the call.
    pub passthrough: bool,
    /// Whether the call's span is recorded and has a place among the acknowledged ones.
    pub traced: bool,
    /// The host at which the tool server is contacted; none where that cannot be seen, as for a child process.
    pub host: Option<&'a str>,
    /// When the credential was issued that the agent showed.
    pub issued: Option<Timestamp>,
    /// The present moment.
    pub now: Timestamp,
    /// The first moment at which the exception is over.
    pub not_after: Timestamp,
}

/// The duties of one call: those of an exception, or none.
#[derive(Debug, Clone, Copy)]
pub struct Duties<'a>(Option<Facts<'a>>);

impl<'a> Duties<'a> {
    /// A call that a role allows carries no duties.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// The duties of a call under an exception.
    #[must_use]
    pub const fn under(facts: Facts<'a>) -> Self {
        Self(Some(facts))
    }

    pub(super) const fn facts(&self) -> Option<&Facts<'a>> {
        self.0.as_ref()
    }
}
