//! Step 6: spends the permit. The only file of this room that can reach a tool server.

use std::{sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

use tokio::sync::mpsc;

pub use crate::upstream::Upstreams;
use crate::{
    catalog::{Target, Tool},
    domain::{Digest, ExceptionId, Method, PilotId, Reach, Reason, ServerName},
    mcp::{InputRequired, server::Link},
    policy::{Clearance, Permit},
    telemetry::{Ending, Peer, ServerSpan},
    upstream::{CallEnd, Dispatch, Leash, PrincipalKey},
};

use super::{Gateway, in_flight::Flight, inquire::Heard, outcome::Words, round::Round, visit::Visit};

/// A call that has come back.
pub(super) struct Returned {
    pub(super) end: CallEnd,
    pub(super) tool: Arc<Tool>,
    /// The digest of what was sent.
    pub(super) digest: Digest,
    /// The exception that admitted it, and its revision.
    pub(super) exception: Option<(ExceptionId, u32)>,
    /// The pilot of that exception.
    pub(super) pilot: Option<PilotId>,
    /// Why it was cut, if it was.
    pub(super) cut: Option<Reason>,
    pub(super) took: std::time::Duration,
    /// Ends the session of its caller.
    pub(super) session: Option<CancellationToken>,
}

impl Gateway {
    /// From here on a revocation, an end or a freeze reaches the request. It begins before the request is admitted,
    /// so that nothing of it falls between the two.
    pub(super) fn flight(&self, visit: &Visit, request: &Reach<'_>, link: &Link) -> Flight {
        let credential = &visit.subject.credential.id;
        self.parts.in_flight.begin(&visit.id, credential, request, link.cancelled.child_token())
    }

    pub(super) async fn forward(
        &self,
        visit: &Visit,
        permit: Permit,
        (round, deadline): (&mut Round, Option<Instant>),
        (span, link, flight): (&ServerSpan, Link, Flight),
    ) -> Returned {
        let tool = Arc::clone(permit.call().tool());
        let digest = permit.call().digest();
        let exception = permit.grant().map(|grant| (grant.exception.clone(), grant.revision));
        let pilot = permit.grant().and_then(|grant| grant.pilot.clone());
        let session = link.session.clone();
        let flight = Arc::new(flight);
        if let Some(reason) = flight.cut() {
            let (end, cut, took) = (CallEnd::Cancelled, Some(reason), std::time::Duration::ZERO);
            return Returned { end, tool, digest, exception, pilot, cut, took, session };
        }
        let own = self.latest(&tool.reference.server);
        let deadline = deadline.map_or(own, |deadline| deadline.min(own));
        let peer = Peer {
            server: tool.reference.server.clone(),
            method: Method::CallTool,
            name: Some(tool.reference.tool.to_string()),
            transport: self.parts.upstreams.transport(&tool.reference.server),
            address: None,
            port: None,
        };
        let client = span.client(peer);
        let dispatch = Dispatch {
            principal: PrincipalKey::from(visit.subject.as_ref()),
            traceparent: client.traceparent(),
            // While a duty works on results, progress is held back with them.
            notices: if exception.is_some() { None } else { link.notices },
            progress: visit.progress,
            log_level: visit.log_level,
            capabilities: self.capabilities(visit, &tool.reference.server, (&visit.capabilities, exception.is_none())),
            input: round.input.take(),
            cancelled: flight.cancelled(),
            deadline: deadline.into(),
            leash: leash(visit, &flight, &link.cancelled),
        };
        let begun = Instant::now();
        let end = self.parts.upstreams.call(permit, dispatch).await;
        let took = begun.elapsed();
        let ending = ending(&end);
        client.end(ending);
        self.parts.telemetry.metrics().dispatched(&tool.reference, ending, took);
        Returned { end, tool, digest, exception, pilot, cut: flight.cut(), took, session }
    }
}

impl Gateway {
    /// Spends a clearance.
    pub(super) async fn ask(
        &self,
        visit: &Visit,
        clearance: Clearance,
        round: &mut Round,
        (span, link, flight): (&ServerSpan, Link, Flight),
    ) -> Heard {
        let (server, method) = (clearance.inquiry().server().clone(), clearance.inquiry().method());
        let flight = Arc::new(flight);
        if let Some(reason) = flight.cut() {
            return Heard { came: Came::Cancelled, cut: Some(reason), took: std::time::Duration::ZERO };
        }
        let client = span.client(Peer {
            transport: self.parts.upstreams.transport(&server),
            name: match clearance.inquiry().target() {
                Target::Prompt(name) => Some(name.to_string()),
                Target::Resource(_) | Target::Task(_) => None,
            },
            method,
            address: None,
            port: None,
            server: server.clone(),
        });
        let dispatch = Dispatch {
            principal: PrincipalKey::from(visit.subject.as_ref()),
            traceparent: client.traceparent(),
            notices: link.notices,
            progress: visit.progress,
            log_level: visit.log_level,
            capabilities: self.capabilities(visit, &server, (&visit.capabilities, true)),
            input: round.input.take(),
            cancelled: flight.cancelled(),
            deadline: self.latest(&server).into(),
            leash: leash(visit, &flight, &link.cancelled),
        };
        let begun = Instant::now();
        let end = self.parts.upstreams.ask(clearance, dispatch).await;
        let took = begun.elapsed();
        let ending = ending(&end);
        client.end(ending);
        self.parts.telemetry.metrics().asked(method, ending, took);
        Heard { came: Came::from(end), cut: flight.cut(), took }
    }

    /// When a request to this server, made now, has taken too long.
    fn latest(&self, server: &ServerName) -> Instant {
        Instant::now() + self.parts.upstreams.patience(server).unwrap_or(self.parts.call_timeout)
    }

    /// Spends a clearance for news of a resource or a task; none if the server tells none.
    pub(super) async fn watch(&self, clearance: Clearance) -> Option<mpsc::Receiver<bytes::Bytes>> {
        let server = clearance.inquiry().server().clone();
        match self.parts.upstreams.watch(clearance).await {
            Ok(watch) => Some(watch.news),
            Err(kind) => {
                tracing::debug!(%server, %kind, "nothing can be watched");
                None
            }
        }
    }
}

/// How a dispatch ended, for its span.
const fn ending(end: &CallEnd) -> Ending {
    match end {
        CallEnd::Answered { result, is_error, .. } => Ending::Answered { bytes: result.len(), is_error: *is_error },
        CallEnd::InputRequired(_) => Ending::Answered { bytes: 0, is_error: false },
        CallEnd::Task(result) => Ending::Answered { bytes: result.len(), is_error: false },
        CallEnd::RpcError { code, .. } => Ending::RpcError { code: *code },
        CallEnd::Failed { kind, .. } => Ending::Failed { kind: kind.as_str() },
        CallEnd::Cancelled => Ending::Cancelled,
        CallEnd::TimedOut => Ending::TimedOut,
    }
}

/// How a call came back, without the tool server's types.
pub(super) enum Came {
    Answered { result: bytes::Bytes, is_error: bool, ttl_ms: Option<u64> },
    InputRequired(InputRequired),
    Task(bytes::Bytes),
    RpcError { code: i32, words: Words },
    Failed { kind: &'static str, effect_possible: bool },
    Cancelled,
    TimedOut,
}

impl From<CallEnd> for Came {
    fn from(end: CallEnd) -> Self {
        match end {
            CallEnd::Answered { result, is_error, ttl_ms } => Self::Answered { result, is_error, ttl_ms },
            CallEnd::InputRequired(required) => Self::InputRequired(required),
            CallEnd::Task(result) => Self::Task(result),
            CallEnd::RpcError { code, message, data, more } => {
                Self::RpcError { code, words: Words { message, data, more } }
            }
            CallEnd::Failed { kind, effect_possible } => Self::Failed { kind: kind.as_str(), effect_possible },
            CallEnd::Cancelled => Self::Cancelled,
            CallEnd::TimedOut => Self::TimedOut,
        }
    }
}

/// Keeps a call registered while it waits between two rounds. The request of a legacy client lasts for all rounds, so
/// its end is theirs; in the modern era each round is a request of its own.
fn leash(visit: &Visit, flight: &Arc<Flight>, caller: &CancellationToken) -> Leash {
    let gone = visit.origin.session.is_some().then(|| caller.clone());
    Leash { cut: flight.parked(), gone, registration: Some(Arc::clone(flight) as _) }
}
