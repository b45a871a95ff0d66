//! Every request to modern servers: lists, headers, rounds, tasks, and headers that were refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{
    peer::{Peer, Reply, modern},
    support::{answered, asked, call, call_with, can, code, dispatch, failed, inquiry, server, text, until},
};
use crate::{
    domain::Method,
    mcp::{InputGiven, LogLevel},
    upstream::{CallEnd, Dispatch, FailureKind, errand::Errand},
};

fn everything(seen: &super::peer::Seen) -> Option<Reply> {
    let list =
        |member: &str, items: Value| Some(seen.result(json!({member: items, "ttlMs": 0, "cacheScope": "public"})));
    match seen.method() {
        "server/discover" => Some(seen.result(json!({"supportedVersions": ["2026-07-28"], "capabilities": {
            "tools": {}, "prompts": {"listChanged": false}, "resources": {"subscribe": true}, "completions": {}, "logging": {},
            "extensions": {"io.modelcontextprotocol/tasks": {}, "x/y": {"a": 1.5}},
        }}))),
        "prompts/list" => list("prompts", json!([{"name": "p", "_meta": {"dev.postern/x": 1, "a/b": 1.5}}])),
        "resources/list" => list("resources", json!([{"uri": "a://1", "name": "1"}, {"uri": "a://2", "name": "2"}])),
        "resources/templates/list" => list("resourceTemplates", json!([{"uriTemplate": "a://{x}", "name": "t"}])),
        _ => modern(seen),
    }
}

#[tokio::test]
async fn everything_that_a_server_lists_is_offered_in_its_order_and_bytes() {
    let peer = Peer::start(everything).await;
    let upstreams = peer.upstreams().await;
    let offered = upstreams.offered().remove(&server("s")).unwrap();
    assert_eq!((offered.tools.len(), offered.prompts.len(), offered.templates.len()), (1, 1, 1));
    assert_eq!(offered.prompts[0].get(), r#"{"name":"p","_meta":{"a/b":1.5}}"#);
    assert!(offered.resources[0].get().contains("a://1") && offered.resources[1].get().contains("a://2"));
    assert!(
        offered.has_prompts && offered.has_resources && offered.subscribe && offered.completions && offered.logging
    );
    assert_eq!((offered.version, offered.extensions.len()), ("2026-07-28", 2));
    assert_eq!(offered.extensions[1].1.get(), r#"{"a":1.5}"#);
}

/// T031
#[tokio::test]
async fn a_list_that_fails_hides_no_other() {
    let peer = Peer::start(|seen| match seen.method() {
        "prompts/list" => Some(seen.error(200, -32603)),
        "resources/list" => Some(seen.result(json!({"resources": 7}))),
        "resources/templates/list" => Some(seen.result(json!({"resourceTemplates": [], "nextCursor": "again"}))),
        _ => everything(seen),
    })
    .await;
    let upstreams = peer.upstreams().await;
    let offered = upstreams.offered().remove(&server("s")).unwrap();
    assert_eq!((offered.tools.len(), offered.prompts.len(), offered.resources.len()), (1, 0, 0));
    assert!(peer.saw("resources/templates/list") < 4, "pages without end are no list");
}

#[tokio::test]
async fn every_request_carries_its_name_its_members_and_what_the_client_can_do() {
    let peer = Peer::start(|seen| {
        everything(seen).or_else(|| Some(seen.result(json!({"ok": 1.50, "ttlMs": 9, "resultType": "complete"}))))
    })
    .await;
    let upstreams = peer.upstreams().await;
    let capabilities = can(&json!({"roots": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}));
    let with = || Dispatch { capabilities: capabilities.clone(), log_level: Some(LogLevel::Info), ..dispatch() };
    for (method, name, header, target) in [
        (Method::GetPrompt, "p", Some("p"), "name"),
        (Method::ReadResource, "a://1", Some("a://1"), "uri"),
        (Method::Complete, "p", None, "ref"),
        (Method::GetTask, "t1", Some("t1"), "taskId"),
        (Method::UpdateTask, "t1", Some("t1"), "taskId"),
        (Method::CancelTask, "t1", Some("t1"), "taskId"),
    ] {
        let members = json!({"ref": {"type": "ref/prompt", "name": "p"}, "inputResponses": {"a": 1}});
        let end = upstreams.carry(inquiry(method, name, &members), with()).await;
        let task = matches!(method, Method::GetTask | Method::UpdateTask | Method::CancelTask);
        let CallEnd::Answered { result, ttl_ms, .. } = end else { panic!("{end:?}") };
        assert_eq!(ttl_ms, (!task).then_some(9), "{method:?}");
        assert_eq!(
            String::from_utf8(result.to_vec()).unwrap(),
            if task { r#"{"ok":1.5,"ttlMs":9}"# } else { r#"{"ok":1.5}"# }
        );
        let seen = peer.journal().into_iter().rfind(|seen| seen.method() == method.as_str()).unwrap();
        assert_eq!((seen.header("mcp-name"), seen.header("mcp-method")), (header, Some(method.as_str())));
        assert!(seen.json["params"].get(target).is_some(), "{method:?}");
        assert_eq!(seen.json["params"]["inputResponses"], json!({"a": 1}));
        let meta = &seen.json["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/logLevel"], "info");
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"]["roots"], json!({}));
    }
    let watched = upstreams.carry(inquiry(Method::ReadResource, "a://1", &json!({})), dispatch()).await;
    assert_eq!(answered(watched), json!({"ok": 1.5}));
}

/// T036
#[tokio::test]
async fn a_server_asks_only_what_the_client_said_it_can_be_asked() {
    let peer = Peer::start(|seen| {
        everything(seen).or_else(|| {
            let ask = |requests: Value| {
                seen.result(
                    json!({"resultType": "input_required", "inputRequests": requests, "requestState": "st\u{e9}"}),
                )
            };
            if seen.json["params"]["requestState"] == "st\u{e9}" {
                return Some(seen.say(&seen.json["params"]["inputResponses"].to_string()));
            }
            let form =
                json!({"method": "elicitation/create", "params": {"message": "m", "_meta": {"dev.postern/x": 1}}});
            let many: serde_json::Map<_, _> = (0..1000).map(|n| (n.to_string(), form.clone())).collect();
            Some(match seen.tool() {
                "form" => ask(json!({"a": form})),
                "url" => {
                    ask(json!({"a": {"method": "elicitation/create", "params": {"mode": "url", "url": "https://x"}}}))
                }
                "sample" => ask(json!({"a": form, "b": {"method": "sampling/createMessage"}})),
                "strange" => ask(json!({"a": {"method": "tools/call", "params": {}}})),
                "many" => ask(Value::Object(many)),
                "state" => seen.result(json!({"resultType": "input_required", "requestState": "x".repeat(1 << 20)})),
                _ => seen.result(json!({"resultType": "task", "taskId": "t", "ttlMs": null})),
            })
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    let forms = can(&json!({"elicitation": {}}));
    let with = || Dispatch { capabilities: forms.clone(), ..dispatch() };
    let (method, params, state) = asked(upstreams.send(call("form", "{}"), with()).await);
    assert_eq!(
        (method, params, state.as_str()),
        ("elicitation/create", json!({"message": "m", "_meta": {}}), "st\u{e9}")
    );
    let input = InputGiven { responses: super::support::given("", &json!(1)).unwrap().responses, state: Some(state) };
    let again = upstreams.send(call("form", "{}"), Dispatch { input: Some(input), ..with() }).await;
    assert_eq!(text(again), r#"{"question":1}"#);
    for tool in ["url", "sample"] {
        assert_eq!(failed(upstreams.send(call(tool, "{}"), with()).await), (FailureKind::Unsupported, true), "{tool}");
    }
    for tool in ["strange", "many", "state", "task"] {
        assert_eq!(failed(upstreams.send(call(tool, "{}"), with()).await), (FailureKind::Garbage, true), "{tool}");
    }
    assert_eq!(failed(upstreams.send(call("form", "{}"), dispatch()).await).0, FailureKind::Unsupported);
    let tasks = can(&json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    let end = upstreams.send(call("task", "{}"), Dispatch { capabilities: tasks, ..dispatch() }).await;
    let CallEnd::Task(task) = end else { panic!("{end:?}") };
    assert_eq!(serde_json::from_slice::<Value>(&task).unwrap(), json!({"taskId": "t", "ttlMs": null}));
}

#[tokio::test]
async fn headers_that_were_refused_are_made_anew_from_a_fresh_list_and_tried_once_more() {
    let lists = AtomicUsize::new(0);
    let peer = Peer::start(move |seen| match (seen.method(), seen.header("mcp-param-new")) {
        ("tools/list", _) => {
            let header = if lists.fetch_add(1, Ordering::SeqCst) == 0 { "Old" } else { "New" };
            let schema = json!({"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": header}}});
            Some(seen.result(json!({"tools": [{"name": "echo", "inputSchema": schema}]})))
        }
        ("tools/call", Some("v")) => Some(seen.say("taken")),
        ("tools/call", _) => Some(seen.error(400, -32020)),
        _ => modern(seen),
    })
    .await;
    let upstreams = peer.upstreams().await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "Old"}}});
    assert_eq!(text(upstreams.send(call_with(schema, "echo", r#"{"a":"v"}"#), dispatch()).await), "taken");
    assert_eq!(peer.saw("tools/call"), 2);
}

#[tokio::test]
async fn a_server_that_turned_old_is_greeted_anew() {
    let calls = AtomicUsize::new(0);
    let peer = Peer::start(move |seen| {
        if seen.method() == "tools/call" && calls.fetch_add(1, Ordering::SeqCst) == 0 {
            let error = json!({"code": -32022, "message": "no", "data": {"supported": ["2025-11-25"]}});
            return Some(Reply::json(400, &json!({"jsonrpc": "2.0", "id": seen.json["id"], "error": error})));
        }
        if calls.load(Ordering::SeqCst) == 0 {
            modern(seen)
        } else {
            super::peer::legacy(seen, "x").or_else(|| Some(seen.say("old")))
        }
    })
    .await;
    let upstreams = peer.upstreams().await;
    assert_eq!(code(upstreams.send(call("echo", "{}"), dispatch()).await), -32022);
    until("it is greeted as legacy", || {
        upstreams.health()[&server("s")].version == Some("2025-11-25") && peer.saw("initialize") == 1
    })
    .await;
    super::support::ready(&upstreams).await;
    assert_eq!(text(upstreams.carry(Errand::Call(call("echo", "{}")), dispatch()).await), "old");
}

#[tokio::test]
async fn a_revision_that_was_refused_and_is_spoken_is_asked_for_again() {
    let asked = AtomicUsize::new(0);
    let peer = Peer::start(move |seen| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            let error = json!({"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"]}});
            return Some(Reply::json(400, &json!({"jsonrpc": "2.0", "id": seen.json["id"], "error": error})));
        }
        modern(seen)
    })
    .await;
    peer.upstreams().await;
    assert_eq!((peer.saw("server/discover"), peer.saw("initialize")), (2, 0));
}
