//! An endpoint of the agents' side in front of one tool whose schema wants three headers.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, request::Parts};
use http_body_util::{BodyExt as _, Full};
use postern::{
    domain::{AgentId, Credential, CredentialKind, ServerName, Subject},
    mcp::{
        Filter, Mirrors,
        server::{
            self, Endpoint, EndpointSettings, Handler, HttpRefusal, Link, ListPage, ListRequest, ListenRequest,
            Listening, Offer, Reply, RpcError, Scope,
        },
    },
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::mpsc};

use super::naive::head::{HOSTS, ORIGINS};

/// The endpoint, and what runs it.
pub struct House {
    endpoint: Endpoint,
    runtime: Runtime,
}

thread_local! {
    static HOUSE: House = House::open();
}

/// The status and, of an error, the code that the endpoint answers to a POST of this body under these headers.
pub fn post(headers: &HeaderMap, body: &[u8]) -> (u16, i64) {
    HOUSE.with(|house| house.post(headers, body))
}

impl House {
    fn open() -> Self {
        let settings = EndpointSettings {
            allowed_hosts: HOSTS.map(str::to_owned).to_vec(),
            allowed_origins: ORIGINS.map(str::to_owned).to_vec(),
            public_url: "http://localhost:8080".to_owned(),
            legacy: false,
            instructions: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { endpoint: Endpoint::new(Arc::new(Tool::new()), settings), runtime }
    }

    fn post(&self, headers: &HeaderMap, body: &[u8]) -> (u16, i64) {
        let mut request = Request::post("/mcp").body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
        *request.headers_mut() = headers.clone();
        self.runtime.block_on(async {
            let answer = self.endpoint.respond(request, SocketAddr::from(([127, 0, 0, 1], 1))).await;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            let body: Value = serde_json::from_slice(&body).expect("a JSON answer");
            (status, body["error"]["code"].as_i64().unwrap_or(0))
        })
    }
}

struct Tool {
    subject: Arc<Subject>,
    mirrors: Mirrors,
}

impl Tool {
    fn new() -> Self {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
        }});
        let id = "crd_1".parse().expect("an id");
        let credential = Credential {
            id,
            kind: CredentialKind::ApiKey,
            issued: None,
            expires: chrono::DateTime::<chrono::Utc>::MAX_UTC,
        };
        let agent = AgentId::from("agent");
        let subject =
            Arc::new(Subject { agent, roles: Arc::default(), on_behalf_of: None, credential, taints: Arc::default() });
        Self { subject, mirrors: Mirrors::of(&schema).expect("three headers") }
    }
}

#[async_trait]
impl Handler for Tool {
    async fn identify(&self, _head: &Parts, _peer: SocketAddr) -> Result<Arc<Subject>, HttpRefusal> {
        Ok(Arc::clone(&self.subject))
    }

    fn has_server(&self, _server: &ServerName) -> bool {
        false
    }

    fn offer(&self, _subject: &Subject, _scope: &Scope) -> Offer {
        Offer::default()
    }

    async fn list(&self, _subject: &Arc<Subject>, _request: ListRequest) -> Result<ListPage, RpcError> {
        Ok(ListPage::default())
    }

    async fn serve(&self, _subject: Arc<Subject>, request: server::Request, _link: Link) -> Result<Reply, RpcError> {
        request.mirrored.check(&self.mirrors, request.arguments.as_deref())?;
        Ok(Reply::Complete { result: Bytes::from_static(br#"{"content":[]}"#), ttl_ms: 0 })
    }

    async fn listen(&self, _subject: &Arc<Subject>, _request: ListenRequest) -> Result<Listening, RpcError> {
        Ok(Listening { granted: Filter::default(), events: mpsc::channel(1).1 })
    }
}
