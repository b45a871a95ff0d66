//! The modern era: headers against the body, what is offered, and what a disconnect means.

use serde_json::{Value, json};

use crate::mcp::server::Event;

use super::support::{Ask, House};
use crate::mcp::List;

fn call(name: &str) -> Ask {
    Ask::modern("tools/call", &json!({"name": name, "arguments": {"x": 1}}))
}

fn with_token(name: &str) -> Ask {
    Ask::modern("tools/call", &json!({"name": name, "_meta": {"progressToken": "t\n"}}))
}

#[tokio::test]
async fn a_call_is_answered_in_the_words_of_the_era() {
    let house = House::open().await;
    let reply = house.ask(&call("echo")).await;
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(
        reply.body,
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[],"structuredContent":[{"x":1}]}}"#
    );
    let reply = house.ask(&call("none")).await;
    assert_eq!((reply.status, reply.code()), (200, -32602));
    let reply = house.ask(&call("panic")).await;
    assert_eq!((reply.status, reply.code()), (500, -32603));
    assert_eq!(
        house.journal(),
        [r#"call agent echo {"x":1}"#, r#"call agent none {"x":1}"#, r#"call agent panic {"x":1}"#]
    );
}

/// T004
#[tokio::test]
async fn a_header_that_does_not_agree_with_the_body_is_refused() {
    let house = House::open().await;
    let name = |name: &str| call("echo").without("Mcp-Name").with("Mcp-Name", name);
    let method = |method: &str| call("echo").without("Mcp-Method").with("Mcp-Method", method);
    for ask in [
        name("delete"),
        name("Echo"),
        name("=?base64?ZGVsZXRl?="),
        name("=?base64?***?="),
        call("echo").without("Mcp-Name"),
        method("tools/list"),
        method("Tools/Call"),
        call("echo").without("Mcp-Method"),
        call("echo").without("MCP-Protocol-Version"),
        call("echo").without("MCP-Protocol-Version").with("MCP-Protocol-Version", "2025-11-25"),
    ] {
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code(), &reply.json()["id"]), (400, -32020, &json!(1)), "{}", ask.text());
    }
    assert_eq!(house.journal(), Vec::<String>::new());
    for same in ["=?base64?ZWNobw==?=", "  echo \t"] {
        assert_eq!(house.ask(&name(same)).await.status, 200, "{same}");
    }
    let lower = call("echo").without("Mcp-Name").with("mcp-name", "echo");
    assert_eq!(house.ask(&lower).await.status, 200);
}

/// T007
#[tokio::test]
async fn an_unknown_revision_is_named_with_those_that_are_served() {
    let house = House::open().await;
    let old = |ask: Ask| ask.without("MCP-Protocol-Version").with("MCP-Protocol-Version", "2024-01-01");
    let legacy = Ask::legacy("tools/call", &json!({"name": "echo"}));
    let mut both = old(call("echo"));
    both.body = both.body.replace("2026-07-28", "2024-01-01");
    for ask in [old(legacy), both] {
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code()), (400, -32022), "{}", ask.text());
        let data = &reply.json()["error"]["data"];
        assert_eq!(data["requested"], "2024-01-01");
        assert_eq!(data["supported"][0], "2026-07-28");
    }
    let modern_only = House::with(false).await;
    let initialize = Ask::legacy("initialize", &json!({"protocolVersion": "2025-11-25"}));
    assert_eq!(modern_only.ask(&initialize).await.status, 400);
    let named = initialize.with("MCP-Protocol-Version", "2025-11-25");
    assert_eq!(modern_only.ask(&named).await.code(), -32022);
    assert_eq!(house.journal(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_without_what_meta_must_say_is_refused() {
    let house = House::open().await;
    let strip = |member: &str| {
        let ask = call("echo");
        let mut body: Value = serde_json::from_str(&ask.body).unwrap();
        body["params"]["_meta"].as_object_mut().unwrap().remove(&format!("io.modelcontextprotocol/{member}"));
        Ask { body: body.to_string(), ..ask }
    };
    for member in ["protocolVersion", "clientCapabilities"] {
        let reply = house.ask(&strip(member)).await;
        assert_eq!((reply.status, reply.code()), (400, -32602), "{member}");
    }
}

/// T029
#[tokio::test]
async fn a_method_that_is_not_offered_is_not_found() {
    let house = House::open().await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "sampling/createMessage",
        "tasks/list",
        "tasks/result",
    ] {
        let reply = house.ask(&Ask::modern(method, &json!({}))).await;
        assert_eq!((reply.status, reply.code()), (404, -32601), "{method}");
    }
    for method in ["prompts/list", "prompts/get", "resources/read", "completion/complete", "tasks/update"] {
        let reply = house.ask(&Ask::modern(method, &json!({})).to("POST /mcp/fs")).await;
        assert_eq!((reply.status, reply.code()), (404, -32601), "{method}");
    }
    let response = Ask { body: r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.into(), ..call("echo") };
    assert_eq!(house.ask(&response).await.status, 400);
}

/// T018
#[tokio::test]
async fn sessions_and_event_ids_mean_nothing_here() {
    let house = House::open().await;
    let reply = house.ask(&call("echo").with("Mcp-Session-Id", "ses_1").with("Last-Event-ID", "7")).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.head.contains("mcp-session-id"));
}

#[tokio::test]
async fn what_is_offered_is_told_and_lists_are_private() {
    let house = House::open().await;
    let reply = house.ask(&Ask::modern("server/discover", &json!({}))).await;
    let result = &reply.json()["result"];
    assert_eq!(
        result["supportedVersions"],
        json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
    );
    let changes = json!({"listChanged": true});
    let extensions = json!({"io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": {}});
    assert_eq!(
        result["capabilities"],
        json!({
            "tools": changes, "prompts": changes, "resources": {"subscribe": true, "listChanged": true},
            "completions": {}, "logging": {}, "extensions": extensions
        })
    );
    let one = house.ask(&Ask::modern("server/discover", &json!({})).to("POST /mcp/fs")).await;
    assert_eq!(one.json()["result"]["capabilities"], json!({"tools": changes}));
    assert_eq!((&result["cacheScope"], &result["resultType"]), (&json!("private"), &json!("complete")));
    let reply = house.ask(&Ask::modern("tools/list", &json!({"cursor": "next"})).to("POST /mcp/fs")).await;
    let result = &reply.json()["result"];
    assert_eq!(
        (&result["cacheScope"], &result["ttlMs"], &result["nextCursor"]),
        (&json!("private"), &json!(5), &json!("next"))
    );
    assert_eq!(result["tools"][0]["outputSchema"]["type"], "array");
    assert_eq!(house.ask(&Ask::modern("tools/list", &json!({"cursor": 1}))).await.code(), -32602);
}

/// T032
#[tokio::test]
async fn progress_comes_before_the_result_under_the_token_of_the_client() {
    let house = House::open().await;
    let seen = house.send(&with_token("progress").text()).await.until("\"result\"").await;
    let events: Vec<Value> = seen
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(events.len(), 3, "{seen}");
    assert_eq!(events[0]["params"], json!({"progressToken": "t\n", "progress": 1}));
    assert_eq!(events[1]["params"]["progress"], 2);
    assert_eq!(events[2]["result"], json!({"resultType": "complete"}));
    let plain = house.ask(&with_token("progress").without("Accept").with("Accept", "application/json")).await;
    assert_eq!(plain.json()["result"], json!({"resultType": "complete"}));
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call_and_the_call_is_recorded_still() {
    for ask in [call("slow"), with_token("slow")] {
        let house = House::open().await;
        let socket = house.send(&ask.text()).await;
        let line = if ask.body.contains("progressToken") { "call agent slow -" } else { r#"call agent slow {"x":1}"# };
        house.noted(line).await;
        drop(socket);
        house.noted("recorded").await;
        assert_eq!(house.journal()[1..], ["cancelled", "recorded"]);
    }
}

#[tokio::test]
async fn a_call_that_ends_is_not_cancelled() {
    for ask in [call("slow"), with_token("slow")] {
        let house = House::open().await;
        house.fake.go.notify_one();
        house.send(&ask.text()).await.until("complete").await;
        assert_eq!(house.journal()[1..], ["went on", "recorded"]);
    }
}

/// T028
#[tokio::test]
async fn equal_ids_of_two_agents_never_cross() {
    let house = House::open().await;
    let ask = |agent: &str, n: u32| {
        Ask::modern("tools/call", &json!({"name": "echo", "arguments": {"of": agent, "n": n}})).by(agent)
    };
    for round in 0..8 {
        let asks: Vec<_> = (0..12).map(|n| (if n % 2 == 0 { "alice" } else { "bob" }, round * 100 + n)).collect();
        let mut sockets = Vec::new();
        for (agent, n) in &asks {
            sockets.push(house.send(&ask(agent, *n).text()).await);
        }
        for ((agent, n), socket) in asks.iter().zip(sockets) {
            let reply = socket.whole().await;
            assert_eq!(reply.json()["result"]["structuredContent"], json!([{"of": agent, "n": n}]));
        }
    }
}

fn listen() -> Ask {
    Ask::modern(
        "subscriptions/listen",
        &json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true}}),
    )
}

#[tokio::test]
async fn a_listen_is_acknowledged_told_of_changes_and_ended_with_a_result() {
    let house = House::open().await;
    let mut socket = house.send(&listen().text()).await;
    let seen = socket.until("acknowledged").await;
    assert!(
        seen.contains(
            r#""_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"toolsListChanged":true,"promptsListChanged":true}}"#
        ),
        "{seen}"
    );
    house.tell(Event::Changed(List::Tools));
    socket.until("notifications/tools/list_changed").await;
    house.endpoint.close_streams();
    let seen = socket.until("\"result\"").await;
    assert!(
        seen.contains(
            r#""id":1,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":1}}"#
        ),
        "{seen}"
    );
    assert_eq!(house.ask(&listen().without("Accept").with("Accept", "application/json")).await.status, 406);
    assert_eq!(house.ask(&Ask::modern("subscriptions/listen", &json!({}))).await.code(), -32602);
}

/// T013
#[tokio::test]
async fn an_agent_holds_eight_streams_and_no_more() {
    let house = House::open().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut socket = house.send(&listen().text()).await;
        socket.until("acknowledged").await;
        open.push(socket);
    }
    assert_eq!(house.ask(&listen()).await.status, 429);
    house.send(&listen().by("other").text()).await.until("acknowledged").await;
    open.clear();
    let freed = async {
        while house.send(&listen().text()).await.until("HTTP/1.1 ").await.starts_with("HTTP/1.1 429") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), freed).await.unwrap();
}
