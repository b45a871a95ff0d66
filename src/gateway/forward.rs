//! Step 6: spends the permit. The only file of this room that can reach a tool server.

use std::{sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;

pub use crate::upstream::Upstreams;
use crate::{
    catalog::Tool,
    domain::{ExceptionId, Reason},
    mcp::server::Link,
    policy::Permit,
    telemetry::{Ending, Peer, ServerSpan},
    upstream::{CallEnd, Dispatch, PrincipalKey},
};

use super::{Gateway, visit::Visit};

/// A call that has come back.
pub(super) struct Returned {
    pub(super) end: CallEnd,
    pub(super) tool: Arc<Tool>,
    pub(super) exception: Option<ExceptionId>,
    /// Why it was cut, if it was.
    pub(super) cut: Option<Reason>,
    pub(super) took: std::time::Duration,
}

impl Gateway {
    pub(super) async fn forward(
        &self,
        visit: &Visit,
        permit: Permit,
        deadline: Option<Instant>,
        (span, link): (&ServerSpan, Link),
    ) -> Returned {
        let tool = Arc::clone(permit.call().tool());
        let exception = permit.grant().map(|grant| grant.exception.clone());
        let cancelled: CancellationToken = link.cancelled.child_token();
        let who = (&visit.subject.agent, &visit.subject.credential.id);
        let flight = self.parts.in_flight.begin(&visit.id, who, exception.as_ref(), cancelled.clone());
        let own = Instant::now() + self.parts.call_timeout;
        let deadline = deadline.map_or(own, |deadline| deadline.min(own));
        let peer = Peer {
            tool: tool.reference.clone(),
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
            capabilities: Arc::default(),
            input: None,
            cancelled,
            deadline: deadline.into(),
        };
        let begun = Instant::now();
        let end = self.parts.upstreams.call(permit, dispatch).await;
        let took = begun.elapsed();
        let ending = ending(&end);
        client.end(ending);
        self.parts.telemetry.metrics().dispatched(&tool.reference, ending, took);
        Returned { end, tool, exception, cut: flight.cut(), took }
    }
}

/// How a dispatch ended, for its span.
const fn ending(end: &CallEnd) -> Ending {
    match end {
        CallEnd::Answered { result, is_error, .. } => Ending::Answered { bytes: result.len(), is_error: *is_error },
        CallEnd::InputRequired(_) | CallEnd::Task(_) => Ending::Answered { bytes: 0, is_error: false },
        CallEnd::RpcError { code, .. } => Ending::RpcError { code: *code },
        CallEnd::Failed { kind, .. } => Ending::Failed { kind: kind.as_str() },
        CallEnd::Cancelled => Ending::Cancelled,
        CallEnd::TimedOut => Ending::TimedOut,
    }
}

/// How a call came back, without the tool server's types.
pub(super) enum Came {
    Answered { result: bytes::Bytes, is_error: bool },
    RpcError { code: i32, message: String, data: Option<Box<serde_json::value::RawValue>> },
    Failed { kind: &'static str, effect_possible: bool },
    Cancelled,
    TimedOut,
}

impl From<CallEnd> for Came {
    fn from(end: CallEnd) -> Self {
        match end {
            CallEnd::Answered { result, is_error, .. } => Self::Answered { result, is_error },
            CallEnd::InputRequired(_) | CallEnd::Task(_) => {
                Self::Failed { kind: "upstream_unsupported", effect_possible: true }
            }
            CallEnd::RpcError { code, message, data } => Self::RpcError { code, message, data },
            CallEnd::Failed { kind, effect_possible } => Self::Failed { kind: kind.as_str(), effect_possible },
            CallEnd::Cancelled => Self::Cancelled,
            CallEnd::TimedOut => Self::TimedOut,
        }
    }
}
