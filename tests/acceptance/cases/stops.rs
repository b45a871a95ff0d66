//! The freeze and a lost record stop prompts, resources and completion as they stop calls.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::{Value, json};

use super::{
    case,
    durability::{fill, small},
};
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Options, until},
    house::House,
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a freeze stops prompts, resources and completion, in flight too", "T093", 60, freeze),
        case!("without a record no prompt is got and no resource is read", "T100", 90, unrecorded),
    ]
}

fn asked() -> [(&'static str, Value); 3] {
    [
        ("prompts/get", json!({"name": "all__open"})),
        ("resources/read", json!({"uri": "all+file:///docs/a.txt"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "all__open"}, "argument": {"name": "a", "value": "b"}}),
        ),
    ]
}

async fn freeze() -> anyhow::Result<()> {
    let house = House::start().await?;
    let agent = house.agent.clone();
    let slow = tokio::spawn(async move { agent.ask("prompts/get", json!({"name": "all__slow"})).await });
    until("the slow prompt is forwarded", Duration::from_secs(5), async || house.peer.carried() == 1).await?;
    let begun = Instant::now();
    house.gateway.ok(ADMINISTRATOR, &["freeze", "--reason", "drill"]).await?;
    let answer = slow.await??;
    ensure!(answer.json()["error"].is_object(), "a prompt in flight: {}", answer.told());
    ensure!(begun.elapsed() < Duration::from_secs(3), "it was ended after {:?}", begun.elapsed());
    let ended = async || house.peer.heard("prompts/get").iter().all(|heard| heard.cancelled.is_some());
    until("the server is told", Duration::from_secs(2), ended).await?;
    let before = house.peer.carried();
    for (method, params) in asked() {
        let answer = house.agent.ask(method, params).await?;
        ensure!(answer.json()["error"].is_object(), "{method}: {}", answer.told());
        ensure!(answer.told().contains("frozen"), "{method}: {}", answer.told());
    }
    house.peer.quiet(before)?;
    house.gateway.ok(ADMINISTRATOR, &["unfreeze", "--reason", "drill is over"]).await?;
    for (method, params) in asked() {
        let answer = house.agent.ask(method, params).await?;
        ensure!(answer.json()["result"].is_object(), "{method}: {}", answer.told());
    }
    let journal = house.gateway.journal().await?;
    let cut = journal.iter().any(|record| record["how"] == json!("cancelled") && record["detail"] == json!("frozen"));
    ensure!(cut, "the end of the slow prompt is not on record");
    house.gateway.verified().await?;
    Ok(())
}

async fn unrecorded() -> anyhow::Result<()> {
    let disk = small().await?;
    let path: &Path = disk.path();
    let house = House::with(Options { data: Some(path.join("data")), ..Options::default() }).await?;
    say("filling the disk");
    let ballast = path.join("ballast");
    let begun = Instant::now();
    let long = json!({"name": "all__open", "arguments": {"a": "x".repeat(20_000)}});
    loop {
        fill(&ballast);
        let answer = house.agent.ask("prompts/get", long.clone()).await?;
        if answer.status == 503 {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "prompts go on although the disk is full");
    }
    for _ in 0..5 {
        fill(&ballast);
        let before = house.peer.carried();
        for (method, params) in asked() {
            let answer = house.agent.ask(method, params).await?;
            let clear = answer.status == 503 && answer.told().contains("audit_unavailable");
            ensure!(clear, "{method}: {}", answer.told());
        }
        house.peer.quiet(before)?;
    }
    fs::remove_file(&ballast)?;
    let (method, params) = &asked()[1];
    let works = async || house.agent.ask(method, params.clone()).await.is_ok_and(|answer| answer.status == 200);
    until("resources are read again", Duration::from_secs(20), works).await?;
    house.gateway.verified().await?;
    Ok(())
}
