//! The port of the agents' side: what the endpoint asks of the gateway, and in which words.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Method, ServerName, SessionId, Subject},
    mcp::{
        Capabilities, Era, Extra, Filter, Id, InputGiven, InputRequired, List, LogLevel, Mirrored, Notice, code, emit,
    },
};

use super::Proof;

/// What answers requests that passed the wire's own checks.
///
/// The port speaks of every request as the modern era does: a request that a server answers with questions ends
/// there, and comes again with the answers. The endpoint makes a legacy conversation of it where the client is legacy.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Who sends this request; asked before a byte of the body is read.
    ///
    /// # Errors
    /// The status, challenge and sentence to refuse with.
    async fn identify(&self, head: &Parts, peer: SocketAddr) -> Result<Arc<Subject>, HttpRefusal>;

    /// Whether `/mcp/{server}` exists.
    fn has_server(&self, server: &ServerName) -> bool;

    /// What there is for the subject in this scope, for `server/discover` and `initialize`.
    fn offer(&self, subject: &Subject, scope: &Scope) -> Offer;

    /// One page of what the subject sees.
    ///
    /// # Errors
    /// A cursor that was not given out here, or a list that cannot be made now.
    async fn list(&self, subject: &Arc<Subject>, request: ListRequest) -> Result<ListPage, RpcError>;

    /// Carries one request to its tool server. Runs in a task of its own: a connection that goes away never drops it.
    ///
    /// # Errors
    /// A protocol error, such as an unknown tool (-32602). A tool's own failure is a [`Reply::Complete`].
    async fn serve(&self, subject: Arc<Subject>, request: Request, link: Link) -> Result<Reply, RpcError>;

    /// Opens a subscription to changes. It ends as soon as the caller's credential holds no more, and when something
    /// that was granted is told no more: this is how the client learns of it.
    ///
    /// # Errors
    /// The gateway cannot keep its record now. What the subject does not see is left out of what is granted.
    async fn listen(&self, subject: &Arc<Subject>, request: ListenRequest) -> Result<Listening, RpcError>;

    /// A session of a legacy client ended; so much time was between its opening and its last use.
    fn session_ended(&self, version: &'static str, lasted: Duration) {
        let _unheard = (version, lasted);
    }
}

/// Which part of the house a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every server, under exposed names (`/mcp`).
    All,
    /// One server, under its own names (`/mcp/{server}`).
    Server(ServerName),
}

impl Scope {
    /// The one server, if it is one.
    #[must_use]
    pub const fn server(&self) -> Option<&ServerName> {
        match self {
            Self::All => None,
            Self::Server(server) => Some(server),
        }
    }
}

/// Where a request came from; for evidence and telemetry, never for a decision.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The revision of the protocol.
    pub version: &'static str,
    /// The JSON-RPC id, as text.
    pub id_text: String,
    /// The legacy session.
    pub session: Option<SessionId>,
    /// The other end of the socket.
    pub peer: SocketAddr,
    /// When the head of the request was complete.
    pub received: Instant,
}

/// What a scope offers, for its capabilities.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// `prompts`, with `listChanged`.
    pub prompts: bool,
    /// `resources`, with `listChanged`.
    pub resources: bool,
    /// `resources.subscribe`.
    pub subscribe: bool,
    /// `completions`.
    pub completions: bool,
    /// `logging`.
    pub logging: bool,
    /// `extensions`: identifier, and its settings as JSON; the tasks extension among them.
    pub extensions: Vec<(Box<str>, Box<RawValue>)>,
}

/// A request for a page of a list.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// What is listed.
    pub list: List,
    /// Of which servers.
    pub scope: Scope,
    /// Where the page begins; as the last page gave it out.
    pub cursor: Option<String>,
    /// The caller's era.
    pub era: Era,
    /// Where it came from.
    pub origin: Origin,
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// The definitions, each a JSON object, in a stable order.
    pub items: Vec<Bytes>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
    /// For how long a client may keep it, in milliseconds; no longer than policy may be stale.
    pub ttl_ms: u64,
    /// Servers of which the subject might see something that cannot be listed now.
    pub missing: Vec<ServerName>,
}

/// What `params._meta` says that the gateway needs. What is malformed or too long is left out.
#[derive(Debug, Clone, Default)]
pub struct CallMeta {
    /// W3C trace context: `traceparent`, well-formed.
    pub traceparent: Option<String>,
    /// W3C trace context: `tracestate`, at most 512 bytes.
    pub tracestate: Option<String>,
    /// W3C baggage, at most 8,192 bytes.
    pub baggage: Option<String>,
    /// The token under which the client wants progress: a string or an integer, as JSON.
    pub progress_token: Option<Box<RawValue>>,
    /// The least severe level of log messages that the client wants; none are sent without it.
    pub log_level: Option<LogLevel>,
}

/// A request to one tool server.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where names are looked up.
    pub scope: Scope,
    /// What is asked.
    pub method: Method,
    /// What it is for, as the client knows it: the name of a tool or prompt, a URI, a task; empty for a completion.
    pub target: String,
    /// `arguments` of a tool or prompt: a JSON object that passed the strict scan.
    pub arguments: Option<Box<RawValue>>,
    /// All other members of `params`, in order, without `_meta` and what [`Self::input`] holds.
    pub members: Vec<(Box<str>, Box<RawValue>)>,
    /// What `_meta` says.
    pub meta: CallMeta,
    /// What the client can do for a server that asks it back.
    pub capabilities: Arc<Capabilities>,
    /// What the client answers to the questions of an earlier round.
    pub input: Option<InputGiven>,
    /// The caller's era.
    pub era: Era,
    /// Where it came from.
    pub origin: Origin,
    /// The `Mcp-Param-*` headers, to be checked once the tool's schema is known; empty for legacy callers.
    pub mirrored: Mirrored,
}

/// The way back to the client while a request is served.
#[derive(Debug, Clone)]
pub struct Link {
    /// Takes what the server tells meanwhile: progress where the client gave a token, log messages of the level that
    /// it asked for or above.
    pub notices: Option<mpsc::Sender<Notice>>,
    /// Cancelled when a modern client goes away, or a legacy one sends `notifications/cancelled`; at the latest when
    /// the request is over, with all its rounds if it is one of a legacy client.
    pub cancelled: CancellationToken,
    /// Ends the client's session, where there is one.
    pub session: Option<CancellationToken>,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The JSON object of `result` without `resultType`, `ttlMs` and `cacheScope`; the endpoint adds what the era demands.
    Complete {
        /// The result.
        result: Bytes,
        /// For how long a client may keep it, in milliseconds, where the method's result can be kept.
        ttl_ms: u64,
    },
    /// The server asks before it answers; the state, if any, is sealed. Only of methods that take input.
    InputRequired(InputRequired),
    /// The server made a task of it: the result without `resultType`. Only for clients that declared the extension.
    Task(Bytes),
}

/// A wish to be told of changes.
#[derive(Debug, Clone)]
pub struct ListenRequest {
    /// Of which servers.
    pub scope: Scope,
    /// Of what.
    pub filter: Filter,
    /// What the client can do for a server that asks it back.
    pub capabilities: Arc<Capabilities>,
    /// What the caller shows; the subscription ends when it holds no more.
    pub proof: Proof,
    /// Where it came from.
    pub origin: Origin,
}

/// A subscription; dropping it ends it.
#[derive(Debug)]
pub struct Listening {
    /// What is told of what was wished for.
    pub granted: Filter,
    /// What happens. It ends when the gateway ends the subscription.
    pub events: mpsc::Receiver<Event>,
}

/// Something that a subscription tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The list changed.
    Changed(List),
    /// A resource was updated: the params of `notifications/resources/updated`, a JSON object without `_meta`.
    Updated(Bytes),
    /// A task moved on: the params of `notifications/tasks`, a JSON object without `_meta`.
    Task(Bytes),
}

/// A refusal before the message was read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct HttpRefusal {
    /// The status.
    pub status: StatusCode,
    /// The challenge (RFC 6750, RFC 9728), for 401 and 403.
    pub www_authenticate: Option<String>,
    /// One sentence for the caller.
    pub message: String,
}

/// A protocol error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// The code.
    pub code: i32,
    /// One sentence for the caller.
    pub message: String,
    /// More, as JSON.
    pub data: Option<Box<RawValue>>,
    /// Members that no revision knows, as a tool server sent them.
    pub more: Extra,
    /// The HTTP status, where it is not the usual one (200) and the answer is not a stream.
    pub http: Option<StatusCode>,
}

impl RpcError {
    /// An error with a code and a sentence.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, more: Vec::new(), http: None }
    }

    /// Parameters that are wrong, or name something that the caller cannot see.
    #[must_use]
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// We broke; the caller learns no more than that.
    #[must_use]
    pub fn internal() -> Self {
        Self { http: Some(StatusCode::INTERNAL_SERVER_ERROR), ..Self::new(code::INTERNAL, "internal error") }
    }

    /// The same error with an HTTP status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { http: Some(status), ..self }
    }

    /// The response that says it.
    pub(super) fn response(&self, id: Option<Id<'_>>) -> Bytes {
        emit::fault(id, (self.code, &self.message, self.data.as_deref()), &self.more)
    }
}

/// What an endpoint is told at its start.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// The values of `Host` that are served, with port where it is not the scheme's own; compared without case.
    pub allowed_hosts: Vec<String>,
    /// The values of `Origin` that are served; a request without one is served.
    pub allowed_origins: Vec<String>,
    /// The URL at which agents reach this gateway.
    pub public_url: String,
    /// Whether the legacy revisions are served.
    pub legacy: bool,
    /// What `server/discover` and `initialize` tell the model about this gateway.
    pub instructions: Option<String>,
}
