//! The edge of HTTP: what is refused before a message is read, and that nothing of it reaches the handler.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use serde_json::json;

use super::support::{Ask, House};

fn call() -> Ask {
    Ask::modern("tools/call", &json!({"name": "echo", "arguments": {"x": 1}}))
}

async fn refused(asks: Vec<Ask>, status: u16) {
    let house = House::open().await;
    for ask in asks {
        let reply = house.ask(&ask).await;
        assert_eq!(reply.status, status, "{}\n{reply:?}", ask.text());
    }
    assert_eq!(house.journal(), Vec::<String>::new());
}

/// T001
#[tokio::test]
async fn a_foreign_host_or_origin_is_forbidden_before_anybody_is_asked() {
    let host = |host: &str| call().without("Host").with("Host", host).without("Authorization");
    let origin = |origin: &str| call().with("Origin", origin).without("Authorization");
    let two = origin("http://good.test").with("Origin", "http://evil.test");
    refused(
        vec![
            host("evil.test"),
            host("localhost:9"),
            host("localhost"),
            origin("http://evil.test"),
            origin("null"),
            two,
        ],
        403,
    )
    .await;
    let house = House::open().await;
    assert_eq!(house.ask(&call().with("Origin", "http://good.test")).await.status, 200);
    assert_eq!(house.ask(&host("LOCALHOST:8080").with("Authorization", "Bearer a")).await.status, 200);
}

/// T002, T025
#[tokio::test]
async fn only_json_that_is_not_encoded_is_read() {
    let kind = |kind: &str| call().without("Content-Type").with("Content-Type", kind);
    let bad = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-rpc",
        "application/json; charset=utf-16",
        "",
    ];
    let mut asks: Vec<_> = bad.into_iter().map(kind).collect();
    asks.push(call().without("Content-Type"));
    asks.push(call().with("Content-Encoding", "gzip"));
    refused(asks, 415).await;
    let house = House::open().await;
    assert_eq!(
        house.ask(&kind("application/json; charset=UTF-8").with("Content-Encoding", "identity")).await.status,
        200
    );
}

/// T005
#[tokio::test]
async fn a_header_that_stands_twice_is_refused() {
    let twice = |name: &str, value: &str| call().with(name, value);
    let house = House::open().await;
    for (name, value) in
        [("Mcp-Name", "fs.delete_file"), ("Mcp-Method", "tools/call"), ("MCP-Protocol-Version", "2026-07-28")]
    {
        let reply = house.ask(&twice(name, value)).await;
        assert_eq!((reply.status, reply.code()), (400, -32020), "{name}");
    }
    assert_eq!(house.journal(), Vec::<String>::new());
    refused(vec![twice("Authorization", "Bearer other"), twice("Content-Type", "application/json")], 400).await;
}

/// T008
#[tokio::test]
async fn a_head_that_two_readers_could_take_differently_is_refused_and_the_connection_closed() {
    let body = call().body.len();
    let length = body.to_string();
    let framed = call().with("Content-Length", &length).with("Transfer-Encoding", "chunked");
    let framed_other = call().with("Transfer-Encoding", "chunked").with("Content-Length", &length);
    let mut bare = call();
    bare.line = "POST /mcp HTTP/1.1\r\nX-A: b\nX-C: d".into();
    let asks = vec![
        framed,
        framed_other,
        bare,
        call().without("Host"),
        call().with("Host", "localhost:8080"),
        call().without("Host").with("Host", "localhost:8080/health?x="),
        call().to("POST http://localhost:8080/mcp"),
        call().with("Content-Length", "+1"),
        call().with("Transfer-Encoding", "gzip, chunked"),
    ];
    let asks = asks.into_iter().map(|ask| ask.without("Connection")).collect();
    refused(asks, 400).await;
}

/// T008
#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let house = House::open().await;
    let one = call().without("Connection").text();
    let chunked = {
        let mut ask = call().without("Connection").with("Transfer-Encoding", "chunked");
        let body = call().body;
        let (first, second) = body.split_at(9);
        ask.body = format!("{:x};a=b\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\nX: y\r\n\r\n", first.len(), second.len());
        ask.text()
    };
    let reply = house.send(&format!("{one}{chunked}{one}{}", call().text())).await.whole().await;
    assert_eq!(reply.status, 200);
    assert_eq!(house.journal().len(), 4);
}

/// T017, T018
#[tokio::test]
async fn other_paths_and_methods_lead_nowhere() {
    let paths = ["//mcp", "/%6dcp", "/mcp/", "/mcp/..;/api", "/mcp/fs/", "/mcp/FS", "/", "/mcp/none"];
    refused(paths.into_iter().map(|path| call().to(&format!("POST {path}"))).collect(), 404).await;
    let bare = |method: &str| {
        let mut ask = call().to(&format!("{method} /mcp"));
        ask.body.clear();
        ask
    };
    refused(
        vec![bare("GET"), bare("DELETE"), bare("PUT"), bare("OPTIONS"), bare("GET").with("Mcp-Session-Id", "ses_1")],
        405,
    )
    .await;
}

#[tokio::test]
async fn nobody_is_served_without_being_known() {
    let house = House::open().await;
    let reply = house.ask(&call().without("Authorization")).await;
    assert_eq!(reply.status, 401);
    assert!(reply.header("www-authenticate").is_some());
}

/// T024
#[tokio::test]
async fn a_body_is_bounded_whether_its_length_is_told_or_not() {
    let mut declared = call().with("Content-Length", &(1 << 20 | 1).to_string());
    declared.body.clear();
    let mut streamed = call().with("Transfer-Encoding", "chunked");
    streamed.body = format!("100001\r\n{}\r\n0\r\n\r\n", "a".repeat((1 << 20) + 1));
    refused(vec![declared, streamed], 413).await;
    let house = House::open().await;
    let ask = Ask::modern("tools/call", &json!({"name": "echo", "arguments": {"x": "a".repeat(1_000_000)}}));
    assert_eq!(house.ask(&ask).await.status, 200);
}

struct Stalled;

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// T011
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    let house = House::open().await;
    let before = tokio::time::Instant::now();
    let answer = house.endpoint.respond(call().request(Stalled), "127.0.0.1:1".parse().unwrap()).await;
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(before.elapsed(), crate::domain::limits::BODY_TIME);
}

/// T024
#[tokio::test(start_paused = true)]
async fn bodies_share_a_bound_and_give_their_share_back() {
    let house = House::open().await;
    let peer = "127.0.0.1:1".parse().unwrap();
    let most = crate::domain::limits::IN_FLIGHT_BYTES / crate::domain::limits::BODY;
    let waiting: Vec<_> = (0..most)
        .map(|_| {
            let endpoint = std::sync::Arc::clone(&house.endpoint);
            tokio::spawn(async move { endpoint.respond(call().request(Stalled), peer).await.status() })
        })
        .collect();
    for _ in 0..most {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.endpoint.respond(call().request(Stalled), peer).await.status(), 503);
    for status in waiting {
        assert_eq!(status.await.unwrap(), 408);
    }
    assert_eq!(house.endpoint.respond(call().request(Stalled), peer).await.status(), 408);
}

/// T020, T021, T022, T023, T026, T027
#[tokio::test]
async fn a_message_that_could_be_read_in_two_ways_is_refused() {
    let raw = |params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        Ask { body, ..call() }
    };
    let asks = vec![
        raw(r#"{"name":"echo","name":"delete"}"#),
        raw(r#"{"name":"echo","Name":"delete"}"#),
        raw(r#"{"name":"echo","arguments":{"a":1,"a":2}}"#),
        raw(r#"{"name":"echo","arguments":{"amount":123456789012345678901234567890}}"#),
        raw(r#"{"name":"echo","arguments":{"a":"\ud800"}}"#),
        raw(&format!(r#"{{"name":"echo","arguments":{{"a":{}"#, "[".repeat(100_000))),
        Ask { body: r#"["tools/call",{"name":"echo"}]"#.into(), ..call() },
        Ask { body: format!("[{}]", call().body), ..call() },
        Ask { body: String::from("\u{feff}{}"), ..call() },
    ];
    refused(asks, 400).await;
}

#[tokio::test]
async fn a_client_that_reads_neither_form_is_told_so() {
    refused(vec![call().without("Accept").with("Accept", "text/html, application/json;q=0")], 406).await;
    let house = House::open().await;
    let reply = house.ask(&call().without("Accept").with("Accept", "text/event-stream")).await;
    assert_eq!(reply.header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(house.ask(&call().without("Accept")).await.header("content-type").as_deref(), Some("application/json"));
}
