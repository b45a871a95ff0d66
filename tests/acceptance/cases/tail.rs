//! Events as they happen, and an exception that works only while a named person watches.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

use super::case;
use crate::{
    Case,
    gateway::{Gateway, OPERATOR, OWNER, SECURITY, until},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("events follow from the place where a connection broke off, filtered", "", 60, events),
        case!("an exception works only while a named person watches", "", 60, watched),
    ]
}

/// `postern tail`, and its lines.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(gateway: &Gateway, person: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = gateway.command();
        command.args(["--output", "json", "--key-file"]).arg(gateway.key_file(person)).arg("tail").args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Self { child, lines })
    }

    async fn next(&mut self) -> anyhow::Result<Value> {
        let line =
            tokio::time::timeout(Duration::from_secs(10), self.lines.next_line()).await.context("no event")??;
        Ok(serde_json::from_str(&line.context("the stream ended")?)?)
    }
}

async fn events() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.grant(&gateway.record("EX-TAIL", "remember", 600).await?).await?;
    let agent = &gateway.agent;
    let mut all = Tail::start(&gateway, SECURITY, &["--kind", "intent,outcome,denial"])?;
    let mut refusals = Tail::start(&gateway, SECURITY, &["--decision", "deny"])?;
    let mut under = Tail::start(&gateway, OWNER, &["--exception", "EX-TAIL", "--decision", "allow"])?;
    // Each has begun when it has told the first event; until then calls go on.
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(agent.call("rec__remember", json!({"text": "one"})).await?.is_done(), "the exception does not work");
    ensure!(agent.call("rec__echo", json!({"text": "two"})).await?.is_done(), "the role does not work");
    ensure!(!agent.call("rec__nap", json!({})).await?.is_done(), "a tool that nobody granted works");
    let mut kinds = Vec::new();
    let mut last = 0;
    for _ in 0..5 {
        let event = all.next().await?;
        let seq = event["seq"].as_u64().context("no seq")?;
        ensure!(seq > last, "{seq} after {last}");
        last = seq;
        kinds.push(event["kind"].as_str().unwrap_or_default().to_owned());
    }
    ensure!(kinds == ["intent", "outcome", "intent", "outcome", "denial"], "{kinds:?}");
    let first = under.next().await?;
    ensure!(first["kind"] == json!("intent") && first["verdict"]["exception"] == json!("EX-TAIL"), "{first}");
    let second = under.next().await?;
    ensure!(second["kind"] == json!("outcome") && second["decision"] == first["decision"], "{second}");
    let refused = refusals.next().await?;
    ensure!(refused["kind"] == json!("denial"), "{refused}");
    // From the middle of the journal on: the rest comes again, in order.
    let place = first["seq"].as_u64().context("no seq")?.to_string();
    let mut again = Tail::start(&gateway, SECURITY, &["--from", &place, "--kind", "outcome", "--count", "2"])?;
    ensure!(again.next().await?["decision"] == first["decision"], "it did not go on behind its place");
    let _second = again.next().await?;
    ensure!(again.child.wait().await?.success(), "--count does not end it");
    // What is not there cannot be followed.
    let told = gateway.refused(OPERATOR, &["tail", "--exception", "EX-NONE"]).await?;
    ensure!(told.contains("there is nothing here"), "{told}");
    Ok(())
}

async fn watched() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-EYES", "remember", 600).await?;
    record["controls"] = json!([{"id": "eyes", "obligation": "watch.attached", "params": {"people": [OWNER]},
        "definition": "The owner follows every call."}]);
    gateway.grant(&record).await?;
    let call = async || gateway.agent.call("rec__remember", json!({"text": "x"})).await;
    let refused = async || call().await.is_ok_and(|answer| answer.reason() == "monitoring_unavailable");
    ensure!(refused().await, "it works although nobody watches");
    let told = gateway.refused(SECURITY, &["tail", "--watch", "EX-EYES"]).await?;
    ensure!(told.contains("names you"), "{told}");
    let mut tail = Tail::start(&gateway, OWNER, &["--watch", "EX-EYES"])?;
    let works = async || call().await.is_ok_and(|answer| answer.is_done());
    until("it works while the owner watches", Duration::from_secs(10), works).await?;
    let seen = async |tail: &mut Tail, kind: &str| -> anyhow::Result<Value> {
        loop {
            let event = tail.next().await?;
            if event["kind"] == json!(kind) {
                return Ok(event);
            }
        }
    };
    seen(&mut tail, "intent").await?;
    // Killed, so that it cannot say that it leaves: its signs of life end.
    tail.child.kill().await?;
    until("it stops when the owner is gone", Duration::from_secs(7), refused).await?;
    let mut tail = Tail::start(&gateway, OWNER, &["--watch", "EX-EYES"])?;
    until("it works again", Duration::from_secs(10), works).await?;
    let pid = tail.child.id().context("it ended")?;
    ensure!(std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status()?.success(), "kill -INT");
    ensure!(tail.child.wait().await?.success(), "an interrupted watch is a failure");
    ensure!(refused().await, "it works after the owner left");
    let journal = gateway.journal().await?;
    let watches: Vec<_> = journal.iter().filter(|record| record["kind"] == json!("watch")).collect();
    let attached: Vec<_> = watches.iter().map(|record| record["attached"].as_bool().unwrap_or_default()).collect();
    ensure!(attached == [true, false, true, false], "{attached:?}");
    ensure!(watches.iter().all(|record| record["person"] == json!(OWNER)), "{watches:?}");
    gateway.verified().await?;
    Ok(())
}
