//! What is not durable does not happen: failing disks, full disks, and the gateway killed under load.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::case;
use crate::{
    Case, NotRun,
    gateway::{Gateway, Options, kinds, program, until},
    prints::Prints,
    say,
    wire::{Agent, Answer},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a disk that cannot sync refuses calls and recovers", "T101", 90, failing_sync),
        case!("a full disk refuses calls and recovers", "T100", 90, full_disk),
        case!("killed under load, nothing acknowledged is lost", "T103", 240, killed),
    ]
}

async fn echo(agent: &Agent, text: &str) -> anyhow::Result<Answer> {
    agent.call("rec__echo", json!({"text": text})).await
}

/// 503, and the word that says why.
fn unavailable(answer: &Answer) -> anyhow::Result<()> {
    let clear = answer.status == 503 && answer.told().contains("audit_unavailable");
    ensure!(clear, "not a clear refusal: {}", answer.told());
    Ok(())
}

/// What `seen` holds is in the journal, as often and with these arguments.
fn intents_cover(gateway: &Gateway, journal: &[Value], seen: &[Value]) -> anyhow::Result<()> {
    let prints = Prints::read(&gateway.data)?;
    let mut intents: BTreeMap<String, usize> = BTreeMap::new();
    for record in journal.iter().filter(|record| record["kind"] == json!("intent")) {
        let digest =
            record.pointer("/call/arguments/digest").and_then(Value::as_str).context("an intent without digest")?;
        *intents.entry(format!("{} {digest}", record["call"]["tool"])).or_default() += 1;
    }
    let mut calls: BTreeMap<(String, String), usize> = BTreeMap::new();
    for call in seen {
        *calls.entry((call[0].to_string(), call[1].to_string())).or_default() += 1;
    }
    let found = |(tool, text): &(String, String)| -> usize {
        prints.of(text).iter().filter_map(|print| intents.get(&format!("{tool} {print}"))).sum()
    };
    let missing: Vec<_> = calls.iter().filter(|(call, count)| found(call) < **count).collect();
    ensure!(missing.is_empty(), "{} calls were seen without intent, such as {:?}", missing.len(), missing.first());
    Ok(())
}

/// SHA-256, as records write it.
pub fn digest(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

async fn failing_sync() -> anyhow::Result<()> {
    if let Err(error) = program("strace", &["-V"]).await {
        return Err(NotRun(format!("{error:#}")).into());
    }
    let gateway = Gateway::start().await?;
    let agent = &gateway.agent;
    ensure!(echo(agent, "before").await?.is_done(), "the first call");
    let pid = gateway.pid()?.to_string();
    for round in 0..2 {
        say("strace makes every fsync and fdatasync of the gateway fail with EIO");
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-q",
            "-o",
            "/dev/null",
            "-e",
            "trace=fdatasync,fsync",
            "-e",
            "inject=fdatasync,fsync:error=EIO",
            "-p",
            &pid,
        ]);
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut strace = strace.spawn().context("`strace` cannot be run")?;
        until("strace is attached to every thread", Duration::from_secs(5), async || traced(&pid)).await?;
        let before = gateway.upstream.count();
        for turn in 0..10 {
            unavailable(&echo(agent, &format!("eio {round} {turn}")).await?)?;
        }
        let seen = gateway.upstream.calls().split_off(before);
        ensure!(seen.is_empty(), "seen while nothing is durable: {seen:?}");
        // SIGINT makes strace let go of the gateway before it ends.
        program("kill", &["-INT", &strace.id().context("strace ended")?.to_string()]).await?;
        strace.wait().await?;
        let mut turn = 0;
        let works = async || {
            turn += 1;
            echo(agent, &format!("again {round} {turn}")).await.is_ok_and(|answer| answer.is_done())
        };
        let took = until("calls work again without a restart", Duration::from_secs(10), works)
            .await
            .with_context(|| gateway.tail())?;
        say(&format!("calls work again after {took:.1?}"));
    }
    let (journal, seen) = (gateway.journal().await?, gateway.upstream.calls());
    intents_cover(&gateway, &journal, &seen)?;
    ensure!(seen.len() == 3, "seen: {seen:?}");
    ensure!(journal.iter().any(|record| record["about"] == json!("store_failed")), "no alarm about the store");
    gateway.verified().await?;
    Ok(())
}

/// Whether every thread of the process has a tracer.
pub fn traced(pid: &str) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
    })
}

/// A small file system, gone with this value.
pub struct Small(tempfile::TempDir);

impl Small {
    pub fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A file system of 12 MB.
pub async fn small() -> anyhow::Result<Small> {
    let small = Small(tempfile::Builder::new().prefix("postern-acceptance-disk-").tempdir()?);
    let path = small.path().display().to_string();
    let mounted = program("mount", &["-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", &path]).await;
    if let Err(error) = mounted {
        return Err(NotRun(format!("no small file system can be mounted: {error:#}")).into());
    }
    Ok(small)
}

async fn full_disk() -> anyhow::Result<()> {
    let small = small().await?;
    let path = small.path().to_path_buf();
    let data = path.join("data");
    let gateway = Gateway::with(Options { data: Some(data), ..Options::default() }).await?;
    let agent = &gateway.agent;
    ensure!(echo(agent, "before").await?.is_done(), "the first call");
    say("filling the disk");
    let ballast = path.join("ballast");
    let mut done = 1;
    let mut refused = None;
    let begun = Instant::now();
    while refused.is_none() {
        ensure!(begun.elapsed() < Duration::from_secs(30), "calls go on although the disk is full");
        if done > 20 {
            fill(&ballast);
        }
        let answer = echo(agent, &format!("{done} {}", "x".repeat(20_000))).await?;
        if answer.is_done() { done += 1 } else { refused = Some(answer) }
    }
    unavailable(&refused.context("nothing was refused")?)?;
    let before = gateway.upstream.count();
    ensure!(before == done, "{before} calls were seen, {done} went through");
    for turn in 0..20 {
        fill(&ballast);
        let answer = echo(agent, &format!("full {turn}")).await?;
        ensure!(!answer.is_done(), "a call went through on a full disk");
        unavailable(&answer)?;
    }
    let seen = gateway.upstream.calls().split_off(before);
    ensure!(seen.is_empty(), "seen while the disk is full: {seen:?}");
    say("freeing the disk");
    fs::remove_file(&ballast)?;
    let works = async || echo(agent, "again").await.is_ok_and(|answer| answer.is_done());
    let took = until("calls work again without a restart", Duration::from_secs(20), works)
        .await
        .with_context(|| gateway.tail())?;
    say(&format!("{done} calls before, calls work again after {took:.1?}"));
    intents_cover(&gateway, &gateway.journal().await?, &gateway.upstream.calls())?;
    gateway.verified().await?;
    Ok(())
}

/// Writes until nothing more fits.
pub fn fill(ballast: &std::path::Path) {
    use std::io::Write as _;
    let Ok(mut file) = fs::OpenOptions::new().create(true).append(true).open(ballast) else { return };
    for size in [1 << 20, 1 << 16, 1 << 12] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// What the load knows at its end.
#[derive(Default)]
struct Load {
    answered: Mutex<BTreeSet<String>>,
    /// The last answer that was no success.
    refused: Mutex<String>,
    sent: AtomicUsize,
    stop: AtomicBool,
}

async fn killed() -> anyhow::Result<()> {
    let kills: usize = std::env::var("ACCEPTANCE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let mut gateway = Gateway::start().await?;
    let load = Arc::new(Load::default());
    let tasks: Vec<_> = (0..8).map(|n| tokio::spawn(press(gateway.agent.clone(), n, Arc::clone(&load)))).collect();
    let begun = Instant::now();
    let mut seed = 0x9e37_79b9_u64;
    for kill in 1..=kills {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let before = gateway.upstream.count();
        let some = async || gateway.upstream.count() > before;
        until("the gateway forwards again", Duration::from_secs(20), some).await.with_context(|| {
            format!(
                "kill {kill}, last refusal {}\n       | {}",
                load.refused.lock().unwrap_or_else(PoisonError::into_inner),
                gateway.tail()
            )
        })?;
        tokio::time::sleep(Duration::from_millis(seed >> 33 & 0x3f)).await;
        gateway.kill().await?;
        gateway.launch().await?;
        if kill % 50 == 0 {
            say(&format!(
                "{kill} kills, {} calls seen, {:.0} s",
                gateway.upstream.count(),
                begun.elapsed().as_secs_f64()
            ));
        }
    }
    load.stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await?;
    }
    judge(&gateway, &load, kills).await
}

/// One connection after the other, one call after the other, each with an id of its own.
async fn press(agent: Agent, connection: usize, load: Arc<Load>) {
    let mut turn = 0;
    while !load.stop.load(Ordering::SeqCst) {
        let Ok(mut line) = agent.line().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        loop {
            turn += 1;
            let text = format!("{connection}-{turn}");
            load.sent.fetch_add(1, Ordering::Relaxed);
            match line.call("rec__echo", &json!({"text": text})).await {
                Ok(answer) if answer.is_done() => {
                    load.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
                }
                Ok(answer) => {
                    *load.refused.lock().unwrap_or_else(PoisonError::into_inner) = answer.told();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(_) => break,
            }
            if load.stop.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

async fn judge(gateway: &Gateway, load: &Load, kills: usize) -> anyhow::Result<()> {
    let report = gateway.verified().await?;
    let (journal, seen) = (gateway.journal().await?, gateway.upstream.calls());
    intents_cover(gateway, &journal, &seen)?;
    let unique: BTreeSet<String> = seen.iter().map(Value::to_string).collect();
    ensure!(unique.len() == seen.len(), "{} calls were forwarded twice", seen.len() - unique.len());
    // Outcomes by decision; intents by what they were called with.
    let mut outcomes: BTreeMap<&str, &str> = BTreeMap::new();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for record in &journal {
        match record["kind"].as_str() {
            Some("outcome") => {
                outcomes.insert(
                    record["decision"].as_str().unwrap_or_default(),
                    record["how"].as_str().unwrap_or_default(),
                );
            }
            Some("recovered") => {
                named.extend(record["unknown"].as_array().into_iter().flatten().filter_map(Value::as_str))
            }
            _ => {}
        }
    }
    let mut answered: BTreeSet<String> = BTreeSet::new();
    let mut orphans = 0;
    for intent in journal.iter().filter(|record| record["kind"] == json!("intent")) {
        let decision = intent["decision"].as_str().unwrap_or_default();
        match outcomes.get(decision) {
            Some(&"answered") => {
                let _first =
                    answered.insert(intent["call"]["arguments"]["digest"].as_str().unwrap_or_default().to_owned());
            }
            Some(_) => {}
            None if named.contains(decision) => orphans += 1,
            None => bail!("the intent {decision} has no outcome, and nothing names it"),
        }
    }
    let acknowledged = load.answered.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let prints = Prints::read(&gateway.data)?;
    let known = |text: &String| prints.of(&json!({"text": text}).to_string()).iter().any(|one| answered.contains(one));
    let lost = acknowledged.iter().filter(|text| !known(text)).count();
    ensure!(lost == 0, "{lost} of {} acknowledged calls have no outcome", acknowledged.len());
    let starts = kinds(&journal).get("start").copied().unwrap_or_default();
    ensure!(starts == kills + 1, "{starts} starts are recorded");
    say(&format!(
        "{} sent, {} seen, {} acknowledged, {orphans} without outcome at a kill and named, {} records",
        load.sent.load(Ordering::Relaxed),
        seen.len(),
        acknowledged.len(),
        report["records"],
    ));
    ensure!(!acknowledged.is_empty(), "nothing was acknowledged");
    Ok(())
}
