//! What is kept of arguments, and what is gone once its key is destroyed.

use std::{fs, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, Options, REQUESTER, until},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("arguments are clear, sealed or omitted as the file says", "T106", 60, kept),
        case!("what was captured is gone once its key is shredded, and the rest opens", "T106", 60, shredded),
    ]
}

fn of<'a>(journal: &'a [Value], kind: &str, tool: &str) -> anyhow::Result<&'a Value> {
    let found =
        journal.iter().rev().find(|record| record["kind"] == json!(kind) && record["call"]["tool"] == json!(tool));
    found.context("no record")
}

async fn explained(gateway: &Gateway, record: &Value) -> anyhow::Result<Value> {
    let decision = record["decision"].as_str().context("no decision")?;
    Ok(gateway.ok(ADMINISTRATOR, &["explain", decision]).await?["arguments"].clone())
}

async fn kept() -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let file = place.path().join("ocsf.jsonl");
    let more = json!({"evidence": {"arguments": [
        {"tools": "rec/ec*", "clear": ["/text", "/any/note", "/any/mode"], "omitted": ["/any/gone"]},
        {"tools": "rec/*", "clear": ["/text"], "rest": "omitted"},
    ]}});
    let exports = json!({"lake": {"file": {"path": file}}});
    let gateway = Gateway::with(Options { more, exports, ..Options::default() }).await?;
    let any = json!({"note": "ghp_0123456789abcdefghijABCDEFGHIJ0123", "gone": "qqgoneqq", "mode": 7});
    ensure!(gateway.agent.call("rec__echo", json!({"text": "seen by all", "any": any})).await?.is_done());
    let journal = gateway.journal().await?;
    let intent = of(&journal, "intent", "echo")?;
    let arguments = &intent["call"]["arguments"];
    let clear = json!({"/any/mode": 7, "/text": "seen by all"});
    ensure!(arguments["clear"] == clear, "a secret stays sealed: {arguments}");
    ensure!(arguments["omitted"] == json!(["/any/gone"]) && arguments["sealed"].is_object(), "{arguments}");
    ensure!(arguments["digest"].as_str().is_some_and(|print| print.starts_with("hmac-sha256:")), "{arguments}");
    let told = explained(&gateway, intent).await?;
    ensure!(told["text"] == json!("sealed") && told["clear"] == clear, "{told}");
    let text = json!(journal).to_string();
    ensure!(!text.contains("qqgoneqq") && !text.contains("ghp_"), "it is kept in clear");
    until("the export has it", Duration::from_secs(10), async || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("seen by all"))
    })
    .await?;
    gateway.verified().await?;
    // A duty that demands the arguments has them all.
    let mut record = gateway.record("EX-WHOLE", "slow", 600).await?;
    record["controls"] = json!([{"id": "a", "obligation": "args.capture", "definition": "All arguments are kept."}]);
    record["budget"] = json!({"calls": 1});
    gateway.grant(&record).await?;
    ensure!(gateway.agent.call("rec__slow", json!({"ms": 1})).await?.is_done());
    ensure!(!gateway.agent.call("rec__slow", json!({"ms": 4_711})).await?.is_done());
    let journal = gateway.journal().await?;
    let arguments = &of(&journal, "intent", "slow")?["call"]["arguments"];
    ensure!(arguments["omitted"].is_null() && arguments["sealed"].is_object(), "{arguments}");
    let refused = of(&journal, "denial", "slow")?;
    let arguments = &refused["call"]["arguments"];
    ensure!(arguments["omitted"] == json!(["*"]) && arguments["sealed"].is_null(), "{arguments}");
    let id = refused["decision"].as_str().context("no decision")?;
    let draft = gateway.admin(REQUESTER, "POST", "/api/v1/exceptions/drafts", &json!({"decision": id})).await?;
    ensure!(
        draft.0 == 409 && draft.1.to_string().contains("omitted"),
        "no record is drafted from arguments that are not all there: {draft:?}"
    );
    Ok(())
}

async fn shredded() -> anyhow::Result<()> {
    let mut gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-GONE", "remember", 600).await?;
    record["controls"] = json!([{"id": "a", "obligation": "args.capture", "definition": "All arguments are kept."},
        {"id": "r", "obligation": "response.capture", "definition": "All results are kept."}]);
    gateway.grant(&record).await?;
    ensure!(gateway.agent.call("rec__remember", json!({"text": "under"})).await?.is_done());
    ensure!(gateway.agent.call("rec__echo", json!({"text": "beside"})).await?.is_done());
    let journal = gateway.journal().await?;
    let (under, beside) = (of(&journal, "intent", "remember")?, of(&journal, "intent", "echo")?);
    ensure!(explained(&gateway, under).await?["text"] == json!("sealed"), "it opens before");
    let shred = ["evidence", "shred", "--exception", "EX-GONE", "--reason", "the customer asked for it"];
    gateway.refused(APPROVER, &shred).await?;
    let view = gateway.ok(ADMINISTRATOR, &shred).await?;
    let keys = view["keys"].as_array().context("no keys")?;
    ensure!(keys.len() == 1 && keys[0].as_str().is_some_and(|key| key.contains("EX-GONE")), "{view}");
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    let gone = format!("shredded on {today} by administrator");
    ensure!(explained(&gateway, under).await?["text"] == json!(gone), "{}", explained(&gateway, under).await?);
    ensure!(explained(&gateway, beside).await?["text"] == json!("sealed"), "what is beside it opens");
    let again = gateway.refused(ADMINISTRATOR, &shred).await?;
    ensure!(again.contains("shredded already"), "{again}");
    let early = gateway.refused(ADMINISTRATOR, &["evidence", "shred", "--before", &today, "--reason", "x"]).await?;
    ensure!(early.contains("nothing was captured"), "today's keys stay: {early}");
    let later = gateway.refused(ADMINISTRATOR, &["evidence", "shred", "--before", "2099-01-01", "--reason", "x"]).await;
    ensure!(later.is_err() || later.is_ok_and(|text| text.contains("not here yet")));
    // The exception goes on, under a new key.
    ensure!(gateway.agent.call("rec__remember", json!({"text": "again"})).await?.is_done());
    gateway.kill().await?;
    gateway.launch().await?;
    ensure!(explained(&gateway, under).await?["text"] == json!(gone), "a restart brings nothing back");
    let journal = gateway.journal().await?;
    ensure!(explained(&gateway, of(&journal, "intent", "remember")?).await?["text"] == json!("sealed"));
    let record = journal.iter().find(|record| record["kind"] == json!("shred")).context("no record of it")?;
    ensure!(
        record["reason"] == json!("the customer asked for it") && record["exception"] == json!("EX-GONE"),
        "{record}"
    );
    ensure!(record["actor"] == json!("administrator") && record["keys"] == view["keys"], "{record}");
    let report = gateway.verified().await?;
    ensure!(report["breaches"].as_array().is_none_or(Vec::is_empty), "{report}");
    Ok(())
}
