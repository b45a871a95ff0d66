//! Why no answer came, as the client is told it.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::{
    domain::limits,
    mcp::{Id, code, emit},
};

/// A request that the gateway did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Lost {
    #[error("the gateway at {url} cannot be reached: {why}; nothing was sent; is `postern serve` running?")]
    Unreachable { url: String, why: String },
    #[error("the connection to the gateway broke before the answer came; whether the call took effect is not known")]
    Broken,
    #[error("the gateway fell silent before the answer came; whether the call took effect is not known")]
    Silent,
    #[error("the gateway's answer is longer than {} bytes and was not read", limits::ANSWER)]
    TooLarge,
    #[error("what the gateway answered is not MCP; check --url")]
    Garbage,
    #[error("the gateway answered with HTTP status {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    #[error("`postern stdio` was told to stop before the answer came; whether the call took effect is not known")]
    Stopped,
}

impl Lost {
    /// Whether it may go better a little later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken | Self::Silent => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge | Self::Garbage | Self::Stopped => false,
        }
    }

    /// The error for this request.
    pub(super) fn message(&self, id: &RawValue) -> Bytes {
        emit::error(Id::read(id).ok(), code::INTERNAL, &self.to_string(), None)
    }
}

/// What to do about a status, behind what the gateway says itself.
pub(super) fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "; give `postern stdio` a key that holds, with --key-file or POSTERN_KEY \
             (`postern key create --agent ID` makes one)"
        }
        StatusCode::NOT_FOUND => "; check --url and --server",
        _ => "",
    }
}
