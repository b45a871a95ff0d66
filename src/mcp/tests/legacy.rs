//! The legacy era: sessions that belong to one agent, and what a disconnect does not mean.

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::domain::limits::SESSION_IDLE;

use crate::mcp::server::Event;

use super::support::{Ask, House};
use crate::mcp::List;

fn echo() -> Ask {
    Ask::legacy("tools/call", &json!({"name": "echo", "arguments": {"x": 1}}))
}

#[tokio::test]
async fn initialize_agrees_on_a_revision_and_opens_a_session() {
    let house = House::open().await;
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2030-01-01", "2025-11-25"),
    ] {
        let reply = house.ask(&Ask::legacy("initialize", &json!({"protocolVersion": asked}))).await;
        assert_eq!(reply.json()["result"]["protocolVersion"], agreed);
        assert_eq!(reply.header("mcp-session-id").unwrap().len(), 36);
    }
    assert_eq!(house.ask(&Ask::legacy("initialize", &json!({}))).await.code(), -32602);
    let odd = json!({"protocolVersion": "2025-11-25", "capabilities": []});
    assert_eq!(house.ask(&Ask::legacy("initialize", &odd)).await.code(), -32602);
    let reply = house.ask(&Ask::legacy("initialize", &json!({"protocolVersion": "2025-11-25"}))).await;
    let changes = json!({"listChanged": true});
    assert_eq!(
        reply.json()["result"]["capabilities"],
        json!({
            "tools": changes, "prompts": changes, "resources": {"subscribe": true, "listChanged": true},
            "completions": {}, "logging": {}, "extensions": {"io.modelcontextprotocol/ui": {}}
        })
    );
}

#[tokio::test]
async fn a_session_lists_calls_pings_and_ends() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let ready = Ask::post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).in_session(&session);
    let reply = house.ask(&ready.with("MCP-Protocol-Version", "2025-11-25")).await;
    assert_eq!((reply.status, reply.body.as_str()), (202, ""));
    let reply = house.ask(&Ask::legacy("ping", &json!({})).in_session(&session)).await;
    assert_eq!(reply.body, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let list = house.ask(&Ask::legacy("tools/list", &json!({})).in_session(&session)).await.json();
    assert_eq!(
        list["result"],
        json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}], "nextCursor": "next"})
    );
    // An array is no structured content to a legacy client, and it knows no type of results.
    let told = json!({"content": [{"type": "text", "text": "[{\"x\":1}]"}]});
    assert_eq!(house.ask(&echo().in_session(&session)).await.json()["result"], told);
    for method in ["server/discover", "subscriptions/listen", "tasks/get", "unknown"] {
        let reply = house.ask(&Ask::legacy(method, &json!({})).in_session(&session)).await;
        assert_eq!((reply.status, reply.code()), (200, -32601), "{method}");
    }
    let mut end = Ask::post("").to("DELETE /mcp").in_session(&session);
    end.body.clear();
    assert_eq!(house.ask(&end).await.status, 204);
    assert_eq!(house.ask(&end).await.status, 404);
    assert_eq!(house.ask(&echo().in_session(&session)).await.status, 404);
}

/// T033
#[tokio::test]
async fn a_session_of_somebody_else_does_not_exist() {
    let house = House::open().await;
    let session = house.session("alice", "2025-11-25").await;
    let other = house.session("alice", "2025-11-25").await;
    assert_ne!(session, other);
    let stolen = house.ask(&echo().by("bob").in_session(&session)).await;
    let unknown = house.ask(&echo().by("bob").in_session("ses_00000000000000000000000000000000")).await;
    let malformed = house.ask(&echo().by("bob").in_session("x")).await;
    assert_eq!((stolen.status, &stolen.body), (404, &unknown.body));
    assert_eq!((malformed.status, &malformed.body), (404, &unknown.body));
    assert_eq!(house.ask(&echo().by("alice").in_session(&session).to("POST /mcp/fs")).await.status, 404);
    assert_eq!(house.ask(&echo().by("alice")).await.status, 400);
    assert_eq!(house.journal(), Vec::<String>::new());
    let mut stream = Ask::post("").to("GET /mcp").by("bob").in_session(&session);
    assert_eq!(house.ask(&stream).await.status, 404);
    stream = stream.to("DELETE /mcp");
    assert_eq!(house.ask(&stream).await.status, 404);
    assert_eq!(house.ask(&echo().by("alice").in_session(&session)).await.status, 200);
}

/// T007
#[tokio::test]
async fn the_headers_of_the_modern_era_mean_nothing_and_the_revision_must_be_the_agreed_one() {
    let house = House::open().await;
    let session = house.session("agent", "2025-06-18").await;
    let named = |version: &str| echo().in_session(&session).with("MCP-Protocol-Version", version);
    assert_eq!(house.ask(&named("2025-06-18").with("Mcp-Name", "delete")).await.status, 200);
    assert_eq!(house.journal(), [r#"call agent echo {"x":1}"#]);
    assert_eq!(house.ask(&named("2025-11-25")).await.status, 400);
    assert_eq!(house.ask(&named("2024-01-01")).await.code(), -32022);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_cancel_and_its_word_does() {
    for token in [false, true] {
        let house = House::open().await;
        let session = house.session("agent", "2025-11-25").await;
        let meta = if token { json!({"progressToken": 1}) } else { json!({}) };
        let slow = Ask::legacy("tools/call", &json!({"name": "slow", "_meta": meta})).in_session(&session);
        let socket = house.send(&slow.text()).await;
        house.noted("call agent slow -").await;
        drop(socket);
        // The server has seen the end of that connection when it has answered on a later one.
        assert_eq!(house.ask(&Ask::legacy("ping", &json!({})).in_session(&session)).await.status, 200);
        assert_eq!(house.journal().len(), 1);
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(house.ask(&Ask::post(cancel.replace(":1}", ":2}")).in_session(&session)).await.status, 202);
        assert_eq!(house.journal().len(), 1);
        assert_eq!(house.ask(&Ask::post(cancel).in_session(&session)).await.status, 202);
        house.noted("recorded").await;
        assert_eq!(house.journal()[1..], ["cancelled", "recorded"]);
    }
}

/// T028
#[tokio::test]
async fn an_id_that_is_in_flight_is_not_taken_twice() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let slow = Ask::legacy("tools/call", &json!({"name": "slow"})).in_session(&session);
    let socket = house.send(&slow.text()).await;
    house.noted("call agent slow -").await;
    assert_eq!(house.ask(&slow).await.code(), -32600);
    house.fake.go.notify_one();
    assert_eq!(socket.whole().await.status, 200);
    house.fake.go.notify_one();
    assert_eq!(house.ask(&slow).await.status, 200);
}

#[tokio::test]
async fn the_standing_stream_tells_of_changes_and_ends_with_the_session() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let mut stream = house.send(&Ask::get(&session).text()).await;
    stream.until("id: 0:0\nretry: 1000\ndata: \n\n").await;
    house.tell(Event::Changed(List::Tools));
    stream.until("id: 0:1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}").await;
    let end = Ask::post("").to("DELETE /mcp").in_session(&session);
    assert_eq!(house.ask(&end).await.status, 204);
    stream.whole().await;
}

#[tokio::test]
async fn an_array_is_served_in_one_revision_only_and_each_message_is_judged() {
    let house = House::open().await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "echo", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "echo", "Name": "x"}},
        7
    ]);
    let old = house.session("agent", "2025-03-26").await;
    let answer = house.ask(&Ask::post(batch.to_string()).in_session(&old)).await.json();
    let codes: Vec<_> =
        answer.as_array().unwrap().iter().map(|one| (one["id"].clone(), one["error"]["code"].as_i64())).collect();
    assert_eq!(
        codes,
        [
            (json!(1), None),
            (json!(3), Some(-32601)),
            (Value::Null, Some(-32600)),
            (Value::Null, Some(-32600)),
            (json!("a"), None)
        ]
    );
    assert_eq!(house.journal(), ["call agent echo {}"]);
    let quiet = json!([{"jsonrpc": "2.0", "method": "notifications/initialized"}]);
    assert_eq!(house.ask(&Ask::post(quiet.to_string()).in_session(&old)).await.status, 202);
    assert_eq!(house.ask(&Ask::post("[]").in_session(&old)).await.status, 400);
    let new = house.session("agent", "2025-06-18").await;
    assert_eq!(house.ask(&Ask::post(batch.to_string()).in_session(&new)).await.code(), -32600);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_used_ends() {
    let house = House::open().await;
    let ask = |ask: Ask| {
        let request = ask.request(Full::new(Bytes::from(ask.body.clone())));
        house.endpoint.respond(request, "127.0.0.1:1".parse().unwrap())
    };
    let answer = ask(Ask::legacy("initialize", &json!({"protocolVersion": "2025-11-25"}))).await;
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    for (wait, status) in [(SESSION_IDLE / 2, 200), (SESSION_IDLE / 2, 200), (SESSION_IDLE, 404)] {
        tokio::time::advance(wait).await;
        assert_eq!(ask(echo().in_session(&session)).await.status(), status);
    }
    assert!(house.fake.sessions.lock().unwrap().is_empty());
    ask(Ask::legacy("initialize", &json!({"protocolVersion": "2025-11-25"}))).await;
    let ended = [("2025-11-25", 3_600)];
    assert_eq!(*house.fake.sessions.lock().unwrap(), ended, "the hour in which nobody used it is not counted");
}
