//! One call towards a tool server: what goes along, and how it ended.

use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::Subject,
    mcp::{Capabilities, Extra, InputGiven, InputRequired, LogLevel, Notice},
};

/// What goes along with a call.
#[derive(Debug)]
pub struct Dispatch {
    /// For whom: legacy sessions are never shared between principals.
    pub principal: PrincipalKey,
    /// W3C trace context of our client span.
    pub traceparent: Option<String>,
    /// Takes what the server tells meanwhile.
    pub notices: Option<mpsc::Sender<Notice>>,
    /// Whether progress is wanted.
    pub progress: bool,
    /// The least severe level of log messages that are wanted; none without it.
    pub log_level: Option<LogLevel>,
    /// What the server may know of the client's capabilities; it is not asked for more.
    pub capabilities: Arc<Capabilities>,
    /// What the client answers to the questions of an earlier round; the state is the server's own.
    pub input: Option<InputGiven>,
    /// The caller's wish to stop.
    pub cancelled: CancellationToken,
    /// When the call is given up.
    pub deadline: Instant,
    /// What reaches the call while it waits between two rounds.
    pub leash: Leash,
}

/// What reaches a call that waits for its caller between two rounds, when nobody awaits it (T093).
#[derive(Debug, Clone, Default)]
pub struct Leash {
    /// Its permission was taken back: it ends at once, and its server is told.
    pub cut: CancellationToken,
    /// Its caller is gone for good; none for a caller that is not known to be there between rounds.
    pub gone: Option<CancellationToken>,
    /// What lives for as long as the call waits: its place among the calls in flight.
    pub registration: Option<Arc<dyn Any + Send + Sync>>,
}

impl Leash {
    /// Waits until the call must end.
    pub(super) async fn pulled(&self) {
        match &self.gone {
            Some(gone) => tokio::select! {
                () = self.cut.cancelled() => {}
                () = gone.cancelled() => {}
            },
            None => self.cut.cancelled().await,
        }
    }
}

/// Whose legacy session it is: agent and person together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalKey(Option<Arc<str>>);

impl PrincipalKey {
    /// The gateway itself, which lists.
    pub(super) const GATEWAY: Self = Self(None);
}

impl From<&Subject> for PrincipalKey {
    fn from(subject: &Subject) -> Self {
        let person = subject.on_behalf_of.as_ref().map_or("", |delegator| delegator.person.as_str());
        Self(Some(format!("{}\0{person}", subject.agent).into()))
    }
}

/// How a call ended.
#[derive(Debug)]
#[must_use]
pub enum CallEnd {
    /// The server answered. The result is raw JSON: members in order, numbers as they were; members of one
    /// era and reserved `_meta` keys are gone.
    Answered {
        /// The result.
        result: Bytes,
        /// Whether the tool says that it failed.
        is_error: bool,
        /// For how long the server says that the result may be kept, in milliseconds.
        ttl_ms: Option<u64>,
    },
    /// The server asks before it answers. Only what the capabilities of the dispatch allow is asked.
    InputRequired(InputRequired),
    /// The server made a task of it: the result without `resultType`.
    Task(Bytes),
    /// The server answered with a JSON-RPC error.
    RpcError {
        /// Its code.
        code: i32,
        /// Its message.
        message: String,
        /// Its data.
        data: Option<Box<RawValue>>,
        /// Members that no revision knows.
        more: Extra,
    },
    /// There is no answer that can be used.
    Failed {
        /// Why.
        kind: FailureKind,
        /// Whether the server may have acted.
        effect_possible: bool,
    },
    /// The caller stopped it; the server was told, and may have acted.
    Cancelled,
    /// The deadline passed; the server was told, and may have acted.
    TimedOut,
}

impl CallEnd {
    pub(super) const fn unsent(kind: FailureKind) -> Self {
        Self::Failed { kind, effect_possible: false }
    }

    pub(super) const fn lost(kind: FailureKind) -> Self {
        Self::Failed { kind, effect_possible: true }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The server is not there now.
    Down,
    /// The server failed too often and waits for a person.
    Disabled,
    /// Too many calls of this server are in flight.
    Busy,
    /// No connection could be made, or the address is not allowed.
    Unreachable,
    /// The connection, stream or child ended before the answer.
    Closed,
    /// What came is not an answer: no JSON, not the protocol, of another request.
    Garbage,
    /// What came is larger than the bound.
    TooLarge,
    /// The server pointed elsewhere; redirects are not followed (T122).
    Redirected,
    /// An HTTP status that is no answer.
    Status(u16),
    /// The server asks for what this gateway does not carry.
    Unsupported,
}

impl FailureKind {
    /// The value of `error.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "upstream_down",
            Self::Disabled => "upstream_disabled",
            Self::Busy => "upstream_busy",
            Self::Unreachable => "upstream_unreachable",
            Self::Closed => "upstream_closed",
            Self::Garbage => "upstream_garbage",
            Self::TooLarge => "upstream_too_large",
            Self::Redirected => "upstream_redirected",
            Self::Status(_) => "upstream_status",
            Self::Unsupported => "upstream_unsupported",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Down => "the tool server is not available now",
            Self::Disabled => "the tool server is disabled after repeated failures",
            Self::Busy => "the tool server is busy",
            Self::Unreachable => "the tool server cannot be reached",
            Self::Closed => "the tool server closed the connection before it answered",
            Self::Garbage => "the tool server's answer is not valid",
            Self::TooLarge => "the tool server's answer is too large",
            Self::Redirected => "the tool server redirects, which is not followed",
            Self::Status(status) => return write!(f, "the tool server answered with http status {status}"),
            Self::Unsupported => "the tool server asks for something that is not supported here",
        };
        f.write_str(text)
    }
}
