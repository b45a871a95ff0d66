//! Towards tool servers: what is sent is what our own endpoint would take, and what comes is read strictly.

use http::HeaderMap;
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    domain::Method,
    mcp::{
        Capabilities, Era, Filter, InputGiven, Limits, List, LogLevel, Message, Mirrors, Version,
        client::{self, Along, Answer, Carried, Complete, Incoming, News, Outcome, ResultFault, Speaker, Topic},
    },
};

fn carried(method: Method, name: &str) -> Carried<'_> {
    Carried { id: 9, method, name, arguments: None, members: &[], input: None, along: Along::default() }
}

fn complete(result: &[u8], method: Method) -> Complete {
    match client::outcome(result, method, Era::Modern) {
        Ok(Outcome::Complete(complete)) => complete,
        other => panic!("{other:?}"),
    }
}

fn body(out: &client::Outgoing) -> Value {
    assert!(Message::parse(&out.body, Limits::REQUEST).is_ok());
    assert!(!out.body.contains(&b'\n'));
    serde_json::from_slice(&out.body).unwrap()
}

fn headers(out: &client::Outgoing) -> HeaderMap {
    out.headers.iter().cloned().collect()
}

#[test]
fn a_modern_call_carries_its_headers_and_meta() {
    let arguments = serde_json::value::RawValue::from_string("{\n\"x\": 1.50}".to_owned()).unwrap();
    let rest = [("task".into(), to_raw_value(&json!({"ttl": 1})).unwrap())];
    let capabilities =
        Capabilities::read(&to_raw_value(&json!({"roots": {}, "elicitation": {"url": {}}})).unwrap()).unwrap();
    let input =
        InputGiven { responses: Some(to_raw_value(&json!({"a": {}})).unwrap()), state: Some("s\"1".to_owned()) };
    let along = Along {
        capabilities: Some(&capabilities),
        traceparent: Some("00-a"),
        progress: true,
        log_level: Some(LogLevel::Warning),
    };
    let call = Carried {
        arguments: Some(&arguments),
        members: &rest,
        input: Some(&input),
        along,
        ..carried(Method::CallTool, "é")
    };
    let out = client::carry(Speaker::MODERN, call, &Mirrors::default());
    let value = body(&out);
    assert_eq!(value["params"]["name"], "é");
    assert_eq!(value["params"]["task"], json!({"ttl": 1}));
    assert_eq!(value["params"]["_meta"]["progressToken"], 9);
    assert_eq!(value["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(value["params"]["_meta"]["io.modelcontextprotocol/logLevel"], "warning");
    assert_eq!(
        value["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"],
        json!({"roots": {}, "elicitation": {"url": {}}})
    );
    assert_eq!(
        (&value["params"]["inputResponses"], &value["params"]["requestState"]),
        (&json!({"a": {}}), &json!("s\"1"))
    );
    assert!(std::str::from_utf8(&out.body).unwrap().contains("1.50"));
    let headers = headers(&out);
    assert_eq!(headers["mcp-name"], "=?base64?w6k=?=");
    assert_eq!(headers["mcp-method"], "tools/call");
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
}

#[test]
fn a_legacy_call_carries_its_session_and_nothing_modern() {
    let speaker = Speaker { version: Version::NEWEST_LEGACY, session: Some("s1") };
    let input = InputGiven { responses: None, state: Some("s".to_owned()) };
    let along = Along { log_level: Some(LogLevel::Debug), ..Along::default() };
    let call = Carried { input: Some(&input), along, ..carried(Method::CallTool, "a") };
    let out = client::carry(speaker, call, &Mirrors::default());
    assert_eq!(body(&out), json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "a"}}));
    assert_eq!(headers(&out)["mcp-session-id"], "s1");
    assert!(!headers(&out).contains_key("mcp-method"));
    let shared = body(&client::initialize(2, Version::NEWEST_LEGACY, None));
    assert_eq!(shared["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(shared["params"]["capabilities"]["roots"], json!({"listChanged": true}));
    let text = r#"{"sampling":{},"x":1,"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    let some = Capabilities::read(&serde_json::value::RawValue::from_string(text.to_owned()).unwrap()).unwrap();
    let own = body(&client::initialize(2, Version::NEWEST_LEGACY, Some(&some)));
    assert_eq!(own["params"]["capabilities"], json!({"sampling": {}}));
    assert!(body(&client::initialized(speaker)).get("id").is_none());
    assert_eq!(body(&client::list(speaker, 3, List::Tools, Some("")))["params"], json!({"cursor": ""}));
}

#[test]
fn answers_are_found_by_our_own_number_only() {
    let read = |text: &str| client::read(text.as_bytes());
    assert!(matches!(
        read(r#"{"jsonrpc":"2.0","id":7,"result":{"n":123456789012345678901}}"#),
        Ok(Incoming::Answer { id: 7, .. })
    ));
    for stray in [r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, r#"{"jsonrpc":"2.0","id":-1,"result":{}}"#] {
        assert!(matches!(read(stray), Ok(Incoming::Stray)), "{stray}");
    }
    for bad in
        [r#"{"jsonrpc":"2.0","id":7,"result":{"a":1,"a":2}}"#, "<html>", r#"{"jsonrpc":"2.0","id":7,"result":{}"#]
    {
        assert!(read(bad).is_err(), "{bad}");
    }
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":4,"progress":1,"total":2}}"#;
    let Ok(Incoming::Progress { id: 4, params }) = read(progress) else { panic!() };
    assert_eq!(params, r#"{"progress":1,"total":2}"#);
    assert!(matches!(read(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Ok(Incoming::Request { .. })));
}

#[test]
fn the_answer_is_found_in_either_kind_of_body() {
    let stream = b"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-1,\"message\":\"m\"}}\n\n";
    assert!(matches!(client::read_body(true, stream, 2), Ok(Answer::Error(error)) if error.code == -1));
    assert!(client::read_body(true, stream, 3).is_err());
    assert!(matches!(client::read_body(false, br#"{"jsonrpc":"2.0","id":2,"result":{}}"#, 2), Ok(Answer::Result(_))));
}

#[test]
fn results_lose_what_belongs_to_the_other_connection() {
    let raw = br#"{"resultType":"complete","content":[ ],"isError":true,"ttlMs":7,"_meta":{"io.modelcontextprotocol/serverInfo":{},"dev.postern/denial":1,"x/y":2}}"#;
    let done = complete(raw, Method::CallTool);
    assert!(done.is_error && done.ttl_ms == Some(7));
    assert_eq!(done.result, r#"{"content":[ ],"isError":true,"_meta":{"x/y":2}}"#);
    assert_eq!(complete(b"{\"content\": []}", Method::CallTool).result, "{\"content\": []}");
    let task = complete(br#"{"resultType":"complete","taskId":"t","ttlMs":5}"#, Method::GetTask);
    assert_eq!((&task.result[..], task.ttl_ms), (&br#"{"taskId":"t","ttlMs":5}"#[..], None));
    assert!(client::outcome(b"[]", Method::CallTool, Era::Modern).is_err());
}

/// T036
#[test]
fn a_result_has_a_type_that_its_request_may_have() {
    let task = br#"{"resultType":"task","taskId":"t","ttlMs":null}"#;
    let Ok(Outcome::Task(made)) = client::outcome(task, Method::CallTool, Era::Modern) else { panic!() };
    assert_eq!(made, r#"{"taskId":"t","ttlMs":null}"#);
    let input = br#"{"resultType":"input_required","requestState":"s"}"#;
    for method in [Method::CallTool, Method::GetPrompt, Method::ReadResource] {
        assert!(matches!(client::outcome(input, method, Era::Modern), Ok(Outcome::InputRequired(_))));
        assert!(matches!(client::outcome(input, method, Era::Legacy), Err(ResultFault::Type(_))));
    }
    for (result, method) in [
        (&input[..], Method::Complete),
        (&input[..], Method::GetTask),
        (&task[..], Method::GetPrompt),
        (br#"{"resultType":"later"}"#, Method::CallTool),
        (br#"{"resultType":1}"#, Method::CallTool),
        (br#"{"resultType":"input_required"}"#, Method::CallTool),
    ] {
        assert!(client::outcome(result, method, Era::Modern).is_err());
    }
}

#[test]
fn a_stream_is_opened_for_what_is_wanted_and_its_news_are_read() {
    let filter =
        Filter { tools: true, uris: vec!["a://b".to_owned()], tasks: vec!["t".to_owned()], ..Filter::default() };
    let out = client::listen(4, &filter);
    let notifications = json!({"toolsListChanged": true, "resourceSubscriptions": ["a://b"], "taskIds": ["t"]});
    assert_eq!(body(&out)["params"]["notifications"], notifications);
    let told = |method: &str, params: Value| {
        client::read(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string().as_bytes()).unwrap()
    };
    let meta = json!({"io.modelcontextprotocol/subscriptionId": 4});
    let first =
        told("notifications/subscriptions/acknowledged", json!({"notifications": notifications, "_meta": meta}));
    assert!(matches!(first, Incoming::Acknowledged { of: Some(4), filter: read } if read == filter));
    let Incoming::News(News { topic, params }) =
        told("notifications/resources/updated", json!({"uri": "a://b", "title": "x", "_meta": meta}))
    else {
        panic!()
    };
    assert_eq!(topic, Topic::Resource("a://b".to_owned()));
    assert_eq!(serde_json::from_slice::<Value>(&params).unwrap(), json!({"uri": "a://b", "title": "x"}));
    let log = told("notifications/message", json!({"level": "info", "data": 1.5}));
    assert!(matches!(log, Incoming::Log { level: LogLevel::Info, .. }));
    assert!(matches!(told("notifications/message", json!({"level": "loud"})), Incoming::Notification { .. }));
}

#[test]
fn pages_and_introductions_are_read() {
    let page = client::page(List::Tools, br#"{"tools":[{"name":"a"},{"name": "b"}],"nextCursor":""}"#).unwrap();
    assert_eq!(page.items.iter().map(|tool| tool.get()).collect::<Vec<_>>(), [r#"{"name":"a"}"#, r#"{"name": "b"}"#]);
    assert_eq!(page.next_cursor.as_deref(), Some(""));
    assert!(client::page(List::Tools, br#"{"tools":1}"#).is_err());
    assert!(client::page(List::Prompts, br#"{"tools":[]}"#).is_err());
    let text = br#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"extensions":{"x/y":{"a":1.50}}}}"#;
    let server = client::server(text).unwrap();
    assert!(server.tells() && server.keeps(List::Tools) && server.keeps(List::Templates) && server.subscribe);
    assert!(!server.keeps(List::Prompts) && server.versions == ["2026-07-28"]);
    assert_eq!(server.extensions[0].1.get(), r#"{"a":1.50}"#);
    let server = client::server(br#"{"protocolVersion":"2025-06-18","capabilities":{}}"#).unwrap();
    assert!(!server.keeps(List::Tools) && server.versions == ["2025-06-18"]);
}
