//! What would be otherwise: simulation, what one can do, removal and graduation.

use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{AGENT, APPROVER, Gateway, OWNER, Options, SECURITY},
    wire::Answer,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("an exception is analysed, tried, and graduates into a role", "I15 I20", 90, graduation),
        case!("where proofs are required, what nobody proves is refused", "I11", 60, proofs),
        case!("an owner has no more live exceptions than the budget", "I17", 60, budget),
    ]
}

const TOOL: &str = "rec__remember";

fn text(text: &str) -> Value {
    json!({"text": text})
}

fn done(answer: &Answer) -> anyhow::Result<()> {
    ensure!(answer.is_done(), "the call should go through: {}", answer.told());
    Ok(())
}

/// Intents and denials so far.
async fn decided(gateway: &Gateway) -> anyhow::Result<usize> {
    let journal = gateway.journal().await?;
    Ok(journal.iter().filter(|record| record["kind"] == "intent" || record["kind"] == "denial").count())
}

async fn graduation() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let agent = gateway.agent.clone();
    agent.call(TOOL, text("before")).await?;
    let mut record = gateway.record("EX-S", "remember", 3_000).await?;
    record["grant"]["args"] = json!({"text": {"in": ["a", "b", "c"]}});
    gateway.grant(&record).await?;
    let shown = gateway.ok(OWNER, &["exception", "show", "EX-S"]).await?;
    let hidden = shown.pointer("/analysis/completeness/not_judged/tool_was_hidden");
    ensure!(hidden == Some(&json!(1)), "the refused call is not in the analysis: {shown}");
    for word in ["a", "b", "a"] {
        done(&agent.call(TOOL, text(word)).await?)?;
    }
    ensure!(agent.call(TOOL, text("z")).await?.reason() == "scope_mismatch", "z should be out of scope");
    asked(&gateway).await?;
    removal(&gateway).await?;
    graduated(&gateway).await?;
    done(&agent.call(TOOL, text("b")).await?)?;
    ensure!(!agent.call(TOOL, text("c")).await?.is_done(), "`c` was never used: the role does not have it");
    gateway.verified().await?;
    Ok(())
}

/// `simulate` and `can` answer, and record no call.
async fn asked(gateway: &Gateway) -> anyhow::Result<()> {
    let before = decided(gateway).await?;
    let gone = gateway.ok(SECURITY, &["simulate", "--without", "EX-S"]).await?;
    ensure!(gone["lost"] == 3 && gone["gained"] == 0 && gone["drifted"] == 0, "without: {gone}");
    let policies = gateway.folder.path().join("tried");
    fs::create_dir_all(policies.join("roles"))?;
    for file in ["agents.yaml", "people.yaml"] {
        fs::copy(gateway.folder.path().join("policies").join(file), policies.join(file))?;
    }
    let role = "@id(\"r\") permit (principal in Role::\"echoer\", action == Action::\"rec/remember\", resource);";
    fs::write(policies.join("roles/r.cedar"), role)?;
    let folder = policies.display().to_string();
    let tried = gateway.ok(SECURITY, &["simulate", "--policies", &folder]).await?;
    let told = tried["changes"].to_string();
    ensure!(tried["gained"] == 1 && told.contains("scope_mismatch"), "policies: {tried}");
    let can = ["can", "--agent", AGENT, TOOL, "--args"];
    let yes = gateway.ok(SECURITY, &[&can[..], &[r#"{"text": "a"}"#]].concat()).await?;
    ensure!(yes["answer"] == "yes" && yes["verdict"]["exception"] == "EX-S", "can: {yes}");
    let no = gateway.ok(SECURITY, &[&can[..], &[r#"{"text": "z"}"#]].concat()).await?;
    ensure!(no["answer"] == "no" && no["verdict"]["reason"] == "scope_mismatch", "can: {no}");
    gateway.refused(OWNER, &["simulate", "--without", "EX-S"]).await?;
    for format in [&["simulate", "--without", "EX-S"][..], &["exception", "show", "EX-S"]] {
        let output = gateway.cli(SECURITY, &[&["--output", "table"], format].concat()).await?;
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && told.contains("judged:"), "as a table: {told}");
    }
    ensure!(decided(gateway).await? == before, "a question left a record of a call");
    Ok(())
}

/// The report, a trial, and a graduation that comes too early.
async fn removal(gateway: &Gateway) -> anyhow::Result<()> {
    let agent = &gateway.agent;
    let report = gateway.ok(OWNER, &["removal", "report", "EX-S"]).await?;
    ensure!(report["would_break"] == 3 && report["result"] == "needed", "report: {report}");
    let shown = gateway.ok(OWNER, &["exception", "show", "EX-S"]).await?;
    ensure!(shown.pointer("/removal_test/test/would_break") == Some(&json!(3)), "not kept: {shown}");
    let told = gateway.refused(OWNER, &["exception", "graduate", "EX-S", "--reason", "now"]).await?;
    ensure!(told.contains("3 recorded calls would be refused"), "{told}");
    gateway.ok(OWNER, &["removal", "trial", "EX-S", "--percent", "10", "--minutes", "30"]).await?;
    let during = agent.call(TOOL, text("a")).await?;
    ensure!(during.reason() == "exception_suspended", "during the trial: {}", during.told());
    gateway.ok(OWNER, &["removal", "restore", "EX-S", "--reason", "seen enough"]).await?;
    done(&agent.call(TOOL, text("a")).await?)?;
    let report = gateway.ok(SECURITY, &["removal", "report", "EX-S"]).await?;
    let noticed = report["agents"][AGENT]["refused_in_trials"].clone();
    ensure!(noticed == 1 && report["would_break"] == 4, "after the trial: {report}");
    let proposals = gateway.ok(SECURITY, &["removal", "proposals"]).await?;
    ensure!(proposals == json!([]), "it is used: {proposals}");
    Ok(())
}

/// The role is drafted, people merge it, and the exception ends.
async fn graduated(gateway: &Gateway) -> anyhow::Result<()> {
    let draft = gateway.ok(SECURITY, &["graduate", "EX-S", "--role", "rememberer"]).await?;
    let replay = &draft["replay"];
    ensure!(replay["lost"] == 0 && replay["gained"] == 0, "the draft: {draft}");
    ensure!(draft["gain"]["members"][0]["member"] == AGENT, "no answer for the member: {draft}");
    let strict = gateway.cli(SECURITY, &["graduate", "EX-S", "--role", "rememberer", "--require-proofs"]).await?;
    let (proven, told) = (draft["gain"]["proven"] == true, String::from_utf8_lossy(&strict.stderr));
    ensure!(strict.status.success() == proven, "--require-proofs: {} {told} {draft}", strict.status);
    let (file, cedar) = (draft["file"].as_str().context("no file")?, draft["cedar"].as_str().context("no cedar")?);
    let policies = gateway.folder.path().join("policies");
    fs::write(policies.join(file), cedar)?;
    let agents = fs::read_to_string(policies.join("agents.yaml"))?.replace("[echoer]", "[echoer, rememberer]");
    fs::write(policies.join("agents.yaml"), agents)?;
    gateway.ok(crate::gateway::ADMINISTRATOR, &["reload"]).await?;
    let over = gateway.ok(OWNER, &["exception", "graduate", "EX-S", "--reason", "the role is merged"]).await?;
    ensure!(over["state"] == "graduated", "graduate: {over}");
    Ok(())
}

async fn budget() -> anyhow::Result<()> {
    let gateway =
        Gateway::with(Options { exceptions: json!({"budget": {"per_owner": 1}}), ..Options::default() }).await?;
    gateway.grant(&gateway.record("EX-0", "remember", 3_000).await?).await?;
    // Another tool, since the same grant would have to say that it goes on.
    let record = gateway.record("EX-1", "slow", 3_000).await?;
    let file = gateway.write(&record)?;
    let refused = gateway.cli(crate::gateway::REQUESTER, &["exception", "submit", &file]).await?;
    let told = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(2) && told.contains("live exceptions"), "{told}");
    gateway.ok(APPROVER, &["exception", "revoke", "EX-0", "--reason", "room"]).await?;
    let shown = gateway.submit(&record).await?;
    ensure!(shown["analysis"]["sprawl"]["of_owner"] == 0, "sprawl: {shown}");
    Ok(())
}

const SECRET: (&str, &str) = (
    "guardrails/hard/secret.cedar",
    r#"@id("no-secrets") @level("hard") @owner("sonia@example.org")
forbid (principal, action == Action::"rec/remember", resource == Tool::"rec/remember")
when { context.input.text == "secret" };"#,
);

/// The exception reaches what a hard guardrail forbids: refuted with a solver, not proven without one.
async fn proofs() -> anyhow::Result<()> {
    let policies = || vec![SECRET];
    let loose = Gateway::with(Options { policies: policies(), ..Options::default() }).await?;
    let shown = loose.submit(&loose.record("EX-1", "remember", 3_000).await?).await?;
    let told = shown["analysis"]["proofs"].to_string();
    ensure!(told.contains("clear_of_hard_guardrails") || told.contains("solver"), "proofs: {told}");
    let exceptions = json!({"require_proofs": true});
    let strict = Gateway::with(Options { policies: policies(), exceptions, ..Options::default() }).await?;
    let file = strict.write(&strict.record("EX-1", "remember", 3_000).await?)?;
    let refused = strict.cli(crate::gateway::REQUESTER, &["exception", "submit", &file]).await?;
    let told = String::from_utf8_lossy(&refused.stderr);
    let named = told.contains("reaches nothing that a hard guardrail forbids");
    ensure!(refused.status.code() == Some(2) && named, "{} {told}", refused.status);
    Ok(())
}
