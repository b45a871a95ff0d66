//! Watches over resources and tasks, on servers of both eras.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use super::{
    peer::{Peer, Reply, event, legacy, modern},
    support::{Nursery, call, dispatch, server, text, until},
};
use crate::{
    mcp::client::Topic,
    upstream::{FailureKind, Upstreams, Watch},
};

fn resource(uri: &str) -> Topic {
    Topic::Resource(uri.to_owned())
}

async fn watch(upstreams: &Upstreams, topic: Topic) -> Result<Watch, FailureKind> {
    upstreams.follow(&server("s"), topic).await
}

async fn news(watch: &mut Watch) -> Value {
    let params = timeout(Duration::from_secs(10), watch.news.recv()).await.unwrap().unwrap();
    serde_json::from_slice(&params).unwrap()
}

type Streams = Arc<Mutex<Vec<(Value, Value, mpsc::Sender<Bytes>)>>>;

/// A modern server that tells of everything but `a://refused`, and of `a://once` on no stream but its first.
async fn telling() -> (Peer, Streams, Upstreams) {
    let streams = Streams::default();
    let kept = streams.clone();
    let peer = Peer::start(move |seen| match seen.method() {
        "server/discover" => Some(seen.result(json!({"supportedVersions": ["2026-07-28"], "capabilities": {
            "tools": {"listChanged": true}, "resources": {"subscribe": true}}}))),
        "subscriptions/listen" => {
            let (reply, sender) = Reply::open();
            let wanted = seen.json["params"]["notifications"].clone();
            let mut told = wanted.clone();
            if let Some(uris) = told["resourceSubscriptions"].as_array_mut() {
                let again = kept.lock().unwrap().iter().any(|(_, wanted, _)| wanted.to_string().contains("a://once"));
                uris.retain(|uri| uri != "a://refused" && !(again && uri == "a://once"));
            }
            let params =
                json!({"notifications": told, "_meta": {"io.modelcontextprotocol/subscriptionId": seen.json["id"]}});
            let first =
                json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params});
            sender.try_send(event(&first)).unwrap();
            kept.lock().unwrap().push((seen.json["id"].clone(), wanted, sender));
            Some(reply)
        }
        "resources/list" => Some(seen.result(json!({"resources": []}))),
        "resources/templates/list" => Some(seen.result(json!({"resourceTemplates": []}))),
        _ => modern(seen),
    })
    .await;
    let upstreams = peer.upstreams().await;
    (peer, streams, upstreams)
}

fn tell(streams: &Streams, method: &str, mut params: Value) {
    let (id, _, sender) = streams.lock().unwrap().last().cloned().unwrap();
    params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": id});
    sender.try_send(event(&json!({"jsonrpc": "2.0", "method": method, "params": params}))).unwrap();
}

#[tokio::test]
async fn one_stream_of_a_modern_server_holds_all_that_is_watched() {
    let (_peer, streams, upstreams) = telling().await;
    let mut one = watch(&upstreams, resource("a://1")).await.unwrap();
    let mut same = watch(&upstreams, resource("a://1")).await.unwrap();
    let mut task = watch(&upstreams, Topic::Task("t".to_owned())).await.unwrap();
    let newest = streams.lock().unwrap().last().cloned().unwrap();
    assert_eq!(newest.1, json!({"toolsListChanged": true, "resourceSubscriptions": ["a://1"], "taskIds": ["t"]}));
    until("older streams are closed", || {
        let streams = streams.lock().unwrap();
        streams.iter().filter(|(.., sender)| !sender.is_closed()).count() == 1
    })
    .await;
    tell(&streams, "notifications/resources/updated", json!({"uri": "a://1", "title": 1.5}));
    tell(&streams, "notifications/tasks", json!({"taskId": "t", "status": "working"}));
    assert_eq!(news(&mut one).await, json!({"uri": "a://1", "title": 1.5}));
    assert_eq!(news(&mut same).await, json!({"uri": "a://1", "title": 1.5}));
    assert_eq!(news(&mut task).await, json!({"taskId": "t", "status": "working"}));
    assert_eq!(watch(&upstreams, resource("a://refused")).await.unwrap_err(), FailureKind::Unsupported);
    drop((one, task));
    until("only what is still watched is left", || {
        streams.lock().unwrap().last().unwrap().1
            == json!({"toolsListChanged": true, "resourceSubscriptions": ["a://1"]})
    })
    .await;
    drop(same);
    until("nothing is left", || streams.lock().unwrap().last().unwrap().1 == json!({"toolsListChanged": true})).await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_again_for_all_that_is_watched() {
    let (_peer, streams, upstreams) = telling().await;
    let mut one = watch(&upstreams, resource("a://1")).await.unwrap();
    let before = streams.lock().unwrap().len();
    streams.lock().unwrap().clear();
    until("it is opened again", || !streams.lock().unwrap().is_empty()).await;
    assert!(before > 0);
    tell(&streams, "notifications/resources/updated", json!({"uri": "a://1/within"}));
    assert_eq!(news(&mut one).await, json!({"uri": "a://1/within"}));
}

#[tokio::test]
async fn a_watch_ends_when_its_server_agrees_to_it_no_more() {
    let (_peer, streams, upstreams) = telling().await;
    let mut one = watch(&upstreams, resource("a://once")).await.unwrap();
    let mut other = watch(&upstreams, resource("a://1")).await.unwrap();
    let end = timeout(Duration::from_secs(10), one.news.recv()).await.expect("the watch goes on");
    assert_eq!(end, None);
    tell(&streams, "notifications/resources/updated", json!({"uri": "a://1"}));
    assert_eq!(news(&mut other).await, json!({"uri": "a://1"}));
}

#[tokio::test]
async fn a_legacy_server_is_subscribed_to_once_for_each_resource_and_no_longer_than_watched() {
    let stream = Arc::new(Mutex::new(None));
    let kept = stream.clone();
    let peer = Peer::start(move |seen| match (seen.method(), &seen.verb) {
        ("initialize", _) => Some(seen.result(
            json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "resources": {"subscribe": true}}}),
        )),
        ("resources/list", _) => Some(seen.result(json!({"resources": []}))),
        ("resources/templates/list", _) => Some(seen.result(json!({"resourceTemplates": []}))),
        ("resources/subscribe", _) if seen.json["params"]["uri"] == "a://refused" => Some(seen.error(200, -32002)),
        ("resources/subscribe" | "resources/unsubscribe", _) => Some(seen.result(json!({}))),
        (_, &Method::GET) => {
            let (reply, sender) = Reply::open();
            *kept.lock().unwrap() = Some(sender);
            Some(reply)
        }
        _ => legacy(seen, "x"),
    })
    .await;
    let upstreams = peer.upstreams().await;
    let mut one = watch(&upstreams, resource("a://1")).await.unwrap();
    let same = watch(&upstreams, resource("a://1")).await.unwrap();
    assert_eq!(peer.saw("resources/subscribe"), 1);
    assert_eq!(watch(&upstreams, resource("a://refused")).await.unwrap_err(), FailureKind::Unsupported);
    assert_eq!(watch(&upstreams, Topic::Task("t".to_owned())).await.unwrap_err(), FailureKind::Unsupported);
    until("the stream stands", || stream.lock().unwrap().is_some()).await;
    let sender: mpsc::Sender<Bytes> = stream.lock().unwrap().clone().unwrap();
    let update = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a://1"}});
    sender.try_send(event(&update)).unwrap();
    assert_eq!(news(&mut one).await, json!({"uri": "a://1"}));
    drop(one);
    drop(same);
    until("it is unsubscribed", || peer.saw("resources/unsubscribe") == 1).await;
}

#[tokio::test]
async fn a_child_of_either_era_tells_and_is_asked_again_after_a_restart() {
    for mode in ["modern resources", "legacy resources"] {
        let nursery = Nursery::new();
        let upstreams = nursery.start(mode).await;
        let mut one = watch(&upstreams, resource("a://1")).await.unwrap();
        let update = || call("update", r#"{"uri":"a://1"}"#);
        assert_eq!(text(upstreams.send(update(), dispatch()).await), "told");
        assert_eq!(news(&mut one).await, json!({"uri": "a://1", "title": 1.5}), "{mode}");
        let _ = upstreams.send(call("crash", "{}"), dispatch()).await;
        let asked = || {
            let lines = nursery.journal();
            lines.iter().filter(|line| line.contains("a://1") && !line.contains("unsubscribe")).count()
        };
        until("it is asked again", || asked() == 2).await;
        super::support::ready(&upstreams).await;
        until("it takes calls", || upstreams.health().values().all(|health| health.failures == 1)).await;
        assert_eq!(text(upstreams.send(update(), dispatch()).await), "told");
        assert_eq!(news(&mut one).await, json!({"uri": "a://1", "title": 1.5}), "{mode}");
        drop(one);
    }
}
