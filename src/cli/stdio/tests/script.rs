//! A gateway on loopback that plays a script and keeps a journal, and a client that speaks lines.

use std::{
    collections::VecDeque,
    future::Future as _,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
    time::{Sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::stdio::{bridge::Bridge, desk::Desk, gateway::Gateway, pipes::Line},
    domain::Secret,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A request that the gateway saw.
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

    pub(super) fn result(&self, result: Value) -> Reply {
        Reply::json(200, &json!({"jsonrpc": "2.0", "id": self.json["id"], "result": result}))
    }

    pub(super) fn error(&self, status: u16, code: i64) -> Reply {
        Reply::json(status, &json!({"jsonrpc": "2.0", "id": self.json["id"], "error": {"code": code, "message": "no"}}))
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Proper,
    Never,
    Torn,
}

pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: VecDeque<Bytes>,
    end: End,
    delay: Duration,
}

impl Reply {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), pieces: VecDeque::new(), end: End::Proper, delay: Duration::ZERO }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { pieces: [body.to_string().into()].into(), ..Self::empty(status) }
            .with("content-type", "application/json")
    }

    pub(super) fn events(text: &str, end: End) -> Self {
        let reply = Self { pieces: [text.to_owned().into()].into(), end, ..Self::empty(200) };
        reply.with("content-type", "text/event-stream")
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// One event that carries this message.
pub(super) fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

struct Playing {
    pieces: VecDeque<Bytes>,
    end: End,
    closed: Arc<AtomicUsize>,
    /// What was sent is on its way before a stream is torn.
    torn: Pin<Box<Sleep>>,
}

impl Body for Playing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.pieces.pop_front(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, End::Proper) => Poll::Ready(None),
            (None, End::Never) => Poll::Pending,
            (None, End::Torn) => self.torn.as_mut().poll(cx).map(|()| Some(Err(io::Error::other("torn")))),
        }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if self.end == End::Never {
            self.closed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The gateway's side and the client's.
pub(super) struct Play {
    pub(super) lines: Option<mpsc::Sender<Line>>,
    pub(super) stop: CancellationToken,
    out: mpsc::Receiver<Bytes>,
    journal: Arc<Mutex<Vec<Seen>>>,
    closed: Arc<AtomicUsize>,
    desk: JoinHandle<()>,
}

impl Play {
    /// Starts a gateway that answers with `script`, and a bridge to it.
    pub(super) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (journal, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(serve(listener, Arc::new(script), journal.clone(), closed.clone()));
        let gateway = Gateway::new(url.parse().unwrap(), &Secret::new("pst_k".to_owned())).unwrap();
        let (to_lines, lines) = mpsc::channel(8);
        let (to_out, out) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let desk = tokio::spawn(async move { Desk::new(Bridge::new(gateway, to_out)).run(lines, &token).await });
        Self { lines: Some(to_lines), stop, out, journal, closed, desk }
    }

    pub(super) async fn say(&self, message: Value) {
        self.line(&message.to_string()).await;
    }

    pub(super) async fn line(&self, text: &str) {
        self.lines.as_ref().unwrap().send(Line::Text(Bytes::copy_from_slice(text.as_bytes()))).await.unwrap();
    }

    /// The next message on standard output.
    pub(super) async fn hear(&mut self) -> Value {
        let message = timeout(PATIENCE, self.out.recv()).await.expect("a message in time").expect("a message");
        assert!(!message.contains(&b'\n'), "{message:?}");
        serde_json::from_slice(&message).unwrap()
    }

    pub(super) async fn ask(&mut self, message: Value) -> Value {
        self.say(message).await;
        self.hear().await
    }

    /// Nothing is written for a while.
    pub(super) async fn silent(&mut self) {
        let heard = timeout(Duration::from_millis(300), self.out.recv()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.journal.lock().unwrap().clone()
    }

    /// What was seen of one method of the protocol.
    pub(super) fn seen_of(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method() == method).collect()
    }

    pub(super) async fn until(&self, what: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !what(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("in time");
    }

    /// Streams without an end that the bridge has closed.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    /// The input ends; gives back what is still written.
    pub(super) async fn end(mut self) -> (Vec<Value>, Vec<Seen>) {
        self.lines = None;
        let mut rest = Vec::new();
        while let Some(message) = timeout(PATIENCE, self.out.recv()).await.expect("an end in time") {
            rest.push(serde_json::from_slice(&message).unwrap());
        }
        timeout(PATIENCE, &mut self.desk).await.expect("an end in time").unwrap();
        (rest, self.seen())
    }
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

async fn serve(listener: TcpListener, script: Script, journal: Arc<Mutex<Vec<Seen>>>, closed: Arc<AtomicUsize>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (script, journal, closed) = (script.clone(), journal.clone(), closed.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (script, journal, closed) = (script.clone(), journal.clone(), closed.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    let path = head.uri.path().to_owned();
                    let seen = Seen { verb: head.method, path, headers: head.headers, json };
                    journal.lock().unwrap().push(seen.clone());
                    let reply = script(&seen);
                    tokio::time::sleep(reply.delay).await;
                    let mut response = Response::builder().status(reply.status);
                    for (name, value) in reply.headers {
                        response = response.header(name, value);
                    }
                    let torn = Box::pin(tokio::time::sleep(Duration::from_millis(50)));
                    let playing = Playing { pieces: reply.pieces, end: reply.end, closed, torn };
                    Ok::<_, hyper::Error>(response.body(playing).unwrap())
                }
            });
            let _ended =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
