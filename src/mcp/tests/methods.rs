//! Every method of the modern era: what it is answered, and in which words.

use serde_json::{Value, json};

use super::support::{Ask, House};

fn call(name: &str) -> Ask {
    Ask::modern("tools/call", &json!({"name": name}))
}

fn tasks() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}})
}

#[tokio::test]
async fn every_list_is_private_and_names_the_servers_whose_part_is_missing() {
    let house = House::open().await;
    for (method, member) in [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let result = house.ask(&Ask::modern(method, &json!({}))).await.json()["result"].clone();
        assert_eq!(result[member].as_array().unwrap().len(), 1, "{method}");
        assert_eq!(
            (&result["resultType"], &result["ttlMs"], &result["cacheScope"], &result["nextCursor"]),
            (&json!("complete"), &json!(5), &json!("private"), &json!("next"))
        );
        let missing = &result["_meta"]["dev.postern/unavailable"];
        assert_eq!(*missing, if member == "prompts" { json!(["down"]) } else { Value::Null });
        assert_eq!(house.ask(&Ask::modern(method, &json!({"cursor": "bad"}))).await.code(), -32602);
    }
}

#[tokio::test]
async fn what_is_asked_arrives_with_every_member() {
    let house = House::open().await;
    let ask = Ask::modern("prompts/get", &json!({"name": "greet", "arguments": {"a": "b"}, "x": [1]}));
    let shown = house.ask(&ask).await.json()["result"]["shown"].clone();
    assert_eq!((&shown["method"], &shown["members"]), (&json!("prompts/get"), &json!({"x": [1]})));
    let params = json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a", "value": "b"}});
    let shown = house.ask(&Ask::modern("completion/complete", &params)).await.json()["result"]["shown"].clone();
    let (reference, argument) = (&shown["members"]["ref"], &shown["members"]["argument"]);
    assert_eq!((reference, argument), (&params["ref"], &params["argument"]));
    let reply = house.ask(&Ask::modern("resources/read", &json!({"uri": "file:///x"}))).await;
    assert_eq!(
        reply.json()["result"],
        json!({"resultType": "complete", "ttlMs": 7, "cacheScope": "private", "contents": []})
    );
    let reply = house.ask(&Ask::modern("resources/read", &json!({"uri": "file:///none"}))).await;
    assert_eq!((reply.code(), &reply.json()["error"]["data"]["uri"]), (-32602, &json!("file:///none")));
    assert_eq!(house.journal()[0], r#"call agent greet {"a":"b"}"#);
}

/// T004
#[tokio::test]
async fn the_header_of_the_name_repeats_a_name_a_uri_or_a_task() {
    let house = House::open().await;
    for (method, member, target) in [
        ("prompts/get", "name", "greet"),
        ("resources/read", "uri", "file:///x"),
        ("tasks/get", "taskId", "t"),
        ("tasks/update", "taskId", "t"),
        ("tasks/cancel", "taskId", "t"),
    ] {
        let ask = Ask::modern(method, &json!({member: target})).able(&tasks());
        assert_eq!(house.ask(&ask).await.status, 200, "{method}");
        for other in [ask.clone().without("Mcp-Name"), ask.clone().without("Mcp-Name").with("Mcp-Name", "other")] {
            let reply = house.ask(&other).await;
            assert_eq!((reply.status, reply.code()), (400, -32020), "{method}");
        }
        let nameless = Ask::modern(method, &json!({member: 1})).with("Mcp-Name", "1").able(&tasks());
        let reply = house.ask(&nameless).await;
        assert_eq!((reply.status, reply.code()), (400, -32602), "{method}");
    }
}

#[tokio::test]
async fn tasks_are_for_clients_that_declared_them() {
    let house = House::open().await;
    let required = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let ask = Ask::modern(method, &json!({"taskId": "t", "inputResponses": {"k": {"action": "accept"}}}));
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code()), (400, -32021), "{method}");
        assert_eq!(reply.json()["error"]["data"]["requiredCapabilities"], required);
        let result = house.ask(&ask.able(&tasks())).await.json()["result"].clone();
        assert_eq!((&result["resultType"], &result["shown"]["method"]), (&json!("complete"), &json!(method)));
        assert_eq!(result["shown"]["members"]["inputResponses"], json!({"k": {"action": "accept"}}));
    }
    let reply = house.ask(&call("task").able(&tasks())).await;
    assert_eq!(reply.json()["result"], json!({"resultType": "task", "taskId": "t", "status": "working"}));
    let reply = house.ask(&call("task")).await;
    assert_eq!((reply.status, reply.code()), (500, -32603));
    assert_eq!(
        house.ask(&Ask::modern("subscriptions/listen", &json!({"notifications": {"taskIds": ["t"]}}))).await.code(),
        -32021
    );
}

#[tokio::test]
async fn questions_go_to_the_client_and_its_answers_come_with_the_next_request() {
    let house = House::open().await;
    let able = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    let result = house.ask(&call("ask all").able(&able)).await.json()["result"].clone();
    assert_eq!((&result["resultType"], &result["requestState"]), (&json!("input_required"), &json!("one")));
    assert_eq!(result["inputRequests"]["e"]["method"], "elicitation/create");
    assert_eq!(result["inputRequests"]["s"]["params"], json!({"messages": [], "maxTokens": 1}));
    assert_eq!(result["inputRequests"]["r"], json!({"method": "roots/list"}));
    let answers = json!({"e": {"action": "accept"}, "s": {}, "r": {"roots": []}});
    let next = json!({"name": "ask all", "inputResponses": answers, "requestState": "one"});
    let result = house.ask(&Ask::modern("tools/call", &next).able(&able)).await.json()["result"].clone();
    assert_eq!(result["structuredContent"], json!({"responses": answers, "state": "one"}));
    let result = house.ask(&call("again")).await.json()["result"].clone();
    assert_eq!(result, json!({"resultType": "input_required", "requestState": "go on"}));
    for (member, bad) in [("inputResponses", json!(1)), ("inputResponses", json!({"e": 1})), ("requestState", json!(1))]
    {
        assert_eq!(house.ask(&Ask::modern("tools/call", &json!({"name": "ask", member: bad}))).await.code(), -32602);
    }
}

#[tokio::test]
async fn a_client_is_not_asked_for_what_it_did_not_declare() {
    let house = House::open().await;
    for (name, able, required) in [
        ("ask", json!({}), json!({"elicitation": {}})),
        ("ask", json!({"elicitation": {"url": {}}}), json!({"elicitation": {}})),
        ("ask url", json!({"elicitation": {}}), json!({"elicitation": {"url": {}}})),
        ("ask all", json!({"elicitation": {}}), json!({"sampling": {}, "roots": {}})),
    ] {
        let reply = house.ask(&call(name).able(&able)).await;
        assert_eq!((reply.status, reply.code()), (400, -32021), "{name}");
        assert_eq!(reply.json()["error"]["data"]["requiredCapabilities"], required);
    }
    let both = json!({"elicitation": {"form": {}, "url": {}}});
    for name in ["ask", "ask url"] {
        assert_eq!(house.ask(&call(name).able(&both)).await.json()["result"]["resultType"], "input_required");
    }
}

#[tokio::test]
async fn log_messages_are_told_from_the_level_that_was_asked_for_and_else_not_at_all() {
    let house = House::open().await;
    let at = |level: Value| {
        Ask::modern("tools/call", &json!({"name": "log", "_meta": {"io.modelcontextprotocol/logLevel": level}}))
    };
    let mut socket = house.send(&at(json!("info")).text()).await;
    socket.until("\"result\"").await;
    let levels: Vec<_> = socket.messages().iter().map(|told| told["params"]["level"].clone()).collect();
    assert_eq!(levels, [json!("info"), json!("error"), Value::Null]);
    let quiet = house.ask(&call("log")).await;
    assert_eq!((quiet.header("content-type").as_deref(), quiet.status), (Some("application/json"), 200));
    for level in [json!("loud"), json!(3)] {
        let reply = house.ask(&at(level)).await;
        assert_eq!((reply.status, reply.code()), (400, -32602));
    }
}

#[tokio::test]
async fn what_a_client_can_do_goes_with_its_request() {
    let house = House::open().await;
    let able = json!({"sampling": {"tools": {}}, "x": {}, "extensions": {"y": {}}});
    let result = house.ask(&call("show").able(&able)).await.json()["result"].clone();
    assert_eq!(result["structuredContent"]["capabilities"], able);
    let reply = house.ask(&call("show").able(&json!({"extensions": 1}))).await;
    assert_eq!((reply.status, reply.code()), (400, -32602));
}

#[tokio::test]
async fn a_call_with_nothing_to_tell_keeps_its_status() {
    let house = House::open().await;
    let token = json!({"name": "panic", "_meta": {"progressToken": 1}});
    let reply = house.ask(&Ask::modern("tools/call", &token)).await;
    assert_eq!((reply.status, reply.code()), (500, -32603));
}
