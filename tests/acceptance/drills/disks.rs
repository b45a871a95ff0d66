//! Drills of the disk: full, and failing with EIO. Then nothing is served, by role or by exception.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{TOOL, Timeline, alarmed, excepted};
use crate::{
    Case, NotRun,
    cases::{case, durability},
    gateway::{Gateway, Options, program, until},
};

pub fn drills() -> Vec<Case> {
    vec![case!("drill: disk full", "T100", 90, full), case!("drill: disk errors", "T101", 90, errors)]
}

/// Waits until calls are refused; then none goes through, whatever would admit it.
async fn stopped(line: &mut Timeline, gateway: &Gateway, mut spoil: impl FnMut()) -> anyhow::Result<()> {
    let text = "x".repeat(20_000);
    until("calls are refused", Duration::from_secs(20), async || {
        spoil();
        let answer = gateway.agent.call(TOOL, json!({"text": text})).await;
        answer.is_ok_and(|answer| answer.status == 503 && answer.told().contains("audit_unavailable"))
    })
    .await?;
    line.mark("every call refused (audit_unavailable)");
    let before = gateway.upstream.count();
    for turn in 0..10 {
        for tool in [TOOL, "rec__echo"] {
            spoil();
            let answer = gateway.agent.call(tool, json!({"text": format!("down {turn}")})).await?;
            ensure!(answer.told().contains("audit_unavailable"), "{tool} in the outage: {}", answer.told());
        }
    }
    ensure!(gateway.upstream.count() == before, "the tool server was called without a record");
    line.mark("20 calls refused, none reached the tool server");
    Ok(())
}

async fn end(line: &mut Timeline, gateway: &Gateway) -> anyhow::Result<()> {
    line.works(gateway, Duration::from_secs(20)).await.with_context(|| gateway.tail())?;
    let alarm = async || alarmed(gateway, "store_failed").await;
    until("an alarm about the store", Duration::from_secs(5), alarm).await?;
    let report = gateway.verified().await?;
    line.mark(format!("alarm store_failed on record, {} records verified", report["records"]));
    line.tell();
    Ok(())
}

async fn full() -> anyhow::Result<()> {
    let small = durability::small().await?;
    let data = Some(small.path().join("data"));
    let gateway = Gateway::with(Options { data, ..Options::default() }).await?;
    excepted(&gateway, "budget.reserve", Value::Null).await?;
    let ballast = small.path().join("ballast");
    durability::fill(&ballast);
    let mut line = Timeline::begin("disk full");
    stopped(&mut line, &gateway, || durability::fill(&ballast)).await?;
    fs::remove_file(&ballast)?;
    line.mark("disk freed");
    end(&mut line, &gateway).await
}

async fn errors() -> anyhow::Result<()> {
    if let Err(error) = program("strace", &["-V"]).await {
        return Err(NotRun(format!("{error:#}")).into());
    }
    let gateway = Gateway::start().await?;
    excepted(&gateway, "budget.reserve", Value::Null).await?;
    let pid = gateway.pid()?.to_string();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-q", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"]);
    strace.args(["-e", "inject=fdatasync,fsync:error=EIO", "-p", &pid]);
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut strace = strace.spawn().context("`strace` cannot be run")?;
    until("strace is attached to every thread", Duration::from_secs(5), async || durability::traced(&pid)).await?;
    let mut line = Timeline::begin("every sync of the disk fails with EIO");
    stopped(&mut line, &gateway, || ()).await?;
    // SIGINT makes strace let go of the gateway before it ends.
    program("kill", &["-INT", &strace.id().context("strace ended")?.to_string()]).await?;
    strace.wait().await?;
    line.mark("syncs succeed");
    end(&mut line, &gateway).await
}
