//! What is particular to the kinds of exceptions, seen from outside.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, AGENT, APPROVER, Gateway, OWNER, REQUESTER, SECURITY, until},
    wire::Answer,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            "an exemption lifts a soft guardrail that its owner gave up, until it has another owner",
            "I7",
            60,
            exemption
        ),
        case!("an elevation ends when the agent reports its event", "I14", 60, event),
        case!("an incident that is closed ends its exceptions, and a review is due", "I18", 60, incident),
    ]
}

pub(super) const GUARDRAILS: [(&str, &str); 2] = [
    (
        "soft",
        r#"@id("no_far") @level("soft") @owner("alan@example.org")
forbid (principal, action == Action::"rec/echo", resource) when { context.input.text like "far*" };
"#,
    ),
    (
        "hard",
        r#"@id("no_secret") @level("hard") @owner("sonia@example.org")
forbid (principal, action == Action::"rec/echo", resource) when { context.input.text like "*secret*" };
"#,
    ),
];

fn refused_for(answer: &Answer, reason: &str) -> anyhow::Result<()> {
    ensure!(!answer.is_done() && answer.reason() == reason, "expected {reason}: {}", answer.told());
    Ok(())
}

pub(super) fn day(days: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::days(days)).format("%Y-%m-%d").to_string()
}

/// A record of another kind: some members gone, others put in.
pub(super) fn turned(mut record: Value, gone: &[&str], new: Value) -> anyhow::Result<Value> {
    let members = record.as_object_mut().context("no record")?;
    members.retain(|name, _| !gone.contains(&name.as_str()));
    members.extend(new.as_object().context("no members")?.clone());
    Ok(record)
}

async fn exemption() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    for (level, text) in GUARDRAILS {
        let folder = gateway.folder.path().join("policies/guardrails").join(level);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("a.cedar"), text)?;
    }
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    let call = async |text: &str| gateway.agent.call("rec__echo", json!({"text": text})).await;
    ensure!(call("near").await?.is_done(), "a role permits it");
    refused_for(&call("far away").await?, "soft_guardrail")?;
    let members = json!({
        "kind": "rule_exemption", "rule_ids": ["no_far"], "rule_owner": APPROVER, "removal": {"shadow_every": "P30D"},
        "exit": {"type": "remediate", "criteria": "The route is mended.", "milestones": [{"name": "mended", "due": day(1)}]},
    });
    let record = turned(gateway.record("EX-RULE", "echo", 86_400 * 2).await?, &[], members)?;
    for (rules, said) in [(json!(["no_secret"]), "nothing lifts one"), (json!(["none"]), "no policy has the @id")] {
        let file = gateway.write(&turned(record.clone(), &[], json!({"rule_ids": rules}))?)?;
        let output = gateway.cli(REQUESTER, &["exception", "submit", &file]).await?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        ensure!(!output.status.success() && told.contains(said), "submit: {told}");
    }
    checked(&gateway, &record).await?;
    gateway.submit(&record).await?;
    gateway.ok(SECURITY, &["exception", "approve", "EX-RULE"]).await?;
    refused_for(&call("far away").await?, "soft_guardrail")?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-RULE"]).await?;
    ensure!(call("far away").await?.is_done(), "the exemption lifts it");
    refused_for(&call("far secret").await?, "hard_guardrail")?;
    ensure!(call("near").await?.is_done(), "a role permits it still");
    let journal = gateway.journal().await?;
    let under: Vec<_> = journal
        .iter()
        .filter(|record| record["kind"] == json!("intent") && record["verdict"]["exception"] == json!("EX-RULE"))
        .collect();
    ensure!(under.len() == 1, "{} calls were charged", under.len());
    ensure!(under[0]["verdict"]["determining"] == json!(["echo", "EX-RULE"]), "{}", under[0]["verdict"]);
    let explained = gateway.ok(ADMINISTRATOR, &["explain", under[0]["decision"].as_str().unwrap_or_default()]).await?;
    ensure!(explained["reproduced"] == json!(true), "not reproduced: {explained}");
    let met = ["exception", "milestone", "EX-RULE", "mended", "--reason", "order 7"];
    gateway.refused(APPROVER, &met).await?;
    let shown = gateway.ok(OWNER, &met).await?;
    ensure!(shown["milestones"][0]["met"] == json!(true), "milestone: {shown}");
    // Another owner has not given it up.
    let soft = gateway.folder.path().join("policies/guardrails/soft/a.cedar");
    fs::write(soft, GUARDRAILS[0].1.replace("alan@example.org", "sonia@example.org"))?;
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    refused_for(&call("far away").await?, "exception_suspended")?;
    let alarmed = async || {
        let journal = gateway.journal().await.unwrap_or_default();
        let ours = |record: &&Value| record["kind"] == json!("alarm") && record["exception"] == json!("EX-RULE");
        journal
            .iter()
            .filter(ours)
            .any(|alarm| alarm["detail"].to_string().contains("owned by `sonia@example.org` now"))
    };
    until("the alarm", Duration::from_secs(20), alarmed).await?;
    let shown = gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-RULE"]).await?;
    ensure!(shown["state"] == json!("suspended") && shown["reason"] == json!("drift"), "{shown}");
    gateway.verified().await?;
    Ok(())
}

/// `postern check` names what a file cannot lift, and whose consent it lacks, with the line.
async fn checked(gateway: &Gateway, record: &Value) -> anyhow::Result<()> {
    let folder = gateway.folder.path().join("policies/exceptions");
    fs::create_dir_all(&folder)?;
    let file = folder.join("EX-RULE.yaml");
    for (change, said) in [
        (json!({"rule_ids": ["none"]}), "/rule_ids/0: no policy has the @id `none`"),
        (json!({"rule_ids": ["no_secret"]}), "/rule_ids/0: `no_secret` is of level hard"),
        (json!({"rule_owner": SECURITY}), "/rule_owner: the rule `no_far` is owned by `alan@example.org`"),
    ] {
        fs::write(&file, serde_json::to_string_pretty(&turned(record.clone(), &[], change)?)?)?;
        let output = gateway.cli(REQUESTER, &["check", "--output", "table"]).await?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let line = told.lines().find(|line| line.contains(said)).with_context(|| format!("check: {told}"))?;
        ensure!(line.contains("exceptions/EX-RULE.yaml:") && !output.status.success(), "check: {line}");
    }
    Ok(fs::remove_file(&file)?)
}

/// The agent's key where the command line finds it.
pub(super) fn agent_key(gateway: &Gateway) -> anyhow::Result<()> {
    let key = gateway.folder.path().join(format!("{AGENT}.key"));
    fs::write(&key, &gateway.agent.key)?;
    Ok(fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?)
}

async fn event() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    agent_key(&gateway)?;
    let gone = ["attestation", "exit"];
    let new = json!({"kind": "temporary_elevation", "ends_on": "deployment.finished"});
    gateway.submit(&turned(gateway.record("EX-DEPLOY", "remember", 600).await?, &gone, new)?).await?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-DEPLOY"]).await?;
    let call = async || gateway.agent.call("rec__remember", json!({"text": "a"})).await;
    ensure!(call().await?.is_done(), "it was approved");
    let told = gateway.ok(AGENT, &["event", "report", "backup.finished", "--reason", "nightly"]).await?;
    ensure!(told["ended"] == json!([]) && call().await?.is_done(), "another event: {told}");
    let told = gateway.ok(AGENT, &["event", "report", "deployment.finished", "--reason", "release 7"]).await?;
    ensure!(told["ended"][0]["id"] == json!("EX-DEPLOY") && told["ended"][0]["spec"].is_null(), "the event: {told}");
    ensure!(!call().await?.is_done(), "it has ended");
    // Beyond that, the agent's key administers nothing.
    gateway.refused(AGENT, &["exception", "list"]).await?;
    let shown = gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-DEPLOY"]).await?;
    ensure!(shown["state"] == json!("finished"), "state: {}", shown["state"]);
    gateway.verified().await?;
    Ok(())
}

async fn incident() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let record = async |id: &str, incident: &str| {
        let new = json!({"kind": "break_glass", "incident": incident});
        turned(gateway.record(id, "remember", 600).await?, &["attestation", "exit"], new)
    };
    gateway.submit(&record("EX-WAITS", "INC 7/2").await?).await?;
    gateway.grant(&record("EX-GLASS", "INC 7/2").await?).await?;
    agent_key(&gateway)?;
    let call = async || gateway.agent.call("rec__remember", json!({"text": "a"})).await;
    ensure!(call().await?.is_done(), "it was approved by two");
    let close = ["incident", "close", "INC 7/2", "--reason", "mended"];
    gateway.refused(AGENT, &close).await?;
    let told = gateway.ok(SECURITY, &close).await?;
    ensure!(
        told["ended"][0]["id"] == json!("EX-GLASS") && told["rejected"][0]["id"] == json!("EX-WAITS"),
        "closed: {told}"
    );
    ensure!(!call().await?.is_done(), "it has ended");
    let shown = gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-GLASS"]).await?;
    ensure!(shown["state"] == json!("finished") && shown["post_review"]["state"] == json!("due"), "{shown}");
    let next = gateway.write(&record("EX-GLASS-2", "INC-8").await?)?;
    let told = gateway.refused(REQUESTER, &["exception", "submit", &next]).await?;
    ensure!(told.contains("is not reviewed yet"), "submit: {told}");
    let review = ["exception", "review", "EX-GLASS", "--reason", "one call, as it should be"];
    let shown = gateway.ok(SECURITY, &review).await?;
    ensure!(shown["post_review"]["state"] == json!("closed"), "{shown}");
    gateway.ok(REQUESTER, &["exception", "submit", &next]).await?;
    gateway.verified().await?;
    Ok(())
}
