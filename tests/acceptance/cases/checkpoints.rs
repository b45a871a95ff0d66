//! Signed checkpoints leave the machine: until they are taken, the newest alone, the last one included.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    alerts::{Receiver, SECRET, verified},
    case,
};
use crate::{
    Case,
    gateway::{Gateway, OWNER, Options, SECURITY, program, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![case!(
        "the newest checkpoint reaches a webhook that was down, and the last one as it stops",
        "T104",
        90,
        leave
    )]
}

fn size(event: &Value) -> u64 {
    event["data"]["size"].as_u64().unwrap_or_default()
}

async fn leave() -> anyhow::Result<()> {
    let secrets = tempfile::tempdir()?;
    let secret = secrets.path().join("secret");
    fs::write(&secret, SECRET)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let mut receiver = Receiver::start().await?;
    receiver.script.lock().unwrap().0 = vec![503, 500];
    let url = format!("http://{}/checkpoints", receiver.address);
    let webhook = json!({"url": url, "secret_file": secret, "allow_private": true, "timeout_s": 2});
    let evidence = json!({"checkpoints": {"every_s": 1, "webhook": webhook}});
    let gateway = Gateway::with(Options { evidence, ..Options::default() }).await?;
    let newest = || receiver.taken().iter().map(|got| size(&got.event)).max().unwrap_or_default();
    until("it is taken after two refusals", Duration::from_secs(15), async || newest() > 0).await?;
    verified(&receiver.taken()).await?;
    let first = receiver.taken().into_iter().next().context("nothing was taken")?;
    let note = first.event["data"]["note"].as_str().context("no note")?.to_owned();
    ensure!(first.event["type"] == json!("dev.postern.checkpoint.v1"), "{}", first.event);
    ensure!(note.lines().nth(1) == Some(&size(&first.event).to_string()), "{note}");

    say("the receiver goes down, and the journal grows");
    receiver.down().await;
    for number in 0..3 {
        ensure!(gateway.agent.call("rec__echo", json!({"text": number.to_string()})).await?.is_done(), "calls go on");
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let line = async || -> anyhow::Result<Value> {
        let (_, all) = gateway.admin(SECURITY, "GET", "/api/v1/exports", &Value::Null).await?;
        all.as_array()
            .and_then(|all| all.iter().find(|one| one["name"] == json!("webhook")))
            .cloned()
            .context("no line")
    };
    let troubled =
        async || line().await.is_ok_and(|line| !line["trouble"].is_null() && line["lag_records"] != json!(0));
    until("`postern exports` says what it lacks", Duration::from_secs(15), troubled).await?;
    let missed = gateway.journal().await?.len() as u64;
    let before = receiver.taken().len();
    receiver.up().await?;
    let newest = || receiver.taken().iter().map(|got| size(&got.event)).max().unwrap_or_default();
    until("it comes when the receiver is back", Duration::from_secs(40), async || newest() >= missed - 1).await?;
    let since: Vec<u64> = receiver.taken().iter().skip(before).map(|got| size(&got.event)).collect();
    ensure!(since.first().is_some_and(|size| *size >= missed - 1), "older ones came first: {since:?}");
    until("nothing is wrong any more", Duration::from_secs(10), async || {
        line().await.is_ok_and(|line| line["trouble"].is_null())
    })
    .await?;

    say("the gateway stops");
    gateway.ok(OWNER, &["controls"]).await?;
    program("kill", &["-TERM", &gateway.pid()?.to_string()]).await?;
    let tiles = gateway.data.join("tiles/checkpoint");
    let last = || {
        let text = fs::read_to_string(&tiles).unwrap_or_default();
        text.lines().nth(1).and_then(|size| size.parse::<u64>().ok()).unwrap_or_default()
    };
    let stopped = format!("/proc/{}", gateway.pid()?);
    until("it has ended", Duration::from_secs(30), async || {
        fs::read_to_string(format!("{stopped}/stat")).map_or(true, |stat| stat.contains(") Z"))
    })
    .await?;
    ensure!(last() > missed && newest() == last(), "the last is {}, and the webhook has {}", last(), newest());
    Ok(())
}
