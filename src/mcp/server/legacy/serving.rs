//! A legacy request on its way to a tool server, round after round: it runs in a task that no connection owns, and
//! answers as JSON, or as an event stream from the first thing that there is to tell or to ask.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{AgentId, Method, Subject, limits},
    mcp::{Capabilities, Id, InputGiven, Meta, Params, code, emit},
};

use crate::mcp::server::{
    Endpoint, Handler, Link, Reply, Request, RpcError,
    context::Context,
    declared,
    notices::{self, Notices},
    reading,
    reply::Answer,
};

use super::{
    asked::Waiting,
    replay::Line,
    results, rounds,
    session::{Running, Session},
};

/// A request that is carried.
pub(super) struct Asked<'a> {
    pub(super) id: Id<'a>,
    pub(super) method: Method,
    pub(super) params: &'a Params<'a>,
    /// Whether the answer may be an event stream: only then something can be told or asked before the end.
    pub(super) streams: bool,
}

/// What the connection gets.
pub(super) enum First {
    /// An event stream that has begun.
    Stream(Answer),
    /// The message that answers, and the status of HTTP that fits.
    Whole(StatusCode, Bytes),
}

/// A request that runs.
pub(super) struct Serving {
    pub(super) session: Arc<Session>,
    pub(super) waiting: Arc<Waiting>,
    /// Its share of the bytes that are in flight, or that wait.
    pub(super) share: Arc<OwnedSemaphorePermit>,
    pub(super) closing: CancellationToken,
    pub(super) running: Running,
    pub(super) alive: Interval,
    handler: Arc<dyn Handler>,
    subject: Arc<Subject>,
    id: Box<RawValue>,
    streams: bool,
    json: bool,
    first: Option<oneshot::Sender<First>>,
    line: Option<Line>,
}

/// Starts a request. The share of the bytes in flight is held until it ends.
pub(super) fn start(
    endpoint: &Endpoint,
    context: &Context,
    session: &Arc<Session>,
    asked: Asked<'_>,
    share: Arc<OwnedSemaphorePermit>,
) -> Result<oneshot::Receiver<First>, RpcError> {
    let Asked { id, method, params, streams } = asked;
    let running = begin(session, id)?;
    let meta = Meta::read(params).map_err(RpcError::from)?;
    let meta = reading::meta(&meta, streams.then(|| session.level()));
    let capabilities = if streams { Arc::clone(&session.capabilities) } else { Arc::<Capabilities>::default() };
    let caller = reading::Caller { version: session.version, session: Some(&session.id), capabilities };
    let request = reading::request(context, caller, (id, method, params), meta)?;
    let mut alive = interval(limits::KEEP_ALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    alive.reset();
    let (first, answer) = oneshot::channel();
    let serving = Serving {
        session: Arc::clone(session),
        waiting: Arc::clone(endpoint.waiting()),
        share,
        closing: endpoint.closing().clone(),
        running,
        alive,
        handler: Arc::clone(endpoint.handler()),
        subject: Arc::clone(&context.subject),
        id: id.raw().to_owned(),
        streams,
        json: context.accepts.json,
        first: Some(first),
        line: None,
    };
    tokio::spawn(serving.run(request));
    Ok(answer)
}

fn begin(session: &Arc<Session>, id: Id<'_>) -> Result<Running, RpcError> {
    let running = id.key().and_then(|key| session.begin(key));
    running.ok_or_else(|| {
        let error = RpcError::new(code::INVALID_REQUEST, "a request with this id runs already");
        error.with_status(StatusCode::BAD_REQUEST)
    })
}

impl Serving {
    async fn run(mut self, request: Request) {
        let method = request.method;
        let result = self.rounds(request).await.map_err(|error| results::fault(error, Some(method)));
        let (status, body) = self.message(result);
        if self.streams && !self.json && self.line.is_none() {
            self.open();
        }
        let Self { line, first, running, .. } = self;
        // The id is free before the client can know that its request ended.
        drop(running);
        match (line, first) {
            (Some(line), _) => line.send(&body).await,
            // Nobody may wait any more; the handler has recorded the outcome.
            (None, Some(first)) => drop(first.send(First::Whole(status, body))),
            (None, None) => {}
        }
    }

    /// Serves a request until it is answered with no more questions.
    async fn rounds(&mut self, mut request: Request) -> Result<Bytes, RpcError> {
        let (method, capabilities) = (request.method, Arc::clone(&request.capabilities));
        let mut urls = Vec::new();
        for round in 0.. {
            let again = method.takes_input().then(|| request.clone());
            let reply = self.serve(request).await;
            rounds::completed(self, std::mem::take(&mut urls)).await;
            let asked = match reply? {
                Reply::Complete { result, .. } => return results::result(result, method, self.session.version),
                Reply::InputRequired(asked) => asked,
                Reply::Task(_) => return Err(RpcError::internal()),
            };
            declared::all(&asked.requests, &capabilities)?;
            let again = again.ok_or_else(RpcError::internal)?;
            if round == limits::ROUNDS {
                break;
            }
            let answers = rounds::ask(self, asked.requests).await?;
            if let Some(subject) = answers.subject {
                self.subject = subject;
            }
            urls = answers.urls;
            let input = InputGiven { responses: answers.responses, state: asked.state };
            request = Request { input: Some(input), ..again };
        }
        Err(RpcError::new(code::INTERNAL, "the tool server asked more often than is served"))
    }

    /// One round. What the server tells meanwhile is told on; it does not wait for a slow reader.
    async fn serve(&mut self, request: Request) -> Result<Reply, RpcError> {
        let (sender, mut notices) = Notices::wanted(&request.meta).filter(|_| self.streams).unzip();
        let session = Some(self.session.ended.clone());
        let link = Link { notices: sender, cancelled: self.running.cancelled.clone(), session };
        let (handler, subject) = (Arc::clone(&self.handler), Arc::clone(&self.subject));
        let mut serving = tokio::spawn(async move { handler.serve(subject, request, link).await });
        let reply = loop {
            tokio::select! {
                biased;
                Some(told) = notices::next(&mut notices) => self.tell(&told).await,
                reply = &mut serving => break reply,
                _ = self.alive.tick() => self.keep_alive(),
            }
        };
        while let Some(told) = notices.as_mut().and_then(Notices::here) {
            self.tell(&told).await;
        }
        reply.unwrap_or_else(|_| Err(RpcError::internal()))
    }

    /// Whose request it is.
    pub(super) fn agent(&self) -> &AgentId {
        &self.subject.agent
    }

    /// Sends a message on the stream of this request, which begins with it.
    pub(super) async fn tell(&mut self, message: &[u8]) {
        if self.line.is_none() {
            self.open();
        }
        if let Some(line) = &self.line {
            line.send(message).await;
        }
    }

    /// Shows the client that the request goes on; a stream that it can come back to begins at the latest now.
    pub(super) fn keep_alive(&mut self) {
        self.session.touch();
        match &self.line {
            Some(line) => {
                let _read = line.alive();
            }
            None if self.streams => self.open(),
            None => {}
        }
    }

    fn open(&mut self) {
        let line = self.session.lines.open();
        if let (Some(first), Some(answer)) = (self.first.take(), line.connect(None)) {
            // A client that went away may come back to the stream.
            drop(first.send(First::Stream(answer)));
        }
        self.line = Some(line);
    }

    fn message(&self, result: Result<Bytes, RpcError>) -> (StatusCode, Bytes) {
        match (result, Id::read(&self.id).ok()) {
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
