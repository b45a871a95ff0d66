//! A request on its way to a tool server: it runs in a task that no connection owns, and answers as JSON, or as an
//! event stream from the first thing that there is to tell.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    domain::{Method, limits},
    mcp::{Capabilities, Id, code, emit, sse},
};

use crate::mcp::server::{
    Handler, Link, Reply, Request, RpcError,
    context::Context,
    guard::Accepts,
    notices::{self, Notices},
    reply::{self, Answer},
    stream::Events,
};

use super::results;

/// A request that runs.
pub(super) struct Call {
    id: Box<RawValue>,
    method: Method,
    capabilities: Arc<Capabilities>,
    outcome: oneshot::Receiver<Result<Reply, RpcError>>,
    notices: Option<Notices>,
    /// Cancels the call when the client goes away.
    guard: DropGuard,
}

/// What happens first to a call that may become a stream.
enum First {
    Told(Bytes),
    Ended(Result<Reply, RpcError>),
    Waited,
}

/// Starts a request. The share of the bytes in flight is held until it ends.
pub(super) fn start(
    handler: &Arc<dyn Handler>,
    context: &Context,
    id: Id<'_>,
    request: Request,
    share: OwnedSemaphorePermit,
) -> Call {
    let cancelled = CancellationToken::new();
    let (sender, notices) = Notices::wanted(&request.meta).filter(|_| context.accepts.stream).unzip();
    let link = Link { notices: sender, cancelled: cancelled.clone(), session: None };
    let (method, capabilities) = (request.method, Arc::clone(&request.capabilities));
    let (done, outcome) = oneshot::channel();
    let (handler, subject) = (Arc::clone(handler), Arc::clone(&context.subject));
    tokio::spawn(async move {
        let result = handler.serve(subject, request, link).await;
        drop(share);
        // Nobody may wait any more; the handler has recorded the outcome.
        let _unread = done.send(result);
    });
    Call { id: id.raw().to_owned(), method, capabilities, outcome, notices, guard: cancelled.drop_guard() }
}

impl Call {
    /// Waits for the end, or for something to tell, and answers.
    pub(super) async fn answer(mut self, accepts: Accepts) -> Answer {
        if self.notices.is_none() && accepts.json {
            let ended = ended((&mut self.outcome).await);
            let (status, body) = self.finish(ended);
            return reply::json(status, body);
        }
        let mut alive = alive();
        let first = tokio::select! {
            biased;
            Some(told) = notices::next(&mut self.notices) => First::Told(told),
            outcome = &mut self.outcome => First::Ended(ended(outcome)),
            _ = alive.tick() => First::Waited,
        };
        let first = match first {
            First::Told(told) => sse::event(&told),
            First::Waited => sse::comment(),
            First::Ended(outcome) => {
                let (status, body) = self.finish(outcome);
                return reply::whole(accepts, status, body);
            }
        };
        let (events, answer) = Events::open();
        tokio::spawn(self.pump(events, first, alive));
        answer
    }

    async fn pump(mut self, events: Events, first: Bytes, mut alive: Interval) {
        if events.send(first).await.is_err() {
            return;
        }
        let outcome = loop {
            tokio::select! {
                biased;
                // Dropping the guard with this future cancels the call.
                () = events.gone() => return,
                Some(told) = notices::next(&mut self.notices) => {
                    if events.send(sse::event(&told)).await.is_err() { return }
                }
                outcome = &mut self.outcome => break ended(outcome),
                _ = alive.tick() => if events.send(sse::comment()).await.is_err() { return },
            }
        };
        while let Some(told) = self.notices.as_mut().and_then(Notices::here) {
            if events.send(sse::event(&told)).await.is_err() {
                return;
            }
        }
        let (_, body) = self.finish(outcome);
        let _gone = events.send(sse::event(&body)).await;
    }

    /// The message that answers, and the status of HTTP that fits.
    fn finish(self, outcome: Result<Reply, RpcError>) -> (StatusCode, Bytes) {
        let _token = self.guard.disarm();
        let result = outcome.and_then(|reply| results::reply(reply, self.method, &self.capabilities));
        match (result.map_err(results::fault), Id::read(&self.id).ok()) {
            (Ok(result), Some(id)) => (StatusCode::OK, emit::one_line(emit::result(id, &result))),
            (Ok(_), None) => {
                (StatusCode::INTERNAL_SERVER_ERROR, emit::error(None, code::INTERNAL, "internal error", None))
            }
            (Err(error), id) => {
                let status = error.http.unwrap_or(StatusCode::OK);
                (status, emit::one_line(error.response(id)))
            }
        }
    }
}

/// The outcome; a handler that broke has none.
fn ended(outcome: Result<Result<Reply, RpcError>, oneshot::error::RecvError>) -> Result<Reply, RpcError> {
    outcome.unwrap_or_else(|_| Err(RpcError::internal()))
}

fn alive() -> Interval {
    let mut alive = interval(limits::KEEP_ALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    alive.reset();
    alive
}
