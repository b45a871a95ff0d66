//! A house for the endpoint: a listener on loopback, and raw sockets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::mcp::server::{Endpoint, EndpointSettings, Event, Handler, Wire};

use super::fake::Fake;

pub(super) struct House {
    pub(super) fake: Arc<Fake>,
    pub(super) endpoint: Arc<Endpoint>,
    address: SocketAddr,
}

impl House {
    pub(super) async fn open() -> Self {
        Self::with(true).await
    }

    pub(super) async fn with(legacy: bool) -> Self {
        let fake = Arc::new(Fake::new());
        let settings = EndpointSettings {
            allowed_hosts: vec!["localhost:8080".into()],
            allowed_origins: vec!["http://good.test".into()],
            public_url: "http://localhost:8080".into(),
            legacy,
            instructions: Some("Ask.".into()),
        };
        let endpoint = Arc::new(Endpoint::new(Arc::clone(&fake) as Arc<dyn Handler>, settings));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&endpoint);
        tokio::spawn(async move {
            while let Ok((socket, peer)) = listener.accept().await {
                let endpoint = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let endpoint = Arc::clone(&endpoint);
                        async move { Ok::<_, std::convert::Infallible>(endpoint.respond(request, peer).await) }
                    });
                    let _ended = http1::Builder::new().serve_connection(TokioIo::new(Wire::new(socket)), service).await;
                });
            }
        });
        Self { fake, endpoint, address }
    }

    pub(super) fn journal(&self) -> Vec<String> {
        self.fake.journal.lock().unwrap().clone()
    }

    /// Something happens that subscriptions may tell.
    pub(super) fn tell(&self, event: Event) {
        self.fake.events.send(event).unwrap();
    }

    /// Waits until the journal holds a line.
    pub(super) async fn noted(&self, line: &str) {
        let wait = async {
            while !self.journal().iter().any(|noted| noted == line) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), wait)
            .await
            .unwrap_or_else(|_| panic!("{line}: {:?}", self.journal()));
    }

    /// Sends raw bytes and leaves the socket open.
    pub(super) async fn send(&self, bytes: &str) -> Socket {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        Socket { stream, seen: String::new() }
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn ask(&self, request: &Ask) -> Reply {
        self.send(&request.text()).await.whole().await
    }

    /// A legacy session of this agent.
    pub(super) async fn session(&self, agent: &str, version: &str) -> String {
        self.able_session(agent, version, &json!({})).await
    }

    /// A legacy session of this agent, whose client can do this.
    pub(super) async fn able_session(&self, agent: &str, version: &str, able: &Value) -> String {
        let params =
            json!({"protocolVersion": version, "capabilities": able, "clientInfo": {"name": "t", "version": "1"}});
        let reply = self.ask(&Ask::legacy("initialize", &params).by(agent)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("mcp-session-id").unwrap()
    }
}

pub(super) struct Socket {
    stream: TcpStream,
    seen: String,
}

impl Socket {
    /// Reads on until this text was seen; gives everything so far.
    pub(super) async fn until(&mut self, text: &str) -> String {
        while !self.seen.contains(text) {
            assert!(self.more().await, "{text} did not come: {}", self.seen);
        }
        self.seen.clone()
    }

    /// Reads to the end.
    pub(super) async fn whole(mut self) -> Reply {
        while self.more().await {}
        Reply::read(&self.seen)
    }

    /// The messages of the event stream so far.
    pub(super) fn messages(&self) -> Vec<Value> {
        events(&self.seen)
    }

    /// The ids of the events so far.
    pub(super) fn ids(&self) -> Vec<String> {
        self.seen.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
    }

    /// Reads on until a message of this method came; gives the last one of it.
    pub(super) async fn asked(&mut self, method: &str) -> Value {
        self.until(&format!(r#""method":"{method}""#)).await;
        self.until("}\n\n").await;
        self.messages().into_iter().rfind(|message| message["method"] == method).unwrap()
    }

    pub(super) async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(5), self.stream.read(&mut buffer)).await;
        let count = read.unwrap_or_else(|_| panic!("nothing came after: {}", self.seen)).unwrap_or(0);
        self.seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        count > 0
    }
}

/// The messages of an event stream.
pub(super) fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(super) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    }
}

/// A request over HTTP, to be changed before it is sent.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Ask {
    pub(super) fn post(body: impl Into<String>) -> Self {
        let headers = [
            ("Host", "localhost:8080"),
            ("Authorization", "Bearer agent"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("Connection", "close"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { line: "POST /mcp HTTP/1.1".into(), headers, body: body.into() }
    }

    pub(super) fn modern(method: &str, params: &Value) -> Self {
        let mut params = params.clone();
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let ask = Self::post(body).with("MCP-Protocol-Version", "2026-07-28").with("Mcp-Method", method);
        match ["name", "uri", "taskId"].iter().find_map(|member| params[member].as_str()) {
            Some(name) => ask.with("Mcp-Name", name),
            None => ask,
        }
    }

    /// The same, from a client that can do this.
    pub(super) fn able(self, capabilities: &Value) -> Self {
        let member = r#""io.modelcontextprotocol/clientCapabilities":"#;
        Self { body: self.body.replace(&format!("{member}{{}}"), &format!("{member}{capabilities}")), ..self }
    }

    pub(super) fn legacy(method: &str, params: &Value) -> Self {
        Self::post(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
    }

    /// A GET in a legacy session.
    pub(super) fn get(session: &str) -> Self {
        Self::post("").to("GET /mcp").in_session(session)
    }

    /// What a client says to a question.
    pub(super) fn said(id: &Value, result: &Value) -> Self {
        Self::post(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
    }

    pub(super) fn in_session(self, session: &str) -> Self {
        self.with("Mcp-Session-Id", session)
    }

    pub(super) fn by(self, agent: &str) -> Self {
        self.without("Authorization").with("Authorization", &format!("Bearer {agent}"))
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn to(mut self, line: &str) -> Self {
        self.line = format!("{line} HTTP/1.1");
        self
    }

    /// The same request as a value, for a house whose clock stands still.
    pub(super) fn request<B>(&self, body: B) -> http::Request<B> {
        let (method, path) = self.line.split_once(' ').unwrap();
        let mut request = http::Request::builder().method(method).uri(path.trim_end_matches(" HTTP/1.1"));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(body).unwrap()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let framed =
            self.headers.iter().any(|(name, _)| matches!(name.as_str(), "Content-Length" | "Transfer-Encoding"));
        if !self.body.is_empty() && !framed {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        format!("{text}\r\n{}", self.body)
    }
}
