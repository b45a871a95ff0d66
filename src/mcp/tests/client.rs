//! Towards tool servers: what is sent is what our own endpoint would take, and what comes is read strictly.

use http::HeaderMap;
use serde_json::{Value, json, value::to_raw_value};

use crate::mcp::{
    Limits, Message, Mirrors, Version,
    client::{self, Answer, Call, Incoming, ResultFault, Speaker},
};

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
    let call = Call {
        id: 9,
        name: "é",
        arguments: Some(&arguments),
        passthrough: &rest,
        traceparent: Some("00-a"),
        progress: true,
    };
    let out = client::call_tool(Speaker::MODERN, call, &Mirrors::default());
    let value = body(&out);
    assert_eq!(value["params"]["name"], "é");
    assert_eq!(value["params"]["task"], json!({"ttl": 1}));
    assert_eq!(value["params"]["_meta"]["progressToken"], 9);
    assert_eq!(value["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(std::str::from_utf8(&out.body).unwrap().contains("1.50"));
    let headers = headers(&out);
    assert_eq!(headers["mcp-name"], "=?base64?w6k=?=");
    assert_eq!(headers["mcp-method"], "tools/call");
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
}

#[test]
fn a_legacy_call_carries_its_session_and_nothing_modern() {
    let speaker = Speaker { version: Version::NEWEST_LEGACY, session: Some("s1") };
    let call = Call { id: 1, name: "a", arguments: None, passthrough: &[], traceparent: None, progress: false };
    let out = client::call_tool(speaker, call, &Mirrors::default());
    assert_eq!(body(&out), json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a"}}));
    assert_eq!(headers(&out)["mcp-session-id"], "s1");
    assert!(!headers(&out).contains_key("mcp-method"));
    assert_eq!(body(&client::initialize(2, Version::NEWEST_LEGACY))["params"]["protocolVersion"], "2025-11-25");
    assert!(body(&client::initialized(speaker)).get("id").is_none());
    assert_eq!(body(&client::list_tools(speaker, 3, Some("")))["params"], json!({"cursor": ""}));
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
    let raw = br#"{"resultType":"complete","content":[ ],"isError":true,"ttlMs":1,"_meta":{"io.modelcontextprotocol/serverInfo":{},"dev.postern/denial":1,"x/y":2}}"#;
    let complete = client::complete(raw).unwrap();
    assert!(complete.is_error);
    assert_eq!(complete.result, r#"{"content":[ ],"isError":true,"_meta":{"x/y":2}}"#);
    assert_eq!(client::complete(b"{\"content\": []}").unwrap().result, "{\"content\": []}");
    assert!(matches!(client::complete(br#"{"resultType":"task"}"#), Err(ResultFault::Type(_))));
    assert!(client::complete(b"[]").is_err());
}

#[test]
fn pages_and_introductions_are_read() {
    let page = client::tools(br#"{"tools":[{"name":"a"},{"name": "b"}],"nextCursor":""}"#).unwrap();
    assert_eq!(page.tools.iter().map(|tool| tool.get()).collect::<Vec<_>>(), [r#"{"name":"a"}"#, r#"{"name": "b"}"#]);
    assert_eq!(page.next_cursor.as_deref(), Some(""));
    assert!(client::tools(br#"{"tools":1}"#).is_err());
    let server =
        client::server(br#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}}}"#)
            .unwrap();
    assert!(server.tools && server.list_changed && server.versions == ["2026-07-28"]);
    let server = client::server(br#"{"protocolVersion":"2025-06-18","capabilities":{}}"#).unwrap();
    assert!(!server.tools && server.versions == ["2025-06-18"]);
}
