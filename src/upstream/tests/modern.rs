//! Modern HTTP servers: headers, streams, progress, cancellation by closing, listening.

use std::{sync::Mutex, time::Duration};

use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    peer::{Peer, Reply, modern},
    support::{answered, call, call_with, dispatch, failed, progress, server, step, text, until},
};
use crate::upstream::{CallEnd, Dispatch, FailureKind, ServerState};

#[tokio::test]
async fn a_call_carries_the_headers_of_the_era_and_the_servers_own_credential() {
    let peer = Peer::start(|seen| modern(seen).or_else(|| Some(seen.say("hi")))).await;
    let upstreams = peer.upstreams().await;
    assert_eq!(upstreams.health()[&server("s")].version, Some("2026-07-28"));
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        "none": {"type": "string", "x-mcp-header": "None"},
    }});
    let arguments = r#"{"region":"Zürich","deep":{"n":7}}"#;
    let end = upstreams.send(call_with(schema, "echo", arguments), dispatch()).await;
    assert_eq!(answered(end), json!({"content": [{"type": "text", "text": "hi"}]}));
    let seen = peer.journal().into_iter().find(|seen| seen.method() == "tools/call").unwrap();
    for (header, value) in [
        ("mcp-protocol-version", Some("2026-07-28")),
        ("mcp-method", Some("tools/call")),
        ("mcp-name", Some("echo")),
        ("mcp-param-region", Some("=?base64?WsO8cmljaA==?=")),
        ("mcp-param-n", Some("7")),
        ("mcp-param-none", None),
        ("mcp-session-id", None),
        ("accept", Some("application/json, text/event-stream")),
        ("accept-encoding", Some("identity")),
        ("authorization", Some("Bearer upstream-key")),
        ("cookie", None),
    ] {
        assert_eq!(seen.header(header), value, "{header}");
    }
    assert_eq!(seen.json["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"], json!({}));
    assert_eq!(seen.json["params"]["arguments"], json!({"region": "Zürich", "deep": {"n": 7}}));
    assert_eq!(peer.saw("initialize"), 0);
}

#[tokio::test]
async fn a_stream_brings_progress_of_this_call_and_then_its_answer() {
    let peer = Peer::start(|seen| {
        modern(seen).or_else(|| {
            let id = &seen.json["id"];
            let token = &seen.json["params"]["_meta"]["progressToken"];
            assert_eq!(id, token);
            let progress = |token: &serde_json::Value, step: i32| {
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": step, "_meta": {"dev.postern/x": 1}}})
            };
            Some(seen.stream(&[
                progress(token, 1),
                progress(&json!(99_999), 7),
                json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}}),
            ]))
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let (sender, mut steps) = progress();
    let end =
        upstreams.send(call("echo", "{}"), Dispatch { notices: Some(sender), progress: true, ..dispatch() }).await;
    assert_eq!(text(end), "done");
    assert_eq!(step(steps.recv().await), r#"{"progress":1}"#);
    assert!(steps.recv().await.is_none(), "progress of another call is not ours");
}

#[tokio::test]
async fn closing_the_stream_is_how_a_modern_server_is_told_to_stop() {
    let open = std::sync::Arc::new(Mutex::new(Vec::new()));
    let streams = open.clone();
    let peer = Peer::start(move |seen| {
        modern(seen).or_else(|| {
            let (reply, sender) = Reply::open();
            streams.lock().unwrap().push(sender);
            Some(reply)
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let cancelled = CancellationToken::new();
    let hanging = upstreams.send(call("echo", "{}"), Dispatch { cancelled: cancelled.clone(), ..dispatch() });
    let stopping = async {
        until("the call arrives", || !open.lock().unwrap().is_empty()).await;
        cancelled.cancel();
    };
    let (end, ()) = tokio::join!(hanging, stopping);
    assert!(matches!(end, CallEnd::Cancelled));
    until("the stream is closed", || open.lock().unwrap()[0].is_closed()).await;

    let soon = Instant::now() + Duration::from_millis(50);
    let end = upstreams.send(call("echo", "{}"), Dispatch { deadline: soon, ..dispatch() }).await;
    assert!(matches!(end, CallEnd::TimedOut));
    until("the second is closed", || open.lock().unwrap().iter().all(tokio::sync::mpsc::Sender::is_closed)).await;
    assert_eq!(peer.saw("notifications/cancelled"), 0);
}

#[tokio::test]
async fn a_change_that_is_told_on_the_listening_stream_is_read() {
    let tools = std::sync::Arc::new(Mutex::new((vec!["one"], None)));
    let state = tools.clone();
    let peer = Peer::start(move |seen| match seen.method() {
        "server/discover" => Some(
            seen.result(json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {"listChanged": true}}})),
        ),
        "tools/list" => {
            let names = state.lock().unwrap().0.clone();
            let tools: Vec<_> = names.iter().map(|name| json!({"name": name, "inputSchema": {}})).collect();
            Some(seen.result(json!({"tools": tools})))
        }
        "subscriptions/listen" => {
            assert_eq!(seen.json["params"]["notifications"], json!({"toolsListChanged": true}));
            let (reply, sender) = Reply::open();
            state.lock().unwrap().1 = Some(sender);
            Some(reply)
        }
        _ => None,
    })
    .await;
    let upstreams = peer.upstreams().await;
    let mut changes = upstreams.definitions();
    changes.borrow_and_update();
    until("it listens", || tools.lock().unwrap().1.is_some()).await;
    let sender = {
        let mut tools = tools.lock().unwrap();
        tools.0.push("two");
        tools.1.take().unwrap()
    };
    sender
        .send("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n".into())
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
    assert_eq!(upstreams.snapshot()[&server("s")].len(), 2);
    drop(sender);
    until("it listens anew", || peer.saw("subscriptions/listen") == 2).await;
}

#[tokio::test]
async fn a_tool_with_a_forbidden_header_annotation_is_left_out() {
    let peer = Peer::start(|seen| match seen.method() {
        "tools/list" => Some(seen.result(json!({"tools": [
            {"name": "good", "inputSchema": {"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}},
            {"name": "bad", "inputSchema": {"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}}},
        ]}))),
        _ => modern(seen),
    })
    .await;
    let upstreams = peer.upstreams().await;
    let tools = upstreams.snapshot().remove(&server("s")).unwrap();
    assert!(tools.len() == 1 && tools[0].get().contains("good"));
}

#[tokio::test]
async fn errors_and_unserved_kinds_of_results_are_told_apart() {
    let peer = Peer::start(|seen| {
        modern(seen).or_else(|| match seen.tool() {
            "error" => Some(seen.error(400, -32020)),
            "input" => Some(seen.result(json!({"resultType": "input_required", "inputRequests": {}}))),
            "busy" => Some(Reply::empty(503)),
            _ => Some(seen.stream(&[json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage"})])),
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let end = upstreams.send(call("error", "{}"), dispatch()).await;
    assert!(matches!(end, CallEnd::RpcError { code: -32020, .. }));
    assert_eq!(peer.saw("tools/list"), 2, "the list is read again, for the schema may be old");
    assert_eq!(peer.saw("tools/call"), 1, "the headers are the same");
    for (tool, kind) in
        [("input", FailureKind::Garbage), ("busy", FailureKind::Status(503)), ("asks", FailureKind::Garbage)]
    {
        assert_eq!(failed(upstreams.send(call(tool, "{}"), dispatch()).await), (kind, true), "{tool}");
    }
    assert_eq!(upstreams.health()[&server("s")].state, ServerState::Ready);
}
