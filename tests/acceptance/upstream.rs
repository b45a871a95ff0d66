//! A tool server of the modern revision that writes down every call before it does anything else.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

const MODERN: &str = "2026-07-28";

/// A call that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The tool.
    pub tool: String,
    /// What it was called with.
    pub arguments: Value,
    /// When it arrived.
    pub at: Instant,
    /// When it was cancelled, if it was.
    pub cancelled: Option<Instant>,
}

/// The server, with its journal `seen`.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Vec<Seen>>) -> MutexGuard<'_, Vec<Seen>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let journal = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let journal = Arc::clone(&journal);
                let service = service_fn(move |request| answer(request, Arc::clone(&journal)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Ok(Self { address, seen, task })
    }

    /// All calls so far, in the order of their arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// All calls so far as `[tool, arguments]`, to be compared whole.
    pub fn calls(&self) -> Vec<Value> {
        self.seen().into_iter().map(|seen| json!([seen.tool, seen.arguments])).collect()
    }

    pub fn count(&self) -> usize {
        lock(&self.seen).len()
    }
}

/// Marks the call as cancelled unless it was answered.
struct Mark {
    seen: Arc<Mutex<Vec<Seen>>>,
    index: usize,
    answered: bool,
}

impl Drop for Mark {
    fn drop(&mut self) {
        if !self.answered
            && let Some(seen) = lock(&self.seen).get_mut(self.index)
        {
            seen.cancelled = Some(Instant::now());
        }
    }
}

fn reply(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// A text that is answered with a JSON-RPC error of some 7 KB.
pub const FAIL: &str = "fail at length";

async fn answer(request: Request<Incoming>, seen: Arc<Mutex<Vec<Seen>>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let params = &message["params"];
    let result = match message["method"].as_str().unwrap_or_default() {
        "server/discover" => {
            json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 60_000, "cacheScope": "public"})
        }
        "tools/list" => json!({"tools": tools(), "ttlMs": 60_000, "cacheScope": "public"}),
        "tools/call" => call(params, seen).await,
        _ => {
            let error =
                json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "not offered"}});
            return Ok(reply(StatusCode::NOT_FOUND, &error));
        }
    };
    if params["arguments"]["text"] == json!(FAIL) {
        let error = json!({"code": -32_000, "message": "failed", "data": "canary ".repeat(1_000)});
        return Ok(reply(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": message["id"], "error": error})));
    }
    let mut result = result;
    result["resultType"] = json!("complete");
    result["_meta"] = json!({"io.modelcontextprotocol/serverInfo": {"name": "recorder", "version": "1"}});
    Ok(reply(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": message["id"], "result": result})))
}

async fn call(params: &Value, seen: Arc<Mutex<Vec<Seen>>>) -> Value {
    let tool = params["name"].as_str().unwrap_or_default().to_owned();
    let arguments = params["arguments"].clone();
    let index = {
        let mut seen = lock(&seen);
        seen.push(Seen { tool: tool.clone(), arguments: arguments.clone(), at: Instant::now(), cancelled: None });
        seen.len() - 1
    };
    let mut mark = Mark { seen, index, answered: false };
    if tool == "slow" {
        tokio::time::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or_default())).await;
    }
    mark.answered = true;
    let text = arguments["text"].as_str().unwrap_or("done").to_owned();
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

fn tools() -> Value {
    let tool = |name: &str, description: &str, properties: Value, required: &str| {
        json!({
            "name": name,
            "description": description,
            "inputSchema": {"type": "object", "properties": properties, "required": [required], "additionalProperties": false},
        })
    };
    json!([
        tool(
            "echo",
            "Say the text again.",
            json!({"text": {"type": "string"}, "number": {"type": "integer"}, "any": {}}),
            "text"
        ),
        tool("remember", "Keep the text.", json!({"text": {"type": "string"}}), "text"),
        tool("slow", "Take some time.", json!({"ms": {"type": "integer", "minimum": 0, "maximum": 60_000}}), "ms"),
    ])
}
