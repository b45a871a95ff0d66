//! A tool server with everything that MCP has, on bare sockets: it writes down each request before it does anything
//! else, and a script may make it say any bytes instead.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::broadcast,
    task::JoinHandle,
};

use crate::offer;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The request line and the headers.
    pub head: String,
    /// The body, byte for byte.
    pub body: String,
    /// The body as a value.
    pub json: Value,
    /// When the other side went away before it was answered, if it did.
    pub cancelled: Option<Instant>,
}

impl Heard {
    pub fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or_default()
    }

    pub fn params(&self) -> &Value {
        &self.json["params"]
    }

    /// The capabilities of the client, as this server is told of them.
    pub fn capabilities(&self) -> &Value {
        &self.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What is said to a request.
pub enum Say {
    /// A result, as JSON.
    Result(Value),
    /// An error.
    Error(i64, &'static str),
    /// A result, after this time.
    Late(Duration, Value),
    /// These bytes of HTTP, each after a pause; then the connection ends.
    Bytes(Vec<(Duration, Vec<u8>)>),
    /// Bytes of HTTP without end.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, as long as the other side waits.
    Silence,
}

/// A response of HTTP with this body, whole.
pub fn http(kind: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

type Script = dyn Fn(&Heard) -> Option<Say> + Send + Sync;

struct Inner {
    heard: Mutex<Vec<Heard>>,
    script: Mutex<Arc<Script>>,
    news: broadcast::Sender<Value>,
}

/// The server.
pub struct Peer {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T: ?Sized>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    /// A server of the modern revision that offers what `offer.rs` holds.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(|_| None).await
    }

    /// The same, where the script has the first word.
    pub async fn with(script: impl Fn(&Heard) -> Option<Say> + Send + Sync + 'static) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            heard: Mutex::default(),
            script: Mutex::new(Arc::new(script)),
            news: broadcast::channel(64).0,
        });
        let shared = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let inner = Arc::clone(&shared);
                connections.spawn(async move {
                    let _ended = serve(socket, &inner).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, inner, task })
    }

    /// From now on this script has the first word.
    pub fn script(&self, script: impl Fn(&Heard) -> Option<Say> + Send + Sync + 'static) {
        *lock(&self.inner.script) = Arc::new(script);
    }

    /// All requests of this method so far.
    pub fn heard(&self, method: &str) -> Vec<Heard> {
        lock(&self.inner.heard).iter().filter(|heard| heard.method() == method).cloned().collect()
    }

    /// How many requests there were that a client caused: all but greetings, lists and listening.
    pub fn carried(&self) -> usize {
        let own = ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"];
        let of_client = |heard: &&Heard| !own.contains(&heard.method()) && heard.method() != "subscriptions/listen";
        lock(&self.inner.heard).iter().filter(of_client).count()
    }

    /// Nothing was carried since `before`.
    pub fn quiet(&self, before: usize) -> anyhow::Result<()> {
        let heard = lock(&self.inner.heard);
        let last = heard.last().map(|last| last.body.clone()).unwrap_or_default();
        drop(heard);
        ensure!(self.carried() == before, "{} requests were forwarded, the last: {last}", self.carried() - before);
        Ok(())
    }

    /// Tells whoever listens; `params` without the subscription's id.
    pub fn tell(&self, method: &str, params: Value) {
        let _nobody = self.inner.news.send(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }
}

async fn serve(socket: TcpStream, inner: &Inner) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let (mut read, mut write) = socket.into_split();
    let mut buffer = Vec::new();
    loop {
        let heard = request(&mut read, &mut buffer).await?;
        let index = {
            let mut all = lock(&inner.heard);
            all.push(heard.clone());
            all.len() - 1
        };
        let said = (Arc::clone(&*lock(&inner.script)))(&heard);
        if said.is_none() && heard.method() == "subscriptions/listen" {
            return listening(&heard, (&mut read, &mut write), inner).await;
        }
        let answer = async {
            let id = &heard.json["id"];
            let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
            let body = match said.unwrap_or_else(|| offer::answer(&heard)) {
                Say::Result(value) => result(value),
                Say::Late(time, value) => {
                    tokio::time::sleep(time).await;
                    result(value)
                }
                Say::Error(code, message) => {
                    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}).to_string()
                }
                Say::Silence => std::future::pending().await,
                Say::Bytes(parts) => {
                    for (pause, part) in parts {
                        tokio::time::sleep(pause).await;
                        write.write_all(&part).await?;
                    }
                    return Ok(false);
                }
                Say::Endless(first, rest) => {
                    write.write_all(&first).await?;
                    loop {
                        write.write_all(&rest).await?;
                    }
                }
            };
            write.write_all(&http("application/json", &body)).await?;
            Ok::<_, anyhow::Error>(true)
        };
        let answered = tokio::select! {
            answered = answer => answered,
            () = gone(&mut read) => Err(anyhow::anyhow!("gone")),
        };
        match answered {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                if let Some(heard) = lock(&inner.heard).get_mut(index) {
                    heard.cancelled = Some(Instant::now());
                }
                return Err(error);
            }
        }
    }
}

/// Waits until the other side closes. It sends one request at a time.
async fn gone(read: &mut OwnedReadHalf) {
    let _any = read.read(&mut [0; 1]).await;
}

/// One request with `Content-Length`.
async fn request(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> anyhow::Result<Heard> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
        ensure!(read.read_buf(buffer).await? > 0, "closed");
    };
    let head = String::from_utf8(buffer.drain(..end).collect())?;
    let mut heard = Heard { head, body: String::new(), json: Value::Null, cancelled: None };
    let length: usize = heard.header("content-length").unwrap_or("0").parse().context("no length")?;
    while buffer.len() < length {
        ensure!(read.read_buf(buffer).await? > 0, "closed");
    }
    heard.body = String::from_utf8(buffer.drain(..length).collect())?;
    heard.json = serde_json::from_str(&heard.body).unwrap_or_default();
    Ok(heard)
}

/// A stream that tells of what was wished for.
async fn listening(
    heard: &Heard,
    (read, write): (&mut OwnedReadHalf, &mut tokio::net::tcp::OwnedWriteHalf),
    inner: &Inner,
) -> anyhow::Result<()> {
    let mut news = inner.news.subscribe();
    let wished = &heard.params()["notifications"];
    let tag = json!({"io.modelcontextprotocol/subscriptionId": heard.json["id"]});
    let event = |message: &Value| {
        let text = format!("data: {message}\n\n");
        format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
    };
    write
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let acknowledged = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": {"_meta": tag, "notifications": wished}});
    write.write_all(&event(&acknowledged)).await?;
    loop {
        let mut message = tokio::select! {
            message = news.recv() => message?,
            () = gone(read) => return Ok(()),
        };
        let uri = &message["params"]["uri"];
        let of_interest = match message["method"].as_str() {
            Some("notifications/resources/updated") => {
                let uri = uri.as_str().unwrap_or_default();
                let within = |wished: &Value| wished.as_str().is_some_and(|wished| uri.starts_with(wished));
                wished["resourceSubscriptions"].as_array().is_some_and(|all| all.iter().any(within))
            }
            _ => true,
        };
        if of_interest {
            message["params"]["_meta"] = tag.clone();
            write.write_all(&event(&message)).await?;
        }
    }
}
