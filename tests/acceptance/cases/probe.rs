//! The deep probe: what a collector acknowledges must be found where people look, or exceptions that need it wait.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    backend::Backend,
    gateway::{ADMINISTRATOR, Gateway, Options, free_port, until},
    say,
    sink::{Manner, Sink},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            "probe: markers that are not in the backend suspend what needs the trace, found they resume it",
            "T088",
            120,
            phoenix
        ),
        case!(
            "probe: a backend that speaks as Jaeger does; the reconciler names a trace that is missing",
            "T088",
            90,
            jaeger
        ),
    ]
}

/// A marker each second, looked for during one: what is lost is known within two, and a little for the machine.
const LEASE: Duration = Duration::from_secs(4);

async fn house(api: &str) -> anyhow::Result<(Sink, Backend, Gateway)> {
    let port = free_port()?;
    let sink = Sink::start(port).await?;
    let backend = Backend::start(std::sync::Arc::clone(&sink.kept)).await?;
    let gateway = Gateway::with(Options {
        otlp: Some(format!("http://127.0.0.1:{port}")),
        telemetry: json!({"probe": {api: backend.url, "every_s": 1, "within_s": 1}}),
        ..Options::default()
    })
    .await?;
    let mut record = gateway.record("EX-PROBED", "remember", 600).await?;
    record["controls"] =
        json!([{"id": "traced", "obligation": "trace.full", "definition": "Every call leaves a whole trace."}]);
    gateway.grant(&record).await?;
    gateway.grant(&gateway.record("EX-PLAIN", "slow", 600).await?).await?;
    until("the exception works", Duration::from_secs(15), async || probed(&gateway).await.is_empty()).await?;
    Ok((sink, backend, gateway))
}

/// The reason of the refusal of a call that needs the trace; nothing if it was answered.
async fn probed(gateway: &Gateway) -> String {
    match gateway.agent.call("rec__remember", json!({"text": "t"})).await {
        Ok(answer) if answer.is_done() => String::new(),
        Ok(answer) => answer.reason(),
        Err(error) => format!("{error:#}"),
    }
}

async fn plain(gateway: &Gateway) -> anyhow::Result<()> {
    let answer = gateway.agent.call("rec__slow", json!({"ms": 0})).await?;
    ensure!(answer.is_done(), "what needs no trace goes on: {}", answer.told());
    Ok(())
}

/// The acts on an exception by the gateway: which, and why.
async fn acts(gateway: &Gateway, id: &str) -> anyhow::Result<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let journal = gateway.journal().await?;
    let own = journal.iter().filter(|one| one["kind"] == "lifecycle" && one["exception"] == id);
    Ok(own.map(|one| (text(&one["event"]["event"]), text(&one["reason"]))).collect())
}

async fn lost(gateway: &Gateway, what: &str) -> anyhow::Result<()> {
    say(what);
    let refused = async || probed(gateway).await == "monitoring_unavailable";
    let took = until("a refusal with monitoring_unavailable", LEASE, refused).await?;
    let suspended = async || {
        let last = acts(gateway, "EX-PROBED").await.unwrap_or_default().pop();
        last.is_some_and(|(event, why)| event == "suspended" && why.starts_with("monitoring_unavailable"))
    };
    until("the suspension is on record", Duration::from_secs(3), suspended).await?;
    say(&format!("refused after {took:.1?}, and suspended"));
    plain(gateway).await?;
    let others = acts(gateway, "EX-PLAIN").await?;
    ensure!(others.iter().all(|(event, _)| event != "suspended"), "what needs no trace is left alone: {others:?}");
    Ok(())
}

async fn back(gateway: &Gateway) -> anyhow::Result<()> {
    let took = until("it works again", Duration::from_secs(15), async || probed(gateway).await.is_empty()).await?;
    let last = acts(gateway, "EX-PROBED").await?.pop().context("no act")?;
    ensure!(last.0 == "resumed", "the last act: {last:?}");
    say(&format!("resumed after {took:.1?}"));
    Ok(())
}

async fn phoenix() -> anyhow::Result<()> {
    let (sink, backend, gateway) = house("phoenix").await?;
    sink.kept.behave(Manner { drops: true, ..Manner::default() });
    lost(&gateway, "the collector takes spans and keeps none").await?;
    sink.kept.behave(Manner::default());
    back(&gateway).await?;
    backend.fails.store(true, Ordering::SeqCst);
    lost(&gateway, "the backend answers errors").await?;
    backend.fails.store(false, Ordering::SeqCst);
    back(&gateway).await?;
    let journal = gateway.journal().await?;
    let alarms = journal.iter().filter(|one| one["kind"] == "alarm" && one["exception"] == "EX-PROBED");
    let told: Vec<_> = alarms.map(|one| one["about"].as_str().unwrap_or_default()).collect();
    let lost = told.iter().filter(|about| **about == "control_unhealthy").count();
    ensure!(lost >= 2 && told.contains(&"control_restored"), "alarms: {told:?}");
    gateway.verified().await?;
    Ok(())
}

async fn jaeger() -> anyhow::Result<()> {
    let (sink, backend, gateway) = house("jaeger").await?;
    for _ in 0..3 {
        ensure!(probed(&gateway).await.is_empty(), "it works");
    }
    let words = ["traces", "reconcile", "--jaeger", &backend.url, "--within"];
    let whole = gateway.ok(ADMINISTRATOR, &[&words[..], &["10"]].concat()).await?;
    ensure!(whole["percent"] == json!(100.0) && whole["uses"].as_u64() >= Some(4), "{whole}");
    let acknowledged = gateway.ok(ADMINISTRATOR, &["traces", "reconcile", "--within", "10"]).await?;
    ensure!(acknowledged["percent"] == json!(100.0), "the collector has taken all of it: {acknowledged}");
    let journal = gateway.journal().await?;
    let used = journal.iter().find(|one| one["kind"] == "intent" && one["verdict"]["exception"] == "EX-PROBED");
    let used = used.context("no use")?;
    sink.kept.forget(used["caller"]["trace"].as_str().context("no trace")?);
    let told = gateway.refused(ADMINISTRATOR, &[&words[..], &["0"]].concat()).await?;
    let decision = used["decision"].as_str().context("no decision")?;
    ensure!(told.contains(decision) && told.contains("not_in_backend"), "it names the use: {told}");
    drop(backend);
    lost(&gateway, "the backend is gone").await
}
