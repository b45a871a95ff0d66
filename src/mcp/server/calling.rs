//! `tools/call`: runs in a task that no connection owns, and answers as JSON or as an event stream.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    domain::{Method, limits},
    mcp::{CallParams, Era, Id, Meta, Mirrored, Notice, ParseError, Version, emit, sse},
};

use super::{
    CallMeta, Handler, Link, Reply, Request, RpcError,
    context::Context,
    reply::{self, Answer},
    results,
    session::{Running, Session},
    stream::Events,
};

/// Progress that waits for a slow reader; what comes then is the sender's to drop.
const PROGRESS: usize = 64;

/// A call that runs.
pub(super) struct Call {
    id: Box<RawValue>,
    era: Era,
    outcome: oneshot::Receiver<Result<Bytes, RpcError>>,
    progress: Option<(Box<RawValue>, mpsc::Receiver<Notice>)>,
    /// Cancels the call when the client goes away; legacy clients may go.
    guard: Option<DropGuard>,
}

/// What a call needs beside its message.
pub(super) struct Setting<'a> {
    pub(super) handler: &'a Arc<dyn Handler>,
    pub(super) context: &'a Context,
    pub(super) version: Version,
    pub(super) session: Option<&'a Arc<Session>>,
    /// Whether progress can be told: the answer may be an event stream.
    pub(super) streams: bool,
}

/// Starts a call. The share of the bytes in flight is held until it ends.
pub(super) fn start(
    setting: &Setting<'_>,
    id: Id<'_>,
    params: Result<CallParams<'_>, ParseError>,
    share: Option<Arc<OwnedSemaphorePermit>>,
) -> Result<Call, RpcError> {
    let Setting { handler, context, version, session, streams } = *setting;
    let params = params.map_err(|fault| RpcError::invalid_params(fault.to_string()))?;
    let running = session.map(|session| begin(session, id)).transpose()?;
    let cancelled = running.as_ref().map_or_else(CancellationToken::new, |running| running.cancelled.clone());
    let origin = context.origin(version, id, session.map(|session| &session.id));
    let meta = owned(&params.meta);
    let (sender, receiver) = mpsc::channel(PROGRESS);
    let progress = meta.progress_token.clone().filter(|_| streams).map(|token| (token, receiver));
    let link = Link { notices: progress.as_ref().map(|_| sender), cancelled: cancelled.clone() };
    let request = Request {
        scope: context.scope.clone(),
        method: Method::CallTool,
        target: params.name.into_owned(),
        arguments: params.arguments.map(flat),
        members: params.passthrough.into_iter().map(|(key, value)| (key, flat(&value))).collect(),
        meta,
        capabilities: Arc::default(),
        input: None,
        era: version.era,
        origin,
        mirrored: if version.era == Era::Modern { Mirrored::of(&context.head.headers) } else { Mirrored::default() },
    };
    let (done, outcome) = oneshot::channel();
    let (handler, subject) = (Arc::clone(handler), Arc::clone(&context.subject));
    tokio::spawn(async move {
        let held: (Option<Running>, Option<Arc<OwnedSemaphorePermit>>) = (running, share);
        let result = match handler.serve(subject, request, link).await {
            Ok(Reply::Complete { result, .. }) => Ok(result),
            Ok(_) => Err(RpcError::internal()),
            Err(error) => Err(error),
        };
        drop(held);
        // Nobody may wait any more; the handler has recorded the outcome.
        let _unread = done.send(result);
    });
    let guard = (version.era == Era::Modern).then(|| cancelled.drop_guard());
    Ok(Call { id: id.raw().to_owned(), era: version.era, outcome, progress, guard })
}

fn begin(session: &Arc<Session>, id: Id<'_>) -> Result<Running, RpcError> {
    let running = id.key().and_then(|key| session.begin(key));
    running.ok_or_else(|| {
        let error = RpcError::new(crate::mcp::code::INVALID_REQUEST, "a request with this id runs already");
        error.with_status(StatusCode::BAD_REQUEST)
    })
}

impl Call {
    /// Whether an event stream says more than a plain answer.
    pub(super) fn tells_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// Waits for the end; the message that answers, and the status of HTTP that fits.
    pub(super) async fn finish(self) -> (StatusCode, Bytes) {
        let Self { id, era, outcome, guard, .. } = self;
        let ended = message(&id, era, outcome.await);
        disarm(guard);
        ended
    }

    /// Waits for the end, then answers with JSON.
    pub(super) async fn answer(self) -> Answer {
        let (status, body) = self.finish().await;
        reply::json(status, body)
    }

    /// Answers with an event stream at once: progress, then the end.
    pub(super) fn stream(self) -> Answer {
        let (events, answer) = Events::open();
        tokio::spawn(self.pump(events));
        answer
    }

    async fn pump(mut self, events: Events) {
        let mut alive = interval(limits::KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        let outcome = loop {
            tokio::select! {
                biased;
                // Dropping the guard with this future cancels a modern call.
                () = events.gone() => return,
                Some(told) = next(&mut self.progress) => if events.send(told).await.is_err() { return },
                outcome = &mut self.outcome => break outcome,
                _ = alive.tick() => if events.send(sse::comment()).await.is_err() { return },
            }
        };
        while let Some((token, progress)) = &mut self.progress {
            let Ok(notice) = progress.try_recv() else { break };
            let Notice::Progress(params) = notice else { continue };
            let Some(told) = told(token, &params) else { continue };
            if events.send(told).await.is_err() {
                return;
            }
        }
        disarm(self.guard.take());
        let (_, body) = message(&self.id, self.era, outcome);
        let _gone = events.send(sse::event(&body)).await;
    }
}

/// The next progress as an event; never comes where none is told.
async fn next(progress: &mut Option<(Box<RawValue>, mpsc::Receiver<Notice>)>) -> Option<Bytes> {
    let (token, receiver) = progress.as_mut()?;
    loop {
        let Notice::Progress(params) = receiver.recv().await? else { continue };
        if let Some(told) = told(token, &params) {
            return Some(told);
        }
    }
}

/// `notifications/progress` with the client's own token; none if the params are not an object.
fn told(token: &RawValue, params: &[u8]) -> Option<Bytes> {
    let params = std::str::from_utf8(params).ok().and_then(|text| crate::mcp::members(text).ok())?;
    let mut members: Vec<(&str, &[u8])> = vec![("progressToken", token.get().as_bytes())];
    let rest = params.iter().filter(|(key, _)| matches!(key.as_ref(), "progress" | "total" | "message"));
    members.extend(rest.map(|(key, value)| (key.as_ref(), value.get().as_bytes())));
    Some(sse::event(&emit::notification("notifications/progress", &members)))
}

fn message(
    id: &RawValue,
    era: Era,
    outcome: Result<Result<Bytes, RpcError>, oneshot::error::RecvError>,
) -> (StatusCode, Bytes) {
    let ended = outcome.unwrap_or_else(|_| Err(RpcError::internal())).and_then(|result| results::call(result, era));
    let id = Id::read(id).ok();
    match (ended, id) {
        (Ok(result), Some(id)) => (StatusCode::OK, emit::one_line(emit::result(id, &result))),
        (Ok(_), None) => {
            (StatusCode::INTERNAL_SERVER_ERROR, emit::error(None, crate::mcp::code::INTERNAL, "internal error", None))
        }
        (Err(error), id) => {
            let status = error.http.unwrap_or(StatusCode::OK);
            (status, emit::one_line(emit::error(id, error.code, &error.message, error.data.as_deref())))
        }
    }
}

fn disarm(guard: Option<DropGuard>) {
    if let Some(guard) = guard {
        let _token = guard.disarm();
    }
}

fn owned(meta: &Meta<'_>) -> CallMeta {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    CallMeta {
        traceparent: text(&meta.traceparent),
        tracestate: text(&meta.tracestate),
        baggage: text(&meta.baggage),
        progress_token: meta.progress_token.map(ToOwned::to_owned),
        log_level: None,
    }
}

/// The same JSON without line ends, so that it can travel on one line; they stand only between tokens.
fn flat(raw: &RawValue) -> Box<RawValue> {
    if !raw.get().contains(['\n', '\r']) {
        return raw.to_owned();
    }
    RawValue::from_string(raw.get().replace(['\n', '\r'], " ")).unwrap_or_else(|_| raw.to_owned())
}
