//! The signing key: another one takes over while calls go on, and a lost one is replaced; whoever knows one key of the
//! line verifies the whole.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, program, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("the signing key rotates under an exception in use, and any key verifies all", "T083 T104", 120, rotated),
        case!("a kill in the middle of a rotation leaves one signing key in force", "T103", 120, killed),
        case!("a lost signing key is replaced on record, and verification says so", "T083 T104", 90, lost),
    ]
}

const TOOL: &str = "rec__remember";

/// A gateway whose agent has an exception.
async fn used() -> anyhow::Result<Gateway> {
    let gateway = Gateway::start().await?;
    gateway.grant(&gateway.record("EX-KEYS", "remember", 3_600).await?).await?;
    called(&gateway).await?;
    Ok(gateway)
}

async fn called(gateway: &Gateway) -> anyhow::Result<()> {
    let answer = gateway.agent.call(TOOL, json!({"text": "kept"})).await?;
    ensure!(answer.is_done(), "the call should go through: {}", answer.told());
    Ok(())
}

fn key_of(gateway: &Gateway) -> anyhow::Result<String> {
    Ok(fs::read_to_string(gateway.data.join("signing.pub"))?.trim().to_owned())
}

async fn printed(gateway: &Gateway, words: &[&str], to: &Path) -> anyhow::Result<()> {
    let output = gateway.cli(ADMINISTRATOR, words).await?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::write(to, output.stdout)?)
}

/// Everything that is in the journal now, signed.
async fn signed(gateway: &Gateway) -> anyhow::Result<()> {
    until("all records are signed", Duration::from_secs(10), async || {
        gateway.verified().await.is_ok_and(|found| found["signed"] == found["records"])
    })
    .await
    .map(drop)
}

async fn rotated() -> anyhow::Result<()> {
    let gateway = used().await?;
    signed(&gateway).await?;
    let at = |name: &str| gateway.folder.path().join(name).display().to_string();
    let (early, proof, line) = (at("early"), at("early.proof"), at("line"));
    fs::copy(gateway.data.join("tiles/checkpoint"), &early)?;
    printed(&gateway, &["evidence", "prove", "--seq", "3"], Path::new(&proof)).await?;
    let mut keys = vec![key_of(&gateway)?];
    let told = gateway.refused(APPROVER, &["evidence", "rotate", "--reason", "mine"]).await?;
    ensure!(told.contains("duties"), "an approver rotates: {told}");
    let calls = tokio::spawn({
        let agent = gateway.agent.clone();
        async move {
            let mut done = 0;
            for _ in 0..60 {
                let answer = agent.call(TOOL, json!({"text": "meanwhile"})).await?;
                ensure!(answer.is_done(), "a call during the rotation: {}", answer.told());
                done += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(done)
        }
    });
    for turn in 1..=3 {
        let done = gateway.ok(ADMINISTRATOR, &["evidence", "rotate", "--reason", &format!("turn {turn}")]).await?;
        ensure!(done["old_key"] == json!("destroyed"), "turn {turn}: {done}");
        ensure!(done["old"].as_str() == keys.last().map(String::as_str), "turn {turn}: {done}");
        keys.push(done["new"].as_str().context("no key")?.to_owned());
        ensure!(keys.last() == Some(&key_of(&gateway)?), "signing.pub is not the new key");
    }
    say(&format!("{} calls under the exception while the key changed three times", calls.await??));
    let listed = gateway.ok(ADMINISTRATOR, &["evidence", "keys"]).await?;
    let names: Vec<_> = listed["keys"].as_array().context("no keys")?.iter().map(|key| key["key"].as_str()).collect();
    ensure!(names == keys.iter().map(|key| Some(key.as_str())).collect::<Vec<_>>(), "keys: {listed}");
    signed(&gateway).await?;
    let signed_so_far = gateway.verified().await?["signed"].as_u64();
    until("the tiles are written", Duration::from_secs(10), async || {
        let note = fs::read_to_string(gateway.data.join("tiles/checkpoint")).unwrap_or_default();
        note.lines().nth(1).and_then(|size| size.parse().ok()) >= signed_so_far
    })
    .await?;
    let (export, tiles, late, growth, bundle) =
        (at("export"), gateway.data.join("tiles").display().to_string(), at("late.proof"), at("growth"), at("bundle"));
    printed(&gateway, &["evidence", "export"], Path::new(&export)).await?;
    printed(&gateway, &["evidence", "keys", "--changes"], Path::new(&line)).await?;
    printed(&gateway, &["evidence", "prove", "--seq", "3"], Path::new(&late)).await?;
    printed(&gateway, &["evidence", "consistency", "--from", &early], Path::new(&growth)).await?;
    gateway.ok(ADMINISTRATOR, &["report", "bundle", "EX-KEYS", "--out", &bundle]).await?;
    let data = gateway.data.display().to_string();
    for key in &keys {
        for copy in [&data, &tiles, &export] {
            let words = ["evidence", "verify", copy, "--key", key, "--checkpoint", &early];
            let found = gateway.ok(ADMINISTRATOR, &words).await.with_context(|| format!("{copy} by {key}"))?;
            ensure!(found["breaks"] == Value::Null && found["signed"].as_u64() >= signed_so_far, "{copy}: {found}");
        }
        for proof in [&proof, &late] {
            gateway.ok(ADMINISTRATOR, &["evidence", "verify", "--proof", proof, "--key", key, "--line", &line]).await?;
        }
        let words = ["evidence", "verify", "--proof", &growth, "--checkpoint", &early, "--key", key, "--line", &line];
        gateway.ok(ADMINISTRATOR, &words).await?;
        gateway.ok(ADMINISTRATOR, &["report", "verify", &bundle, "--key", key]).await?;
    }
    forged(&gateway, &keys, &export).await?;
    again(gateway, &keys).await
}

/// A handover whose old signature is another's is found in a copy.
async fn forged(gateway: &Gateway, keys: &[String], export: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(export)?;
    let line = text.lines().find(|line| line.contains(r#"\"kind\":\"signing\""#)).context("no change of keys")?;
    let mut record: Value = serde_json::from_str(line)?;
    let payload = record["record"]["payload"].as_str().context("no payload")?;
    let signature = |name: &str| -> anyhow::Result<String> {
        let of = payload.split(&format!("\"{name}\":\"")).nth(1).context("no signature")?;
        Ok(of.split('"').next().unwrap_or_default().to_owned())
    };
    let (old, new) = (signature("signed_by_old")?, signature("signed_by_new")?);
    record["record"]["payload"] = json!(payload.replace(&old, &new));
    fs::write(export, text.replace(line, &record.to_string()))?;
    let told = gateway.refused(ADMINISTRATOR, &["evidence", "verify", export, "--key", &keys[0]]).await?;
    ensure!(told.contains("signature of the old key"), "told: {told}");
    Ok(())
}

/// After a kill the newest key is in force, the exception works, and the old key is nowhere.
async fn again(mut gateway: Gateway, keys: &[String]) -> anyhow::Result<()> {
    gateway.kill().await?;
    gateway.launch().await?;
    called(&gateway).await?;
    ensure!(keys.last() == Some(&key_of(&gateway)?), "the newest key is in force");
    signed(&gateway).await?;
    let data = gateway.data.display().to_string();
    let found = gateway.ok(ADMINISTRATOR, &["evidence", "verify", &data, "--key", &keys[0]]).await?;
    ensure!(found["signed"] == found["records"], "found: {found}");
    let origin = fs::read_to_string(gateway.data.join("origin"))?;
    ensure!(keys.iter().all(|key| key.starts_with(&format!("{}+", origin.trim()))), "the log has one name");
    ensure!(!gateway.data.join("signing.next").exists(), "no key is left beside");
    // An orderly end is one record, the last of all.
    let stat = format!("/proc/{}/stat", gateway.pid()?);
    program("kill", &["-TERM", &gateway.pid()?.to_string()]).await?;
    until("it has ended", Duration::from_secs(30), async || {
        fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"))
    })
    .await?;
    let kinds: Vec<_> = gateway.journal().await?.iter().map(|record| record["kind"].clone()).collect();
    let ends = kinds.iter().filter(|kind| **kind == json!("stop")).count();
    ensure!(ends == 1 && kinds.last() == Some(&json!("stop")), "{ends} records of the end");
    Ok(())
}

/// SIGKILL at different moments of a rotation; each start goes by what the journal says.
async fn killed() -> anyhow::Result<()> {
    let mut gateway = used().await?;
    let first = key_of(&gateway)?;
    for round in 0..8_u64 {
        let person = fs::read_to_string(gateway.key_file(ADMINISTRATOR))?;
        let mut asked = gateway.command();
        asked.args(["evidence", "rotate", "--reason", "again"]).env("POSTERN_KEY", person.trim());
        let mut asked = asked.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
        let next = gateway.data.join("signing.next");
        let begun = std::time::Instant::now();
        while !next.exists() && begun.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        gateway.kill().await?;
        asked.wait().await?;
        gateway.launch().await?;
        called(&gateway).await?;
        ensure!(!next.exists(), "round {round}: a key is left beside");
    }
    signed(&gateway).await?;
    let data = gateway.data.display().to_string();
    let listed = gateway.ok(ADMINISTRATOR, &["evidence", "keys"]).await?;
    let keys = listed["keys"].as_array().context("no keys")?;
    say(&format!("8 kills, and the key changed {} times", keys.len() - 1));
    for key in [&first, &key_of(&gateway)?] {
        gateway.ok(ADMINISTRATOR, &["evidence", "verify", &data, "--key", key]).await?;
    }
    Ok(())
}

async fn lost() -> anyhow::Result<()> {
    let mut gateway = used().await?;
    signed(&gateway).await?;
    let old = key_of(&gateway)?;
    let words = ["evidence", "new-key", "--lost", "--reason", "the disk died"];
    let running = gateway.refused(ADMINISTRATOR, &words).await?;
    ensure!(running.contains("in use"), "beside a running gateway: {running}");
    gateway.kill().await?;
    let kept = gateway.refused(ADMINISTRATOR, &words).await?;
    ensure!(kept.contains("`signing.key` is there"), "with the key there: {kept}");
    fs::remove_file(gateway.data.join("signing.key"))?;
    let refused = gateway.launch().await.err().context("it starts without its key")?.to_string();
    ensure!(refused.contains("evidence new-key --lost"), "refused: {refused}");
    gateway.kill().await?;
    let made = gateway.ok(ADMINISTRATOR, &words).await?;
    let (seq, new) = (made["seq"].as_u64().context("no record")?, made["new"].as_str().context("no key")?);
    gateway.launch().await?;
    called(&gateway).await.context("the approvals that the lost key signed")?;
    signed(&gateway).await?;
    let data = gateway.data.display().to_string();
    let told = gateway.refused(ADMINISTRATOR, &["evidence", "verify", &data, "--key", &old]).await?;
    ensure!(told.contains("\"breach\": \"lost\"") && told.contains(new), "the old key alone: {told}");
    let found = gateway.ok(ADMINISTRATOR, &["evidence", "verify", &data, "--key", &old, "--key", new]).await?;
    ensure!(found["breaks"][0]["seq"] == json!(seq) && found["signed"] == found["records"], "both: {found}");
    let tiles = gateway.data.join("tiles").display().to_string();
    until("the tiles say so too", Duration::from_secs(10), async || {
        let words = ["evidence", "verify", &tiles, "--key", &old];
        gateway.refused(ADMINISTRATOR, &words).await.is_ok_and(|told| told.contains("\"breach\": \"lost\""))
    })
    .await?;
    gateway.ok(ADMINISTRATOR, &["evidence", "verify", &tiles, "--key", &old, "--key", new]).await?;
    let shown = gateway.cli(ADMINISTRATOR, &["evidence", "verify", "--output", "table"]).await?;
    let shown = String::from_utf8(shown.stdout)?;
    ensure!(shown.contains(&format!("BREAK: the signing key was lost at record {seq}")), "shown: {shown}");
    Ok(())
}
