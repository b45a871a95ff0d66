//! Prompts, resources, completion and tasks: judged like calls, shown only to whom they are for.

use anyhow::{Context as _, ensure};
use http::HeaderMap;
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::kinds,
    house::House,
    wire::{Agent, Answer, meta_of},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a resource is read under one spelling and inside its folder alone", "T037", 120, spellings),
        case!("unknown and forbidden prompts, resources and tasks answer alike", "T066 T034", 60, alike),
        case!("lists show what a role may have and nothing else", "T065", 60, lists),
        case!("ids of tasks of others and invented cursors are unknown", "T034 T065", 60, foreign),
        case!("each request and each refusal is on record", "T109", 60, recorded),
    ]
}

const SPELLINGS: [&str; 26] = [
    "file:///docs/../etc/passwd",
    "file:///docs/../../etc/passwd",
    "file:///docs/./a.txt",
    "file:///docs/%2e%2e/etc/passwd",
    "file:///docs/%2E%2E/etc/passwd",
    "file:///docs/.%2e/etc/passwd",
    "file:///docs/..%2fetc/passwd",
    "file:///docs/%2e%2e%2fetc%2fpasswd",
    "file:///docs/%252e%252e/etc/passwd",
    "file:///docs/..%5cetc/passwd",
    "file:///docs/..\\etc\\passwd",
    "file:///docs/%c0%ae%c0%ae/etc/passwd",
    "file:///docs/\u{ff0e}\u{ff0e}\u{200b}/etc/passwd",
    "file:///docs/a.txt%00.png",
    "file:////docs/a.txt",
    "file:///docs//a.txt",
    "file:/docs/a.txt",
    "FILE:///docs/a.txt",
    "file://host/docs/a.txt",
    "file://user@/docs/a.txt",
    "file://localhost/docs/a.txt",
    "file:///%64ocs/a.txt",
    "file:///docs/se%63ret.txt",
    "/docs/a.txt",
    "file:docs/a.txt",
    " file:///docs/a.txt",
];

async fn spellings() -> anyhow::Result<()> {
    let house = House::start().await?;
    let read = async |path: &str, uri: String| house.agent.ask_at(path, "resources/read", json!({"uri": uri})).await;
    let before = house.peer.carried();
    for uri in SPELLINGS {
        for (path, uri) in [("/mcp", format!("all+{uri}")), ("/mcp/all", uri.to_owned())] {
            let answer = read(path, uri.clone()).await?;
            ensure!(answer.json()["error"].is_object() || answer.status.is_client_error(), "{uri}: {}", answer.told());
            ensure!(!answer.told().contains("the text"), "{uri}: {}", answer.told());
        }
    }
    // A guardrail on the path, and what no role permits.
    for uri in ["file:///docs/secret.txt", "file:///etc/passwd", "file:///docs/x/secret"] {
        ensure!(read("/mcp", format!("all+{uri}")).await?.code() == -32602, "{uri}");
        ensure!(read("/mcp/all", uri.to_owned()).await?.code() == -32602, "{uri}");
        let reference = json!({"type": "ref/resource", "uri": format!("all+{uri}")});
        let params = json!({"ref": reference, "argument": {"name": "name", "value": "o"}});
        ensure!(house.agent.ask("completion/complete", params).await?.code() == -32602, "completion {uri}");
    }
    house.peer.quiet(before)?;
    for (path, uri) in [("/mcp", "all+file:///docs/a.txt"), ("/mcp/all", "file:///docs/a.txt")] {
        let answer = read(path, uri.to_owned()).await?;
        let contents = &answer.json()["result"];
        ensure!(contents["contents"][0] == json!({"uri": uri, "text": "the text"}), "{uri}: {}", answer.told());
        ensure!(contents["cacheScope"] == json!("private"), "{}", answer.told());
        let sent = house.peer.heard("resources/read");
        let sent = sent.last().context("nothing was sent")?;
        ensure!(sent.params()["uri"] == json!("file:///docs/a.txt"), "sent: {}", sent.body);
    }
    Ok(())
}

/// Without what follows from the length of the name.
fn plain(headers: &HeaderMap) -> Vec<String> {
    let mut plain: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()))
        .map(|(n, v)| format!("{n}: {v:?}"))
        .collect();
    plain.sort();
    plain
}

fn same(answers: &[(String, Answer)]) -> anyhow::Result<()> {
    let shapes: Vec<_> = answers
        .iter()
        .map(|(name, answer)| {
            (
                answer.status,
                plain(&answer.headers),
                String::from_utf8_lossy(&answer.body).replace(name.as_str(), "NAME"),
            )
        })
        .collect();
    for (shape, (name, _)) in shapes.iter().zip(answers) {
        ensure!(shapes.first() == Some(shape), "{name}: {shape:?} is not {:?}", shapes.first());
        ensure!(shape.2.contains("\"error\""), "{name}: {shape:?}");
    }
    Ok(())
}

async fn task(agent: &Agent) -> anyhow::Result<String> {
    let params = json!({"name": "all__job", "arguments": {}, "_meta": tasks()});
    let answer = agent.ask("tools/call", params).await?;
    Ok(answer.json()["result"]["taskId"].as_str().with_context(|| answer.told())?.to_owned())
}

fn tasks() -> Value {
    meta_of(&json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}))
}

async fn alike() -> anyhow::Result<()> {
    let house = House::start().await?;
    let other = house.gateway.of("other").await?;
    let foreign = task(&other).await?;
    let flip = |token: &str| token.chars().rev().collect::<String>();
    let before = house.peer.carried();
    let sets: [(&str, &str, Value, Vec<String>); 4] = [
        (
            "prompts/get",
            "name",
            json!({}),
            ["all__shut", "all__gone", "rec__none", "off__none"].map(String::from).to_vec(),
        ),
        (
            "resources/read",
            "uri",
            json!({}),
            [
                "all+file:///etc/passwd",
                "all+file:///etc/nothing",
                "rec+file:///etc/passwd",
                "off+file:///etc/passwd",
                "all+file:///docs/secret.txt",
                "file:///etc/passwd",
            ]
            .map(String::from)
            .to_vec(),
        ),
        ("tasks/get", "taskId", json!({"_meta": tasks()}), vec![foreign.clone(), flip(&foreign), "own-1".to_owned()]),
        (
            "tasks/cancel",
            "taskId",
            json!({"_meta": tasks()}),
            vec![foreign.clone(), flip(&foreign), "own-1".to_owned()],
        ),
    ];
    for (method, key, params, names) in sets {
        let mut answers = Vec::new();
        for name in names {
            let mut params = params.clone();
            params[key] = json!(name);
            answers.push((name, house.agent.ask(method, params).await?));
        }
        same(&answers).with_context(|| method)?;
    }
    let mut answers = Vec::new();
    for name in ["all__shut", "all__gone", "off__none"] {
        let reference = json!({"type": "ref/prompt", "name": name});
        let params = json!({"ref": reference, "argument": {"name": "a", "value": "b"}});
        answers.push((name.to_owned(), house.agent.ask("completion/complete", params).await?));
    }
    same(&answers)?;
    house.peer.quiet(before)?;
    Ok(())
}

async fn listed(agent: &Agent, method: &str) -> anyhow::Result<(Value, Vec<String>)> {
    let answer = agent.ask(method, json!({})).await?;
    let result = answer.json()["result"].clone();
    let key = match method {
        "prompts/list" => "prompts",
        "resources/list" => "resources",
        _ => "resourceTemplates",
    };
    let items = result[key].as_array().cloned().with_context(|| answer.told())?;
    let name = |item: &Value| {
        ["uri", "uriTemplate", "name"].iter().find_map(|key| item[key].as_str()).unwrap_or_default().to_owned()
    };
    Ok((result, items.iter().map(name).collect()))
}

async fn lists() -> anyhow::Result<()> {
    let house = House::start().await?;
    let poor = house.gateway.of("poor").await?;
    let expected: [(&str, &[&str]); 3] = [
        ("prompts/list", &["all__ask", "all__open", "all__slow"]),
        ("resources/list", &["all+file:///docs/a.txt", "all+test://ask"]),
        ("resources/templates/list", &["all+file:///docs/{name}"]),
    ];
    for (method, names) in expected {
        let (result, mut shown) = listed(&house.agent, method).await?;
        ensure!(result["cacheScope"] == json!("private"), "{method}: {result}");
        ensure!(result["nextCursor"].is_null(), "{method}: {result}");
        shown.sort();
        ensure!(shown == names, "{method}: {shown:?}");
        let told = poor.ask(method, json!({})).await?.told();
        ensure!(!told.contains("all"), "{method} to somebody without a role: {told}");
    }
    Ok(())
}

async fn foreign() -> anyhow::Result<()> {
    let house = House::start().await?;
    let other = house.gateway.of("other").await?;
    let own = task(&house.agent).await?;
    ensure!(!own.contains("own-1"), "the server's own id shows: {own}");
    let ask = async |agent: &Agent, path: &str, method: &str| {
        agent.ask_at(path, method, json!({"taskId": own, "inputResponses": {}, "_meta": tasks()})).await
    };
    let before = house.peer.carried();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        ensure!(ask(&other, "/mcp", method).await?.code() == -32602, "{method} of another principal");
        ensure!(ask(&house.agent, "/mcp/rec", method).await?.json()["error"].is_object(), "{method} at another server");
    }
    // Cursors: invented ones, and ids of tasks, are no places in a list.
    for cursor in ["", "0", "1000", "all__open", own.as_str()] {
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
            let answer = house.agent.ask(method, json!({"cursor": cursor})).await?;
            ensure!(answer.code() == -32602, "{method} from {cursor:?}: {}", answer.told());
        }
    }
    house.peer.quiet(before)?;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let answer = ask(&house.agent, "/mcp", method).await?;
        ensure!(answer.json()["result"]["resultType"] == json!("complete"), "{method}: {}", answer.told());
        let sent = house.peer.heard(method);
        let sent = sent.last().context("not forwarded")?;
        ensure!(sent.params()["taskId"] == json!("own-1"), "sent: {}", sent.body);
        ensure!(sent.head.to_ascii_lowercase().contains("mcp-name: own-1\r\n"), "sent: {}", sent.head);
    }
    Ok(())
}

async fn recorded() -> anyhow::Result<()> {
    let house = House::start().await?;
    let own = task(&house.agent).await?;
    let before = house.gateway.journal().await?.len();
    let reference =
        |name: &str| json!({"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "a", "value": "b"}});
    let asked = [
        ("prompts/get", json!({"name": "all__open"}), json!({"name": "all__shut"})),
        ("resources/read", json!({"uri": "all+file:///docs/a.txt"}), json!({"uri": "all+file:///etc/passwd"})),
        ("completion/complete", reference("all__open"), reference("all__shut")),
        ("tasks/get", json!({"taskId": own, "_meta": tasks()}), json!({"taskId": "none", "_meta": tasks()})),
    ];
    for (method, good, bad) in &asked {
        let answer = house.agent.ask(method, good.clone()).await?;
        ensure!(answer.json()["result"].is_object(), "{method}: {}", answer.told());
        ensure!(house.agent.ask(method, bad.clone()).await?.code() == -32602, "{method} {bad}");
    }
    let listening = house.agent.listen(json!({"resourceSubscriptions": ["all+file:///docs/a.txt"]})).await?;
    drop(listening);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let journal = house.gateway.journal().await?.split_off(before);
    for (method, ..) in &asked {
        let inquiry =
            journal.iter().find(|record| record["kind"] == json!("inquiry") && record["method"] == json!(method));
        let decision = &inquiry.with_context(|| format!("{method} is not on record"))?["decision"];
        let outcome =
            journal.iter().find(|record| record["kind"] == json!("outcome") && record["decision"] == *decision);
        ensure!(outcome.with_context(|| format!("{method} has no outcome"))?["how"] == json!("answered"), "{method}");
        let denial = journal.iter().any(|record| {
            record["kind"] == json!("denial") && record["asked"].as_str().is_some_and(|asked| asked.starts_with(method))
        });
        ensure!(denial, "the refusal of {method} is not on record");
    }
    ensure!(kinds(&journal).get("subscription") == Some(&2), "subscriptions: {:?}", kinds(&journal));
    house.gateway.verified().await?;
    Ok(())
}
