//! Legacy HTTP servers that ask during a call: the call becomes rounds.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    peer::{Peer, Reply, Seen, event, legacy},
    support::{answered, asked, call, can, code, dispatch, failed, given, principal, progress, text, until},
};
use crate::{
    mcp::{LogLevel, Notice},
    upstream::{CallEnd, Dispatch, FailureKind, Upstreams},
};

type Streams = Arc<Mutex<Vec<(Value, mpsc::Sender<Bytes>)>>>;

/// A server whose calls ask for a form and answer with what was said to it.
async fn asking(params: Value) -> (Peer, Streams, Upstreams) {
    let streams = Streams::default();
    let kept = streams.clone();
    let peer = Peer::start(move |seen| {
        legacy(seen, "x").or_else(|| {
            if seen.method() == "tools/call" {
                let (reply, sender) = Reply::open();
                let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params});
                sender.try_send(event(&ask)).unwrap();
                kept.lock().unwrap().push((seen.json["id"].clone(), sender));
                return Some(reply);
            }
            if seen.json["id"] == "q" {
                let (id, sender) = kept.lock().unwrap().last().cloned().unwrap();
                let said = json!({"content": [{"type": "text", "text": seen.json["result"].to_string()}]});
                let _ = sender.try_send(event(&json!({"jsonrpc": "2.0", "id": id, "result": said})));
            }
            Some(Reply::empty(202))
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    (peer, streams, upstreams)
}

fn forms() -> Dispatch {
    Dispatch { principal: principal("a"), capabilities: can(&json!({"elicitation": {}})), ..dispatch() }
}

fn answers(peer: &Peer) -> Vec<Seen> {
    peer.journal().into_iter().filter(|seen| seen.json["id"] == "q").collect()
}

#[tokio::test]
async fn a_question_ends_the_round_and_its_answer_goes_on_with_the_call() {
    let (peer, _, upstreams) = asking(json!({"message": "m", "requestedSchema": {"x": 1.5}, "_meta": {"y": 1}})).await;
    let (method, params, state) = asked(upstreams.send(call("echo", "{}"), forms()).await);
    assert_eq!((method, params), ("elicitation/create", json!({"message": "m", "requestedSchema": {"x": 1.5}})));
    assert_eq!(state.len(), 32);
    let answer = json!({"action": "accept", "content": {"n": 1}});
    let end = upstreams.send(call("echo", "{}"), Dispatch { input: given(&state, &answer), ..forms() }).await;
    assert_eq!(text(end), answer.to_string());
    assert_eq!((peer.saw("tools/call"), peer.saw("notifications/cancelled")), (1, 0));
    assert_eq!(answers(&peer)[0].header("mcp-session-id"), Some("x"));
    // T035: the state is used up.
    assert_eq!(
        code(upstreams.send(call("echo", "{}"), Dispatch { input: given(&state, &answer), ..forms() }).await),
        -32602
    );
}

/// T034, T035
#[tokio::test]
async fn a_state_is_of_its_caller_and_its_request_alone() {
    let (peer, _, upstreams) = asking(json!({"message": "m"})).await;
    let (.., state) = asked(upstreams.send(call("echo", "{}"), forms()).await);
    let answer = || given(&state, &json!({"action": "accept"}));
    let other = Dispatch { principal: principal("b"), input: answer(), ..forms() };
    assert_eq!(code(upstreams.send(call("echo", "{}"), other).await), -32602);
    for (tool, arguments) in [("echo", r#"{"a":1}"#), ("other", "{}")] {
        let changed = Dispatch { input: answer(), ..forms() };
        assert_eq!(code(upstreams.send(call(tool, arguments), changed).await), -32602);
    }
    assert!(answers(&peer).is_empty());
    let end = upstreams.send(call("echo", "{}"), Dispatch { input: answer(), ..forms() }).await;
    assert!(matches!(end, CallEnd::Answered { .. }), "its own caller is not hindered");
}

#[tokio::test]
async fn what_was_not_answered_is_asked_again_under_another_state() {
    let (peer, _, upstreams) = asking(json!({"message": "m"})).await;
    let (.., state) = asked(upstreams.send(call("echo", "{}"), forms()).await);
    let nothing = given(&state, &json!("no object"));
    let (.., next) = asked(upstreams.send(call("echo", "{}"), Dispatch { input: nothing, ..forms() }).await);
    assert_ne!(state, next);
    assert!(answers(&peer).is_empty());
    let end = upstreams.send(call("echo", "{}"), Dispatch { input: given(&next, &json!({})), ..forms() }).await;
    assert_eq!(text(end), "{}");
}

/// T036
#[tokio::test]
async fn what_the_client_cannot_be_asked_is_refused_to_the_server_at_once() {
    let (peer, streams, upstreams) = asking(json!({"mode": "url", "url": "https://x", "elicitationId": "e"})).await;
    let hanging = upstreams.send(call("echo", "{}"), forms());
    let finishing = async {
        until("it is refused", || answers(&peer).len() == 1).await;
        let (id, sender) = streams.lock().unwrap().last().cloned().unwrap();
        let _ = sender.try_send(event(&json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}})));
    };
    let (_, ()) = tokio::join!(hanging, finishing);
    assert_eq!(answers(&peer)[0].json["error"]["code"], -32601);
    let urls = Dispatch { capabilities: can(&json!({"elicitation": {"url": {}}})), ..forms() };
    let (_, params, _) = asked(upstreams.send(call("echo", "{}"), urls).await);
    assert_eq!(params, json!({"mode": "url", "url": "https://x"}), "the modern era knows no id of an elicitation");
}

#[tokio::test]
async fn a_call_that_is_given_up_between_rounds_is_ended_at_the_server() {
    let (peer, streams, upstreams) = asking(json!({"message": "m"})).await;
    let (.., state) = asked(upstreams.send(call("echo", "{}"), forms()).await);
    upstreams.stop().await;
    until("the server is told", || peer.saw("notifications/cancelled") == 1 && answers(&peer).len() == 1).await;
    assert!(answers(&peer)[0].json["error"]["code"].is_i64());
    until("the stream is closed", || streams.lock().unwrap().iter().all(|(_, sender)| sender.is_closed())).await;
    assert_eq!(
        code(upstreams.send(call("echo", "{}"), Dispatch { input: given(&state, &json!({})), ..forms() }).await),
        -32602
    );
}

#[tokio::test]
async fn waiting_calls_are_bounded_and_the_others_go_on() {
    let (peer, _, upstreams) = asking(json!({"message": "m"})).await;
    for _ in 0..16 {
        let _ = asked(upstreams.send(call("echo", "{}"), forms()).await);
    }
    assert_eq!(failed(upstreams.send(call("echo", "{}"), forms()).await), (FailureKind::Busy, true));
    until("the server is told", || answers(&peer).len() == 1).await;
    let other = Dispatch { principal: principal("b"), ..forms() };
    let _ = asked(upstreams.send(call("echo", "{}"), other).await);
}

#[tokio::test]
async fn sessions_declare_what_the_client_can_do_and_the_gateways_own_declares_all() {
    let (peer, _, upstreams) = asking(json!({"message": "m"})).await;
    let _ = asked(upstreams.send(call("echo", "{}"), forms()).await);
    let _ = asked(upstreams.send(call("other", "{}"), forms()).await);
    let declared: Vec<_> = peer
        .journal()
        .into_iter()
        .filter(|seen| seen.method() == "initialize")
        .map(|seen| seen.json["params"]["capabilities"].clone())
        .collect();
    assert_eq!(declared.len(), 2, "one session for what is the same");
    assert_eq!(declared[0]["elicitation"], json!({"form": {}, "url": {}}));
    assert_eq!(declared[0]["roots"], json!({"listChanged": true}));
    assert_eq!(declared[1], json!({"elicitation": {}}));
}

#[tokio::test]
async fn a_page_that_has_to_be_visited_first_is_a_question_too() {
    let peer = Peer::start(|seen| {
        legacy(seen, "x").or_else(|| {
            let visit = json!({"mode": "url", "url": "https://x", "message": "m", "elicitationId": "e"});
            let data = json!({"elicitations": [visit, visit]});
            let error = json!({"code": -32042, "message": "visit", "data": data});
            Some(Reply::json(200, &json!({"jsonrpc": "2.0", "id": seen.json["id"], "error": error})))
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let urls = Dispatch { capabilities: can(&json!({"elicitation": {"url": {}}})), ..forms() };
    let CallEnd::InputRequired(required) = upstreams.send(call("echo", "{}"), urls).await else { panic!() };
    assert_eq!((required.requests.len(), required.state), (2, None));
    let params: Value = serde_json::from_str(required.requests[1].params.as_ref().unwrap().get()).unwrap();
    assert_eq!(params, json!({"mode": "url", "url": "https://x", "message": "m"}));
    assert_eq!(failed(upstreams.send(call("echo", "{}"), forms()).await).0, FailureKind::Unsupported);
}

#[tokio::test]
async fn log_messages_come_at_the_level_that_was_asked_for_and_never_unasked() {
    let peer = Peer::start(|seen| {
        let mut says = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "logging": {}}});
        match seen.method() {
            "initialize" => Some(seen.result(says.take())),
            "logging/setLevel" => Some(seen.result(json!({}))),
            "tools/call" => {
                let log = |level: &str| json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": 1.5, "_meta": {}}});
                let end = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"content": []}});
                Some(seen.stream(&[log("debug"), log("info"), log("error"), end]))
            }
            _ => legacy(seen, "x"),
        }
    })
    .await;
    let upstreams = peer.upstreams().await;
    for (level, told) in
        [(None, vec![]), (Some(LogLevel::Info), vec!["info", "error"]), (Some(LogLevel::Error), vec!["error"])]
    {
        let (sender, mut notices) = progress();
        let with = Dispatch { notices: Some(sender), log_level: level, ..forms() };
        let _ = answered(upstreams.send(call("echo", "{}"), with).await);
        let mut levels = Vec::new();
        while let Some(notice) = notices.recv().await {
            let Notice::Log(level, params) = notice else { panic!() };
            assert_eq!(
                serde_json::from_slice::<Value>(&params).unwrap(),
                json!({"level": level.as_str(), "data": 1.5})
            );
            levels.push(level.as_str());
        }
        assert_eq!(levels, told);
    }
    let set: Vec<_> = peer.journal().into_iter().filter(|seen| seen.method() == "logging/setLevel").collect();
    assert_eq!(set.iter().map(|seen| &seen.json["params"]["level"]).collect::<Vec<_>>(), ["info"], "once");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_taken_up_where_it_was_and_the_call_is_not_repeated() {
    let pending = Arc::new(Mutex::new(Value::Null));
    let kept = pending.clone();
    let peer = Peer::start(move |seen| {
        if seen.verb == Method::GET {
            let (reply, sender) = Reply::open();
            let id = kept.lock().unwrap().clone();
            let event = match seen.header("last-event-id") {
                Some("e1") => "id: e2\nretry: 30\ndata:\n\n".to_owned(),
                Some("e2") => {
                    let end =
                        json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "late"}]}});
                    format!("id: e3\ndata: {end}\n\n")
                }
                _ => return Some(Reply::empty(405)),
            };
            sender.try_send(event.into()).unwrap();
            return Some(reply);
        }
        legacy(seen, "x").or_else(|| {
            *kept.lock().unwrap() = seen.json["id"].clone();
            let (reply, sender) = Reply::open();
            sender.try_send("id: e1\nretry: 300\ndata:\n\n".into()).unwrap();
            Some(reply)
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let begun = std::time::Instant::now();
    assert_eq!(text(upstreams.send(call("echo", "{}"), forms()).await), "late");
    assert!(begun.elapsed() >= std::time::Duration::from_millis(330), "the server's pauses are kept");
    assert_eq!(peer.saw("tools/call"), 1, "T127");
    let resumed: Vec<_> = peer.journal().into_iter().filter(|seen| seen.header("last-event-id").is_some()).collect();
    assert_eq!(resumed.len(), 2);
    assert_eq!(resumed[0].header("mcp-session-id"), Some("x"));
}

#[tokio::test]
async fn what_a_server_asks_on_the_standing_stream_belongs_to_the_one_call_of_the_session() {
    let (standing, calls) = (Arc::new(Mutex::new(None)), Streams::default());
    let (kept, begun) = (standing.clone(), calls.clone());
    let peer = Peer::start(move |seen| {
        if seen.verb == Method::GET {
            let (reply, sender) = Reply::open();
            *kept.lock().unwrap() = Some(sender);
            return Some(reply);
        }
        legacy(seen, "x").or_else(|| {
            if seen.method() == "tools/call" {
                let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"});
                let standing: mpsc::Sender<Bytes> = kept.lock().unwrap().clone().unwrap();
                standing.try_send(event(&ask)).unwrap();
                // The head of the answer comes only after the roots.
                begun.lock().unwrap().push((seen.json["id"].clone(), standing));
                return None;
            }
            Some(Reply::empty(202))
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let able = || Dispatch { capabilities: can(&json!({"roots": {}})), ..forms() };
    let (method, params, state) = asked(upstreams.send(call("echo", "{}"), able()).await);
    assert_eq!((method, params), ("roots/list", Value::Null));

    // Another call in flight: now it is not known whom to ask.
    let stop = able();
    let cancelled = stop.cancelled.clone();
    let other = upstreams.send(call("other", "{}"), stop);
    let refusing = async {
        until("it is refused", || answers(&peer).len() == 1).await;
        cancelled.cancel();
    };
    tokio::join!(async { drop(other.await) }, refusing);
    assert!(answers(&peer)[0].json["error"]["message"].as_str().unwrap().contains("several calls"));

    let roots = json!({"roots": [{"uri": "file:///a"}]});
    let soon = tokio::time::Instant::now() + std::time::Duration::from_millis(300);
    let next = Dispatch { input: given(&state, &roots), deadline: soon, ..able() };
    assert!(matches!(upstreams.send(call("echo", "{}"), next).await, CallEnd::TimedOut));
    until("the roots arrive", || answers(&peer).iter().any(|seen| seen.json["result"] == roots)).await;
}
