//! What shows by itself that an exception can go: removal tests by plan, proposals, shadows, and measures of sprawl.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{Gateway, OWNER, SECURITY, until},
};

pub fn cases() -> Vec<Case> {
    vec![case!("what is not needed any more is tested, proposed and counted without being asked", "I20", 120, unneeded)]
}

const TOOL: &str = "rec__remember";
const ROLE: &str = r#"@id("all")
permit (principal in Role::"echoer", action == Action::"rec/remember", resource == Tool::"rec/remember");
"#;

async fn shown(gateway: &Gateway) -> anyhow::Result<Value> {
    gateway.ok(OWNER, &["exception", "show", "EX-U"]).await
}

async fn unneeded() -> anyhow::Result<()> {
    let mut gateway = Gateway::start().await?;
    let agent = gateway.agent.clone();
    let mut record = gateway.record("EX-U", "remember", 3_000).await?;
    record["removal"] = json!({"shadow_every": "PT5S"});
    let shadow = json!({"id": "shadow", "obligation": "shadow.evaluate", "definition": "Judged again without it."});
    record["controls"].as_array_mut().unwrap().push(shadow);
    gateway.grant(&record).await?;
    for word in ["a", "b"] {
        let answer = agent.call(TOOL, json!({"text": word})).await?;
        ensure!(answer.is_done(), "the shadow blocks no call: {}", answer.told());
    }
    let report = gateway.ok(OWNER, &["removal", "report", "EX-U"]).await?;
    let shadow = &report["shadow"];
    ensure!(shadow["judged"] == 2 && shadow["missing"] == 0 && shadow["would_break"] == 2, "shadow: {report}");
    let tested = async |result: &str| {
        let named = async || shown(&gateway).await.is_ok_and(|view| view["removal_test"]["test"]["result"] == result);
        until(&format!("a removal test by plan says {result}"), Duration::from_secs(40), named).await
    };
    let first = shown(&gateway).await?["removal_test"]["at"].clone();
    let again = async || shown(&gateway).await.is_ok_and(|view| view["removal_test"]["at"] != first);
    until("a second removal test, by plan", Duration::from_secs(40), again).await?;
    tested("needed").await?;
    gateway.edit("roles/all.cedar", ROLE).await?;
    tested("unneeded").await?;
    let proposed = async || {
        let journal = gateway.journal().await.unwrap_or_default();
        let removal = |record: &Value| record["event"]["event"] == "reminded" && record["event"]["of"] == "removal";
        journal.iter().filter(|record| removal(record)).count() == 1
    };
    until("its removal is proposed, once", Duration::from_secs(20), proposed).await?;
    let sprawl = gateway.ok(SECURITY, &["report", "sprawl"]).await?;
    let how = sprawl["analysis"]["how"]["EX-U"].as_str().unwrap_or_default();
    ensure!(sprawl["analysis"]["redundant"] == json!(["EX-U"]), "sprawl: {sprawl}");
    let known = ["solver", "policies", "recorded calls"].iter().any(|by| how.starts_with(by));
    ensure!(known, "how: {how}");
    // The shadow goes on behind a restart.
    gateway.kill().await?;
    gateway.launch().await?;
    let report = gateway.ok(OWNER, &["removal", "report", "EX-U"]).await?;
    ensure!(report["shadow"]["judged"] == 2 && report["shadow"]["missing"] == 0, "after a restart: {report}");
    gateway.verified().await?;
    Ok(())
}
