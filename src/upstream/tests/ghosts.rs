//! Calls that nobody waits for and that their server may still work on: what it says may be of them.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{
    peer::{Peer, Reply, event, legacy},
    support::{Nursery, asked, call, can, dispatch, principal, progress, text, until},
};
use crate::{
    mcp::{LogLevel, Notice},
    upstream::{CallEnd, Dispatch, Upstreams},
};

fn able(who: &str) -> Dispatch {
    let all = can(&json!({"elicitation": {}, "sampling": {}, "roots": {}}));
    Dispatch { principal: principal(who), capabilities: all, ..dispatch() }
}

/// A server that logs and asks on its standing stream when it is called, and never answers.
async fn speaking() -> (Peer, Upstreams) {
    let standing = Arc::new(Mutex::new(None::<mpsc::Sender<bytes::Bytes>>));
    let kept = standing.clone();
    let peer = Peer::start(move |seen| {
        if seen.verb == Method::GET {
            let (reply, sender) = Reply::open();
            *kept.lock().unwrap() = Some(sender);
            return Some(reply);
        }
        legacy(seen, "x").or_else(|| match seen.method() {
            "tools/call" if seen.tool() == "echo" => {
                for level in ["debug", "error"] {
                    let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": 1}});
                    kept.lock().unwrap().as_ref().unwrap().try_send(event(&log)).unwrap();
                }
                let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"});
                kept.lock().unwrap().as_ref().unwrap().try_send(event(&ask)).unwrap();
                None
            }
            "tools/call" => None,
            _ => Some(Reply::empty(202)),
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    (peer, upstreams)
}

/// T034
#[tokio::test]
async fn what_a_child_asks_or_logs_may_be_of_a_call_that_was_given_up_until_that_is_answered() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy logging").await;
    let dropped = able("a");
    let stop = dropped.cancelled.clone();
    let hold = |text: &str| call("hold", &json!({"text": text, "of": 2}).to_string());
    let giving_up = async {
        until("it is in flight", || nursery.saw("tools/call")).await;
        stop.cancel();
    };
    let (end, ()) = tokio::join!(upstreams.send(hold("a"), dropped), giving_up);
    assert!(matches!(end, CallEnd::Cancelled));

    let refused: Value = serde_json::from_str(&text(upstreams.send(call("elicit", "{}"), able("b")).await)).unwrap();
    assert!(refused["message"].as_str().unwrap().contains("given up"), "{refused}");
    let log = async || {
        let (sender, mut notices) = progress();
        let with = Dispatch { notices: Some(sender), log_level: Some(LogLevel::Debug), ..able("b") };
        assert_eq!(text(upstreams.send(call("log", "{}"), with).await), "logged");
        let mut told = 0;
        while notices.recv().await.is_some() {
            told += 1;
        }
        told
    };
    assert_eq!(log().await, 0);

    assert_eq!(text(upstreams.send(hold("b"), able("b")).await), "b", "the child answers both");
    assert_eq!(log().await, 2);
    let (method, ..) = asked(upstreams.send(call("elicit", "{}"), able("b")).await);
    assert_eq!(method, "elicitation/create");
}

#[tokio::test]
async fn what_is_said_on_a_standing_stream_is_of_the_one_call_if_none_was_given_up() {
    let (_peer, upstreams) = speaking().await;
    let (sender, mut notices) = progress();
    let with = Dispatch { notices: Some(sender), log_level: Some(LogLevel::Info), ..able("a") };
    let (method, ..) = asked(upstreams.send(call("echo", "{}"), with).await);
    assert_eq!(method, "roots/list");
    let mut told = Vec::new();
    while let Some(Notice::Log(level, _)) = notices.recv().await {
        told.push(level);
    }
    assert_eq!(told, [LogLevel::Error]);
}

#[tokio::test]
async fn a_call_of_a_session_that_was_given_up_may_be_what_is_asked_on_its_standing_stream() {
    let (peer, upstreams) = speaking().await;
    let soon = || Dispatch { deadline: Instant::now() + Duration::from_millis(500), ..able("a") };
    assert!(matches!(upstreams.send(call("hang", "{}"), soon()).await, CallEnd::TimedOut));
    assert!(matches!(upstreams.send(call("echo", "{}"), soon()).await, CallEnd::TimedOut));
    let answers: Vec<_> = peer.journal().into_iter().filter(|seen| seen.json["id"] == "q").collect();
    assert!(answers[0].json["error"]["message"].as_str().unwrap().contains("given up"));
}
