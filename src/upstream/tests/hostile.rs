//! Servers that never end, drip, flood or change under the reader: one error each, and the others go on (T031).

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use super::{
    peer::{Content, Peer, Reply, legacy, modern},
    support::{Nursery, call, can, dispatch, failed, principal, ready, server, text},
};
use crate::upstream::{CallEnd, Dispatch, FailureKind, ServerState, Upstreams};

/// A body that grows for ever: the pieces, one after each pause.
fn drip(kind: &str, first: &str, piece: &'static str, pause: Duration) -> Reply {
    let (mut reply, sender) = Reply::open();
    reply.headers = vec![("content-type", kind.to_owned())];
    sender.try_send(first.to_owned().into()).unwrap();
    tokio::spawn(async move {
        while sender.send(piece.into()).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    });
    reply
}

/// T031, T032
#[tokio::test]
async fn what_never_ends_ends_at_the_bound_or_the_deadline() {
    let large: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    let message = "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{}}\n\n";
    let many: &'static str = Box::leak(message.repeat(10_000).into_boxed_str());
    let slow = Duration::from_millis(20);
    let peer = Peer::start(move |seen| {
        modern(seen).or_else(|| {
            Some(match seen.tool() {
                "event" => drip("text/event-stream", "data: ", large, Duration::ZERO),
                "body" => drip("application/json", "{\"jsonrpc\":\"2.0\",\"x\":\"", large, Duration::ZERO),
                "events" => drip("text/event-stream", "", many, Duration::ZERO),
                "comments" => drip("text/event-stream", "", ": still here\n\n", slow),
                "bytes" => drip("application/json", "{", " ", slow),
                "chunk" => seen.stream(&[json!({"jsonrpc": "2.0", "method": "x"})]),
                _ => seen.say("fine"),
            })
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    for (tool, kind) in [
        ("event", FailureKind::TooLarge),
        ("body", FailureKind::TooLarge),
        ("events", FailureKind::TooLarge),
        ("chunk", FailureKind::Closed),
    ] {
        assert_eq!(failed(upstreams.send(call(tool, "{}"), dispatch()).await), (kind, true), "{tool}");
    }
    for tool in ["comments", "bytes"] {
        let soon = Instant::now() + Duration::from_millis(300);
        let end = upstreams.send(call(tool, "{}"), Dispatch { deadline: soon, ..dispatch() }).await;
        assert!(matches!(end, CallEnd::TimedOut), "{tool}");
        assert_eq!(text(upstreams.send(call("fine", "{}"), dispatch()).await), "fine", "after {tool}");
    }
    assert_eq!(upstreams.health()[&server("s")].state, ServerState::Ready);
}

/// T031
#[tokio::test]
async fn a_list_that_changes_under_the_reader_or_never_ends_is_bounded() {
    let page = AtomicUsize::new(0);
    let peer = Peer::start(move |seen| match seen.method() {
        "tools/list" => {
            let number = page.fetch_add(1, Ordering::SeqCst);
            let tools: Vec<_> =
                (0..1_000).map(|n| json!({"name": format!("t{number}-{n}"), "inputSchema": {}})).collect();
            Some(seen.result(json!({"tools": tools, "nextCursor": number.to_string()})))
        }
        _ => modern(seen),
    })
    .await;
    let upstreams = Upstreams::start(vec![peer.settings()]).unwrap();
    super::support::until("it is too large", || {
        upstreams.health()[&server("s")].last_failure == Some(FailureKind::TooLarge)
    })
    .await;
    assert!(upstreams.offered().is_empty());
}

/// T031
#[tokio::test]
async fn a_list_that_never_comes_does_not_hide_the_tools() {
    let peer = Peer::start(|seen| match seen.method() {
        "server/discover" => Some(
            seen.result(json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "prompts": {}}})),
        ),
        _ => modern(seen).or_else(|| (seen.method() == "tools/call").then(|| seen.say("fine"))),
    })
    .await;
    let upstreams = peer.upstreams().await;
    assert_eq!(upstreams.offered()[&server("s")].tools.len(), 1);
    assert_eq!(text(upstreams.send(call("echo", "{}"), dispatch()).await), "fine");
    super::support::until("it is read again at once", || peer.saw("prompts/list") == 2).await;
}

/// T036
#[tokio::test]
async fn a_flood_of_questions_is_answered_within_a_bound() {
    let peer = Peer::start(|seen| {
        legacy(seen, "x").or_else(|| {
            if seen.method() != "tools/call" {
                return Some(Reply::empty(202));
            }
            let ask = |n: u32| json!({"jsonrpc": "2.0", "id": n, "method": "sampling/createMessage", "params": {}});
            let mut messages: Vec<_> = (0..1_000).map(ask).collect();
            messages.push(json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"content": [{"type": "text", "text": "at last"}]}}));
            Some(seen.stream(&messages))
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    assert_eq!(text(upstreams.send(call("echo", "{}"), dispatch()).await), "at last", "undeclared: all are refused");
    let able = Dispatch { principal: principal("a"), capabilities: can(&json!({"sampling": {}})), ..dispatch() };
    assert!(matches!(upstreams.send(call("echo", "{}"), able).await, CallEnd::InputRequired(_)));
}

/// T031, T134
#[tokio::test]
async fn a_server_that_hangs_delays_no_other() {
    let hanging = Peer::start(|_| None).await;
    let peer = Peer::start(|seen| modern(seen).or_else(|| Some(seen.say("quick")))).await;
    let nursery = Nursery::new();
    let mut dead = hanging.settings();
    dead.name = server("dead");
    let mut mute = nursery.settings("mute");
    mute.name = server("mute");
    let begun = Instant::now();
    let upstreams = Upstreams::start(vec![dead, mute, peer.settings()]).unwrap();
    super::support::until("the others are ready", || upstreams.health()[&server("s")].state == ServerState::Ready)
        .await;
    assert_eq!(text(upstreams.send(call("echo", "{}"), dispatch()).await), "quick");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(upstreams.offered().len(), 1);
}

/// T031
#[tokio::test]
async fn a_broken_stream_is_not_taken_up_for_ever() {
    let peer = Peer::start(|seen| {
        if seen.verb == http::Method::GET && seen.header("last-event-id").is_some() {
            return Some(seen.stream(&[]));
        }
        legacy(seen, "x").or_else(|| {
            let body = Content::Whole("id: e1\nretry: 20\ndata:\n\n".into());
            Some(Reply { status: 200, headers: vec![("content-type", "text/event-stream".into())], body })
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    ready(&upstreams).await;
    assert_eq!(failed(upstreams.send(call("echo", "{}"), dispatch()).await), (FailureKind::Closed, true));
    let resumed = peer.journal().iter().filter(|seen| seen.header("last-event-id") == Some("e1")).count();
    assert_eq!((resumed, peer.saw("tools/call")), (3, 1));
}
