//! The endpoint of the agents' side: the order of its checks, and the split of the eras.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{Request, StatusCode, request::Parts};
use hyper::body::Body;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::limits,
    mcp::{Limits, Message, Meta, ParseError, Version, headers},
};

use super::{
    EndpointSettings, Handler, Scope,
    body::{self, Received},
    context::Context,
    guard::{self, Verb},
    legacy::{self, Sessions, Waiting},
    modern,
    reply::{self, Answer, Outcome, Refused},
    results,
    stream::Streams,
};

/// `/mcp` and `/mcp/{server}`, in both eras.
pub struct Endpoint {
    handler: Arc<dyn Handler>,
    settings: EndpointSettings,
    sessions: Sessions,
    streams: Arc<Streams>,
    waiting: Arc<Waiting>,
    in_flight: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Endpoint {
    /// An endpoint that asks this handler.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler>, settings: EndpointSettings) -> Self {
        Self {
            sessions: Sessions::new(Arc::clone(&handler)),
            handler,
            settings,
            streams: Streams::bounded(limits::STREAMS_PER_PRINCIPAL, limits::STREAMS),
            waiting: Arc::new(Waiting::new()),
            in_flight: Arc::new(Semaphore::new(limits::IN_FLIGHT_BYTES)),
            closing: CancellationToken::new(),
        }
    }

    /// Answers one request. The checks come in this order: the head on its own, who sends it, the body's bounds, the
    /// strict parse, the era, the headers against the body.
    pub async fn respond<B>(&self, request: Request<B>, peer: SocketAddr) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        reply::settle(self.judge(request, peer, Instant::now())).await
    }

    /// Ends standing streams, as a server that stops does.
    pub fn close_streams(&self) {
        self.closing.cancel();
    }

    async fn judge<B>(&self, request: Request<B>, peer: SocketAddr, received: Instant) -> Outcome
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let route = guard::check(&head, &self.settings)?;
        let subject =
            self.handler.identify(&head, peer).await.map_err(|refused| Refused::from(reply::refusal(&refused)))?;
        if let Scope::Server(server) = &route.scope
            && !self.handler.has_server(server)
        {
            return Err(reply::refuse(StatusCode::NOT_FOUND, "there is nothing here").into());
        }
        let context = Context { head, subject, scope: route.scope, accepts: route.accepts, peer, received };
        match route.verb {
            Verb::Get => legacy::open_stream(self, context).await,
            Verb::Delete => legacy::end(self, &context),
            Verb::Post => {
                let body = body::receive(&context.head.headers, body, &self.in_flight).await?;
                self.post(context, body).await
            }
        }
    }

    async fn post(&self, context: Context, body: Received) -> Outcome {
        let Received { bytes, share } = body;
        if bytes.trim_ascii_start().starts_with(b"[") {
            if self.settings.legacy && context.head.headers.contains_key(headers::SESSION) {
                return legacy::batch(self, context, &bytes, share).await;
            }
            return Err(reply::error(None, &ParseError::Batch.into()).into());
        }
        let message = Message::parse(&bytes, Limits::REQUEST)
            .map_err(|fault| Refused::from(reply::error(None, &fault.into())))?;
        match self.modern(&context.head, &message)? {
            Some(meta) => modern::answer(self, context, message, meta, share).await,
            None => legacy::answer(self, context, message, share).await,
        }
    }

    /// What `_meta` says, if the message is modern: its body says so, or its header, or nothing else is served. A
    /// revision that is neither is refused here (T007).
    fn modern<'a>(&self, head: &Parts, message: &Message<'a>) -> Result<Option<Meta<'a>>, Refused> {
        let (id, params) = match message {
            Message::Request { id, params, .. } => (Some(*id), Some(params)),
            Message::Notification { params, .. } => (None, Some(params)),
            Message::Response { .. } => (None, None),
        };
        let refuse = |error| Refused::from(reply::error(id, &error));
        let meta = params.map_or_else(|| Ok(Meta::default()), Meta::read).map_err(|fault| refuse(fault.into()))?;
        if !self.settings.legacy || meta.protocol_version.is_some() {
            return Ok(Some(meta));
        }
        let Some(given) = head.headers.get(headers::VERSION) else { return Ok(None) };
        let given = String::from_utf8_lossy(given.as_bytes());
        match Version::of(&given) {
            Some(version) => Ok((version == Version::MODERN).then_some(meta)),
            None => Err(refuse(modern::unsupported(&results::versions(true), &given))),
        }
    }

    pub(super) fn handler(&self) -> &Arc<dyn Handler> {
        &self.handler
    }

    pub(super) fn settings(&self) -> &EndpointSettings {
        &self.settings
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// The requests that wait for answers of their client.
    pub(super) fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }
}
