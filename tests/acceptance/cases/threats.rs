//! Threats that only the whole gateway can show the answer to: equal ids, what `_meta` claims, text that steers a
//! terminal, names without end.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, AGENT, APPROVER, Gateway, OWNER, SECURITY, kinds, until},
    house::House,
    say,
    wire::{call_body, meta},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("agents whose calls all have one id never get each other's answers", "T028", 90, ids),
        case!("what _meta claims changes neither roles nor what is sent on", "T030", 60, claims),
        case!("text of an attacker steers no terminal and makes no record", "T105", 60, text),
        case!("names without end make no series", "T107", 90, names),
    ]
}

const AGENTS: &str = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
  bob: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
";

async fn ids() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.edit("agents.yaml", AGENTS).await?;
    let agents = [("worker", gateway.agent.clone()), ("bob", gateway.of("bob").await?)];
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..40 {
        let (name, agent) = agents[connection % 2].clone();
        tasks.spawn(async move {
            let mut line = agent.line().await?;
            let headers = agent.headers("tools/call", Some("rec__echo"));
            for turn in 0..50 {
                let marker = format!("{name}-{connection}-{turn}");
                let body = call_body(1, "rec__echo", &json!({"text": marker}));
                let answer = line.send(headers.clone(), body).await?;
                let (json, text) = (answer.json(), json!(marker));
                ensure!(
                    json["id"] == json!(1) && json["result"]["content"][0]["text"] == text,
                    "{marker}: {}",
                    answer.told()
                );
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    // The journal tells them apart as well.
    let journal = gateway.journal().await?;
    let intents: Vec<&Value> = journal.iter().filter(|record| record["kind"] == json!("intent")).collect();
    for (name, _) in &agents {
        let own = intents.iter().filter(|intent| intent["caller"]["agent"] == json!(name)).count();
        ensure!(own == 1_000, "{name}: {own} intents");
    }
    let decisions: BTreeSet<&str> = intents.iter().filter_map(|intent| intent["decision"].as_str()).collect();
    ensure!(decisions.len() == 2_000, "{} decisions", decisions.len());
    say("2,000 calls of two agents, all with the id 1: none crossed");
    Ok(())
}

async fn claims() -> anyhow::Result<()> {
    let house = House::start().await?;
    let claimed = |traceparent: &str, baggage: &str| {
        let mut meta = meta();
        meta["io.modelcontextprotocol/clientInfo"] =
            json!({"name": "admin", "version": "1", "roles": ["admin"], "agent": "root"});
        meta["traceparent"] = json!(traceparent);
        meta["baggage"] = json!(baggage);
        meta
    };
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let huge = format!("role=admin,{}", "b".repeat(100_000));
    for (traceparent, baggage) in [("garbage", huge.as_str()), (good, huge.as_str()), (good, "role=admin")] {
        let read = async |uri: &str| {
            let params = json!({"uri": uri, "_meta": claimed(traceparent, baggage)});
            house.agent.ask_at("/mcp/all", "resources/read", params).await
        };
        let before = house.peer.carried();
        let answer = read("file:///etc/passwd").await?;
        ensure!(answer.json()["error"].is_object(), "a claim gives a role: {}", answer.told());
        house.peer.quiet(before)?;
        let answer = read("file:///docs/a.txt").await?;
        ensure!(answer.json()["result"]["contents"][0]["text"] == json!("the text"), "{}", answer.told());
        let heard = house.peer.heard("resources/read");
        let sent = heard.last().context("nothing was sent")?;
        ensure!(!sent.body.contains("bbbb") && !sent.head.contains("bbbb"), "baggage of 100 KB is sent on");
        ensure!(!sent.body.contains("garbage") && !sent.head.contains("garbage"), "sent on: {}", sent.body);
        ensure!(
            sent.params()["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] != json!("admin"),
            "{}",
            sent.body
        );
        ensure!(sent.body.len() < 4_096, "{} bytes are sent", sent.body.len());
    }
    Ok(())
}

const ATTACK: &str = "\u{1b}]0;pwn\u{7}\r\n{\"decision\":\"allow\"}\u{202e}\u{1b}[2J";

async fn text() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-TEXT", "remember", 600).await?;
    record["rationale"] = json!(format!("The rationale of somebody who knows terminals well: {ATTACK}"));
    // It is refused for its control characters, or kept and shown without them.
    let submitted = gateway.submit(&record).await.is_ok();
    if !submitted {
        record["rationale"] =
            json!("The acceptance tests show that an approved exception admits a call, and only as long as it lasts.");
        gateway.submit(&record).await?;
    }
    gateway.ok(APPROVER, &["exception", "reject", "EX-TEXT", "--reason", ATTACK]).await?;
    let name = format!("rec__{ATTACK}");
    let answer = gateway.agent.ask("tools/call", json!({"name": name, "arguments": {"text": ATTACK}})).await?;
    ensure!(!answer.is_done(), "{}", answer.told());
    let answer = gateway.agent.ask("tools/call", json!({"name": "x".repeat(500_000), "arguments": {}})).await?;
    ensure!(!answer.is_done(), "{}", answer.told());
    ensure!(gateway.agent.call("rec__echo", json!({"text": ATTACK})).await?.is_done());

    let journal = gateway.journal().await?;
    let counted = kinds(&journal);
    let refused: Vec<&Value> = journal.iter().filter(|record| record["kind"] == json!("denial")).collect();
    ensure!(refused.len() <= 2 && counted.get("intent") == Some(&1), "an attack made a record: {counted:?}");
    for record in &journal {
        ensure!(record.to_string().len() < 16_384, "a record of {} bytes", record.to_string().len());
    }
    let decisions = journal.iter().filter_map(|record| record["decision"].as_str());
    let decisions: BTreeSet<String> = decisions.map(str::to_owned).collect();
    let mut lines: Vec<(&str, Vec<String>)> = [
        (OWNER, "exception list"),
        (OWNER, "exception show EX-TEXT"),
        (ADMINISTRATOR, "evidence show"),
        (ADMINISTRATOR, "evidence export"),
        (SECURITY, "report register"),
        (SECURITY, "tail --from 0 --count 5"),
    ]
    .map(|(person, line)| (person, line.split(' ').map(str::to_owned).collect()))
    .into();
    lines.extend(decisions.into_iter().map(|decision| (SECURITY, vec!["explain".to_owned(), decision])));
    for (person, line) in lines {
        for format in ["table", "json"] {
            let arguments: Vec<&str> =
                ["--output", format].into_iter().chain(line.iter().map(String::as_str)).collect();
            let output = gateway.cli(person, &arguments).await?;
            let shown = [output.stdout, output.stderr].concat();
            ensure!(!shown.is_empty(), "{line:?} shows nothing");
            let raw = [&b"\x1b"[..], b"\x07", b"\r", "\u{202e}".as_bytes()];
            let found = raw.iter().find(|raw| shown.windows(raw.len()).any(|window| window == **raw));
            // JSON may hold U+202E: a program reads it. No control character may stand anywhere.
            let program = format == "json" || line[0] == "evidence" && line[1] == "export";
            let found = found.filter(|raw| !(program && raw.len() > 1));
            ensure!(found.is_none(), "{line:?} as {format} holds {found:?}: {}", String::from_utf8_lossy(&shown));
        }
    }
    let log = std::fs::read(gateway.folder.path().join("log"))?;
    ensure!(!log.contains(&0x1b) && !log.contains(&b'\r'), "the log holds a raw control character");
    gateway.verified().await?;
    Ok(())
}

async fn metrics(gateway: &Gateway) -> anyhow::Result<String> {
    let (status, text) = gateway.text(ADMINISTRATOR, ("GET", "/metrics"), &Value::Null).await?;
    ensure!(status == 200, "/metrics: {status}");
    Ok(text)
}

async fn names() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let press = async |from: u32, to: u32| -> anyhow::Result<()> {
        let mut line = gateway.agent.line().await?;
        for number in from..to {
            for tool in [format!("rec__{number:x}-{AGENT}"), format!("s{number}__echo"), "rec__echo".to_owned()] {
                line.call(&tool, &json!({"text": number.to_string()})).await?;
            }
            let params = json!({"name": format!("prompt-{number}")});
            gateway.agent.ask("prompts/get", params).await?;
            gateway.agent.ask("resources/read", json!({"uri": format!("rec+file:///{number}")})).await?;
            gateway.agent.ask(&format!("method/{number}"), json!({})).await?;
        }
        Ok(())
    };
    let series = async || -> anyhow::Result<BTreeSet<String>> {
        let text = metrics(&gateway).await?;
        // How far a destination lags is known when it has taken its first record.
        let told = |line: &&str| !line.starts_with("postern_export_lag_records");
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("le=\"")).filter(told);
        Ok(lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect())
    };
    press(0, 5).await?;
    // What comes of itself after a start has come when nothing new came for two seconds.
    let mut last = BTreeSet::new();
    until("nothing comes of itself any more", Duration::from_secs(30), async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let Ok(now) = series().await else { return false };
        let probes = now.iter().any(|one| one.starts_with("postern_monitoring_healthy{"));
        let still = probes && now == last;
        last = now;
        still
    })
    .await?;
    let before = series().await?;
    ensure!(before.len() > 20, "{before:?}");
    press(1_000, 1_200).await?;
    let mut new: Vec<String> = Vec::new();
    until("the metrics are read", Duration::from_secs(5), async || {
        let Ok(after) = series().await else { return false };
        new = after.difference(&before).cloned().collect();
        true
    })
    .await?;
    ensure!(new.is_empty(), "1,200 requests made {} series: {new:?}", new.len());
    let text = metrics(&gateway).await?;
    ensure!(
        !text.contains("prompt-1") && !text.contains("method/1") && !text.contains("-worker"),
        "a name of an agent is a label"
    );
    say(&format!("{} series before and after 1,200 requests with names of their own", before.len()));
    Ok(())
}
