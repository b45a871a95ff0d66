//! Two hundred servers in one gateway, some of them dead, dumb, lying or slow: the others are as fast as ever.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{Gateway, Options, free_port, until},
    peer::{Heard, Peer, Say, http},
    say,
    wire::Agent,
};

pub fn cases() -> Vec<Case> {
    vec![case!("bad servers among two hundred hide and delay none of the others", "T031 T065", 240, crowd)]
}

const GOOD: usize = 196;
const TOOLS: usize = 26;
const AGENTS: &str = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer, all]}
  other: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [all]}
";
const ROLE: &str = r#"@id("all")
permit (principal in Role::"all", action, resource);
"#;

fn tools(heard: &Heard) -> Option<Say> {
    let tool = |n: usize| {
        json!({"name": format!("tool-{n:03}"), "description": "One of many.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}})
    };
    match heard.method() {
        "tools/list" => Some(Say::Result(json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
            "tools": (0..TOOLS).rev().map(tool).collect::<Vec<_>>()}))),
        _ => None,
    }
}

/// All pages of `tools/list`: names in order, and the servers that are said to be missing.
async fn all(agent: &Agent) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let mut names = Vec::new();
    let mut params = json!({});
    loop {
        let answer = agent.ask("tools/list", params).await?;
        let result = answer.json()["result"].clone();
        let tools = result["tools"].as_array().with_context(|| answer.told())?;
        names.extend(tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)));
        let absent = result["_meta"]["dev.postern/unavailable"].to_string();
        let missing = ["dead", "dumb", "liar", "slow"]
            .into_iter()
            .filter(|name| absent.contains(name))
            .map(str::to_owned)
            .collect();
        match result["nextCursor"].as_str() {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return Ok((names, missing)),
        }
    }
}

async fn crowd() -> anyhow::Result<()> {
    let mut peers = Vec::new();
    let mut servers = Vec::new();
    for n in 0..GOOD {
        let peer = Peer::with(tools).await?;
        servers.push((format!("s{n:03}"), peer.address));
        peers.push(peer);
    }
    let dumb = Peer::with(|_| Some(Say::Silence)).await?;
    let liar =
        Peer::with(|_| Some(Say::Bytes(vec![(Duration::ZERO, http("application/json", "\u{1}{]garbage"))]))).await?;
    let slow = Peer::with(|heard| {
        let body = json!({"jsonrpc": "2.0", "id": heard.json["id"], "result": {}}).to_string();
        let bytes = http("application/json", &body).into_iter();
        Some(Say::Bytes(bytes.map(|byte| (Duration::from_secs(1), vec![byte])).collect()))
    })
    .await?;
    servers.push(("dead".to_owned(), ([127, 0, 0, 1], free_port()?).into()));
    servers.extend(
        [("dumb", &dumb), ("liar", &liar), ("slow", &slow)].map(|(name, peer)| (name.to_owned(), peer.address)),
    );
    let policies = vec![("agents.yaml", AGENTS), ("roles/all.cedar", ROLE)];
    let begun = Instant::now();
    let gateway = Gateway::with(Options { servers, policies, timeout_s: 20, ..Options::default() }).await?;
    say(&format!("ready after {:.1?}", begun.elapsed()));
    let agent = gateway.agent.clone();
    let expected = GOOD * TOOLS + 3;
    let complete = async || all(&agent).await.is_ok_and(|(names, _)| names.len() == expected);
    until("all tools are listed", Duration::from_secs(60), complete).await?;
    say(&format!("complete after {:.1?}", begun.elapsed()));
    let file = gateway.folder.path().join("policies/roles/all.cedar");
    std::fs::write(file, format!("// changed\n{ROLE}"))?;
    gateway.ok(crate::gateway::ADMINISTRATOR, &["reload"]).await?;
    let mut lists = Vec::new();
    for what in ["cold", "warm", "warm"] {
        let begun = Instant::now();
        let list = all(&agent).await?;
        say(&format!("tools/list {what}: {} tools in {:.0?}", list.0.len(), begun.elapsed()));
        ensure!(begun.elapsed() < Duration::from_secs(5), "tools/list took {:?}", begun.elapsed());
        lists.push(list);
    }
    ensure!(lists.iter().all(|list| *list == lists[0]), "the order differs from call to call");
    ensure!(lists[0].0.len() == expected, "{} tools", lists[0].0.len());
    ensure!(lists[0].1 == ["dead", "dumb", "liar", "slow"], "missing: {:?}", lists[0].1);
    cursors(&agent, &gateway.of("other").await?).await?;
    // Three that were good turn bad, and are called all the while.
    for (peer, spoil) in peers.iter().zip([silent as Spoil, garbage, drip]) {
        peer.script(move |heard| if heard.method() == "tools/call" { Some(spoil()) } else { tools(heard) });
    }
    let bad = [0, 0, 0, 0, 1, 1, 2, 2].map(|n| {
        let agent = agent.clone();
        tokio::spawn(async move { agent.call(&format!("s{n:03}__tool-001"), json!({})).await })
    });
    let called = async || peers.iter().take(3).all(|peer| peer.carried() > 0);
    until("the bad servers are called", Duration::from_secs(5), called).await?;
    let mut slowest = Duration::ZERO;
    for n in 3..GOOD {
        let begun = Instant::now();
        let answer = agent.call(&format!("s{n:03}__tool-007"), json!({"text": "x"})).await?;
        ensure!(answer.is_done(), "s{n:03}: {}", answer.told());
        slowest = slowest.max(begun.elapsed());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid()?))?;
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    say(&format!("the slowest call to a healthy server took {slowest:.0?}; {resident}"));
    ensure!(slowest < Duration::from_secs(5), "a call to a healthy server took {slowest:?}");
    for task in bad {
        let answer: Value = task.await??.json();
        ensure!(answer["result"]["isError"] == json!(true), "a bad server: {answer}");
    }
    Ok(())
}

type Spoil = fn() -> Say;

fn silent() -> Say {
    Say::Silence
}

fn garbage() -> Say {
    Say::Bytes(vec![(Duration::ZERO, http("application/json", "\u{1}{]garbage"))])
}

/// A byte per second.
fn drip() -> Say {
    Say::Bytes(http("application/json", "{}").into_iter().map(|byte| (Duration::from_secs(1), vec![byte])).collect())
}

/// A cursor is good for the one that it was given to, in its list, and for nobody else.
async fn cursors(agent: &Agent, other: &Agent) -> anyhow::Result<()> {
    let first = agent.ask("tools/list", json!({})).await?.json();
    let cursor = &first["result"]["nextCursor"];
    ensure!(cursor.is_string(), "no cursor");
    let own = agent.ask("tools/list", json!({"cursor": cursor})).await?;
    ensure!(own.json()["result"].is_object(), "its own cursor: {}", own.told());
    let foreign = other.ask("tools/list", json!({"cursor": cursor})).await?;
    ensure!(foreign.code() == -32602, "a cursor of another: {}", foreign.told());
    Ok(())
}
