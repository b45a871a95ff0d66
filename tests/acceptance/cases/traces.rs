//! The trace of each use of an exception arrives, whatever becomes of the collector and of the gateway.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, Options, free_port, until},
    say,
    sink::{Manner, Sink},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("traces: after an outage and a kill each use has its trace", "T088 T103", 120, outage),
        case!("traces: a collector that lies loses none, one that refuses for good is told of", "T088", 120, lying),
        case!("traces: a slow collector holds up nobody and memory stays bounded", "T102 T108", 120, slow),
    ]
}

const TRACED: &str = "rec__remember";

async fn traced(port: u16) -> anyhow::Result<Gateway> {
    let gateway =
        Gateway::with(Options { otlp: Some(format!("http://127.0.0.1:{port}")), ..Options::default() }).await?;
    let mut record = gateway.record("EX-TRACED", "remember", 600).await?;
    record["controls"] =
        json!([{"id": "traced", "obligation": "trace.full", "definition": "Every call leaves a whole trace."}]);
    gateway.grant(&record).await?;
    let works = async || call(&gateway, TRACED, "works").await.is_ok_and(|reason| reason.is_empty());
    until("the exception works under the collector", Duration::from_secs(10), works).await?;
    Ok(gateway)
}

/// The reason of the refusal; empty if there is none.
async fn call(gateway: &Gateway, tool: &str, text: &str) -> anyhow::Result<String> {
    let answer = gateway.agent.call(tool, json!({"text": text})).await?;
    Ok(if answer.is_done() { String::new() } else { format!("refused: {}", answer.reason()) })
}

/// Where the intents of uses stand in the journal.
async fn uses(gateway: &Gateway) -> anyhow::Result<BTreeSet<i64>> {
    let journal = gateway.journal().await?;
    let is_use = |record: &Value| record["kind"] == "intent" && record["verdict"]["basis"] == "exception";
    (1..).zip(&journal).filter(|(_, record)| is_use(record)).map(|(seq, _)| Ok(seq)).collect()
}

/// Waits until the collector has the trace of each use, and holds the reconciler to it.
async fn all_arrive(gateway: &Gateway, sink: &Sink) -> anyhow::Result<usize> {
    let wanted = uses(gateway).await?;
    let arrived = async || wanted == sink.kept.uses().into_keys().collect::<BTreeSet<_>>();
    let took = until("each use has its trace", Duration::from_secs(30), arrived).await;
    let took = took.with_context(|| format!("{} of {} uses", sink.kept.uses().len(), wanted.len()))?;
    let kept = sink.kept.uses();
    let twice: Vec<_> = kept.iter().filter(|(_, ids)| ids.len() != 1).collect();
    ensure!(twice.is_empty(), "a use came under several ids: {twice:?}");
    let found = gateway.ok(ADMINISTRATOR, &["traces", "reconcile"]).await?;
    ensure!(found["uses"] == json!(wanted.len()) && found["percent"] == json!(100.0), "the reconciler says {found}");
    say(&format!("{} uses, {} traces, reconciled at 100 %, {took:.1?} after the last", wanted.len(), kept.len()));
    Ok(wanted.len())
}

async fn outage() -> anyhow::Result<()> {
    let port = free_port()?;
    let mut sink = Sink::start(port).await?;
    let mut gateway = traced(port).await?;
    gateway.grant(&gateway.record("EX-PLAIN", "slow", 600).await?).await?;
    let plain = async |gateway: &Gateway| {
        let answer = gateway.agent.call("rec__slow", json!({"ms": 0})).await?;
        anyhow::Ok(answer.is_done())
    };
    until("the exception without `trace.full` works", Duration::from_secs(10), async || {
        plain(&gateway).await.unwrap_or_default()
    })
    .await?;
    for turn in 0..20 {
        ensure!(call(&gateway, TRACED, &format!("before {turn}")).await?.is_empty(), "before the outage");
    }
    all_arrive(&gateway, &sink).await?;

    say("killing the collector");
    sink.kill();
    let refused =
        async || call(&gateway, TRACED, "dead").await.is_ok_and(|said| said == "refused: monitoring_unavailable");
    until("calls are refused with monitoring_unavailable", Duration::from_secs(2), refused).await?;
    for turn in 0..20 {
        ensure!(plain(&gateway).await?, "an exception that demands no trace goes on");
        ensure!(call(&gateway, "rec__echo", &format!("rbac {turn}")).await?.is_empty(), "RBAC goes on");
    }
    say("killing the gateway, with traces that nobody has");
    gateway.kill().await?;
    gateway.launch().await?;
    let seen = async || plain(&gateway).await.unwrap_or_default();
    until("calls are served again", Duration::from_secs(20), seen).await?;
    let told = gateway.refused(ADMINISTRATOR, &["traces", "reconcile", "--within", "1"]).await?;
    ensure!(told.contains("waiting"), "the reconciler names what waits: {told}");

    say("starting the collector again");
    sink.launch().await?;
    let count = all_arrive(&gateway, &sink).await?;
    ensure!(count > 41, "{count} uses");
    gateway.verified().await?;
    Ok(())
}

async fn lying() -> anyhow::Result<()> {
    let port = free_port()?;
    let sink = Sink::start(port).await?;
    let gateway = traced(port).await?;
    all_arrive(&gateway, &sink).await?;
    say("the collector says success and takes nothing");
    sink.kept.behave(Manner { lies: true, ..Manner::default() });
    let refused =
        async || call(&gateway, TRACED, "lie").await.is_ok_and(|said| said == "refused: monitoring_unavailable");
    until("calls are refused with monitoring_unavailable", Duration::from_secs(5), refused).await?;
    gateway.refused(ADMINISTRATOR, &["traces", "reconcile", "--within", "0"]).await?;
    sink.kept.behave(Manner::default());
    all_arrive(&gateway, &sink).await?;

    say("it refuses the traces of one exception for good");
    let works = async || call(&gateway, TRACED, "honest").await.is_ok_and(|said| said.is_empty());
    until("calls work again", Duration::from_secs(10), works).await?;
    all_arrive(&gateway, &sink).await?;
    gateway.grant(&gateway.record("EX-POISON", "slow", 600).await?).await?;
    sink.kept.behave(Manner { refuses: Some("EX-POISON".to_owned()), ..Manner::default() });
    let use_it = async || gateway.agent.call("rec__slow", json!({"ms": 0})).await.is_ok_and(|answer| answer.is_done());
    until("one use", Duration::from_secs(10), use_it).await?;
    let alarmed = async || {
        let journal = gateway.journal().await.unwrap_or_default();
        journal.iter().any(|record| record["about"] == "trace_lost" && record["exception"] == "EX-POISON")
    };
    let took = until("an alarm", Duration::from_secs(40), alarmed).await?;
    say(&format!("an alarm names it after {took:.1?}, {} requests in all", sink.kept.asked()));
    until("the other exception works again", Duration::from_secs(10), works).await?;
    let told = gateway.refused(ADMINISTRATOR, &["traces", "reconcile", "--within", "2"]).await?;
    ensure!(told.contains("EX-POISON") && told.contains("lost"), "the reconciler names it: {told}");
    Ok(())
}

async fn slow() -> anyhow::Result<()> {
    let port = free_port()?;
    let sink = Sink::start(port).await?;
    let gateway = traced(port).await?;
    sink.kept.behave(Manner { dawdles: Duration::from_millis(300), ..Manner::default() });
    for turn in 0..10 {
        ensure!(call(&gateway, TRACED, &format!("slow {turn}")).await?.is_empty(), "a slow collector is still one");
    }
    all_arrive(&gateway, &sink).await?;
    sink.kept.behave(Manner::default());
    let well = times(&gateway).await?;
    say("it answers nothing any more, and refusals flood the queues");
    sink.kept.behave(Manner { dawdles: Duration::from_secs(3_600), ..Manner::default() });
    let before = resident(gateway.pid()?)?;
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..4 {
        let agent = gateway.agent.clone();
        tasks.spawn(async move {
            let mut line = agent.line().await?;
            for turn in 0..1_500 {
                let answer = line.call("rec__echo", &json!({"text": format!("{part}-{turn}")})).await?;
                ensure!(answer.is_done(), "RBAC: {}", answer.told());
                let answer = line.call("rec__slow", &json!({"ms": 0})).await?;
                ensure!(!answer.is_done(), "nobody may");
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(part) = tasks.join_next().await {
        part??;
    }
    let after = resident(gateway.pid()?)?;
    say(&format!("12,000 calls: {before} MB before, {after} MB after"));
    ensure!(after < before + 120, "memory grew from {before} to {after} MB");
    // Off the path: with full queues a call takes as long as it did, but for the noise of a shared machine.
    let hung = times(&gateway).await?;
    say(&format!(
        "half of the calls within {:.1?} before and {:.1?} while it hangs; the slowest {:.1?}",
        well.0, hung.0, hung.1
    ));
    ensure!(hung.0 < well.0 * 2 + Duration::from_millis(5), "calls wait for the collector: {hung:?}, before {well:?}");
    ensure!(hung.1 < Duration::from_secs(2), "a call waited for the collector: {hung:?}");
    let (_, text) = gateway.text(ADMINISTRATOR, ("GET", "/metrics"), &Value::Null).await?;
    let full = |line: &&str| line.starts_with("postern_trace_spans_total{") && line.contains("result=\"queue_full\"");
    let dropped =
        text.lines().filter(full).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>();
    ensure!(dropped > 0.0, "what was dropped is not counted");
    ensure!(call(&gateway, TRACED, "hangs").await? == "refused: monitoring_unavailable", "it hangs");
    sink.kept.behave(Manner::default());
    all_arrive(&gateway, &sink).await?;
    Ok(())
}

/// How long 200 calls by a role take: half of them at most, and the slowest.
async fn times(gateway: &Gateway) -> anyhow::Result<(Duration, Duration)> {
    let mut line = gateway.agent.line().await?;
    let mut times = Vec::new();
    for turn in 0..200 {
        let begun = std::time::Instant::now();
        ensure!(line.call("rec__echo", &json!({"text": format!("timed {turn}")})).await?.is_done(), "RBAC");
        times.push(begun.elapsed());
    }
    times.sort();
    Ok((times[times.len() / 2], *times.last().context("no calls")?))
}

/// Megabytes of memory of this process.
fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_024)
}
