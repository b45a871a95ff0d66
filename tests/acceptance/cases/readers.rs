//! Who reads evidence is on record; a read that cannot be is refused.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OPERATOR, Options, SECURITY, until},
};

pub fn cases() -> Vec<Case> {
    vec![case!("who reads evidence is on record, and without a record nothing is read", "T110", 60, read)]
}

const PEOPLE: &str = "people:
  olivia@example.org: {duties: [own, approve], roles: [], active: true}
  omar@example.org: {duties: [audit], roles: [], active: true}
  rachel@example.org: {duties: [request, approve], roles: [], active: true}
  alan@example.org: {duties: [approve], roles: [], active: true}
  sonia@example.org: {duties: [approve, security], roles: [], active: true}
";

async fn status(gateway: &Gateway, person: &str, path: &str) -> anyhow::Result<u16> {
    Ok(gateway.admin(person, "GET", path, &Value::Null).await?.0)
}

/// Minutes turn; a test that sees one turn does its reads again.
fn minute() -> i64 {
    chrono::Utc::now().timestamp().div_euclid(60)
}

async fn read() -> anyhow::Result<()> {
    let exports = tempfile::tempdir()?;
    let lake = exports.path().join("ocsf.jsonl");
    let gateway = Gateway::with(Options {
        exports: json!({"lake": {"file": {"path": lake}}}),
        commit_timeout_ms: 500,
        ..Options::default()
    })
    .await?;
    gateway.edit("people.yaml", PEOPLE).await?;
    ensure!(gateway.agent.call("rec__echo", json!({"text": "x"})).await?.is_done());
    ensure!(!gateway.agent.call("rec__remember", json!({"text": "x"})).await?.is_done());
    let denial = gateway.journal().await?.into_iter().find(|record| record["kind"] == json!("denial"));
    let decision = denial.context("no denial")?["decision"].as_str().context("no decision")?.to_owned();

    // Whoever may not read evidence reads nothing, and the administrator is no auditor.
    for path in ["/api/v1/evidence", "/log/tile/entries/000.p/1"] {
        for person in [ADMINISTRATOR, APPROVER, SECURITY] {
            ensure!(status(&gateway, person, path).await? == 403, "{person} reads {path}");
        }
    }
    let begun = minute();
    let explained = format!("/api/v1/decisions/{decision}");
    for path in ["/api/v1/evidence?from=1&limit=5", "/api/v1/evidence?from=6", explained.as_str(), "/api/v1/decisions"]
    {
        ensure!(status(&gateway, OPERATOR, path).await? == 200, "the auditor cannot read {path}");
    }
    ensure!(status(&gateway, SECURITY, "/api/v1/decisions").await? == 200);
    ensure!(status(&gateway, SECURITY, "/api/v1/reports/register").await? == 200);
    for path in ["/api/v1/exceptions", "/api/v1/controls", "/api/v1/catalog", "/log/checkpoint", "/api/v1/whoami"] {
        ensure!(status(&gateway, SECURITY, path).await? == 200, "{path}");
    }
    let reads = async |kind: &str| -> anyhow::Result<Vec<Value>> {
        let journal = gateway.journal().await?;
        Ok(journal
            .into_iter()
            .filter(|record| record["kind"] == json!("read") && (kind.is_empty() || record["surface"] == json!(kind)))
            .collect())
    };
    let all = reads("").await?;
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for one in &all {
        let [by, surface, opened] =
            ["by", "surface", "decision"].map(|member| one[member].as_str().unwrap_or_default());
        // What is opened by its id has a record beside that of the list.
        let opened = if opened.is_empty() { "" } else { ", opened" };
        *told.entry(format!("{by} {surface}{opened}")).or_default() += 1;
    }
    let seats = [
        (OPERATOR, "evidence"),
        (OPERATOR, "decisions"),
        (OPERATOR, "decisions, opened"),
        (SECURITY, "decisions"),
        (SECURITY, "reports"),
    ];
    let named: Vec<String> = seats.iter().map(|(by, surface)| format!("{by} {surface}")).collect();
    ensure!(told.len() == seats.len() && named.iter().all(|name| told.contains_key(name)), "{told:?}");
    ensure!(minute() != begun || told.values().all(|count| *count == 1), "more than one a minute: {told:?}");
    let pages = reads("evidence").await?;
    ensure!(pages[0]["what"] == json!("from 1") && pages[0]["count"] == json!(5), "{}", pages[0]);
    ensure!(all.iter().any(|one| one["decision"] == json!(decision)), "{all:?}");

    // So is what the gateway was set to at its start.
    let config = super::durability::digest(&std::fs::read_to_string(gateway.folder.path().join("postern.yaml"))?);
    let start = gateway.journal().await?.into_iter().find(|record| record["kind"] == json!("start"));
    ensure!(start.context("no start")?["config"] == json!(config), "the start does not name its configuration");

    // A stream is one read, and does not follow itself: what it shows of reading ends.
    let mut tail = gateway.command();
    tail.args(["--output", "json", "--key-file"]).arg(gateway.key_file(OPERATOR)).args(["tail", "--from", "0"]);
    let output = tokio::time::timeout(Duration::from_secs(4), tail.kill_on_drop(true).output()).await;
    ensure!(output.is_err(), "the stream ended by itself");
    let streams = reads("events").await?;
    ensure!(streams.len() == 1 || minute() != begun && streams.len() == 2, "a stream reads on and on: {streams:?}");

    // The SIEM hears of it.
    until("a read leaves as an event", Duration::from_secs(5), async || {
        let text = std::fs::read_to_string(&lake).unwrap_or_default();
        let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        events.iter().any(|event| {
            event["metadata"]["event_code"] == json!("read")
                && event["class_uid"] == json!(6003)
                && event["activity_name"] == json!("Read")
                && event["actor"]["user"]["uid"] == json!(OPERATOR)
        })
    })
    .await?;

    // The journal cannot be written: what was not read in this minute cannot be read at all.
    let holder = rusqlite::Connection::open(gateway.data.join("postern.db"))?;
    holder.execute_batch("BEGIN IMMEDIATE")?;
    for (person, path) in
        [(APPROVER, "/api/v1/decisions"), (APPROVER, "/events"), (ADMINISTRATOR, "/api/v1/reports/register")]
    {
        let (status, answer) = gateway.admin(person, "GET", path, &Value::Null).await?;
        ensure!(status == 503 && answer["error"]["code"] == json!("audit_unavailable"), "{path}: {status} {answer}");
    }
    // Health is no evidence.
    ensure!(status(&gateway, ADMINISTRATOR, "/metrics").await? == 200, "no metrics in an outage");
    holder.execute_batch("ROLLBACK")?;
    until("it can be read again", Duration::from_secs(10), async || {
        status(&gateway, APPROVER, "/api/v1/decisions").await.is_ok_and(|status| status == 200)
    })
    .await?;
    gateway.verified().await?;
    Ok(())
}
