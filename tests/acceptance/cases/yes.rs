//! Whose yes to a single call counts: while it is given, while it waits, and when it is used.

use std::{fs, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    acts::{signer, token},
    alerts::{Receiver, gateway_with},
    case,
    kinds::turned,
};
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OWNER, Options, SECURITY, until},
    say,
    wire::{Answer, meta_of},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a caller who is gone while a person is asked uses no yes up", "T085", 60, gone),
        case!("a freeze ends a round that waits for a person within a second", "T093", 60, frozen),
        case!("a yes is for one agent, and void with whoever gave it", "I9 T085 T081", 60, void),
        case!("a yes to a call takes the second factor that is demanded", "T080", 60, factor),
        case!("who is asked for a yes is told by a webhook where to answer", "I3 T085", 60, link),
    ]
}

const TOOL: &str = "rec__remember";
const TWO: &str = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
  other: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
";

/// With a control that demands a yes to each call.
fn asking(mut record: Value) -> anyhow::Result<Value> {
    let control = json!({"id": "yes", "obligation": "approval.hold", "params": {"expires_s": 600},
        "definition": "A person says yes to each call."});
    record["controls"].as_array_mut().context("no controls")?.push(control);
    Ok(record)
}

fn held(answer: &Answer) -> anyhow::Result<String> {
    let refusal = &answer.json()["result"]["_meta"]["dev.postern/refusal"];
    ensure!(refusal["reason"] == json!("approval_pending"), "not held: {}", answer.told());
    Ok(refusal["hold"]["id"].as_str().context("no hold")?.to_owned())
}

fn events(journal: &[Value], kind: &str, event: &str) -> usize {
    journal.iter().filter(|record| record["kind"] == json!(kind) && record["event"] == json!(event)).count()
}

/// Asks as a client that can show a page: the hold, and the round that waits for its answer.
async fn shown(gateway: &Gateway, text: &str) -> anyhow::Result<(String, Value)> {
    let mut params = json!({"name": TOOL, "arguments": {"text": text},
        "_meta": meta_of(&json!({"elicitation": {"url": {}}}))});
    let asked = gateway.agent.ask("tools/call", params.clone()).await?;
    let result = &asked.json()["result"];
    let url = result["inputRequests"]["hold"]["params"]["url"].as_str().context("no url")?.to_owned();
    params["requestState"] = result["requestState"].clone();
    params["inputResponses"] = json!({"hold": {"action": "accept"}});
    Ok((url.rsplit('/').next().unwrap_or_default().to_owned(), params))
}

async fn frozen() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.grant(&asking(gateway.record("EX-ICE", "remember", 600).await?)?).await?;
    for scope in [&["--exception", "EX-ICE"][..], &["--agent", "worker"], &[]] {
        let (_, params) = shown(&gateway, "ice").await?;
        let agent = gateway.agent.clone();
        let round = tokio::spawn(async move { agent.ask("tools/call", params).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        ensure!(!round.is_finished(), "{scope:?}: the round does not wait");
        gateway.ok(ADMINISTRATOR, &[&["freeze"], scope, &["--reason", "drill"]].concat()).await?;
        let answer = tokio::time::timeout(Duration::from_secs(1), round).await.context("it still waits")???;
        ensure!(!answer.is_done() && gateway.upstream.count() == 0, "{scope:?}: {}", answer.told());
        gateway.ok(ADMINISTRATOR, &[&["unfreeze"], scope, &["--reason", "over"]].concat()).await?;
    }
    gateway.verified().await.map(drop)
}

async fn gone() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.grant(&asking(gateway.record("EX-GONE", "remember", 600).await?)?).await?;
    let (id, params) = shown(&gateway, "gone").await?;
    // The client breaks its connection while the person still thinks.
    let waiting = tokio::time::timeout(Duration::from_millis(700), gateway.agent.ask("tools/call", params)).await;
    ensure!(waiting.is_err(), "the round did not wait");
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "fine"]).await?;
    let told = async || {
        let journal = gateway.journal().await.unwrap_or_default();
        let denied = |record: &&Value| record["kind"] == json!("denial") && record.to_string().contains("is gone");
        journal.iter().filter(denied).count() == 1
    };
    until("the end of the round is on record", Duration::from_secs(5), told).await?;
    let journal = gateway.journal().await?;
    ensure!(events(&journal, "hold", "spent") == 0 && gateway.upstream.count() == 0, "nothing left");
    ensure!(!journal.iter().any(|record| record["kind"] == json!("intent")), "an intent of somebody who is gone");
    let answer = gateway.agent.call(TOOL, json!({"text": "gone"})).await?;
    ensure!(answer.is_done() && gateway.upstream.count() == 1, "the yes is still there: {}", answer.told());
    gateway.verified().await.map(drop)
}

async fn void() -> anyhow::Result<()> {
    let policies = vec![("agents.yaml", TWO)];
    let gateway = Gateway::with(Options { policies, ..Options::default() }).await?;
    let mut record = asking(gateway.record("EX-VOID", "remember", 600).await?)?;
    record["subject"]["agents"] = json!(["worker", "other"]);
    gateway.grant(&record).await?;
    let (worker, other) = (gateway.agent.clone(), gateway.of("other").await?);
    let text = json!({"text": "same"});
    let id = held(&worker.call(TOOL, text.clone()).await?)?;
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "fine"]).await?;
    let foreign = held(&other.call(TOOL, text.clone()).await?)?;
    ensure!(foreign != id && gateway.upstream.count() == 0, "a yes to another agent");
    say("the key with which the yes was given is revoked");
    let keys = gateway.ok(ADMINISTRATOR, &["key", "list"]).await?;
    let all = keys["keys"].as_array().or(keys.as_array()).with_context(|| format!("no keys: {keys}"))?.clone();
    let own = all.iter().find(|key| key.to_string().contains(APPROVER)).context("no key of the approver")?;
    let key = ["credential", "id"].iter().find_map(|name| own[name].as_str()).with_context(|| own.to_string())?;
    gateway.ok(ADMINISTRATOR, &["key", "revoke", key]).await?;
    let again = held(&worker.call(TOOL, text.clone()).await?)?;
    ensure!(again != id, "people are asked anew");
    ensure!(events(&gateway.journal().await?, "hold", "void") == 1, "it is on record");
    say("who said yes loses the duty, and leaves");
    gateway.ok(SECURITY, &["hold", "approve", &again, "--reason", "fine"]).await?;
    let people = fs::read_to_string(gateway.folder.path().join("policies/people.yaml"))?;
    let without: Vec<&str> = people.lines().filter(|line| !line.contains(SECURITY)).collect();
    gateway.edit("people.yaml", &(without.join("\n") + "\n")).await?;
    // The exception needs its approvers too, so it may say that first; in no case does the call leave.
    let answer = worker.call(TOOL, text).await?;
    ensure!(!answer.is_done() && gateway.upstream.count() == 0, "a yes of somebody who is gone: {}", answer.told());
    gateway.verified().await.map(drop)
}

async fn factor() -> anyhow::Result<()> {
    let keys = tempfile::tempdir()?;
    let (pair, jwks) = signer()?;
    let file = keys.path().join("jwks.json");
    fs::write(&file, jwks.to_string())?;
    let gateway = Gateway::with(Options {
        exceptions: json!({"approval_amr": ["mfa"]}),
        identity: json!({"issuers": [{"issuer": "https://idp.test", "audience": "postern", "jwks_file": file,
            "people": true}]}),
        ..Options::default()
    })
    .await?;
    let new = json!({"kind": "temporary_elevation", "ends_on": "deployment.finished"});
    let record = turned(gateway.record("EX-YES", "remember", 600).await?, &["attestation", "exit"], new)?;
    gateway.submit(&asking(record)?).await?;
    let (weak, strong) = (token(&pair, &["pwd"])?, token(&pair, &["pwd", "mfa"])?);
    let key = fs::read_to_string(gateway.key_file(APPROVER))?;
    fs::write(gateway.key_file(APPROVER), &strong)?;
    gateway.ok(APPROVER, &["exception", "approve", "EX-YES"]).await?;
    let id = held(&gateway.agent.call(TOOL, json!({"text": "one"})).await?)?;
    let path = format!("/api/v1/holds/{id}/approve");
    for credential in [key.trim(), &weak] {
        fs::write(gateway.key_file(APPROVER), credential)?;
        let (status, body) = gateway.admin(APPROVER, "POST", &path, &json!({"reason": "fine"})).await?;
        ensure!(status == 401 && body["error"]["code"] == json!("insufficient_user_authentication"), "{status} {body}");
    }
    held(&gateway.agent.call(TOOL, json!({"text": "one"})).await?)?;
    fs::write(gateway.key_file(APPROVER), &strong)?;
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "fine"]).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "one"})).await?.is_done(), "after a strong yes");
    say("a no takes no second factor");
    let id = held(&gateway.agent.call(TOOL, json!({"text": "two"})).await?)?;
    gateway.ok(OWNER, &["hold", "deny", &id, "--reason", "no"]).await?;
    let journal = gateway.journal().await?;
    let yes = journal
        .iter()
        .find(|record| record["kind"] == json!("hold") && record["event"] == json!("approved"))
        .context("no yes on record")?;
    ensure!(yes["methods"] == json!(["mfa", "pwd"]) && yes["credential"].is_string(), "{yes}");
    gateway.verified().await.map(drop)
}

async fn link() -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    let hooks = json!({"chat": {"url": format!("http://{}/hook", receiver.address), "on": ["hold.*"]}});
    let gateway = gateway_with(hooks, Options::default()).await?;
    gateway.grant(&asking(gateway.record("EX-LINK", "remember", 600).await?)?).await?;
    let id = held(&gateway.agent.call(TOOL, json!({"text": "a secret of the call"})).await?)?;
    let asked = async || receiver.of("hold.asked").len() == 1;
    until("people are told", Duration::from_secs(2), asked).await?;
    let event = receiver.of("hold.asked").remove(0).event;
    let page = event["data"]["facts"]["ask"]["page"].as_str();
    let page = page.with_context(|| format!("no page: {event}"))?.to_owned();
    ensure!(page.starts_with("http://") && page.ends_with(&format!("/holds/{id}")), "{page}");
    ensure!(event.to_string().matches(&page).count() >= 2, "the summary names the page too: {event}");
    ensure!(!event.to_string().contains("sealed"), "the arguments leave, sealed or not: {event}");
    let path = page.trim_start_matches("http://").split_once('/').map(|(_, path)| format!("/{path}"));
    ensure!(gateway.stranger(&path.context("no path")?).await? == 401, "the link opens a page that asks who one is");
    let told = async |line: &str| {
        let text = metrics(&gateway).await.unwrap_or_default();
        text.lines().any(|one| one == line)
    };
    ensure!(told("postern_hold_answers_total{answer=\"approved\"} 0").await, "it begins at zero");
    ensure!(told("postern_hold_waiting 1").await, "one waits");
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "fine"]).await?;
    let answered = async || receiver.of("hold.answered").len() == 1;
    until("the answer is told", Duration::from_secs(2), answered).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "a secret of the call"})).await?.is_done(), "after the yes");
    until("the metrics follow", Duration::from_secs(2), async || told("postern_hold_waiting 0").await).await?;
    ensure!(told("postern_hold_answers_total{answer=\"approved\"} 1").await, "the yes is counted");
    ensure!(told("postern_hold_wait_seconds_count 1").await, "and how long it took");
    gateway.verified().await.map(drop)
}

async fn metrics(gateway: &Gateway) -> anyhow::Result<String> {
    let (status, text) = gateway.text(ADMINISTRATOR, ("GET", "/metrics"), &Value::Null).await?;
    ensure!(status == 200, "{status}");
    Ok(text)
}
