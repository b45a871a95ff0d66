//! HTTP with server-sent events (2024-11-05): found by itself, and able to do all that a legacy server can.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    peer::{Peer, Reply, event, legacy},
    support::{asked, call, can, dispatch, failed, given, principal, progress, server, step, text, until},
};
use crate::upstream::{Dispatch, FailureKind, Upstreams};

type Streams = Arc<Mutex<HashMap<String, mpsc::Sender<Bytes>>>>;

/// A server whose streams name this address, each with a number of its own behind it.
async fn old(endpoint: &'static str) -> (Peer, Streams) {
    let streams = Streams::default();
    let kept = streams.clone();
    let peer = Peer::start(move |seen| {
        if seen.verb == Method::GET {
            let (reply, sender) = Reply::open();
            let mut streams = kept.lock().unwrap();
            let number = streams.len().to_string();
            sender.try_send(format!("event: endpoint\ndata: {endpoint}{number}\n\n").into()).unwrap();
            streams.insert(number, sender);
            return Some(reply);
        }
        let Some(number) = seen.path.strip_prefix("/messages/") else { return Some(Reply::empty(405)) };
        let sender = kept.lock().unwrap().get(number).cloned().unwrap();
        let tell = |message: Value| sender.try_send(event(&message)).unwrap();
        let say = |said: &str| tell(json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"content": [{"type": "text", "text": said}]}}));
        match (seen.method(), seen.tool()) {
            ("tools/call", "where") => say(number),
            ("tools/call", "ask") => tell(json!({"jsonrpc": "2.0", "id": seen.json["id"].as_i64().unwrap() + 1000, "method": "elicitation/create", "params": {"message": "m"}})),
            ("tools/call", "progress") => {
                tell(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": seen.json["id"], "progress": 1}}));
                say("done");
            }
            ("tools/call", "garbage") => tell(json!({"jsonrpc": "1.0"})),
            ("", _) => {
                let id = seen.json["id"].as_i64().unwrap() - 1000;
                tell(json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": seen.json["result"].to_string()}]}}));
            }
            _ => {
                let Some(reply) = legacy(seen, "x") else { return Some(Reply::empty(202)) };
                if let super::peer::Content::Whole(body) = reply.body
                    && !body.is_empty()
                {
                    tell(serde_json::from_slice(&body).unwrap());
                }
            }
        }
        Some(Reply::empty(202))
    })
    .await;
    (peer, streams)
}

#[tokio::test]
async fn a_server_of_the_oldest_transport_is_found_listed_called_and_asks() {
    let (peer, _) = old("/messages/").await;
    let upstreams = peer.upstreams().await;
    assert_eq!(upstreams.offered()[&server("s")].tools.len(), 1);
    let mine = |agent: &str| Dispatch { principal: principal(agent), ..dispatch() };
    let first = text(upstreams.send(call("where", "{}"), mine("a")).await);
    assert_eq!(text(upstreams.send(call("where", "{}"), mine("a")).await), first);
    assert_ne!(text(upstreams.send(call("where", "{}"), mine("b")).await), first, "never shared between principals");

    let able = || Dispatch { capabilities: can(&json!({"elicitation": {}})), ..mine("a") };
    let (method, params, state) = asked(upstreams.send(call("ask", "{}"), able()).await);
    assert_eq!((method, params), ("elicitation/create", json!({"message": "m"})));
    let end = upstreams.send(call("ask", "{}"), Dispatch { input: given(&state, &json!({"a": 1})), ..able() }).await;
    assert_eq!(text(end), r#"{"a":1}"#);

    let (sender, mut steps) = progress();
    let with = Dispatch { notices: Some(sender), progress: true, ..mine("a") };
    assert_eq!(text(upstreams.send(call("progress", "{}"), with).await), "done");
    assert_eq!(step(steps.recv().await), r#"{"progress":1}"#);
    let posted = peer.journal().into_iter().find(|seen| seen.method() == "tools/call").unwrap();
    assert_eq!(posted.header("authorization"), Some("Bearer upstream-key"));
}

/// T031
#[tokio::test]
async fn a_conversation_that_ends_fails_its_calls_at_once_and_another_is_opened() {
    let (peer, streams) = old("/messages/").await;
    let upstreams = peer.upstreams().await;
    let mine = || Dispatch { principal: principal("a"), ..dispatch() };
    let first = text(upstreams.send(call("where", "{}"), mine()).await);
    assert_eq!(failed(upstreams.send(call("garbage", "{}"), mine()).await), (FailureKind::Closed, true));
    let second = text(upstreams.send(call("where", "{}"), mine()).await);
    assert_ne!(first, second);
    streams.lock().unwrap().insert("0".to_owned(), mpsc::channel(1).0);
    until("the gateway's own is opened anew", || peer.saw("initialize") == 4).await;
    super::support::ready(&upstreams).await;
}

/// T122
#[tokio::test]
async fn messages_are_sent_nowhere_but_to_the_server_itself() {
    let elsewhere = Peer::start(|_| None).await;
    let address: &'static str = Box::leak(format!("http://{}/messages/", elsewhere.address).into_boxed_str());
    let (peer, _) = old(address).await;
    let upstreams = Upstreams::start(vec![peer.settings()]).unwrap();
    until("it fails", || upstreams.health()[&server("s")].failures > 1).await;
    assert!(elsewhere.journal().is_empty());
}
