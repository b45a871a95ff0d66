//! The port of the agents' side: what the endpoint asks of the gateway, and in which words.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{ServerName, SessionId, Subject},
    mcp::{Era, Mirrored, code},
};

/// What answers requests that passed the wire's own checks.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Who sends this request; asked before a byte of the body is read.
    ///
    /// # Errors
    /// The status, challenge and sentence to refuse with.
    async fn identify(&self, head: &Parts, peer: SocketAddr) -> Result<Arc<Subject>, HttpRefusal>;

    /// Whether `/mcp/{server}` exists.
    fn has_server(&self, server: &ServerName) -> bool;

    /// One page of the tools that the subject sees.
    ///
    /// # Errors
    /// A cursor that was not given out here, or a list that cannot be made now.
    async fn list(&self, subject: &Arc<Subject>, request: ListRequest) -> Result<ListPage, RpcError>;

    /// Calls a tool. Runs in a task of its own: a connection that goes away never drops it.
    ///
    /// `Ok` is the JSON object of `result` without `resultType`; the endpoint adds what the era demands.
    ///
    /// # Errors
    /// A protocol error, such as an unknown tool (-32602). A tool's own failure is an `Ok`.
    async fn call(&self, subject: Arc<Subject>, request: CallRequest, link: Link) -> Result<Bytes, RpcError>;

    /// A number that changes whenever the subject's list of tools may have changed.
    fn changes(&self, subject: &Arc<Subject>) -> watch::Receiver<u64>;
}

/// Which tools a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of every server, under their exposed names (`/mcp`).
    All,
    /// Those of one server, under their own names (`/mcp/{server}`).
    Server(ServerName),
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

/// A `tools/list`.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// Which tools.
    pub scope: Scope,
    /// Where the page begins; as the last page gave it out.
    pub cursor: Option<String>,
    /// The caller's era.
    pub era: Era,
    /// Where it came from.
    pub origin: Origin,
}

/// One page of tools.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// The definitions, each a JSON object, in a stable order.
    pub tools: Vec<Bytes>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
    /// For how long a client may keep it; no longer than policy may be stale.
    pub ttl_ms: u64,
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
}

/// A `tools/call`.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// Where the name is looked up.
    pub scope: Scope,
    /// The tool's name, as the client knows it.
    pub name: String,
    /// The arguments: a JSON object that passed the strict scan.
    pub arguments: Option<Box<RawValue>>,
    /// Members of `params` that are not known here, in order.
    pub passthrough: Vec<(Box<str>, Box<RawValue>)>,
    /// What `_meta` says.
    pub meta: CallMeta,
    /// The caller's era.
    pub era: Era,
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
    /// The `Mcp-Param-*` headers, to be checked once the tool's schema is known; empty for legacy callers.
    pub mirrored: Mirrored,
}

/// The way back to the client while a call runs.
#[derive(Debug, Clone)]
pub struct Link {
    /// Takes the raw params of `notifications/progress` without the token. The client asked for it, if there.
    pub progress: Option<mpsc::Sender<Bytes>>,
    /// Cancelled when a modern client goes away, or a legacy one sends `notifications/cancelled`.
    pub cancelled: CancellationToken,
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
    /// The HTTP status, where it is not the usual one (200) and the answer is not a stream.
    pub http: Option<StatusCode>,
}

impl RpcError {
    /// An error with a code and a sentence.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, http: None }
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
