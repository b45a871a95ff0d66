//! Every method of the legacy era, and what each revision is told.

use serde_json::{Value, json};

use crate::mcp::server::Event;

use super::support::{Ask, House};

const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn every_list_and_request_is_served_in_every_revision_without_words_of_the_modern_one() {
    let house = House::open().await;
    for version in VERSIONS {
        let session = house.session("agent", version).await;
        let ask = |method: &str, params: Value| Ask::legacy(method, &params).in_session(&session);
        for (method, member) in [
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ] {
            let result = house.ask(&ask(method, json!({}))).await.json()["result"].clone();
            assert_eq!(result[member].as_array().unwrap().len(), 1);
            let mut members = vec!["nextCursor", member];
            if member == "prompts" {
                members.push("_meta");
                assert_eq!(result["_meta"], json!({"dev.postern/unavailable": ["down"]}));
            }
            members.sort_unstable();
            let mut keys: Vec<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, members);
        }
        for (method, params) in [
            ("prompts/get", json!({"name": "greet", "arguments": {}})),
            ("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {}})),
        ] {
            let result = house.ask(&ask(method, params)).await.json()["result"].clone();
            assert_eq!(result["shown"]["method"], method);
            assert!(result.get("resultType").is_none());
        }
        let read = house.ask(&ask("resources/read", json!({"uri": "file:///x"}))).await.json();
        assert_eq!(read["result"], json!({"contents": []}));
        let missing = house.ask(&ask("resources/read", json!({"uri": "file:///none"}))).await;
        assert_eq!((missing.status, missing.code()), (200, -32002));
        assert_eq!(missing.json()["error"]["data"]["uri"], "file:///none");
        assert_eq!(house.ask(&ask("resources/read", json!({}))).await.code(), -32602);
        assert_eq!(house.ask(&ask("tools/call", json!({"name": "none"}))).await.code(), -32602);
    }
}

#[tokio::test]
async fn what_is_not_offered_is_not_found() {
    let house = House::open().await;
    let initialize = Ask::legacy("initialize", &json!({"protocolVersion": "2025-11-25"})).to("POST /mcp/fs");
    let session = house.ask(&initialize).await.header("mcp-session-id").unwrap();
    for method in ["prompts/list", "resources/read", "completion/complete", "logging/setLevel", "resources/subscribe"] {
        let reply = house.ask(&Ask::legacy(method, &json!({})).in_session(&session).to("POST /mcp/fs")).await;
        assert_eq!((reply.status, reply.code()), (200, -32601), "{method}");
    }
}

#[tokio::test]
async fn each_revision_is_told_only_what_it_has_words_for() {
    let house = House::open().await;
    let link = json!({"type": "resource_link", "uri": "file:///x", "name": "x"});
    let audio = json!({"type": "audio", "data": "", "mimeType": "audio/wav"});
    let uri = json!({"type": "text", "text": "file:///x"});
    for (version, blocks, structured) in [
        ("2024-11-05", [Some(&uri), None], false),
        ("2025-03-26", [Some(&uri), Some(&audio)], false),
        ("2025-06-18", [Some(&link), Some(&audio)], true),
        ("2025-11-25", [Some(&link), Some(&audio)], true),
    ] {
        let session = house.session("agent", version).await;
        let ask = Ask::legacy("tools/call", &json!({"name": "rich"})).in_session(&session);
        let reply = house.ask(&ask).await;
        let content = &reply.json()["result"]["content"];
        assert_eq!(Some(&content[0]), blocks[0], "{version}");
        match blocks[1] {
            Some(block) => assert_eq!(content[1], *block),
            None => assert_eq!(content[1]["type"], "text"),
        }
        assert_eq!(content[2], json!({"type": "text", "text": "t"}));
        assert_eq!(reply.body.contains(r#""structuredContent":{"a":1.50}"#), structured, "{version}");
    }
}

#[tokio::test]
async fn log_messages_are_told_from_info_up_until_the_client_sets_a_level() {
    let house = House::open().await;
    let session = house.session("agent", "2025-06-18").await;
    let log = Ask::legacy("tools/call", &json!({"name": "log"})).in_session(&session);
    let levels = async || {
        let mut socket = house.send(&log.text()).await;
        socket.until("\"result\"").await;
        let told = socket.messages();
        told.iter().filter_map(|told| told["params"]["level"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(levels().await, ["info", "error"]);
    for (level, expected) in [("error", vec!["error"]), ("debug", vec!["debug", "info", "error"])] {
        let set = Ask::legacy("logging/setLevel", &json!({"level": level})).in_session(&session);
        assert_eq!(house.ask(&set).await.json()["result"], json!({}));
        assert_eq!(levels().await, expected);
    }
    for bad in [json!({}), json!({"level": "loud"}), json!({"level": 1})] {
        let set = Ask::legacy("logging/setLevel", &bad).in_session(&session);
        assert_eq!(house.ask(&set).await.code(), -32602);
    }
    let plain = house.ask(&log.without("Accept").with("Accept", "application/json")).await;
    assert_eq!(plain.json()["result"], json!({}));
}

#[tokio::test]
async fn what_a_client_declared_goes_with_every_request_but_tasks_do_not() {
    let house = House::open().await;
    let tasks = json!({"io.modelcontextprotocol/tasks": {}});
    let able = json!({"sampling": {"tools": {}}, "tasks": {"list": {}}, "extensions": tasks});
    let session = house.able_session("agent", "2025-11-25", &able).await;
    let params = json!({"name": "show", "inputResponses": {}, "requestState": "forged", "task": {"ttl": 1}});
    let shown = house.ask(&Ask::legacy("tools/call", &params).in_session(&session)).await.json();
    let shown = &shown["result"]["structuredContent"];
    assert_eq!(shown["capabilities"], json!({"sampling": {"tools": {}}}));
    assert_eq!((&shown["input"], &shown["level"]), (&Value::Null, &json!("info")));
    assert_eq!(shown["members"], json!({"task": {"ttl": 1}}));
    let task = house.ask(&Ask::legacy("tools/call", &json!({"name": "task"})).in_session(&session)).await;
    assert_eq!(task.code(), -32603);
}

#[tokio::test]
async fn a_resource_is_subscribed_to_once_and_told_of_until_the_client_has_enough() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let ask = |method: &str, params: Value| Ask::legacy(method, &params).in_session(&session);
    let updated = |uri: &str| Event::Updated(json!({"uri": uri}).to_string().into());
    for _ in 0..2 {
        let reply = house.ask(&ask("resources/subscribe", json!({"uri": "file:///x"}))).await;
        assert_eq!(reply.json()["result"], json!({}));
    }
    assert_eq!(house.journal(), [r#"listen ["file:///x"]"#]);
    let refused = house.ask(&ask("resources/subscribe", json!({"uri": "none:y"}))).await;
    assert_eq!((refused.code(), &refused.json()["error"]["data"]["uri"]), (-32002, &json!("none:y")));
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        assert_eq!(house.ask(&ask(method, json!({"uri": 1}))).await.code(), -32602);
        assert_eq!(house.ask(&ask(method, json!({}))).await.code(), -32602);
    }
    // What happens before the client listens is kept for it.
    house.tell(updated("file:///x"));
    let mut stream = house.send(&Ask::get(&session).text()).await;
    stream.until("resources/updated").await;
    house.tell(updated("file:///other"));
    let reply = house.ask(&ask("resources/unsubscribe", json!({"uri": "file:///x"}))).await;
    assert_eq!(reply.json()["result"], json!({}));
    house.tell(updated("file:///x"));
    let again = house.ask(&ask("resources/subscribe", json!({"uri": "file:///z"}))).await;
    assert_eq!(again.status, 200);
    house.tell(updated("file:///z"));
    stream.until("file:///z").await;
    let uris: Vec<_> = stream.messages().iter().map(|told| told["params"]["uri"].clone()).collect();
    assert_eq!(uris, ["file:///x", "file:///z"]);
}

#[tokio::test]
async fn a_handler_that_breaks_ends_its_request_with_an_error_also_on_a_stream() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let ask = Ask::legacy("tools/call", &json!({"name": "panic"})).in_session(&session);
    let reply = house.ask(&ask).await;
    assert_eq!((reply.status, reply.code()), (500, -32603));
    let stream = house.ask(&ask.without("Accept").with("Accept", "text/event-stream")).await;
    assert!(stream.body.contains("id: 1:1\n") && stream.body.contains("-32603"), "{stream:?}");
}
