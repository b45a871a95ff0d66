//! What the server of `peer.rs` offers: tools, prompts, resources, templates, completion, questions and tasks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::{Heard, Say};

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// The answer to any request.
pub fn answer(heard: &Heard) -> Say {
    let params = heard.params();
    let list = |key: &str, items: Value| json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public", key: items});
    let done = |mut result: Value| {
        result["resultType"] = json!("complete");
        Say::Result(result)
    };
    match heard.method() {
        "server/discover" => done(json!({"supportedVersions": ["2026-07-28"], "ttlMs": 60_000, "cacheScope": "public",
            "capabilities": {"tools": {"listChanged": true}, "prompts": {"listChanged": true}, "completions": {},
                "resources": {"listChanged": true, "subscribe": true}, "extensions": {TASKS: {}}}})),
        "tools/list" => Say::Result(list("tools", tools())),
        "prompts/list" => Say::Result(list(
            "prompts",
            json!([
            {"name": "open", "description": "For all."}, {"name": "shut"}, {"name": "ask"}, {"name": "slow"}]),
        )),
        "resources/list" => Say::Result(list(
            "resources",
            json!([
            {"uri": "file:///docs/a.txt", "name": "a"}, {"uri": "file:///docs/secret.txt", "name": "secret"},
            {"uri": "file:///etc/passwd", "name": "passwd"}, {"uri": "test://ask", "name": "ask"}]),
        )),
        "resources/templates/list" => {
            Say::Result(list("resourceTemplates", json!([{"uriTemplate": "file:///docs/{name}", "name": "docs"}])))
        }
        "tools/call" if params["name"] == json!("quiz") || params["name"] == json!("paid") => {
            questions(heard, &params["arguments"])
        }
        "prompts/get" if params["name"] == json!("ask") => questions(heard, &json!({"rounds": 1})),
        "resources/read" if params["uri"] == json!("test://ask") => questions(heard, &json!({"rounds": 1})),
        "tools/call" if params["name"] == json!("job") => {
            let later = params["arguments"]["later"].as_str().unwrap_or("1");
            let mut task = task(&format!("own-{later}"), params["arguments"]["ask"].as_str());
            task["resultType"] = json!("task");
            Say::Result(task)
        }
        "tasks/get" => {
            let id = params["taskId"].as_str().unwrap_or_default();
            done(task(id, id.strip_prefix("own-").filter(|ask| *ask != "1")))
        }
        "tasks/update" | "tasks/cancel" => done(json!({})),
        "tools/call" => said(),
        "prompts/get" => {
            let result = json!({"resultType": "complete",
                "messages": [{"role": "user", "content": {"type": "text", "text": params["name"]}}]});
            let slow = params["name"] == json!("slow");
            if slow { Say::Late(Duration::from_secs(20), result) } else { Say::Result(result) }
        }
        "resources/read" => done(json!({"ttlMs": 60_000, "cacheScope": "public",
            "contents": [{"uri": params["uri"], "text": "the text"}]})),
        "completion/complete" => done(json!({"completion": {"values": ["one"], "hasMore": false}})),
        _ => Say::Error(-32_601, "not offered"),
    }
}

/// A task, which may ask something.
fn task(id: &str, ask: Option<&str>) -> Value {
    let mut task = json!({"taskId": id, "status": "working", "ttlMs": 60_000, "pollIntervalMs": 100,
        "createdAt": "2026-11-02T00:00:00Z", "lastUpdatedAt": "2026-11-02T00:00:00Z"});
    if let Some(ask) = ask {
        task["status"] = json!("input_required");
        task["inputRequests"] = json!({"q": question(ask, &json!("https://login.example.org/"))});
    }
    task
}

fn said() -> Say {
    Say::Result(json!({"resultType": "complete", "content": [{"type": "text", "text": "done"}], "isError": false}))
}

/// Asks as many rounds as it is told to, each with a state of its own, and then answers.
fn questions(heard: &Heard, told: &Value) -> Say {
    let round: u64 = heard.params()["requestState"].as_str().and_then(|state| state.parse().ok()).unwrap_or(0);
    if round >= told["rounds"].as_u64().unwrap_or(1) {
        return match heard.method() {
            "prompts/get" => Say::Result(json!({"resultType": "complete", "messages": []})),
            "resources/read" => {
                Say::Result(json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "contents": []}))
            }
            _ => said(),
        };
    }
    let question = question(told["ask"].as_str().unwrap_or("form"), &told["url"]);
    Say::Result(json!({"resultType": "input_required", "inputRequests": {"q": question},
        "requestState": (round + 1).to_string()}))
}

fn question(ask: &str, url: &Value) -> Value {
    match ask {
        "url" => {
            json!({"method": "elicitation/create", "params": {"mode": "url", "message": "SHOWN", "url": url}})
        }
        "sample" => json!({"method": "sampling/createMessage", "params": {"maxTokens": 9,
            "messages": [{"role": "user", "content": {"type": "text", "text": "SHOWN"}}]}}),
        "roots" => json!({"method": "roots/list", "params": {"_meta": {"SHOWN": 1}}}),
        _ => json!({"method": "elicitation/create", "params": {"mode": "form", "message": "SHOWN",
            "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}}),
    }
}

fn tools() -> Value {
    let tool = |name: &str, properties: Value| {
        json!({"name": name, "description": format!("The tool {name}."),
            "inputSchema": {"type": "object", "properties": properties}})
    };
    json!([
        tool("echo", json!({"text": {"type": "string"}, "any": {}})),
        tool("quiz", json!({"rounds": {"type": "integer"}, "ask": {"type": "string"}, "url": {"type": "string"}})),
        tool("paid", json!({"rounds": {"type": "integer"}})),
        tool("job", json!({"ask": {"type": "string"}, "later": {"type": "string"}})),
    ])
}
