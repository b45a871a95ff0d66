//! Legacy HTTP servers: sessions by principal, greeting anew, cancellation by message, requests of the server.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    peer::{Peer, Reply, legacy},
    support::{call, dispatch, failed, principal, server, text, until},
};
use crate::upstream::{CallEnd, Dispatch, FailureKind, Meter};

#[tokio::test]
async fn every_principal_has_a_session_of_its_own() {
    let sessions = AtomicUsize::new(0);
    let peer = Peer::start(move |seen| {
        let session = if seen.method() == "initialize" { sessions.fetch_add(1, Ordering::SeqCst) } else { 0 };
        legacy(seen, &format!("session-{session}")).or_else(|| Some(seen.say(seen.header("mcp-session-id").unwrap())))
    })
    .await;
    let upstreams = peer.upstreams().await;
    assert_eq!(upstreams.health()[&server("s")].version, Some("2025-11-25"));
    let as_agent = async |agent: &str| {
        text(upstreams.send(call("echo", "{}"), Dispatch { principal: principal(agent), ..dispatch() }).await)
    };
    let (one, again, other) = (as_agent("one").await, as_agent("one").await, as_agent("other").await);
    assert_eq!(one, again);
    assert!(one != other && one != "session-0" && other != "session-0", "{one} {other}");
    let sent = peer.journal();
    let called = sent.iter().find(|seen| seen.method() == "tools/call").unwrap();
    assert_eq!((called.header("mcp-protocol-version"), called.header("mcp-method")), (Some("2025-11-25"), None));
    assert_eq!(called.json["params"].get("_meta"), None);
    let lasted = Arc::<Mutex<Vec<_>>>::default();
    let noted = Arc::clone(&lasted);
    let meter: Meter = Arc::new(move |server, version, _| noted.lock().unwrap().push((server.to_string(), version)));
    upstreams.measure(&meter);
    upstreams.stop().await;
    let ended = ("s".to_owned(), "2025-11-25");
    until("all three are over", || *lasted.lock().unwrap() == vec![ended.clone(); 3]).await;
    assert_eq!(peer.journal().iter().filter(|seen| seen.verb == Method::DELETE).count(), 3, "sessions are closed");
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_anew_once() {
    let greeted = AtomicUsize::new(0);
    let peer = Peer::start(move |seen| {
        let count = if seen.method() == "initialize" {
            greeted.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            greeted.load(Ordering::SeqCst)
        };
        legacy(seen, &format!("session-{count}")).or_else(|| match (seen.tool(), count) {
            ("never", _) | (_, 2) => Some(seen.error(404, -32001)),
            _ => Some(seen.say("hi")),
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let mine = || Dispatch { principal: principal("one"), ..dispatch() };
    assert_eq!(text(upstreams.send(call("echo", "{}"), mine()).await), "hi");
    assert_eq!((peer.saw("initialize"), peer.saw("tools/call")), (3, 2));
    assert!(matches!(upstreams.send(call("never", "{}"), mine()).await, CallEnd::RpcError { code: -32001, .. }));
    assert_eq!(peer.saw("tools/call"), 4, "not a third time");
}

#[tokio::test]
async fn a_legacy_server_is_told_in_words_that_nobody_waits() {
    let peer = Peer::start(|seen| legacy(seen, "x")).await;
    let upstreams = peer.upstreams().await;
    let cancelled = CancellationToken::new();
    let hanging = upstreams.send(call("echo", "{}"), Dispatch { cancelled: cancelled.clone(), ..dispatch() });
    let stopping = async {
        until("the call arrives", || peer.saw("tools/call") == 1).await;
        cancelled.cancel();
    };
    let (end, ()) = tokio::join!(hanging, stopping);
    assert!(matches!(end, CallEnd::Cancelled));
    until("the server is told", || peer.saw("notifications/cancelled") == 1).await;
    let journal = peer.journal();
    let find = |method: &str| journal.iter().find(|seen| seen.method() == method).unwrap();
    assert_eq!(find("notifications/cancelled").json["params"]["requestId"], find("tools/call").json["id"]);
    assert_eq!(find("notifications/cancelled").header("mcp-session-id"), Some("x"));
}

#[tokio::test]
async fn requests_of_the_server_within_a_call_are_refused_and_pings_answered() {
    let peer = Peer::start(|seen| {
        legacy(seen, "x").or_else(|| match seen.method() {
            "tools/call" => Some(seen.stream(&[
                json!({"jsonrpc": "2.0", "id": "ask", "method": "elicitation/create", "params": {}}),
                json!({"jsonrpc": "2.0", "id": 7, "method": "ping"}),
                json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"content": [{"type": "text", "text": "went on"}]}}),
            ])),
            _ => Some(Reply::empty(202)),
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    assert_eq!(text(upstreams.send(call("echo", "{}"), dispatch()).await), "went on");
    let answers = || {
        peer.journal()
            .into_iter()
            .filter(|seen| seen.method().is_empty() && seen.verb == Method::POST)
            .collect::<Vec<_>>()
    };
    until("both are answered", || answers().len() == 2).await;
    let find = |id: serde_json::Value| answers().into_iter().find(|seen| seen.json["id"] == id).unwrap().json;
    assert_eq!(find(json!("ask"))["error"]["code"], -32601);
    assert_eq!(find(json!(7))["result"], json!({}));
}

#[tokio::test]
async fn arrays_of_messages_are_taken_where_the_revision_has_them() {
    for (version, taken) in [("2025-03-26", true), ("2025-06-18", false)] {
        let peer = Peer::start(move |seen| {
            let end = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"content": [{"type": "text", "text": "one of them"}]}});
            let both = json!([{"jsonrpc": "2.0", "method": "notifications/x"}, end]);
            match (seen.method(), seen.tool()) {
                ("initialize", _) => Some(seen.result(json!({"protocolVersion": version, "capabilities": {"tools": {}}}))),
                ("tools/call", "stream") => Some(seen.stream(&[both])),
                ("tools/call", _) => Some(Reply::json(200, &both)),
                _ => legacy(seen, "x"),
            }
        })
        .await;
        let upstreams = peer.upstreams().await;
        for tool in ["stream", "body"] {
            let end = upstreams.send(call(tool, "{}"), dispatch()).await;
            if taken {
                assert_eq!(text(end), "one of them");
            } else {
                assert_eq!(failed(end), (FailureKind::Garbage, true), "{tool}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_not_asked_again() {
    let peer = Peer::start(|seen| legacy(seen, "x").or_else(|| Some(seen.stream(&[])))).await;
    let upstreams = peer.upstreams().await;
    assert_eq!(failed(upstreams.send(call("echo", "{}"), dispatch()).await), (FailureKind::Closed, true));
    assert_eq!(peer.saw("tools/call"), 1, "T127");
}
