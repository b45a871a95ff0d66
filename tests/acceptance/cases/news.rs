//! Subscriptions: what is told, to whom, and until when.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, until},
    house::{House, USER},
    peer::Say,
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("updates reach who may read the resource, and stop when a role loses it", "T065", 60, updates),
        case!("updates stop when the agent loses its role", "T065", 60, demoted),
        case!("lists are said to have changed when a policy changes", "T065", 60, changed),
        case!("a revoked key ends its subscriptions", "T040", 60, revoked),
        case!("updates of what lies within are judged by their own URI", "T065", 60, within),
        case!("a subscription ends with a resource that its server tells no more of", "T065", 60, lost),
        case!("a freeze keeps news back and opens no subscription", "T093", 60, frozen),
    ]
}

const URI: &str = "all+file:///docs/a.txt";
const LATE: Duration = Duration::from_secs(5);

fn update(house: &House) {
    house.peer.tell("notifications/resources/updated", json!({"uri": "file:///docs/a.txt"}));
    house.peer.tell("notifications/resources/updated", json!({"uri": "file:///etc/passwd"}));
}

async fn updates() -> anyhow::Result<()> {
    let house = House::start().await?;
    let other = house.gateway.of("other").await?;
    let poor = house.gateway.of("poor").await?;
    let wished = json!({"resourceSubscriptions": [URI, "all+file:///etc/passwd", "all+file:///docs/secret.txt"]});
    let mut mine = house.agent.listen(wished.clone()).await?;
    let mut none = poor.listen(wished).await?;
    let mut unasked = other.listen(json!({"promptsListChanged": true})).await?;
    update(&house);
    let told = mine.next(LATE).await?;
    ensure!(told["method"] == json!("notifications/resources/updated"), "told: {told}");
    ensure!(told["params"]["uri"] == json!(URI), "told: {told}");
    ensure!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == json!(1), "told: {told}");
    for listening in [&mut mine, &mut none, &mut unasked] {
        listening.silent(Duration::from_millis(500)).await?;
    }
    let asked = house.peer.heard("subscriptions/listen");
    let secret = asked.iter().any(|heard| heard.body.contains("passwd") || heard.body.contains("secret"));
    ensure!(!secret, "what may not be read is watched at the server");
    house.gateway.edit("roles/user.cedar", &USER.replace("/docs/*", "/papers/*")).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    update(&house);
    while let Ok(told) = mine.next(Duration::from_secs(1)).await {
        ensure!(told["method"] != json!("notifications/resources/updated"), "told after the role lost it: {told}");
        if told.is_null() {
            break;
        }
    }
    house.gateway.verified().await?;
    Ok(())
}

async fn demoted() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut mine = house.agent.listen(json!({"resourceSubscriptions": [URI]})).await?;
    update(&house);
    mine.next(LATE).await?;
    let agents = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
";
    house.gateway.edit("agents.yaml", agents).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = house.agent.ask("resources/read", json!({"uri": URI})).await?;
    ensure!(answer.json()["error"].is_object(), "it may still read: {}", answer.told());
    update(&house);
    let told = mine.next(LATE).await?;
    ensure!(told["result"]["resultType"] == json!("complete"), "told without the role: {told}");
    ensure!(mine.next(LATE).await?.is_null(), "the stream goes on");
    Ok(())
}

async fn changed() -> anyhow::Result<()> {
    let house = House::start().await?;
    let wished = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true});
    let mut mine = house.agent.listen(wished).await?;
    let file = house.gateway.folder.path().join("policies/roles/user.cedar");
    std::fs::write(file, USER.replace("all/shut", "all/open").replace("/docs/*", "/papers/*"))?;
    let mut missing: Vec<_> =
        ["tools", "prompts", "resources"].map(|list| format!("notifications/{list}/list_changed")).into();
    while !missing.is_empty() {
        let told = mine.next(LATE).await.with_context(|| format!("not told: {missing:?}"))?;
        let method = told["method"].as_str().unwrap_or_default().to_owned();
        missing.retain(|one| *one != method);
    }
    let prompts = house.agent.ask("prompts/list", json!({})).await?.told();
    ensure!(prompts.contains("all__shut") && !prompts.contains("all__open"), "{prompts}");
    Ok(())
}

async fn revoked() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut mine = house.agent.listen(json!({"resourceSubscriptions": [URI], "toolsListChanged": true})).await?;
    update(&house);
    mine.next(LATE).await?;
    let keys = house.gateway.ok(ADMINISTRATOR, &["key", "list"]).await?;
    let all = keys["keys"].as_array().or(keys.as_array()).with_context(|| format!("no keys: {keys}"))?.clone();
    let own = all.iter().find(|key| key.to_string().contains("\"worker\"")).context("no key of the agent")?;
    let id = ["credential", "id"].iter().find_map(|name| own[name].as_str()).with_context(|| own.to_string())?;
    house.gateway.ok(ADMINISTRATOR, &["key", "revoke", id]).await?;
    let begun = std::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut late = 0;
    let end = async || {
        update(&house);
        loop {
            match mine.next(Duration::from_millis(300)).await {
                Ok(told) if told.is_null() => return true,
                Ok(told) if told["method"].is_string() => late += 1,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    };
    until("the stream of a revoked key ends", Duration::from_secs(30), end).await?;
    ensure!(begun.elapsed() < Duration::from_secs(4), "it ended {:.1?} after the key was revoked", begun.elapsed());
    say(&format!("the stream ended {:.1?} after the key was revoked", begun.elapsed()));
    ensure!(late == 0, "{late} updates were told two seconds after the key was revoked, or later");
    Ok(())
}

async fn within() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut mine = house.agent.listen(json!({"resourceSubscriptions": ["all+file:///docs/sub"]})).await?;
    house.peer.tell("notifications/resources/updated", json!({"uri": "file:///docs/sub/secret.txt"}));
    house.peer.tell("notifications/resources/updated", json!({"uri": "file:///docs/sub/../../etc/passwd"}));
    house.peer.tell("notifications/resources/updated", json!({"uri": "file:///docs/sub/b.txt", "text": "the text"}));
    let told = mine.next(LATE).await?;
    let tag = json!({"io.modelcontextprotocol/subscriptionId": 1});
    ensure!(told["params"] == json!({"uri": "all+file:///docs/sub/b.txt", "_meta": tag}), "told: {told}");
    mine.silent(Duration::from_millis(300)).await
}

async fn lost() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut mine = house.agent.listen(json!({"toolsListChanged": true, "resourceSubscriptions": [URI]})).await?;
    update(&house);
    mine.next(LATE).await?;
    // From now on the server agrees to no more than one other resource.
    house.peer.script(|heard| {
        let tag = json!({"io.modelcontextprotocol/subscriptionId": heard.json["id"]});
        let agreed = json!({"resourceSubscriptions": ["file:///docs/b.txt"]});
        let said = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            "params": {"_meta": tag, "notifications": agreed}});
        let body = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {said}\n\n");
        let pause = (Duration::from_secs(20), Vec::new());
        (heard.method() == "subscriptions/listen").then(|| Say::Bytes(vec![(Duration::ZERO, body.into()), pause]))
    });
    let _other = house.agent.listen(json!({"resourceSubscriptions": ["all+file:///docs/b.txt"]})).await?;
    let told = mine.next(LATE).await?;
    ensure!(told["result"]["resultType"] == json!("complete"), "told: {told}");
    ensure!(mine.next(LATE).await?.is_null(), "the stream goes on");
    Ok(())
}

async fn frozen() -> anyhow::Result<()> {
    let house = House::start().await?;
    let wished = json!({"resourceSubscriptions": [URI], "promptsListChanged": true});
    let mut mine = house.agent.listen(wished.clone()).await?;
    house.gateway.ok(ADMINISTRATOR, &["freeze", "--reason", "drill"]).await?;
    update(&house);
    house.gateway.edit("roles/user.cedar", &USER.replace("all/shut", "all/open")).await?;
    mine.silent(Duration::from_secs(1)).await?;
    let Err(refused) = house.agent.listen(wished).await else { anyhow::bail!("a subscription was opened") };
    ensure!(format!("{refused:#}").contains("frozen"), "{refused:#}");
    house.gateway.ok(ADMINISTRATOR, &["unfreeze", "--reason", "drill is over"]).await?;
    let told = mine.next(LATE).await.context("of the list that changed meanwhile")?;
    ensure!(told["method"] == json!("notifications/prompts/list_changed"), "told: {told}");
    update(&house);
    let told = mine.next(LATE).await?;
    ensure!(told["method"] == json!("notifications/resources/updated"), "told: {told}");
    Ok(())
}
