//! The ids of the spans of a call, computed from its decision.

use opentelemetry::trace::SpanId;

use crate::domain::{DecisionId, Digest};

/// Which span of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The agent's request.
    Server,
    /// The decision.
    Authorize,
    /// A dispatch to a tool server, counted from 0.
    Client(u32),
}

/// The span's id: the same one whenever it is made of the same decision, so that what is sent again from the journal
/// is the span that was sent before.
pub(super) fn span_id(decision: &DecisionId, part: Part) -> SpanId {
    let (name, turn) = match part {
        Part::Server => ("server", 0),
        Part::Authorize => ("authorize", 0),
        Part::Client(turn) => ("client", turn),
    };
    let parts: [&[u8]; 5] =
        [b"postern span\0", decision.as_str().as_bytes(), b"\0", name.as_bytes(), &turn.to_be_bytes()];
    let digest = Digest::of_parts(&parts);
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    SpanId::from_bytes(bytes)
}

/// The id of the SERVER span of this decision, as 16 hex digits.
#[must_use]
pub fn server_span(decision: &DecisionId) -> String {
    span_id(decision, Part::Server).to_string()
}
