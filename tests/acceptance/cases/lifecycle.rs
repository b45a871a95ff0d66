//! Exceptions in hand: suspended, withdrawn, rejected, bounded by arguments, drifted away from their tool.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{APPROVER, Gateway, OWNER, REQUESTER, SECURITY, until},
    upstream::FAIL,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a call under way is cut when its exception ends", "T086", 60, expiry),
        case!("a suspended exception is refused until it is resumed", "T085", 60, suspended),
        case!("bounds on arguments hold", "T090", 60, bounds),
        case!("an error of the tool server is held to the limits of results", "T128", 60, long_error),
        case!("a rejected or withdrawn request never becomes usable", "T081", 60, ended),
        case!("a record without owner, reason, end or control is refused", "T080 T090", 60, incomplete),
        case!("a restart changes nothing: keys, exceptions and budgets stay", "T084 T103", 60, restart),
    ]
}

const TOOL: &str = "rec__remember";

async fn expiry() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let begun = Instant::now();
    gateway.grant(&gateway.record("EX-SHORT", "slow", 4).await?).await?;
    let answer = gateway.agent.call("rec__slow", json!({"ms": 20_000})).await?;
    let after = begun.elapsed();
    ensure!(!answer.is_done(), "the call went through: {}", answer.told());
    let bound = Duration::from_millis(3_500)..Duration::from_millis(5_000);
    ensure!(bound.contains(&after), "cut {after:?} after a record of 4 s: {}", answer.told());
    let gone = async || gateway.upstream.seen().iter().all(|seen| seen.cancelled.is_some());
    until("the call is cancelled upstream", Duration::from_secs(2), gone).await?;
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["slow", {"ms": 20_000}])], "seen: {seen:?}");
    gateway.verified().await?;
    Ok(())
}

async fn suspended() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.grant(&gateway.record("EX-HOLD", "remember", 600).await?).await?;
    let call = async |text: &str| gateway.agent.call(TOOL, json!({"text": text})).await;
    ensure!(call("1").await?.is_done(), "the first call");
    gateway.ok(APPROVER, &["exception", "suspend", "EX-HOLD", "--reason", "look at it"]).await?;
    let answer = call("2").await?;
    ensure!(!answer.is_done(), "suspended, but: {}", answer.told());
    gateway.refused(OWNER, &["exception", "resume", "EX-HOLD", "--reason", "please"]).await?;
    gateway.ok(APPROVER, &["exception", "resume", "EX-HOLD", "--reason", "seen"]).await?;
    ensure!(call("3").await?.is_done(), "the call after the suspension");
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["remember", {"text": "1"}]), json!(["remember", {"text": "3"}])], "seen: {seen:?}");
    gateway.verified().await?;
    Ok(())
}

async fn bounds() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-ARGS", "remember", 600).await?;
    record["grant"]["args"] = json!({"text": {"in": ["eu", "uk"]}});
    gateway.grant(&record).await?;
    for text in ["us", "EU", " eu", "eu\u{0}", "", "eu,uk"] {
        let answer = gateway.agent.call(TOOL, json!({"text": text})).await?;
        ensure!(!answer.is_done(), "{text:?}: {}", answer.told());
    }
    for text in ["eu", "uk"] {
        let answer = gateway.agent.call(TOOL, json!({"text": text})).await?;
        ensure!(answer.is_done(), "{text:?}: {}", answer.told());
    }
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["remember", {"text": "eu"}]), json!(["remember", {"text": "uk"}])], "seen: {seen:?}");
    gateway.verified().await?;
    Ok(())
}

async fn long_error() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-LIMIT", "remember", 600).await?;
    let limit =
        json!({"id": "short", "obligation": "response.limit", "params": {"bytes": 500}, "definition": "Short."});
    record["controls"] = json!([record["controls"][0], limit]);
    gateway.grant(&record).await?;
    let answer = gateway.agent.call(TOOL, json!({"text": FAIL})).await?;
    ensure!(!answer.told().contains("canary"), "the error left: {}", answer.told());
    ensure!(answer.reason() == "control_unmet", "withheld: {}", answer.told());
    let journal = gateway.journal().await?;
    let withheld = journal.iter().any(|record| record["kind"] == "outcome" && record["how"] == "withheld");
    ensure!(withheld, "no outcome says withheld");
    ensure!(gateway.agent.call(TOOL, json!({"text": "short"})).await?.is_done(), "a short answer leaves");
    Ok(())
}

async fn ended() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.submit(&gateway.record("EX-NO", "remember", 600).await?).await?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-NO"]).await?;
    gateway.ok(SECURITY, &["exception", "reject", "EX-NO", "--reason", "no"]).await?;
    gateway.submit(&gateway.record("EX-BACK", "remember", 600).await?).await?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-BACK"]).await?;
    gateway.ok(REQUESTER, &["exception", "withdraw", "EX-BACK", "--reason", "a mistake"]).await?;
    for id in ["EX-NO", "EX-BACK"] {
        gateway.refused(SECURITY, &["exception", "approve", id]).await?;
    }
    let answer = gateway.agent.call(TOOL, json!({"text": "x"})).await?;
    ensure!(answer.code() == -32602, "the tool should be unknown: {}", answer.told());
    let again = gateway.write(&gateway.record("EX-NO", "remember", 600).await?)?;
    gateway.refused(REQUESTER, &["exception", "submit", &again]).await?;
    let seen = gateway.upstream.calls();
    ensure!(seen.is_empty(), "seen: {seen:?}");
    Ok(())
}

async fn restart() -> anyhow::Result<()> {
    let mut gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-STAY", "remember", 600).await?;
    record["budget"] = json!({"calls": 5});
    gateway.grant(&record).await?;
    let mut through: Vec<Value> = Vec::new();
    for round in 0..4 {
        for turn in 0..2 {
            let arguments = json!({"text": format!("{round} {turn}")});
            let answer = gateway.agent.call(TOOL, arguments.clone()).await?;
            if answer.is_done() {
                through.push(json!(["remember", arguments]));
            } else {
                ensure!(
                    answer.reason() == "exception_exhausted" || answer.code() == -32602,
                    "round {round}: {}",
                    answer.told()
                );
            }
        }
        gateway.kill().await?;
        gateway.launch().await?;
    }
    ensure!(through.len() == 5, "{} calls went through", through.len());
    let seen = gateway.upstream.calls();
    ensure!(seen == through, "seen: {seen:?}");
    let alarms = gateway
        .journal()
        .await?
        .iter()
        .filter(|record| record["kind"] == json!("alarm"))
        .map(Value::to_string)
        .collect::<Vec<_>>();
    let about = alarms.iter().filter(|alarm| {
        alarm.contains("key_changed") || alarm.contains("exception_changed") || alarm.contains("budget_changed")
    });
    ensure!(about.count() == 0, "alarms after restarts: {alarms:?}");
    gateway.verified().await?;
    Ok(())
}

async fn incomplete() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let good = gateway.record("EX-BAD", "remember", 600).await?;
    let far = (chrono::Utc::now() + chrono::TimeDelta::days(31)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let without = [
        "owner",
        "rationale",
        "not_after",
        "not_before",
        "controls",
        "budget",
        "subject",
        "grant",
        "attestation",
        "exit",
    ];
    let mut records: Vec<(String, Value)> =
        without.map(|member| (format!("no {member}"), removed(&good, member))).into();
    let changes = [
        ("/rationale", json!("because")),
        ("/rationale", json!(" ".repeat(60))),
        ("/controls", json!([])),
        ("/not_after", json!(far)),
        ("/not_after", good["not_before"].clone()),
        ("/subject/agents", json!(["*"])),
        ("/subject/agents", json!([])),
        ("/grant/tools", json!(["*"])),
        ("/grant/tools", json!(["re*"])),
        ("/budget", json!({"calls": 0})),
        ("/owner/human", json!("")),
        ("/kind", json!("forever")),
    ];
    for (place, value) in changes {
        let mut record = good.clone();
        let told = format!("{place} is {value}");
        if let Some(member) = record.pointer_mut(place) {
            *member = value;
        }
        records.push((told, record));
    }
    for (what, record) in &records {
        let file = gateway.write(record)?;
        let output = gateway.cli(REQUESTER, &["exception", "submit", &file]).await?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            matches!(output.status.code(), Some(1 | 2)) && !told.trim().is_empty(),
            "{what}: {} {told}",
            output.status
        );
    }
    let listed = gateway.ok(REQUESTER, &["exception", "list"]).await?;
    ensure!(listed == json!([]), "there is an exception: {listed}");
    gateway.submit(&good).await?;
    Ok(())
}

fn removed(record: &Value, member: &str) -> Value {
    let mut record = record.clone();
    if let Some(map) = record.as_object_mut() {
        map.remove(member);
    }
    record
}
