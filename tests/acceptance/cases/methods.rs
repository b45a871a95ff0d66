//! Messages that no agent may send, and that what was judged is what is sent.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json, value::RawValue};

use super::case;
use crate::{Case, house::House, prints::Prints, wire::meta};

pub fn cases() -> Vec<Case> {
    vec![
        case!("responses, server's methods and unknown methods go nowhere", "T029", 60, methods),
        case!("what was judged is what is sent, however it is spelt", "T069", 60, judged),
    ]
}

async fn methods() -> anyhow::Result<()> {
    let house = House::start().await?;
    let before = house.peer.carried();
    let names = [
        "sampling/createMessage",
        "elicitation/create",
        "roots/list",
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
        "tools/Call",
        "tools/call ",
        "TOOLS/CALL",
        "tools/call\u{0}",
        "tools\\/call",
        "",
        "rpc.discover",
        "x/anything",
        "com.example/secret",
        "notifications/initialized",
        "server/shutdown",
        "prompts/get/../../tools/call",
    ];
    for name in names {
        let params = json!({"name": "all__echo", "arguments": {"text": "x"}, "_meta": meta()});
        let headers = house.agent.headers(name.trim_end_matches('\u{0}'), None);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).to_string();
        // A header cannot hold every name; what cannot be sent at all is no threat.
        let Ok(answer) = house.agent.line().await?.send(headers, body).await else { continue };
        ensure!(answer.status.is_client_error(), "{name:?}: {}", answer.told());
    }
    let notices = [
        "notifications/tools/list_changed",
        "notifications/message",
        "notifications/resources/updated",
        "notifications/elicitation/complete",
        "notifications/tasks/status",
    ];
    for name in notices {
        let body = json!({"jsonrpc": "2.0", "method": name, "params": {"_meta": meta()}}).to_string();
        let answer = house.agent.line().await?.send(house.agent.headers(name, None), body).await?;
        ensure!(answer.status.is_client_error(), "{name}: {}", answer.told());
    }
    let responses = [
        json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {}}, "_meta": meta()}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "result": {}}),
    ];
    for body in responses {
        let headers = house.agent.headers("tools/call", Some("all__echo"));
        let answer = house.agent.line().await?.send(headers, body.to_string()).await?;
        ensure!(answer.status.is_client_error(), "{body}: {}", answer.told());
    }
    house.peer.quiet(before)?;
    Ok(())
}

/// What the server reads of a call, byte for byte.
#[derive(serde::Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(serde::Deserialize)]
struct Params<'a> {
    name: String,
    #[serde(borrow)]
    arguments: &'a RawValue,
    #[serde(borrow)]
    extra: Option<&'a RawValue>,
}

async fn judged() -> anyhow::Result<()> {
    let house = House::start().await?;
    let spelt = [
        r#""arguments":{"text":"x"}"#,
        r#""arguments":{ "text" : "x" , "any" : [ 1 , 2 ] }"#,
        r#""arguments":{"any":{"b":1,"a":2},"text":"x"}"#,
        r#""arguments":{"\u0074ext":"\u0078\/\u00e9\ud83d\ude00"}"#,
        r#""arguments":{"text":"x","any":1e2}"#,
        r#""arguments":{"text":"x","any":1.50}"#,
        r#""arguments":{"text":"x","any":-0}"#,
        r#""arguments":{"text":"x","any":1E400}"#,
        r#""arguments":{"text":"x","any":0.1000000000000000055511151231257827}"#,
        r#""arguments":{"text":"","any":null,"Text":"y","тext":"z"}"#,
        r#""arguments":{}"#,
        r#""arguments":{"text":"x"},"extra":{"b": 1.0 ,"a":"\u0041"}"#,
        r#""extra":[1],"arguments":{"text":"x"}"#,
        "\"arguments\":{\"text\":\"x\",\n\t\"any\":[\r\n1]}",
        "\"arguments\":{\"text\":\"\u{2028}\u{e9}e\u{301}\"}",
    ];
    let mut through = 0;
    for (path, tool) in [("/mcp", "all__echo"), ("/mcp/all", "echo")] {
        for text in spelt {
            let before = house.peer.heard("tools/call").len();
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}",{text},"_meta":{}}}}}"#,
                meta()
            );
            let headers = house.agent.headers("tools/call", Some(tool));
            let answer = house.agent.line().await?.send_to(path, headers, body.into()).await?;
            let heard = house.peer.heard("tools/call");
            ensure!(heard.len() == before + usize::from(answer.is_done()), "{text}: {}", answer.told());
            if !answer.is_done() {
                continue;
            }
            through += 1;
            let body = &heard.last().context("nothing was heard")?.body;
            let sent: Sent<'_> = serde_json::from_str(body).with_context(|| body.clone())?;
            ensure!(sent.params.name == "echo", "sent: {body}");
            let extra = sent.params.extra.map(|extra| format!("\0extra\0{}", extra.get())).unwrap_or_default();
            let sent = format!("{}{extra}", sent.params.arguments.get());
            let sent = Prints::read(&house.gateway.data)?.of(&sent);
            let journal = house.gateway.journal().await?;
            let intent = journal.iter().rfind(|record| record["kind"] == json!("intent")).context("no intent")?;
            let judged: &Value = &intent["call"]["arguments"]["digest"];
            ensure!(
                sent.iter().any(|one| *judged == json!(one)),
                "{text}: {judged} is on record, {sent:?} was sent: {body}"
            );
        }
    }
    ensure!(through >= 24, "only {through} spellings went through");
    house.gateway.verified().await?;
    Ok(())
}
