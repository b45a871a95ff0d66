//! A control that stops working stops what depends on it, and nothing else; so does the freeze, for everything.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    collector::{self, Collector},
    gateway::{ADMINISTRATOR, Gateway, Options, free_port, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a dead collector stops exceptions that need a trace, nothing else", "T088", 90, dead_collector),
        case!("a freeze under load stops every call within a second", "T093", 60, freeze),
    ]
}

const TOOL: &str = "rec__remember";

async fn dead_collector() -> anyhow::Result<()> {
    let port = free_port()?;
    if !collector::is_foreign() {
        say("rotel is not set up (tests/setup.sh): a collector of our own stands in");
    }
    let mut collector = Collector::start(port).await?;
    let gateway =
        Gateway::with(Options { otlp: Some(format!("http://127.0.0.1:{port}")), ..Options::default() }).await?;
    let mut record = gateway.record("EX-TRACE", "remember", 600).await?;
    record["controls"] =
        json!([{"id": "traced", "obligation": "trace.full", "definition": "Every call leaves a whole trace."}]);
    gateway.grant(&record).await?;
    let agent = &gateway.agent;
    let call = async |text: &str| agent.call(TOOL, json!({"text": text})).await;
    let works = async || call("works").await.is_ok_and(|answer| answer.is_done());
    until("the exception works under the collector", Duration::from_secs(10), works).await?;
    for round in 0..2 {
        say("killing the collector");
        collector.kill().await?;
        let refused = async || call("kill").await.is_ok_and(|answer| answer.reason() == "monitoring_unavailable");
        until("calls are refused with monitoring_unavailable", Duration::from_secs(2), refused).await?;
        let before = gateway.upstream.count();
        for turn in 0..10 {
            let answer = call(&format!("dead {round} {turn}")).await?;
            ensure!(answer.reason() == "monitoring_unavailable", "while it is dead: {}", answer.told());
            let answer = agent.call("rec__echo", json!({"text": format!("rbac {round} {turn}")})).await?;
            ensure!(answer.is_done(), "RBAC: {}", answer.told());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen: Vec<Value> = gateway.upstream.calls().split_off(before);
        let wanted: Vec<Value> =
            (0..10).map(|turn| json!(["echo", {"text": format!("rbac {round} {turn}")}])).collect();
        ensure!(seen == wanted, "seen while the collector is dead: {seen:?}");
        say("starting it again");
        collector.launch().await?;
        let took = until("calls work again", Duration::from_secs(15), works).await?;
        say(&format!("calls work again after {took:.1?}"));
    }
    let journal = gateway.journal().await?;
    ensure!(journal.iter().any(|record| record["about"] == json!("control_unhealthy")), "no alarm about the control");
    gateway.verified().await?;
    Ok(())
}

async fn freeze() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut tasks = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for connection in 0..8 {
        let agent = gateway.agent.clone();
        tasks.spawn(async move {
            let mut line = agent.line().await?;
            let mut refused = Vec::new();
            let mut turn = 0;
            while begun.elapsed() < Duration::from_secs(4) {
                turn += 1;
                let answer = line.call("rec__echo", &json!({"text": format!("{connection}-{turn}")})).await?;
                if !answer.is_done() {
                    refused.push(answer.reason());
                }
            }
            Ok::<_, anyhow::Error>(refused)
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    gateway.ok(ADMINISTRATOR, &["freeze", "--reason", "drill"]).await?;
    let frozen = Instant::now();
    let mut refused = Vec::new();
    while let Some(part) = tasks.join_next().await {
        refused.extend(part??);
    }
    let seen = gateway.upstream.seen();
    let last = seen.iter().map(|seen| seen.at).max().context("nothing was seen")?;
    let after = last.saturating_duration_since(frozen);
    say(&format!(
        "{} calls before, {} refused, the last forward {after:.1?} after the freeze",
        seen.len(),
        refused.len()
    ));
    ensure!(after <= Duration::from_secs(1), "the last forward came {after:?} after the freeze");
    ensure!(!refused.is_empty() && refused.iter().all(|reason| reason == "frozen"), "refused: {refused:?}");
    gateway.ok(ADMINISTRATOR, &["unfreeze", "--reason", "drill is over"]).await?;
    let answer = gateway.agent.call("rec__echo", json!({"text": "again"})).await?;
    ensure!(answer.is_done(), "after the freeze: {}", answer.told());
    gateway.verified().await?;
    Ok(())
}
