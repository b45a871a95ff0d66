//! Drills of those who watch: the collector, the webhook, the SIEM.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, sync::atomic::Ordering, time::Duration};

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Timeline, alarmed, excepted};
use crate::{
    Case,
    cases::{alerts, case, exports},
    collector::{self, Collector},
    gateway::{ADMINISTRATOR, Gateway, OWNER, Options, free_port, until},
    say,
    sink::{Manner, Sink},
};

pub fn drills() -> Vec<Case> {
    vec![
        case!("drill: collector killed", "T088", 90, killed),
        case!("drill: collector slow", "T088 T102", 90, slow),
        case!("drill: collector lying with partial_success", "T088", 90, lying),
        case!("drill: webhook down", "T088", 90, webhook),
        case!("drill: SIEM cursor stuck", "T102", 90, siem),
    ]
}

async fn traced(port: u16) -> anyhow::Result<Gateway> {
    let otlp = Some(format!("http://127.0.0.1:{port}"));
    let gateway = Gateway::with(Options { otlp, ..Options::default() }).await?;
    excepted(&gateway, "trace.full", Value::Null).await?;
    Ok(gateway)
}

/// Each use has its trace in the end, as the gateway says.
async fn reconciled(gateway: &Gateway, line: &mut Timeline) -> anyhow::Result<()> {
    let found = gateway.ok(ADMINISTRATOR, &["traces", "reconcile", "--within", "20"]).await?;
    ensure!(found["percent"] == json!(100.0), "the reconciler says {found}");
    line.mark(format!("{} of {} uses have their trace", found["with_trace"], found["uses"]));
    Ok(())
}

/// The same, as the collector itself says.
async fn kept(gateway: &Gateway, sink: &Sink, line: &mut Timeline) -> anyhow::Result<()> {
    let journal = gateway.journal().await?;
    let is_use = |record: &Value| record["kind"] == "intent" && record["verdict"]["basis"] == "exception";
    let uses: BTreeSet<i64> = (1..).zip(&journal).filter(|(_, record)| is_use(record)).map(|(seq, _)| seq).collect();
    let all = async || sink.kept.uses().into_keys().collect::<BTreeSet<_>>() == uses;
    until("the collector has the trace of each use", Duration::from_secs(20), all).await?;
    reconciled(gateway, line).await
}

async fn killed() -> anyhow::Result<()> {
    let port = free_port()?;
    say(if collector::is_foreign() { "the collector is rotel" } else { "rotel is not set up: a collector of ours" });
    let mut collector = Collector::start(port).await?;
    let gateway = traced(port).await?;
    collector.kill().await?;
    let mut line = Timeline::begin("collector killed");
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(3)).await?;
    until("the alarm about the control is on record", Duration::from_secs(5), async || {
        alarmed(&gateway, "control_unhealthy").await
    })
    .await?;
    line.mark("alarm control_unhealthy on record");
    collector.launch().await?;
    line.mark("collector back");
    line.works(&gateway, Duration::from_secs(15)).await?;
    reconciled(&gateway, &mut line).await?;
    line.tell();
    gateway.verified().await.map(drop)
}

async fn slow() -> anyhow::Result<()> {
    let port = free_port()?;
    let sink = Sink::start(port).await?;
    let gateway = traced(port).await?;
    sink.kept.behave(Manner { dawdles: Duration::from_millis(300), ..Manner::default() });
    let mut line = Timeline::begin("collector answers after 0.3 s");
    for _ in 0..10 {
        ensure!(super::works(&gateway).await, "a slow collector is still one");
    }
    line.mark("10 uses went on");
    sink.kept.behave(Manner { dawdles: Duration::from_secs(3_600), ..Manner::default() });
    line.mark("collector answers nothing");
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(10)).await?;
    sink.kept.behave(Manner::default());
    line.mark("collector answers at once");
    line.works(&gateway, Duration::from_secs(20)).await?;
    kept(&gateway, &sink, &mut line).await?;
    line.tell();
    gateway.verified().await.map(drop)
}

async fn lying() -> anyhow::Result<()> {
    let port = free_port()?;
    let sink = Sink::start(port).await?;
    let gateway = traced(port).await?;
    sink.kept.behave(Manner { lies: true, ..Manner::default() });
    let mut line = Timeline::begin("collector says success and rejects every span");
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(6)).await?;
    sink.kept.behave(Manner::default());
    line.mark("collector honest");
    line.works(&gateway, Duration::from_secs(15)).await?;
    kept(&gateway, &sink, &mut line).await?;
    line.tell();
    gateway.verified().await.map(drop)
}

async fn webhook() -> anyhow::Result<()> {
    let mut receiver = alerts::Receiver::start().await?;
    let url = format!("http://{}/hook", receiver.address);
    let hook = json!({"owners": {"url": url, "on": ["exception.used"], "owners": [OWNER]}});
    let gateway = alerts::gateway(hook).await?;
    excepted(&gateway, "notify.owner", json!({"grace_s": 2})).await?;
    until("a use is told", Duration::from_secs(3), async || !receiver.taken().is_empty()).await?;
    receiver.down().await;
    let mut line = Timeline::begin("webhook down");
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(8)).await?;
    receiver.up().await?;
    line.mark("webhook up");
    line.works(&gateway, Duration::from_secs(20)).await?;
    let journal = gateway.journal().await?;
    let is_use = |record: &Value| record["kind"] == "intent" && record["verdict"]["basis"] == "exception";
    let uses: Vec<String> =
        (1..).zip(&journal).filter(|(_, r)| is_use(r)).map(|(seq, _): (u64, _)| seq.to_string()).collect();
    let told = async || receiver.taken().iter().map(|got| &got.id).eq(&uses);
    until("each use is told, in order", Duration::from_secs(10), told).await?;
    line.mark(format!("{} of {} uses were told, in order", receiver.taken().len(), uses.len()));
    line.tell();
    gateway.verified().await.map(drop)
}

async fn siem() -> anyhow::Result<()> {
    let siem = exports::Receiver::start(false).await?;
    let place = tempfile::tempdir()?;
    let token = place.path().join("token");
    fs::write(&token, "siem-token-1\n")?;
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
    let url = format!("http://{}/in", siem.address);
    let exports = json!({"siem": {"http": {"url": url, "bearer_file": token, "allow_private": true}}});
    let gateway = Gateway::with(Options { exports, ..Options::default() }).await?;
    excepted(&gateway, "export.acknowledged", json!({"sink": "siem", "max_lag_s": 2})).await?;
    siem.closed.store(true, Ordering::Relaxed);
    let mut line = Timeline::begin("SIEM acknowledges nothing");
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(8)).await?;
    siem.closed.store(false, Ordering::Relaxed);
    line.mark("SIEM acknowledges");
    line.works(&gateway, Duration::from_secs(20)).await?;
    let last = u64::try_from(gateway.journal().await?.len())?;
    until("everything has left", Duration::from_secs(10), async || siem.uids().contains(&last)).await?;
    let got: BTreeSet<u64> = siem.uids().into_iter().collect();
    ensure!((1..=last).all(|seq| got.contains(&seq)), "the SIEM lacks records");
    line.mark(format!("all {last} records acknowledged"));
    line.tell();
    gateway.verified().await.map(drop)
}
