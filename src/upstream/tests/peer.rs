//! A scripted HTTP server on loopback that keeps a journal of all it sees.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

use super::support::{quick, ready, server};
use crate::{
    domain::Secret,
    upstream::{HttpSettings, ServerSettings, Transport, Upstreams},
};

/// A request that the peer saw.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) verb: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) json: Value,
}

impl Seen {
    pub(super) fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn tool(&self) -> &str {
        self.json["params"]["name"].as_str().unwrap_or_default()
    }

    /// An answer to this request.
    pub(super) fn result(&self, result: Value) -> Reply {
        Reply::json(200, &json!({"jsonrpc": "2.0", "id": self.json["id"], "result": result}))
    }

    pub(super) fn say(&self, text: &str) -> Reply {
        self.result(json!({"content": [{"type": "text", "text": text}]}))
    }

    pub(super) fn error(&self, status: u16, code: i64) -> Reply {
        Reply::json(status, &json!({"jsonrpc": "2.0", "id": self.json["id"], "error": {"code": code, "message": "no"}}))
    }

    /// An event stream of these messages, which ends after them.
    pub(super) fn stream(&self, messages: &[Value]) -> Reply {
        let events: String =
            messages.iter().map(|message| format!("id: 1\nevent: message\ndata: {message}\n\n")).collect();
        Reply {
            status: 200,
            headers: vec![("content-type", "text/event-stream; charset=utf-8".into())],
            body: Content::Whole(events.into()),
        }
    }
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Content,
}

impl Reply {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: Content::Whole(value.to_string().into()) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Content::Whole(Bytes::new()) }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// A stream that stays open; what is sent into the channel flows, and the channel closes with the stream.
    pub(super) fn open() -> (Self, mpsc::Sender<Bytes>) {
        let (sender, receiver) = mpsc::channel(16);
        let headers = vec![("content-type", "text/event-stream".to_owned())];
        (Self { status: 200, headers, body: Content::Open(receiver) }, sender)
    }
}

pub(super) enum Content {
    Whole(Bytes),
    Open(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Open(receiver) => receiver.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }
}

type Script = Box<dyn Fn(&Seen) -> Option<Reply> + Send + Sync>;

/// The server. A request that the script answers with nothing is left without an answer.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    journal: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(super) async fn start(script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(super) async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (journal, connections) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicUsize>::default());
        let (script, seen, count): (Arc<Script>, _, _) =
            (Arc::new(Box::new(script)), journal.clone(), connections.clone());
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), seen.clone());
                let service = hyper::service::service_fn(move |request| serve(request, script.clone(), seen.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        Self { address, connections, journal, task }
    }

    pub(super) fn journal(&self) -> Vec<Seen> {
        self.journal.lock().unwrap().clone()
    }

    pub(super) fn saw(&self, method: &str) -> usize {
        self.journal().iter().filter(|seen| seen.method() == method).count()
    }

    pub(super) fn settings(&self) -> ServerSettings {
        let http = HttpSettings {
            url: format!("http://{}/mcp", self.address).parse().unwrap(),
            headers: [("authorization".to_owned(), Secret::new("Bearer upstream-key".to_owned()))].into(),
            allow_private: true,
            authorities: None,
        };
        ServerSettings { patience: quick(), ..ServerSettings::new(server("s"), Transport::Http(http)) }
    }

    pub(super) async fn upstreams(&self) -> Upstreams {
        let upstreams = Upstreams::start(vec![self.settings()]).unwrap();
        ready(&upstreams).await;
        upstreams
    }
}

async fn serve(
    request: Request<Incoming>,
    script: Arc<Script>,
    journal: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Content>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let seen = Seen { verb: head.method, path, headers: head.headers, json };
    journal.lock().unwrap().push(seen.clone());
    let Some(reply) = script(&seen) else { return std::future::pending().await };
    let mut response = Response::new(reply.body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

/// An event of one message.
pub(super) fn event(message: &Value) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

/// What every modern server answers.
pub(super) fn modern(seen: &Seen) -> Option<Reply> {
    match seen.method() {
        "server/discover" => Some(seen.result(json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private",
        }))),
        "tools/list" => Some(seen.result(json!({
            "resultType": "complete", "tools": [{"name": "echo", "inputSchema": {"type": "object"}}], "ttlMs": 0, "cacheScope": "private",
        }))),
        _ => None,
    }
}

/// What every legacy server answers; `session` is the id it gives out.
pub(super) fn legacy(seen: &Seen, session: &str) -> Option<Reply> {
    match seen.method() {
        "server/discover" => {
            Some(Reply::json(400, &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "Server not initialized"}})))
        }
        "initialize" => Some(
            seen.result(json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}))
                .with("mcp-session-id", session),
        ),
        "notifications/initialized" | "notifications/cancelled" => Some(Reply::empty(202)),
        "tools/list" => Some(seen.result(json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}))),
        _ if seen.verb == Method::GET => Some(Reply::empty(405)),
        _ if seen.verb == Method::DELETE => Some(Reply::empty(204)),
        _ => None,
    }
}
