//! Modern clients: headers, cancellation, listening.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use super::script::{End, Play, Reply, event};

fn request(id: Value, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 5,
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[tokio::test]
async fn headers_say_what_the_body_says_and_the_body_arrives_as_it_was_written() {
    let mut play = Play::start(|seen| seen.result(json!({"n": 1}))).await;
    let said = [
        request(json!(1), "tools/call", json!({"name": "naïve tool", "arguments": {"b": 1, "a": 1.50}})),
        request(json!("two"), "prompts/get", json!({"name": "p"})),
        request(json!(3), "resources/read", json!({"uri": "file:///a b"})),
        request(json!(4), "tasks/get", json!({"taskId": "t-1"})),
        request(json!(5), "server/discover", json!({})),
    ];
    for message in &said {
        let answer = play.ask(message.clone()).await;
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": message["id"], "result": {"n": 1}}));
    }
    let seen = play.seen();
    let names: Vec<_> = seen.iter().map(|seen| seen.header("mcp-name")).collect();
    assert_eq!(names, [Some("=?base64?bmHDr3ZlIHRvb2w=?="), Some("p"), Some("file:///a b"), Some("t-1"), None]);
    for (seen, message) in seen.iter().zip(&said) {
        assert_eq!(seen.json, *message);
        assert_eq!(seen.header("mcp-method"), message["method"].as_str());
        assert_eq!(seen.header("mcp-protocol-version"), Some("2026-07-28"));
        assert_eq!(seen.header("authorization"), Some("Bearer pst_k"));
        assert_eq!(seen.header("mcp-session-id"), None);
        assert_eq!(seen.path, "/mcp");
    }
}

fn tools() -> Value {
    json!({"tools": [
        {"name": "plain", "inputSchema": {"type": "object"}},
        {"name": "region", "inputSchema": {"type": "object", "properties": {"where": {"type": "string", "x-mcp-header": "Region"}}}},
    ]})
}

#[tokio::test]
async fn headers_that_a_tool_wants_are_learned_from_the_lists_that_pass_by() {
    let mut play =
        Play::start(|seen| seen.result(if seen.method() == "tools/list" { tools() } else { json!({}) })).await;
    play.ask(request(json!(1), "tools/list", json!({}))).await;
    play.ask(request(json!(2), "tools/call", json!({"name": "region", "arguments": {"where": "über"}}))).await;
    play.ask(request(json!(3), "tools/call", json!({"name": "region", "arguments": {"where": null}}))).await;
    let calls = play.seen_of("tools/call");
    assert_eq!(calls[0].header("mcp-param-region"), Some("=?base64?w7xiZXI=?="));
    assert_eq!(calls[1].header("mcp-param-region"), None);
}

#[tokio::test]
async fn a_call_refused_for_its_headers_is_sent_once_more_after_a_list_and_not_twice() {
    let mut play = Play::start(|seen| match seen.method() {
        "tools/list" if seen.json["params"]["cursor"] == "more" => seen.result(tools()),
        "tools/list" => seen.result(json!({"tools": [], "nextCursor": "more"})),
        _ if seen.header("mcp-param-region") == Some("eu") => seen.result(json!({})),
        _ => seen.error(400, -32020),
    })
    .await;
    let call =
        |id: i64, name: &str| request(json!(id), "tools/call", json!({"name": name, "arguments": {"where": "eu"}}));
    assert_eq!(play.ask(call(1, "region")).await["result"], json!({}));
    assert_eq!(play.ask(call(2, "region")).await["result"], json!({}));
    assert_eq!((play.seen_of("tools/list").len(), play.seen_of("tools/call").len()), (2, 3));
    let list = &play.seen_of("tools/list")[0];
    assert_eq!(list.json["params"]["_meta"].get("progressToken"), None, "the token belongs to the call");
    assert_eq!(play.ask(call(3, "plain")).await["error"]["code"], -32020);
    assert_eq!(play.seen_of("tools/call").len(), 4);
}

#[tokio::test]
async fn answers_come_in_any_order_and_what_comes_before_them_is_written() {
    let mut play = Play::start(|seen| {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
        let answer = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {}});
        let reply = Reply::events(&(event(&progress) + ": still here\n\n" + &event(&answer)), End::Never);
        if seen.json["id"] == 1 { reply.after(Duration::from_millis(200)) } else { reply }
    })
    .await;
    play.say(request(json!(1), "tools/call", json!({"name": "slow"}))).await;
    play.say(request(json!(2), "tools/call", json!({"name": "quick"}))).await;
    assert_eq!(play.hear().await["method"], "notifications/progress");
    assert_eq!(play.hear().await["id"], 2);
    assert_eq!(play.hear().await["method"], "notifications/progress");
    assert_eq!(play.hear().await["id"], 1);
}

#[tokio::test]
async fn a_cancelled_request_has_its_stream_closed_and_no_answer() {
    let mut play = Play::start(|seen| match seen.json["params"]["name"].as_str() {
        Some("slow") => seen.result(json!({})).after(Duration::from_secs(60)),
        Some("endless") => Reply::events(": begun\n\n", End::Never),
        _ => seen.result(json!({})),
    })
    .await;
    for name in ["slow", "endless"] {
        play.say(request(json!("a"), "tools/call", json!({"name": name}))).await;
        play.until(|play| play.seen().iter().any(|seen| seen.json["params"]["name"] == name)).await;
        play.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}})).await;
        play.silent().await;
    }
    play.until(|play| play.closed() == 1).await;
    assert_eq!(play.ask(request(json!("a"), "tools/call", json!({"name": "next"}))).await["result"], json!({}));
    assert!(play.seen_of("notifications/cancelled").is_empty(), "closing the stream is the cancellation");
}

#[tokio::test]
async fn a_listening_outlives_a_gateway_that_restarts_and_ends_when_the_key_does() {
    let times = AtomicUsize::new(0);
    let mut play = Play::start(move |seen| {
        let meta = json!({"io.modelcontextprotocol/subscriptionId": "l"});
        let told = |method: &str, granted: Value| json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": meta, "notifications": granted}});
        let acknowledged = told("notifications/subscriptions/acknowledged", json!({"toolsListChanged": true}));
        let over = json!({"jsonrpc": "2.0", "id": "l", "result": {"resultType": "complete"}});
        match times.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::events(&(event(&acknowledged) + &event(&over)), End::Proper),
            1 => Reply::empty(503),
            2 => Reply::events(&event(&acknowledged), End::Torn),
            _ => seen.error(401, -32600),
        }
    })
    .await;
    play.say(request(json!("l"), "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))).await;
    assert_eq!(play.hear().await["method"], "notifications/subscriptions/acknowledged");
    let changed = play.hear().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "l");
    let ended = play.hear().await;
    assert_eq!((&ended["id"], &ended["error"]["code"]), (&json!("l"), &json!(-32600)));
    assert_eq!(play.seen().len(), 4);
}
