//! Exceptions: how they come, how they are spent, how they end, and who may not approve them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OPERATOR, OWNER, REQUESTER, SECURITY, program, until},
    say,
    wire::Answer,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a pilot makes a tool usable and ends", "I1 I6", 60, pilot),
        case!("a budget of 50 admits exactly 50 of 320 parallel calls", "T084", 60, budget),
        case!("a call under way is cut when its exception is revoked", "T085", 60, revoked),
        case!("owner, requester and operator cannot approve", "T081", 60, separation),
        case!("an approved row that is changed is refused and alarmed", "T082", 60, changed_row),
        case!("an approved file that is edited suspends its exception", "T082", 60, edited_file),
        case!("an edited record is a new revision without approvals", "T082 T083", 60, edited),
    ]
}

const TOOL: &str = "rec__remember";

fn text(text: &str) -> Value {
    json!({"text": text})
}

fn unknown(answer: &Answer) -> anyhow::Result<()> {
    ensure!(answer.code() == -32602, "the tool should be unknown: {}", answer.told());
    Ok(())
}

fn done(answer: &Answer) -> anyhow::Result<()> {
    ensure!(answer.is_done(), "the call should go through: {}", answer.told());
    Ok(())
}

async fn pilot() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let agent = gateway.agent.clone();
    unknown(&agent.call(TOOL, text("before")).await?)?;
    let record = gateway.record("EX-PILOT", "remember", 12).await?;
    let begun = Instant::now();
    gateway.submit(&record).await?;
    unknown(&agent.call(TOOL, text("submitted")).await?)?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-PILOT"]).await?;
    unknown(&agent.call(TOOL, text("one approval")).await?)?;
    gateway.ok(SECURITY, &["exception", "approve", "EX-PILOT"]).await?;
    done(&agent.call(TOOL, text("approved")).await?)?;
    ensure!(agent.tools().await?.contains(&TOOL.to_owned()), "the tool is not listed");
    explained(&gateway).await?;
    say("waiting for the end of the pilot");
    tokio::time::sleep(Duration::from_secs(12).saturating_sub(begun.elapsed()) + Duration::from_millis(100)).await;
    unknown(&agent.call(TOOL, text("after")).await?)?;
    ensure!(!agent.tools().await?.contains(&TOOL.to_owned()), "the tool is still listed");
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["remember", {"text": "approved"}])], "seen: {seen:?}");
    gateway.verified().await?;
    Ok(())
}

/// `postern explain` of the one intent.
async fn explained(gateway: &Gateway) -> anyhow::Result<()> {
    let journal = gateway.journal().await?;
    let intent = journal.iter().find(|record| record["kind"] == json!("intent")).context("no intent")?;
    let decision = intent["decision"].as_str().context("no decision")?;
    let explained = gateway.ok(ADMINISTRATOR, &["explain", decision]).await?;
    let summary = explained["summary"].as_str().unwrap_or_default();
    ensure!(summary.starts_with("RBAC denies, exception EX-PILOT admits under controls "), "explain: {summary}");
    ensure!(summary.contains("audit.write_ahead"), "explain names no control: {summary}");
    ensure!(explained["reproduced"] == json!(true), "not reproduced: {explained}");
    Ok(())
}

async fn budget() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-BUDGET", "remember", 600).await?;
    record["budget"] = json!({"calls": 50});
    gateway.grant(&record).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..32 {
        let agent = gateway.agent.clone();
        tasks.spawn(async move {
            let mut line = agent.line().await?;
            let mut answers = Vec::new();
            for turn in 0..10 {
                answers.push(line.call(TOOL, &text(&format!("{connection}-{turn}"))).await?);
            }
            Ok::<_, anyhow::Error>(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(part) = tasks.join_next().await {
        answers.extend(part??);
    }
    let through = answers.iter().filter(|answer| answer.is_done()).count();
    let seen: std::collections::BTreeSet<String> = gateway.upstream.calls().iter().map(Value::to_string).collect();
    ensure!(answers.len() == 320 && through == 50, "{through} of {} calls went through", answers.len());
    ensure!(seen.len() == 50 && gateway.upstream.count() == 50, "{} calls were seen", gateway.upstream.count());
    for answer in answers.iter().filter(|answer| !answer.is_done()) {
        ensure!(
            answer.reason() == "exception_exhausted" || answer.code() == -32602,
            "refused otherwise: {}",
            answer.told()
        );
    }
    gateway.verified().await?;
    Ok(())
}

async fn revoked() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let record = gateway.record("EX-SLOW", "slow", 600).await?;
    gateway.grant(&record).await?;
    let agent = gateway.agent.clone();
    let call = tokio::spawn(async move { (agent.call("rec__slow", json!({"ms": 10_000})).await, Instant::now()) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    ensure!(gateway.upstream.count() == 1, "the call has not arrived");
    let begun = Instant::now();
    gateway.ok(APPROVER, &["exception", "revoke", "EX-SLOW", "--reason", "enough"]).await?;
    let (answer, ended) = call.await?;
    let answer = answer?;
    let after = ended.saturating_duration_since(begun);
    ensure!(after < Duration::from_secs(2), "the client was refused only after {after:?}");
    ensure!(!answer.is_done(), "the call went through: {}", answer.told());
    let cancelled = until("the call is cancelled upstream", Duration::from_secs(2), async || {
        gateway.upstream.seen().iter().all(|seen| seen.cancelled.is_some())
    });
    cancelled.await?;
    unknown(&gateway.agent.call("rec__slow", json!({"ms": 1})).await?)?;
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["slow", {"ms": 10_000}])], "seen: {seen:?}");
    gateway.verified().await?;
    Ok(())
}

async fn separation() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let record = gateway.record("EX-SOD", "remember", 600).await?;
    gateway.submit(&record).await?;
    for person in [OWNER, REQUESTER, OPERATOR, ADMINISTRATOR] {
        gateway.refused(person, &["exception", "approve", "EX-SOD"]).await?;
    }
    gateway.ok(APPROVER, &["exception", "approve", "EX-SOD"]).await?;
    gateway.refused(APPROVER, &["exception", "approve", "EX-SOD"]).await?;
    for person in [OWNER, REQUESTER, OPERATOR, ADMINISTRATOR] {
        gateway.refused(person, &["exception", "approve", "EX-SOD"]).await?;
    }
    unknown(&gateway.agent.call(TOOL, text("no")).await?)?;
    let seen = gateway.upstream.calls();
    ensure!(seen.is_empty(), "seen: {seen:?}");
    let shown = gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-SOD"]).await?;
    ensure!(shown["state"] == json!("pending_approval"), "state: {}", shown["state"]);
    Ok(())
}

async fn changed_row() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-ROW", "remember", 600).await?;
    record["budget"] = json!({"calls": 7});
    gateway.grant(&record).await?;
    done(&gateway.agent.call(TOOL, text("before")).await?)?;
    let database = gateway.data.join("postern.db").display().to_string();
    let sql = "UPDATE journal SET payload = replace(payload, '\"calls\":7', '\"calls\":9') WHERE kind = 'lifecycle' AND exception = 'EX-ROW'; SELECT changes();";
    program("sqlite3", &["-cmd", ".timeout 5000", &database, sql]).await?;
    let answer = gateway.agent.call(TOOL, text("after")).await?;
    ensure!(!answer.is_done(), "the call went through: {}", answer.told());
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["remember", {"text": "before"}])], "seen: {seen:?}");
    let journal = gateway.journal().await?;
    let alarmed =
        journal.iter().any(|record| record["kind"] == json!("alarm") && record["exception"] == json!("EX-ROW"));
    ensure!(alarmed, "no alarm about EX-ROW: {:?}", crate::gateway::kinds(&journal));
    let shown = gateway.cli(ADMINISTRATOR, &["--output", "table", "evidence", "show"]).await?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.lines().any(|line| line.contains(" alarm ") && line.contains("EX-ROW")), "evidence show:\n{shown}");
    let found = gateway.refused(ADMINISTRATOR, &["evidence", "verify"]).await?;
    ensure!(found.contains("not what was written"), "verify: {found}");
    Ok(())
}

async fn edited() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-EDIT", "remember", 600).await?;
    let first = gateway.submit(&record).await?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-EDIT"]).await?;
    record["budget"] = json!({"calls": 99_999});
    let second = gateway.submit(&record).await?;
    ensure!(second["revision"] == json!(2) && second["digest"] != first["digest"], "resubmitted: {second}");
    let approvals = second["approvals"].as_array().map_or(0, Vec::len);
    ensure!(approvals == 0, "the new revision keeps {approvals} approvals");
    let old = first["digest"].as_str().unwrap_or_default();
    gateway.refused(SECURITY, &["exception", "approve", "EX-EDIT", "--digest", old]).await?;
    gateway.ok(SECURITY, &["exception", "approve", "EX-EDIT"]).await?;
    unknown(&gateway.agent.call(TOOL, text("half approved")).await?)?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-EDIT"]).await?;
    done(&gateway.agent.call(TOOL, text("approved")).await?)?;
    record["budget"] = json!({"calls": 99_998});
    let file = gateway.write(&record)?;
    gateway.refused(REQUESTER, &["exception", "submit", &file]).await?;
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["remember", {"text": "approved"}])], "seen: {seen:?}");
    Ok(())
}

async fn edited_file() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-FILE", "remember", 600).await?;
    let folder = gateway.folder.path().join("policies/exceptions");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("EX-FILE.yaml");
    std::fs::write(&file, serde_json::to_string_pretty(&record)?)?;
    gateway.grant(&record).await?;
    say("the gateway looks at its files every other second");
    tokio::time::sleep(Duration::from_secs(5)).await;
    done(&gateway.agent.call(TOOL, text("same")).await?)?;
    record["budget"] = json!({"calls": 99_999});
    std::fs::write(&file, serde_json::to_string_pretty(&record)?)?;
    let state = async || {
        gateway
            .ok(ADMINISTRATOR, &["exception", "show", "EX-FILE"])
            .await
            .is_ok_and(|shown| shown["state"] == json!("suspended"))
    };
    until("the exception is suspended", Duration::from_secs(6), state).await?;
    let answer = gateway.agent.call(TOOL, text("edited")).await?;
    ensure!(!answer.is_done(), "the call went through: {}", answer.told());
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["remember", {"text": "same"}])], "seen: {seen:?}");
    let alarmed = async || {
        let journal = gateway.journal().await.unwrap_or_default();
        journal.iter().any(|record| record["kind"] == json!("alarm") && record["exception"] == json!("EX-FILE"))
    };
    until("an alarm about EX-FILE is on record", Duration::from_secs(3), alarmed).await?;
    gateway.verified().await?;
    Ok(())
}
