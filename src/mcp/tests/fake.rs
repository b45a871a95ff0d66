//! A handler that keeps a journal, and answers by the name of what it is asked for.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{StatusCode, request::Parts};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{AgentId, Credential, CredentialKind, Delegator, PersonId, ServerName, Subject},
    mcp::server::{
        Event, Handler, HttpRefusal, Link, ListPage, ListRequest, ListenRequest, Listening, Offer, Proof,
        Reply as Served, Request, RpcError, Scope,
    },
    mcp::{Filter, InputMethod, InputRequest, InputRequired, List, LogLevel, Notice, TASKS},
};

pub(super) struct Fake {
    pub(super) journal: Mutex<Vec<String>>,
    /// Legacy sessions that ended: their revision, and how many seconds they lasted.
    pub(super) sessions: Mutex<Vec<(&'static str, u64)>>,
    pub(super) go: Notify,
    pub(super) events: broadcast::Sender<Event>,
    /// What was shown for each subscription.
    pub(super) proofs: Mutex<Vec<Proof>>,
    /// Ends all subscriptions.
    pub(super) over: CancellationToken,
    /// Of the request that came last.
    pub(super) cancelled: Mutex<tokio_util::sync::CancellationToken>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            journal: Mutex::default(),
            sessions: Mutex::default(),
            go: Notify::new(),
            events: broadcast::channel(64).0,
            proofs: Mutex::default(),
            over: CancellationToken::new(),
            cancelled: Mutex::default(),
        }
    }

    fn note(&self, line: impl Into<String>) {
        self.journal.lock().unwrap().push(line.into());
    }

    async fn slow(&self, link: &Link) -> Served {
        tokio::select! {
            () = link.cancelled.cancelled() => self.note("cancelled"),
            () = self.go.notified() => self.note("went on"),
        }
        self.note("recorded");
        complete("{\"content\":[]}")
    }
}

#[async_trait]
impl Handler for Fake {
    /// `AGENT`, or `AGENT for PERSON`; what follows a semicolon makes it another credential.
    async fn identify(&self, head: &Parts, _peer: SocketAddr) -> Result<Arc<Subject>, HttpRefusal> {
        let agent = head.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(agent) = agent else {
            let www_authenticate = Some("Bearer resource_metadata=\"http://x\"".to_owned());
            return Err(HttpRefusal {
                status: StatusCode::UNAUTHORIZED,
                www_authenticate,
                message: "who are you".into(),
            });
        };
        let id = "crd_1".parse().unwrap();
        let shown = agent.split(';').next().unwrap();
        let (agent, person) = shown.split_once(" for ").map_or((shown, None), |(agent, person)| (agent, Some(person)));
        let on_behalf_of = person.map(|person| Delegator { person: PersonId::from(person), roles: Arc::default() });
        Ok(Arc::new(Subject {
            agent: AgentId::from(agent),
            roles: Arc::default(),
            on_behalf_of,
            credential: Credential {
                id,
                kind: CredentialKind::ApiKey,
                issued: None,
                expires: DateTime::<Utc>::MAX_UTC,
            },
            taints: Arc::default(),
        }))
    }

    fn session_ended(&self, version: &'static str, lasted: Duration) {
        self.sessions.lock().unwrap().push((version, lasted.as_secs()));
    }

    fn has_server(&self, server: &ServerName) -> bool {
        server.as_str() == "fs"
    }

    /// Everything in the whole house, tools only at one server.
    fn offer(&self, _subject: &Subject, scope: &Scope) -> Offer {
        if matches!(scope, Scope::Server(_)) {
            return Offer::default();
        }
        let empty = || RawValue::from_string("{}".into()).unwrap();
        let extensions = vec![(TASKS.into(), empty()), ("io.modelcontextprotocol/ui".into(), empty())];
        Offer { prompts: true, resources: true, subscribe: true, completions: true, logging: true, extensions }
    }

    async fn list(&self, subject: &Arc<Subject>, request: ListRequest) -> Result<ListPage, RpcError> {
        self.note(format!("list {} {:?} {}", subject.agent, request.era, request.origin.version));
        if request.cursor.is_some_and(|cursor| cursor != "next") {
            return Err(RpcError::invalid_params("no such cursor"));
        }
        let item = match request.list {
            List::Tools => r#"{"name":"echo","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#,
            List::Prompts => r#"{"name":"greet"}"#,
            List::Resources => r#"{"uri":"file:///x","name":"x"}"#,
            List::Templates => r#"{"uriTemplate":"file:///{x}","name":"x"}"#,
        };
        let missing = if request.list == List::Prompts { vec!["down".parse().unwrap()] } else { Vec::new() };
        Ok(ListPage { items: vec![Bytes::from(item)], next_cursor: Some("next".into()), ttl_ms: 5, missing })
    }

    async fn serve(&self, subject: Arc<Subject>, request: Request, link: Link) -> Result<Served, RpcError> {
        *self.cancelled.lock().unwrap() = link.cancelled.clone();
        let arguments = request.arguments.as_deref().map_or("-", |raw| raw.get()).to_owned();
        self.note(format!("call {} {} {arguments}", subject.agent, request.target));
        let given = given(&request);
        match request.target.as_str() {
            "echo" => Ok(complete(format!(r#"{{"content":[],"structuredContent":[{arguments}]}}"#))),
            "show" => Ok(complete(json!({"content": [], "structuredContent": shown(&request)}).to_string())),
            "progress" | "log" => {
                tell(&request.target, &link).await;
                Ok(complete("{}"))
            }
            "slow" => Ok(self.slow(&link).await),
            "told slow" => {
                tell("progress", &link).await;
                Ok(self.slow(&link).await)
            }
            "panic" => panic!("on purpose"),
            "task" => Ok(Served::Task(r#"{"taskId":"t","status":"working"}"#.into())),
            "rich" => Ok(complete(RICH)),
            "again" if given["state"].is_null() => Ok(asking(&[], Some("go on"))),
            "file:///x" => Ok(Served::Complete { result: r#"{"contents":[]}"#.into(), ttl_ms: 7 }),
            "file:///none" => {
                let data = RawValue::from_string(r#"{"uri":"file:///none"}"#.into()).unwrap();
                Err(RpcError { data: Some(data), ..RpcError::invalid_params("resource not found") })
            }
            "" | "greet" | "t" => Ok(complete(json!({"shown": shown(&request)}).to_string())),
            asks if asks.starts_with("ask") || asks == "again" => Ok(asked(asks, &given)),
            _ => Err(RpcError::invalid_params("unknown tool")),
        }
    }

    async fn listen(&self, _subject: &Arc<Subject>, request: ListenRequest) -> Result<Listening, RpcError> {
        self.note(format!("listen {:?}", request.filter.uris));
        self.proofs.lock().unwrap().push(request.proof);
        if request.filter.uris.iter().any(|uri| uri.starts_with("slow:")) {
            self.go.notified().await;
        }
        let (sender, events) = mpsc::channel(8);
        let mut told = self.events.subscribe();
        let uris: Vec<_> = request.filter.uris.iter().filter(|uri| !uri.starts_with("none:")).cloned().collect();
        let granted = Filter { uris, ..request.filter };
        let (wanted, over) = (granted.clone(), self.over.clone());
        tokio::spawn(async move {
            while let Some(Ok(event)) = over.run_until_cancelled(told.recv()).await {
                let of_another = |params: &Bytes| {
                    let params: Value = serde_json::from_slice(params).unwrap();
                    !wanted.uris.iter().any(|uri| params["uri"] == **uri)
                };
                if matches!(&event, Event::Updated(params) if of_another(params)) {
                    continue;
                }
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(Listening { granted, events })
    }
}

const RICH: &str = r#"{"content":[{"type":"resource_link","uri":"file:///x","name":"x"},{"type":"audio","data":"","mimeType":"audio/wav"},{"type":"text","text":"t"}],"structuredContent":{"a":1.50}}"#;

pub(super) fn complete(result: impl Into<Bytes>) -> Served {
    Served::Complete { result: result.into(), ttl_ms: 0 }
}

async fn tell(what: &str, link: &Link) {
    let Some(notices) = &link.notices else { return };
    if what == "progress" {
        for n in 1..=2 {
            notices.send(Notice::Progress(format!("{{\"progress\":{n}}}").into())).await.unwrap();
        }
        return;
    }
    for level in [LogLevel::Debug, LogLevel::Info, LogLevel::Error] {
        let params = json!({"level": level.as_str(), "data": "d"}).to_string();
        notices.send(Notice::Log(level, params.into())).await.unwrap();
    }
}

/// What a request came with.
fn shown(request: &Request) -> Value {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap();
    json!({
        "method": request.method.as_str(),
        "members": request.members.iter().map(|(key, raw)| (key.to_string(), value(raw))).collect::<Value>(),
        "capabilities": serde_json::from_slice::<Value>(&request.capabilities.json()).unwrap(),
        "level": request.meta.log_level.map(LogLevel::as_str),
        "input": given(request),
    })
}

fn given(request: &Request) -> Value {
    let Some(input) = &request.input else { return Value::Null };
    let responses = input.responses.as_deref().map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
    json!({"responses": responses, "state": input.state})
}

/// Questions by name; an answer to them shows what came back.
fn asked(name: &str, given: &Value) -> Served {
    let form = r#"{"message":"?","requestedSchema":{"type":"object","properties":{}}}"#;
    let elicit = ("e", InputMethod::Elicit, Some(form));
    let sample = ("s", InputMethod::Sample, Some(r#"{"messages":[],"maxTokens":1}"#));
    let roots = ("r", InputMethod::ListRoots, None);
    let url = ("u", InputMethod::Elicit, Some(r#"{"mode":"url","message":"?","url":"https://x.test/"}"#));
    let first = given.is_null();
    match name {
        "ask" if first => asking(&[elicit], Some("one")),
        "ask all" if first => asking(&[elicit, sample, roots], Some("one")),
        "ask sampling" if first => asking(&[sample], None),
        "ask url" if first => asking(&[url], Some("one")),
        "ask twice" if first => asking(&[elicit], Some("one")),
        "ask twice" if given["state"] == "one" => asking(&[roots], Some("two")),
        "ask for ever" => asking(&[elicit], Some("more")),
        _ => complete(json!({"content": [], "structuredContent": given}).to_string()),
    }
}

fn asking(requests: &[(&str, InputMethod, Option<&str>)], state: Option<&str>) -> Served {
    let raw = |params: &str| RawValue::from_string(params.to_owned()).unwrap();
    let requests = requests.iter().map(|(key, method, params)| InputRequest {
        key: (*key).into(),
        method: *method,
        params: params.map(raw),
    });
    Served::InputRequired(InputRequired { requests: requests.collect(), state: state.map(str::to_owned) })
}
