//! One request to an HTTP server and what comes back, within bounds: a JSON body or an event stream.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming as Body;
use serde_json::value::RawValue;
use tokio::{sync::Semaphore, time::timeout};

use super::{connect::CheckedClient, stream::Stream};
use crate::{
    domain::limits,
    mcp::{
        Era, Id, Version,
        client::{self, Answer, Incoming, Outgoing, Speaker},
        headers,
    },
    upstream::{FailureKind, board::Board, rounds::EarRef},
};

/// Bytes of a body that comes with an error status.
const ERROR_BODY: usize = 64 << 10;
/// Answers to requests of a server, and cancellations, on their way at once.
const ASIDE: usize = 16;

/// The road to one HTTP server.
pub(super) struct Wire {
    client: CheckedClient,
    pub(super) url: Uri,
    headers: HeaderMap,
    pub(super) board: Arc<Board>,
    aside: Arc<Semaphore>,
}

/// An exchange that brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) kind: FailureKind,
    /// Whether the server may have seen the request.
    pub(super) sent: bool,
}

impl Lost {
    pub(super) const fn before(kind: FailureKind) -> Self {
        Self { kind, sent: false }
    }

    pub(super) const fn after(kind: FailureKind) -> Self {
        Self { kind, sent: true }
    }
}

/// An answer with what came around it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) session: Option<String>,
    pub(super) answer: Answer,
}

/// How an answer begins, and the session that the server gave out.
pub(super) enum Begun {
    Answer(Answer, Option<String>),
    Stream(Box<Stream>, Option<String>),
}

/// Who reads along with an exchange.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) speaker: Speaker<'a>,
    pub(super) ear: Option<EarRef<'a>>,
}

impl<'a> Around<'a> {
    /// Nobody: an exchange of the gateway's own.
    pub(super) const fn own(speaker: Speaker<'a>) -> Self {
        Self { speaker, ear: None }
    }
}

impl Wire {
    pub(super) fn new(client: CheckedClient, url: Uri, headers: HeaderMap, board: Arc<Board>) -> Self {
        Self { client, url, headers, board, aside: Arc::new(Semaphore::new(ASIDE)) }
    }

    /// Sends a request without reading the body of what comes back.
    pub(super) async fn open(&self, method: Method, request: &Outgoing) -> Result<Response<Body>, Lost> {
        self.open_at(&self.url, method, request).await
    }

    /// The same, to another address of the server.
    pub(super) async fn open_at(&self, url: &Uri, method: Method, request: &Outgoing) -> Result<Response<Body>, Lost> {
        let mut outgoing = Request::new(Full::new(request.body.clone()));
        *outgoing.method_mut() = method;
        *outgoing.uri_mut() = url.clone();
        let headers = outgoing.headers_mut();
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // The protocol's own headers come last: no setting can stand in for them.
        for (name, value) in &request.headers {
            headers.insert(name, value.clone());
        }
        let response = self.client.request(outgoing).await.map_err(|error| {
            tracing::debug!(server = %self.board.name, error = ?error, "the exchange with the tool server failed");
            if error.is_connect() {
                Lost { kind: FailureKind::Unreachable, sent: false }
            } else {
                Lost::after(FailureKind::Closed)
            }
        })?;
        if response.status().is_redirection() {
            return Err(Lost::after(FailureKind::Redirected));
        }
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Lost::after(FailureKind::Garbage));
        }
        Ok(response)
    }

    /// Sends a request; the answer to its number may be there at once, or come on a stream.
    pub(super) async fn begin(
        &self,
        id: u64,
        request: &Outgoing,
        version: Version,
    ) -> Result<(StatusCode, Begun), Lost> {
        let response = self.open(Method::POST, request).await?;
        let status = response.status();
        let session = session(response.headers())?;
        let (head, body) = response.into_parts();
        if status.is_success() && is(&head.headers, "text/event-stream") {
            return Ok((status, Begun::Stream(Box::new(Stream::answer(body, version)), session)));
        }
        let answer = if is(&head.headers, "application/json") {
            let limit = if status.is_success() { limits::ANSWER } else { ERROR_BODY };
            read_json(id, body, limit, version).await
        } else {
            Err(FailureKind::Garbage)
        };
        match answer {
            Ok(answer) if status.is_success() || matches!(answer, Answer::Error(_)) => {
                Ok((status, Begun::Answer(answer, session)))
            }
            Ok(_) => Err(Lost::after(FailureKind::Status(status.as_u16()))),
            Err(FailureKind::Garbage) if status != StatusCode::OK => {
                Err(Lost::after(FailureKind::Status(status.as_u16())))
            }
            Err(kind) => Err(Lost::after(kind)),
        }
    }

    /// Sends a request and waits for the answer to its number.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        id: u64,
        request: &Outgoing,
        around: Around<'_>,
    ) -> Result<Reply, Lost> {
        match self.begin(id, request, around.speaker.version).await? {
            (status, Begun::Answer(answer, session)) => Ok(Reply { status, session, answer }),
            (status, Begun::Stream(stream, session)) => {
                let answer = self.read_stream(id, *stream, around).await.map_err(Lost::after)?;
                Ok(Reply { status, session, answer })
            }
        }
    }

    /// Sends a message that wants no answer.
    pub(super) async fn tell(&self, message: &Outgoing) -> Result<(), FailureKind> {
        let response = self.open(Method::POST, message).await.map_err(|lost| lost.kind)?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(FailureKind::Status(status.as_u16())) }
    }

    /// Sends a message that wants no answer in a task of its own; with too many of them on their way, not at all.
    pub(super) fn tell_aside(self: &Arc<Self>, message: Outgoing) {
        let Ok(place) = self.aside.clone().try_acquire_owned() else { return };
        // Also called where something is dropped, which may be after the runtime has ended.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let wire = self.clone();
        runtime.spawn(async move {
            let told = timeout(limits::CONNECT_TIME, wire.tell(&message)).await;
            tracing::debug!(server = %wire.board.name, ?told, "told the tool server aside");
            drop(place);
        });
    }

    async fn read_stream(
        self: &Arc<Self>,
        id: u64,
        mut stream: Stream,
        around: Around<'_>,
    ) -> Result<Answer, FailureKind> {
        while let Some(incoming) = stream.message().await? {
            match incoming {
                Incoming::Answer { id: of, answer } if of == id => return Ok(answer),
                Incoming::Answer { .. } | Incoming::Stray => return Err(FailureKind::Garbage),
                Incoming::Progress { id: of, params } => {
                    if let Some(ear) = around.ear.filter(|_| of == id) {
                        ear.progress(params);
                    }
                }
                Incoming::Log { level, params } => {
                    if let Some(ear) = around.ear {
                        ear.log(level, params);
                    }
                }
                Incoming::ListChanged => self.board.stale.notify_one(),
                Incoming::Request { id, method, .. } => {
                    self.answer_request(&id, &method, around.speaker)?;
                }
                Incoming::News(news) if around.ear.is_none() => self.board.watches.tell(&news),
                Incoming::Notification { .. } | Incoming::Acknowledged { .. } | Incoming::News(_) => {}
            }
        }
        Err(FailureKind::Closed)
    }

    /// Answers a request of a legacy server to the gateway itself; a modern one may not ask.
    pub(super) fn answer_request(
        self: &Arc<Self>,
        id: &RawValue,
        method: &str,
        speaker: Speaker<'_>,
    ) -> Result<(), FailureKind> {
        if speaker.version.era == Era::Modern {
            return Err(FailureKind::Garbage);
        }
        let id = Id::read(id).map_err(|_| FailureKind::Garbage)?;
        self.tell_aside(match method {
            "ping" => client::pong(speaker, id),
            "roots/list" => client::no_roots(speaker, id),
            _ => client::refuse(speaker, id),
        });
        Ok(())
    }
}

/// The next bytes of a body; nothing at its proper end.
pub(super) async fn next_bytes(body: &mut Body) -> Result<Option<Bytes>, FailureKind> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(FailureKind::Closed),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// A whole body, up to a limit.
pub(in crate::upstream) async fn read_all(mut body: Body, limit: usize) -> Result<Vec<u8>, FailureKind> {
    let mut all = Vec::new();
    while let Some(bytes) = next_bytes(&mut body).await? {
        if all.len() + bytes.len() > limit {
            return Err(FailureKind::TooLarge);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

async fn read_json(id: u64, body: Body, limit: usize, version: Version) -> Result<Answer, FailureKind> {
    let body = read_all(body, limit).await?;
    if version.batches() {
        let messages = client::read_batch(&body).map_err(|_| FailureKind::Garbage)?;
        let ours = |message| {
            if let Incoming::Answer { id: of, answer } = message { (of == id).then_some(answer) } else { None }
        };
        let answer = messages.into_iter().find_map(ours);
        return answer.ok_or(FailureKind::Garbage);
    }
    match client::read(&body) {
        Ok(Incoming::Answer { id: of, answer }) if of == id => Ok(answer),
        Ok(_) | Err(_) => Err(FailureKind::Garbage),
    }
}

/// Whether the content type is this one, parameters aside.
pub(super) fn is(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
}

/// The session that the server gave out: visible ASCII, not too long.
fn session(all: &HeaderMap) -> Result<Option<String>, Lost> {
    let Some(value) = all.get(headers::SESSION) else { return Ok(None) };
    let text = value
        .to_str()
        .ok()
        .filter(|text| (1..=1_024).contains(&text.len()) && text.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
    text.map(|text| Some(text.to_owned())).ok_or(Lost::after(FailureKind::Garbage))
}
