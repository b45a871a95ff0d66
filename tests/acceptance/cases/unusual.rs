//! What is unusual arrives by push, once, and a restart neither loses nor repeats it.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::{
    alerts::{Got, Receiver},
    case,
};
use crate::{
    Case,
    gateway::{Gateway, Options, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![case!("what is unusual arrives once, by push, and a restart repeats nothing", "", 90, unusual)]
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The anomalies of this kind that arrived.
fn arrived(receiver: &Receiver, kind: &str) -> Vec<Got> {
    let about = format!("{kind}: ");
    let is = |got: &Got| {
        got.event["type"] == json!("dev.postern.anomaly.v1") && got.event["data"].to_string().contains(&about)
    };
    receiver.taken().into_iter().filter(is).collect()
}

async fn told(receiver: &Receiver, kind: &str) -> anyhow::Result<()> {
    let took = until(kind, Duration::from_secs(5), async || !arrived(receiver, kind).is_empty()).await?;
    say(&format!("{kind} arrived after {took:.0?}"));
    Ok(())
}

async fn unusual() -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    let secrets = tempfile::tempdir()?;
    let file = secrets.path().join("secret");
    std::fs::write(&file, SECRET)?;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    // Nobody works at this hour.
    let hour = |ahead: i64| (chrono::Utc::now() + chrono::TimeDelta::hours(ahead)).format("%H:00").to_string();
    let alerts = json!({
        "webhooks": {"chat": {"url": format!("http://{}/hook", receiver.address), "on": ["anomaly"],
            "secret_file": file, "allow_private": true}},
        "office_hours": {"from": hour(6), "to": hour(9), "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
        "anomalies": {"refusals": 3},
    });
    let mut gateway = Gateway::with(Options { alerts, ..Options::default() }).await?;
    let mut record = gateway.record("EX-ODD", "remember", 600).await?;
    record["grant"]["tools"] = json!(["remember", "slow"]);
    record["grant"]["descriptor_digest"] =
        json!({"remember": gateway.digest("remember").await?, "slow": gateway.digest("slow").await?});
    gateway.grant(&record).await?;

    // Off hours, at the first use; another tool than before.
    ensure!(gateway.agent.call("rec__remember", json!({"text": "x"})).await?.is_done(), "the exception does not work");
    told(&receiver, "off_hours").await?;
    ensure!(gateway.agent.call("rec__slow", json!({"ms": 0})).await?.is_done(), "the other tool does not work");
    told(&receiver, "first_seen_tool").await?;

    // A streak of refusals, cut by a restart.
    let refuse = async |gateway: &Gateway| {
        let answer = gateway.agent.call("rec__nothing", json!({})).await?;
        ensure!(!answer.is_done(), "a tool that nobody granted works");
        Ok(())
    };
    refuse(&gateway).await?;
    refuse(&gateway).await?;
    gateway.kill().await?;
    gateway.launch().await?;
    ensure!(arrived(&receiver, "refusals").is_empty(), "two refusals are no streak");
    refuse(&gateway).await?;
    told(&receiver, "refusals").await?;

    // After another restart nothing is told again.
    gateway.kill().await?;
    gateway.launch().await?;
    refuse(&gateway).await?;
    ensure!(gateway.agent.call("rec__remember", json!({"text": "y"})).await?.is_done());
    tokio::time::sleep(Duration::from_secs(2)).await;
    for kind in ["off_hours", "first_seen_tool", "refusals"] {
        let alarms = arrived(&receiver, kind);
        ensure!(alarms.len() == 1, "{kind}: {} alarms", alarms.len());
    }
    let journal = gateway.journal().await?;
    let alarms = journal.iter().filter(|record| record["about"] == json!("anomaly")).count();
    ensure!(alarms == 3, "{alarms} alarms on record");
    gateway.verified().await?;
    Ok(())
}
