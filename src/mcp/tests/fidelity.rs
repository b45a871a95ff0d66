//! What a peer sends arrives with every member, in its order, every number as it was written (names, ids and `_meta`
//! aside): recorded conversations of peers that are not ours, and JSON that is made up.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http_body_util::{BodyExt as _, Full};
use proptest::prelude::*;
use serde_json::{json, value::RawValue};
use tokio::sync::mpsc;

use super::support::Ask;
use crate::{
    domain::{AgentId, Credential, CredentialKind, Method, ServerName, Subject},
    mcp::{
        Decoder, Era, Filter, InputGiven, InputRequired, Limits, List, MODERN, Message, Mirrors, Notice, Params,
        Version,
        client::{self, Along, Answer, Carried, Incoming, Outcome, RpcFailure, Speaker},
        emit, members,
        server::{
            Answer as Answered, Endpoint, EndpointSettings, Handler, HttpRefusal, Link, ListPage, ListRequest,
            ListenRequest, Listening, Offer, Reply, Request, RpcError, Scope,
        },
    },
};

/// Members that belong to a revision, not to what was said.
const OF_THE_ERA: [&str; 4] = ["_meta", "cacheScope", "resultType", "ttlMs"];

/// A tool server's side of the gateway, as the wire sees it: what it was asked, and what it answers.
struct Peer {
    asked: Mutex<Option<Request>>,
    tells: Vec<Bytes>,
    answers: Result<Reply, RpcError>,
    tools: Vec<Bytes>,
}

impl Peer {
    fn answering(answer: &Answer) -> Self {
        let answers = match answer {
            Answer::Result(result) => Ok(Reply::Complete { result: complete(result), ttl_ms: 0 }),
            Answer::Error(RpcFailure { code, message, data, more }) => {
                let error = RpcError::new(i32::try_from(*code).unwrap(), message.clone());
                Err(RpcError { data: data.clone(), more: more.clone(), ..error })
            }
        };
        Self { asked: Mutex::default(), tells: Vec::new(), answers, tools: Vec::new() }
    }
}

#[async_trait]
impl Handler for Peer {
    async fn identify(&self, _head: &Parts, _peer: SocketAddr) -> Result<Arc<Subject>, HttpRefusal> {
        let id = "crd_1".parse().unwrap();
        let credential =
            Credential { id, kind: CredentialKind::ApiKey, issued: None, expires: DateTime::<Utc>::MAX_UTC };
        let agent = AgentId::from("agent");
        Ok(Arc::new(Subject { agent, roles: Arc::default(), on_behalf_of: None, credential, taints: Arc::default() }))
    }

    fn has_server(&self, _server: &ServerName) -> bool {
        false
    }

    fn offer(&self, _subject: &Subject, _scope: &Scope) -> Offer {
        Offer::default()
    }

    async fn list(&self, _subject: &Arc<Subject>, _request: ListRequest) -> Result<ListPage, RpcError> {
        Ok(ListPage { items: self.tools.clone(), ..ListPage::default() })
    }

    async fn serve(&self, _subject: Arc<Subject>, request: Request, link: Link) -> Result<Reply, RpcError> {
        *self.asked.lock().unwrap() = Some(request);
        for told in &self.tells {
            link.notices.as_ref().unwrap().send(Notice::Progress(told.clone())).await.unwrap();
        }
        self.answers.clone()
    }

    async fn listen(&self, _subject: &Arc<Subject>, _request: ListenRequest) -> Result<Listening, RpcError> {
        Ok(Listening { granted: Filter::default(), events: mpsc::channel(1).1 })
    }
}

/// An agent of one era in front of a peer.
struct Agent {
    peer: Arc<Peer>,
    endpoint: Endpoint,
    session: Option<String>,
}

impl Agent {
    async fn of(era: Era, peer: Peer) -> Self {
        let peer = Arc::new(peer);
        let settings = EndpointSettings {
            allowed_hosts: vec!["localhost:8080".into()],
            allowed_origins: Vec::new(),
            public_url: "http://localhost:8080".into(),
            legacy: true,
            instructions: None,
        };
        let endpoint = Endpoint::new(Arc::clone(&peer) as Arc<dyn Handler>, settings);
        let mut agent = Self { peer, endpoint, session: None };
        if era == Era::Legacy {
            let hello = Ask::legacy("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
            let answer = agent.send(&hello).await;
            agent.session = Some(answer.headers()["mcp-session-id"].to_str().unwrap().to_owned());
        }
        agent
    }

    async fn send(&self, ask: &Ask) -> Answered {
        let request = ask.request(Full::new(Bytes::from(ask.body.clone())));
        self.endpoint.respond(request, SocketAddr::from(([127, 0, 0, 1], 1))).await
    }

    /// Asks with these members of `params`, each as it is written here; gives the messages that come back.
    async fn ask(&self, method: &str, params: &[(&str, &str)], token: bool) -> Vec<String> {
        let token = if token { r#","progressToken":"t""# } else { "" };
        let modern = format!(
            r#"{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}{token}}}"#
        );
        let legacy = format!(r#"{{"own":1{token}}}"#);
        let meta = if self.session.is_none() { &modern } else { &legacy };
        let mut pieces: Vec<(&str, &[u8])> = params.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
        pieces.push(("_meta", meta.as_bytes()));
        let body = String::from_utf8(emit::request(1, method, &pieces).to_vec()).unwrap();
        let mut ask = Ask::post(body);
        ask = match &self.session {
            Some(session) => ask.in_session(session),
            None => {
                let ask = ask.with("MCP-Protocol-Version", MODERN).with("Mcp-Method", method);
                if method == "tools/call" { ask.with("Mcp-Name", "tool") } else { ask }
            }
        };
        let answer = self.send(&ask).await;
        let stream = answer.headers()["content-type"] == "text/event-stream";
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        if stream {
            let events = Decoder::default().push(&body).unwrap();
            // A legacy stream begins with an event that says nothing but its id.
            return events.into_iter().map(|event| event.data).filter(|data| !data.is_empty()).collect();
        }
        vec![String::from_utf8(body.to_vec()).unwrap()]
    }

    async fn call(&self, params: &[(&str, &str)], token: bool) -> Vec<String> {
        self.ask("tools/call", &[&[("name", r#""tool""#)], params].concat(), token).await
    }
}

/// The result of a tool call that is done, made ready for any era.
fn complete(result: &[u8]) -> Bytes {
    match client::outcome(result, Method::CallTool, Era::Modern) {
        Ok(Outcome::Complete(complete)) => complete.result,
        other => panic!("{other:?}"),
    }
}

/// The members of an object, each as it was written but on one line, without those of the era.
fn said(object: &str) -> Vec<(String, String)> {
    let members = members(object).unwrap();
    let said = members.iter().filter(|(key, _)| !OF_THE_ERA.contains(&key.as_ref()));
    said.map(|(key, value)| (key.to_string(), flat(value.get()))).collect()
}

fn flat(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// The same for a legacy client, which takes objects only as structured content; anything else is told as text where
/// there is no content beside it.
fn said_to(era: Era, object: &str) -> Vec<(String, String)> {
    let mut said = said(object);
    let foreign = |(key, raw): &&(std::borrow::Cow<'_, str>, &RawValue)| {
        key == "structuredContent" && !raw.get().starts_with('{')
    };
    let members = members(object).unwrap();
    let Some((_, dropped)) = members.iter().find(foreign).filter(|_| era == Era::Legacy) else { return said };
    said.retain(|(key, _)| key != "structuredContent");
    for (key, value) in &mut said {
        if key == "content" && value.split_ascii_whitespace().collect::<String>() == "[]" {
            *value = json!([{"type": "text", "text": flat(dropped.get())}]).to_string();
        }
    }
    said
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn params<'a>(message: &'a str) -> Params<'a> {
    match Message::parse(message.as_bytes(), Limits::REQUEST) {
        Ok(Message::Request { params, .. } | Message::Notification { params, .. }) => params,
        other => panic!("{other:?}: {message}"),
    }
}

fn listed(params: &Params<'_>) -> Vec<(String, String)> {
    params.iter().map(|(key, value)| (key.to_owned(), flat(value.get()))).collect()
}

/// Who sent a message.
#[derive(Clone, Copy, PartialEq)]
enum Sender {
    Client,
    Server,
}

/// Every message of every conversation.
fn recorded() -> Vec<(Sender, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/messages");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        all.extend(text.split_terminator('\n').map(|line| match line.split_at(2) {
            ("> ", message) => (Sender::Client, message.to_owned()),
            ("< ", message) => (Sender::Server, message.to_owned()),
            other => panic!("{other:?}"),
        }));
    }
    assert!(all.len() > 180);
    all
}

#[test]
fn a_recorded_message_is_written_anew_with_every_member_in_order() {
    for (from, text) in recorded() {
        let limits = if from == Sender::Client { Limits::REQUEST } else { Limits::ANSWER };
        let written = match Message::parse(text.as_bytes(), limits).unwrap_or_else(|fault| panic!("{fault}: {text}")) {
            Message::Request { method, params, .. } | Message::Notification { method, params } => {
                let pieces: Vec<_> = params.iter().map(|(key, value)| (key, value.get().as_bytes())).collect();
                emit::request(1, &method, &pieces)
            }
            Message::Response { id, answer: Ok(result) } => emit::result(id.unwrap(), result.get().as_bytes()),
            Message::Response { id, answer: Err(fault) } => {
                let more: Vec<_> = fault.more.into_iter().map(|(key, value)| (key.into(), value.to_owned())).collect();
                emit::fault(id, (fault.code.try_into().unwrap(), &fault.message, fault.data), &more)
            }
        };
        let written = std::str::from_utf8(&written).unwrap();
        let part = |text: &str, part: &str| {
            let members: BTreeMap<_, _> =
                members(text).unwrap().into_iter().map(|(key, raw)| (key, raw.get())).collect();
            members.get(part).copied().map(str::to_owned)
        };
        for name in ["method", "params", "result", "error"] {
            let sent = part(&text, name).filter(|sent| sent != "{}" || name != "params");
            assert_eq!(part(written, name), sent, "{text}");
        }
    }
}

#[tokio::test]
async fn a_recorded_call_arrives_at_a_server_of_either_era_as_it_was_sent() {
    let mut calls = 0;
    let agent = [
        Agent::of(Era::Modern, Peer::answering(&Answer::Result(Bytes::from_static(b"{}")))).await,
        Agent::of(Era::Legacy, Peer::answering(&Answer::Result(Bytes::from_static(b"{}")))).await,
    ];
    for (from, text) in recorded() {
        if from == Sender::Server || !text.contains(r#""tools/call""#) {
            continue;
        }
        let sent = params(&text);
        let own: Vec<_> = sent
            .iter()
            .filter(|(key, _)| !matches!(*key, "name" | "_meta"))
            .map(|(key, raw)| (key, raw.get()))
            .collect();
        for agent in &agent {
            // Rounds are a matter of the modern era: what a legacy client calls so is nothing that anybody asked for.
            let rounds = |key: &&str| matches!(*key, "inputResponses" | "requestState");
            let own: Vec<_> = own.iter().copied().filter(|(key, _)| agent.session.is_none() || !rounds(key)).collect();
            agent.call(&own, false).await;
            arrives(agent, &own);
        }
        calls += 1;
    }
    assert!(calls > 20);
}

/// What the agent asked last reaches a server of either era with these members of `params`.
fn arrives(agent: &Agent, sent: &[(&str, &str)]) {
    let request = agent.peer.asked.lock().unwrap().take().expect("a call");
    let mut passthrough = request.members;
    if let Some(InputGiven { responses, state }) = request.input {
        passthrough.extend(responses.map(|responses| ("inputResponses".into(), responses)));
        passthrough.extend(state.map(|state| ("requestState".into(), raw(&json!(state).to_string()))));
    }
    for version in [Version::MODERN, Version::NEWEST_LEGACY] {
        let call = Carried {
            id: 9,
            method: Method::CallTool,
            name: "other",
            arguments: request.arguments.as_deref(),
            members: &passthrough,
            input: None,
            along: Along { progress: true, ..Along::default() },
        };
        let out = client::carry(Speaker { version, session: None }, call, &Mirrors::default());
        let mut there = listed(&params(std::str::from_utf8(&out.body).unwrap()));
        there.retain(|(key, _)| !matches!(key.as_str(), "name" | "_meta"));
        let mut sent: Vec<_> = sent.iter().map(|(key, value)| ((*key).to_owned(), flat(value))).collect();
        // Arguments come first, further members behind them in their order, those of a round last.
        let place = |(key, _): &(String, String)| match key.as_str() {
            "arguments" => 0,
            "inputResponses" => 2,
            "requestState" => 3,
            _ => 1,
        };
        sent.sort_by_key(place);
        there.sort_by_key(place);
        assert_eq!(there, sent);
    }
}

#[tokio::test]
async fn a_recorded_answer_arrives_at_an_agent_of_either_era_as_it_was_sent() {
    let (mut results, mut errors) = (0, 0);
    for (from, text) in recorded() {
        if from == Sender::Client || text.contains(r#""inputRequests""#) {
            continue;
        }
        let Incoming::Answer { answer, .. } = client::read(text.as_bytes()).unwrap() else { continue };
        for (era, token) in [(Era::Modern, false), (Era::Modern, true), (Era::Legacy, false), (Era::Legacy, true)] {
            let agent = Agent::of(era, Peer::answering(&answer)).await;
            let arrived = agent.call(&[], token).await;
            same_answer(era, &text, arrived.last().unwrap());
        }
        match answer {
            Answer::Result(_) => results += 1,
            Answer::Error(_) => errors += 1,
        }
    }
    assert!(results > 60 && errors > 5, "{results} {errors}");
}

/// The answer says what was sent, as far as the era can say it.
fn same_answer(era: Era, sent: &str, arrived: &str) {
    let get = |text: &str, wanted: &str| -> Option<String> {
        let members = members(text).unwrap();
        members.iter().find(|(key, _)| key == wanted).map(|(_, raw)| raw.get().to_owned())
    };
    match get(sent, "result") {
        Some(result) => assert_eq!(said(&get(arrived, "result").expect(arrived)), said_to(era, &result)),
        None => assert_eq!(said(&get(arrived, "error").expect(arrived)), said(&get(sent, "error").unwrap())),
    }
}

#[tokio::test]
async fn recorded_definitions_of_tools_arrive_byte_for_byte() {
    let mut count = 0;
    for (from, text) in recorded() {
        if from == Sender::Client || !text.contains(r#""tools":["#) {
            continue;
        }
        let Ok(Incoming::Answer { answer: Answer::Result(result), .. }) = client::read(text.as_bytes()) else {
            panic!()
        };
        let page = client::page(List::Tools, &result).unwrap();
        let tools: Vec<_> = page.items.iter().map(|tool| Bytes::from(tool.get().to_owned())).collect();
        for era in [Era::Modern, Era::Legacy] {
            let peer = Peer { tools: tools.clone(), ..Peer::answering(&Answer::Result(Bytes::from_static(b"{}"))) };
            let arrived = Agent::of(era, peer).await.ask("tools/list", &[], false).await;
            let Ok(Message::Response { answer: Ok(result), .. }) =
                Message::parse(arrived[0].as_bytes(), Limits::ANSWER)
            else {
                panic!("{arrived:?}")
            };
            let listed = client::page(List::Tools, result.get().as_bytes()).unwrap();
            let listed: Vec<_> = listed.items.iter().map(|tool| tool.get()).collect();
            assert_eq!(listed, page.items.iter().map(|tool| tool.get()).collect::<Vec<_>>());
        }
        count += tools.len();
    }
    assert!(count > 50, "{count}");
}

#[tokio::test]
async fn recorded_progress_arrives_as_it_was_told() {
    let mut told = Vec::new();
    for (from, text) in recorded() {
        if from == Sender::Server
            && let Ok(Incoming::Progress { params, .. }) = client::read(text.as_bytes())
        {
            let sent: Vec<_> =
                listed(&self::params(&text)).into_iter().filter(|(key, _)| key != "progressToken").collect();
            told.push((params, sent));
        }
    }
    assert!(!told.is_empty());
    for era in [Era::Modern, Era::Legacy] {
        let tells = told.iter().map(|(params, _)| params.clone()).collect();
        let peer = Peer { tells, ..Peer::answering(&Answer::Result(Bytes::from_static(b"{}"))) };
        let arrived = Agent::of(era, peer).await.call(&[], true).await;
        assert_eq!(arrived.len(), told.len() + 1);
        for (message, (_, sent)) in arrived.iter().zip(&told) {
            let mut there = listed(&params(message));
            assert_eq!(there.remove(0), ("progressToken".to_owned(), r#""t""#.to_owned()));
            assert_eq!(there, *sent);
        }
    }
}

#[test]
fn recorded_rounds_are_read_as_they_were_sent() {
    let (mut asked, mut given) = (0, 0);
    for (from, text) in recorded() {
        if from == Sender::Client && text.contains(r#""inputResponses""#) {
            let sent = params(&text);
            let read = InputGiven::read(&sent).unwrap().unwrap();
            assert_eq!(read.responses.unwrap().get(), sent.get("inputResponses").unwrap().get());
            assert_eq!(read.state.as_deref(), sent.text("requestState").as_deref());
            given += 1;
        }
        if from == Sender::Server && text.contains(r#""inputRequests""#) {
            let Ok(Incoming::Answer { answer: Answer::Result(result), .. }) = client::read(text.as_bytes()) else {
                panic!("{text}")
            };
            let result = std::str::from_utf8(&result).unwrap();
            let read = InputRequired::read(result).unwrap();
            let sent: BTreeMap<_, _> = said(result).into_iter().collect();
            assert_eq!(read.state.map(|state| json!(state).to_string()).as_ref(), sent.get("requestState"));
            let requests: Vec<_> = read
                .requests
                .iter()
                .map(|one| (one.key.to_string(), one.method.as_str(), one.params.as_ref().unwrap().get().to_owned()))
                .collect();
            let written: Vec<_> = requests
                .iter()
                .map(|(key, method, params)| format!(r#"{}:{{"method":"{method}","params":{params}}}"#, json!(key)))
                .collect();
            assert_eq!(format!("{{{}}}", written.join(",")), sent["inputRequests"]);
            asked += 1;
        }
    }
    assert!(asked > 0 && given > 0);
}

/// Any JSON value as text: numbers of every form, escapes, spaces and line ends between tokens.
fn value(number: &'static str) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        number.prop_map(|number| number),
        (any::<String>(), any::<bool>()).prop_map(|(text, escaped)| string(&text, escaped)),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), space())
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},")))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (prop::collection::vec(("[ -~é😀\u{2028}]{0,6}", any::<bool>(), value), 0..5), space()).prop_map(
        |(members, space)| {
            let member = |(index, (key, escaped, value)): (usize, (String, bool, String))| {
                format!("{space}{}{space}:{space}{value}", string(&format!("{key}{index}"), escaped))
            };
            format!("{{{}{space}}}", members.into_iter().enumerate().map(member).collect::<Vec<_>>().join(","))
        },
    )
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", " ", "\n", "\r\n\t"])
}

fn string(text: &str, escaped: bool) -> String {
    if !escaped {
        return json!(text).to_string();
    }
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

/// Numbers that agents may send: those that every reader agrees on.
const SAFE: &str = "-?(0|[1-9][0-9]{0,14})|-?[0-9]\\.[0-9]{1,20}([eE][+-]?[0-9])?|[1-9][eE][+-]?[0-9]";
/// Numbers that servers may send: any.
const ANY: &str = "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_arguments_arrive_at_a_server_as_they_were_sent(
        arguments in object(value(SAFE)), extra in prop::collection::vec(("x[a-z]{3}", value(SAFE)), 0..3), modern: bool,
    ) {
        let mut own: Vec<(String, String)> = extra;
        own.dedup_by(|one, two| one.0 == two.0);
        own.insert(own.len() / 2, ("arguments".to_owned(), arguments));
        let own: Vec<_> = own.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        prop_assume!(own.iter().all(|one| own.iter().filter(|two| one.0 == two.0).count() == 1));
        block_on(async {
            let peer = Peer::answering(&Answer::Result(Bytes::from_static(b"{}")));
            let agent = Agent::of(if modern { Era::Modern } else { Era::Legacy }, peer).await;
            agent.call(&own, false).await;
            arrives(&agent, &own);
        });
    }

    #[test]
    fn any_result_arrives_at_an_agent_as_it_was_sent(
        members in prop::collection::vec(("(content|structuredContent|isError|[a-z]{4})", value(ANY)), 0..5), token: bool, modern: bool, typed: bool,
    ) {
        let mut members: BTreeMap<_, _> = members.into_iter().collect();
        if typed { members.insert("resultType".to_owned(), r#""complete""#.to_owned()); }
        let mut members: Vec<_> = members.into_iter().collect();
        members.reverse();
        let pieces: Vec<_> = members.iter().map(|(key, value)| (key.as_str(), value.as_bytes())).collect();
        let result = emit::object(&pieces);
        let sent = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, std::str::from_utf8(&result).unwrap());
        let era = if modern { Era::Modern } else { Era::Legacy };
        let Ok(Incoming::Answer { answer, .. }) = client::read(sent.as_bytes()) else { panic!("{sent}") };
        block_on(async {
            let arrived = Agent::of(era, Peer::answering(&answer)).await.call(&[], token).await;
            same_answer(era, &sent, arrived.last().unwrap());
        });
    }

    #[test]
    fn any_error_arrives_at_an_agent_as_it_was_sent(
        code: i32, message: String, data in prop::option::of(value(ANY)), modern: bool,
        more in prop::collection::btree_map("[a-z]{5}", value(ANY), 0..3),
    ) {
        let more: Vec<_> = more.iter().map(|(key, value)| (key.as_str().into(), raw(value))).collect();
        let error = emit::fault(None, (code, &message, data.as_deref().map(raw).as_deref()), &more);
        let sent = std::str::from_utf8(&error).unwrap().replacen(r#""error""#, r#""id":1,"error""#, 1);
        let era = if modern { Era::Modern } else { Era::Legacy };
        let Ok(Incoming::Answer { answer, .. }) = client::read(sent.as_bytes()) else { panic!("{sent}") };
        block_on(async {
            let arrived = Agent::of(era, Peer::answering(&answer)).await.call(&[], false).await;
            same_answer(era, &sent, arrived.last().unwrap());
        });
    }
}
