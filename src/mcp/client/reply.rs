//! Answers to what a legacy tool server asks.

use serde_json::value::RawValue;

use crate::mcp::{Id, code, emit};

use super::request::{Outgoing, Speaker, standing};

/// The answer to a server's `ping`.
#[must_use]
pub fn pong(speaker: Speaker<'_>, id: Id<'_>) -> Outgoing {
    result(speaker, id, b"{}")
}

/// The answer to `roots/list` where there is no client to ask.
#[must_use]
pub fn no_roots(speaker: Speaker<'_>, id: Id<'_>) -> Outgoing {
    result(speaker, id, br#"{"roots":[]}"#)
}

/// What a client answered to a request of the server.
#[must_use]
pub fn answer(speaker: Speaker<'_>, id: Id<'_>, given: &RawValue) -> Outgoing {
    result(speaker, id, given.get().as_bytes())
}

/// The answer to a request that is not offered.
#[must_use]
pub fn refuse(speaker: Speaker<'_>, id: Id<'_>) -> Outgoing {
    fault(speaker, id, code::METHOD_NOT_FOUND, "method not offered")
}

/// An error in answer to a request.
#[must_use]
pub fn fault(speaker: Speaker<'_>, id: Id<'_>, code: i32, message: &str) -> Outgoing {
    Outgoing { headers: standing(speaker), body: emit::one_line(emit::error(Some(id), code, message, None)) }
}

fn result(speaker: Speaker<'_>, id: Id<'_>, result: &[u8]) -> Outgoing {
    Outgoing { headers: standing(speaker), body: emit::one_line(emit::result(id, result)) }
}
