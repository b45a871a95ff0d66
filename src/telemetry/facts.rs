//! What is told of a request, of a tool server and of a trace.

use std::{net::SocketAddr, time::Instant};

use crate::domain::{AgentId, DecisionId, ExposedName, Method, PersonId, ServerName, SessionId, Timestamp};

/// What a span says of the agent's request.
#[derive(Debug, Clone)]
pub struct SpanFacts {
    /// The MCP method, such as `tools/call`.
    pub method: &'static str,
    /// The tool as the agent named it, once it was resolved; never a name that the catalog does not know (T107).
    pub tool: Option<ExposedName>,
    /// The prompt as its server names it, once it was judged.
    pub prompt: Option<String>,
    /// The server that offers it.
    pub server: Option<ServerName>,
    /// The agent.
    pub agent: AgentId,
    /// The person it acts for; shown as a pseudonym.
    pub user: Option<PersonId>,
    /// The decision.
    pub decision: DecisionId,
    /// The JSON-RPC id in text form.
    pub request_id: String,
    /// The legacy session.
    pub session: Option<SessionId>,
    /// The revision of MCP that the agent speaks.
    pub protocol: &'static str,
    /// The agent's address.
    pub peer: SocketAddr,
    /// When the request was received.
    pub received: Instant,
    /// The present moment.
    pub now: Timestamp,
    /// `_meta.traceparent` as the agent sent it.
    pub traceparent: Option<String>,
    /// `_meta.tracestate` as the agent sent it.
    pub tracestate: Option<String>,
}

/// The tool server that a request is dispatched to.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The server.
    pub server: ServerName,
    /// What is asked of it.
    pub method: Method,
    /// The tool or prompt, as the server knows it.
    pub name: Option<String>,
    /// `tcp` or `pipe`.
    pub transport: &'static str,
    /// The server's host, where it has one.
    pub address: Option<String>,
    /// The server's port, where it has one.
    pub port: Option<u16>,
}

/// The ids that join logs and evidence to a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceIds {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// Whether the trace is recorded here.
    pub recorded: bool,
}
