//! An agent: MCP of the modern revision over one HTTP connection, written by hand.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub const MODERN: &str = "2026-07-28";

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The reason of a refusal: of a tool result, or of an error's data.
    pub fn reason(&self) -> String {
        let json = self.json();
        let places = [
            "/result/_meta/dev.postern~1refusal/reason",
            "/error/data/reason",
            "/error/data/dev.postern~1refusal/reason",
        ];
        places.iter().find_map(|place| json.pointer(place).and_then(Value::as_str)).unwrap_or_default().to_owned()
    }

    /// Whether the call went through.
    pub fn is_done(&self) -> bool {
        self.status == StatusCode::OK && self.json()["result"]["isError"] == json!(false)
    }

    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_default()
    }

    pub fn told(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body).chars().take(600).collect::<String>())
    }
}

/// Who calls, and where.
#[derive(Debug, Clone)]
pub struct Agent {
    pub address: SocketAddr,
    pub key: String,
}

/// One connection of an agent.
pub struct Line {
    agent: Agent,
    sender: SendRequest<Full<Bytes>>,
    next: u64,
}

/// The body of a call of the modern revision.
pub fn call_body(id: u64, tool: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta()}})
    .to_string()
}

/// `_meta` of a client that can do this.
pub fn meta_of(capabilities: &Value) -> Value {
    let mut meta = meta();
    meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    meta
}

pub fn meta() -> Value {
    json!({"io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "acceptance", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}})
}

impl Agent {
    pub async fn line(&self) -> anyhow::Result<Line> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Line { agent: self.clone(), sender, next: 0 })
    }

    /// A call on a connection of its own.
    pub async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Answer> {
        self.line().await?.call(tool, &arguments).await
    }

    /// The names of the tools that this agent sees.
    pub async fn tools(&self) -> anyhow::Result<Vec<String>> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta()}}).to_string();
        let answer = self.line().await?.send(self.headers("tools/list", None), body).await?;
        let tools = answer.json()["result"]["tools"].as_array().cloned().with_context(|| answer.told())?;
        Ok(tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect())
    }

    /// Any request on a connection of its own; `_meta` is added where `params` has none.
    pub async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Answer> {
        self.ask_at("/mcp", method, params).await
    }

    /// The same, on any path.
    pub async fn ask_at(&self, path: &str, method: &str, mut params: Value) -> anyhow::Result<Answer> {
        let (headers, body) = self.request(method, &mut params);
        self.line().await?.send_to(path, headers, body.into()).await
    }

    fn request(&self, method: &str, params: &mut Value) -> (Vec<(&'static str, String)>, String) {
        if params["_meta"].is_null() {
            params["_meta"] = meta();
        }
        let name = ["name", "uri", "taskId"].iter().find_map(|key| params[key].as_str());
        let headers = self.headers(method, name.map(mirrored).as_deref());
        (headers, json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
    }

    /// Opens a subscription and waits for its acknowledgement.
    pub async fn listen(&self, wished: Value) -> anyhow::Result<Listening> {
        let mut params = json!({"notifications": wished});
        let (headers, body) = self.request("subscriptions/listen", &mut params);
        let mut request =
            Request::builder().method(Method::POST).uri("/mcp").header(header::HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut line = self.line().await?;
        line.sender.ready().await?;
        let response = line.sender.send_request(request.body(Full::new(body.into()))?).await?;
        let mut listening = Listening { body: response.into_body(), text: String::new(), _line: line };
        let first = listening.next(Duration::from_secs(10)).await?;
        anyhow::ensure!(
            first["method"] == json!("notifications/subscriptions/acknowledged"),
            "no acknowledgement: {first} {}",
            listening.text
        );
        Ok(listening)
    }

    pub fn headers(&self, method: &str, name: Option<&str>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("authorization", format!("Bearer {}", self.key)),
            ("mcp-protocol-version", MODERN.to_owned()),
            ("mcp-method", method.to_owned()),
        ];
        headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
        headers
    }
}

/// The value of `Mcp-Name`: in base64 where it is not plain.
fn mirrored(name: &str) -> String {
    use base64::Engine as _;
    let plain = name.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if plain {
        name.to_owned()
    } else {
        format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(name))
    }
}

/// An open subscription.
pub struct Listening {
    body: hyper::body::Incoming,
    text: String,
    _line: Line,
}

impl Listening {
    /// The next message; `null` when the stream has ended, an error when nothing came in time.
    pub async fn next(&mut self, limit: Duration) -> anyhow::Result<Value> {
        let message = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data:")).map(str::to_owned);
                    self.text = rest.to_owned();
                    if let Some(data) = data {
                        return Ok(serde_json::from_str(data.trim())?);
                    }
                    continue;
                }
                match self.body.frame().await {
                    Some(frame) => self
                        .text
                        .push_str(&String::from_utf8_lossy(frame?.data_ref().map_or(&[][..], |data| data.as_ref()))),
                    None => return Ok::<_, anyhow::Error>(Value::Null),
                }
            }
        };
        tokio::time::timeout(limit, message).await.with_context(|| format!("nothing was told within {limit:?}"))?
    }

    /// Nothing is told for this long.
    pub async fn silent(&mut self, time: Duration) -> anyhow::Result<()> {
        match self.next(time).await {
            Ok(told) => anyhow::bail!("told: {told}"),
            Err(_) => Ok(()),
        }
    }
}

impl Line {
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> anyhow::Result<Answer> {
        self.next += 1;
        let body = call_body(self.next, tool, arguments);
        self.send(self.agent.headers("tools/call", Some(tool)), body).await
    }

    /// Any bytes under any headers, posted to `/mcp`.
    pub async fn send(
        &mut self,
        headers: Vec<(&'static str, String)>,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        self.send_to("/mcp", headers, body.into()).await
    }

    pub async fn send_to(
        &mut self,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let mut request =
            Request::builder().method(Method::POST).uri(path).header(header::HOST, self.agent.address.to_string());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body))?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer { status: head.status, headers: head.headers, body })
        };
        Ok(tokio::time::timeout(Duration::from_secs(40), exchange).await.context("no answer within 40 s")??)
    }
}
