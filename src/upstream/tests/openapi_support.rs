//! An API on loopback that keeps every request, and documents for it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    peer::{Content, Reply},
    support::{dispatch, quick, ready, server},
};
use crate::{
    catalog::{Names, ToolCall, admit},
    upstream::{CallEnd, OpenApiSettings, ServerSettings, Source, Transport, Upstreams},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Came {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Script = Arc<dyn Fn(&Came) -> Reply + Send + Sync>;

/// The API.
pub(super) struct ApiPeer {
    pub(super) address: SocketAddr,
    journal: Arc<Mutex<Vec<Came>>>,
    task: JoinHandle<()>,
}

impl Drop for ApiPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ApiPeer {
    pub(super) async fn start(script: impl Fn(&Came) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let journal = Arc::<Mutex<Vec<Came>>>::default();
        let (script, seen): (Script, _) = (Arc::new(script), journal.clone());
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (script, seen) = (script.clone(), seen.clone());
                let service = hyper::service::service_fn(move |request| serve(request, script.clone(), seen.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        Self { address, journal, task }
    }

    pub(super) fn journal(&self) -> Vec<Came> {
        self.journal.lock().unwrap().clone()
    }

    pub(super) fn last(&self) -> Came {
        self.journal().last().cloned().unwrap()
    }

    pub(super) fn url(&self, path: &str) -> http::Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

async fn serve(
    request: Request<Incoming>,
    script: Script,
    journal: Arc<Mutex<Vec<Came>>>,
) -> Result<Response<Content>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let came = Came { method: head.method, target: head.uri.to_string(), headers: head.headers, body };
    journal.lock().unwrap().push(came.clone());
    let reply = script(&came);
    let mut response = Response::new(reply.body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

/// A reply of this type.
pub(super) fn reply(status: u16, kind: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Reply::empty(status).with("content-type", kind);
    reply.body = Content::Whole(body.into());
    reply
}

/// An operation `op` with these parameters on `/a`, or on `/a/{…}` if one is in the path.
pub(super) fn one(parameters: &Value) -> Value {
    let inner: String = parameters
        .as_array()
        .unwrap()
        .iter()
        .filter(|parameter| parameter["in"] == "path")
        .map(|parameter| format!("/{{{}}}", parameter["name"].as_str().unwrap()))
        .collect();
    let path = format!("/a{inner}");
    json!({"openapi": "3.1.0", "paths": {path: {"get": {"operationId": "op", "parameters": parameters}}}})
}

/// The API behind the room, and its document in a file.
pub(super) struct Behind {
    pub(super) upstreams: Upstreams,
    pub(super) peer: ApiPeer,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Behind {
    pub(super) async fn start(
        document: impl std::borrow::Borrow<Value>,
        script: impl Fn(&Came) -> Reply + Send + Sync + 'static,
        adjust: impl FnOnce(&mut OpenApiSettings),
    ) -> Self {
        let peer = ApiPeer::start(script).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("api.json");
        std::fs::write(&file, document.borrow().to_string()).unwrap();
        let mut api = OpenApiSettings::new(Source::File(file.clone()));
        (api.url, api.allow_private) = (Some(peer.url("/base")), true);
        adjust(&mut api);
        let settings = ServerSettings {
            patience: quick(),
            refresh: std::time::Duration::from_millis(50),
            ..ServerSettings::new(server("s"), Transport::OpenApi(Box::new(api)))
        };
        let upstreams = Upstreams::start(vec![settings]).unwrap();
        ready(&upstreams).await;
        Self { upstreams, peer, file, _folder: folder }
    }

    /// An API that answers with nothing but `{}`.
    pub(super) async fn quiet(document: &Value) -> Self {
        Self::start(document, |_| reply(200, "application/json", "{}"), |_| {}).await
    }

    /// Puts another document in the place of the first, at once.
    pub(super) fn rewrite(&self, text: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    pub(super) fn definitions(&self) -> Vec<Box<RawValue>> {
        self.upstreams.snapshot()[&server("s")].clone()
    }

    pub(super) fn definition(&self, name: &str) -> Value {
        let all = self.definitions().into_iter().map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
        all.into_iter().find(|tool| tool["name"] == name).unwrap()
    }

    /// A call of a tool as it is listed now.
    pub(super) fn call(&self, name: &str, arguments: &Value) -> ToolCall {
        let definition = serde_json::value::to_raw_value(&self.definition(name)).unwrap();
        let tool = admit(&server("s"), &definition, &mut Names::default()).unwrap();
        let arguments = RawValue::from_string(arguments.to_string()).unwrap();
        ToolCall::check(Arc::new(tool), Some(&arguments), Vec::new()).unwrap()
    }

    pub(super) async fn send(&self, name: &str, arguments: Value) -> CallEnd {
        self.upstreams.send(self.call(name, &arguments), dispatch()).await
    }

    /// Sends a call of `op`, which must arrive, and gives back its target.
    pub(super) async fn target(&self, arguments: Value) -> String {
        let before = self.peer.journal().len();
        let end = self.send("op", arguments.clone()).await;
        assert_eq!(self.peer.journal().len(), before + 1, "{arguments}: {end:?}");
        self.peer.last().target
    }

    /// Sends a call of `op`, which must not arrive, and gives back what is said.
    pub(super) async fn unsent(&self, arguments: Value) -> String {
        let before = self.peer.journal().len();
        let end = self.send("op", arguments.clone()).await;
        assert_eq!(self.peer.journal().len(), before, "{arguments} was sent");
        let CallEnd::Answered { result, is_error: true, .. } = end else { panic!("{end:?}") };
        let result: Value = serde_json::from_slice(&result).unwrap();
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }
}
