//! Reports over a pilot that was used, and its evidence as a bundle that verifies without the gateway.

use std::{fs, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OWNER, SECURITY, program, until},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("register and sprawl count what the journal says", "I8", 60, counted),
        case!("a bundle verifies offline and a changed byte is refused", "I19 T104 T106", 90, bundled),
    ]
}

const TOOL: &str = "rec__remember";

/// A gateway with a pilot that admitted three calls, refused none, was attested and revoked.
async fn used() -> anyhow::Result<Gateway> {
    let gateway = Gateway::start().await?;
    let record = gateway.record("EX-PILOT", "remember", 3_600).await?;
    gateway.grant(&record).await?;
    for text in ["canary-one", "canary-two", "canary-three"] {
        let answer = gateway.agent.call(TOOL, json!({"text": text})).await?;
        ensure!(answer.is_done(), "the call should go through: {}", answer.told());
    }
    let answer = gateway.agent.call("rec__echo", json!({"text": "by a role"})).await?;
    ensure!(answer.is_done(), "the call should go through: {}", answer.told());
    gateway.ok(OWNER, &["exception", "attest", "EX-PILOT"]).await?;
    Ok(gateway)
}

async fn counted() -> anyhow::Result<()> {
    let gateway = used().await?;
    let told = gateway.refused(APPROVER, &["report", "register"]).await?;
    ensure!(told.contains("duties"), "an approver has no reports: {told}");
    ensure!(gateway.stranger("/api/v1/reports/register").await? == 401, "a stranger has a report");
    let register = gateway.ok(SECURITY, &["report", "register"]).await?;
    let row = &register["rows"][0];
    ensure!(
        (&row["id"], &row["state"], &row["used"], &row["owner"])
            == (&json!("EX-PILOT"), &json!("active"), &json!(3), &json!(OWNER)),
        "row: {row}"
    );
    ensure!(row["attested"][1] == json!(OWNER) && register["complete"] == json!(true), "register: {register}");
    let sprawl = gateway.ok(ADMINISTRATOR, &["report", "sprawl", "--days", "7"]).await?;
    ensure!(
        (&sprawl["allows"], &sprawl["by_exception"], &sprawl["active"]) == (&json!(4), &json!(3), &json!(1)),
        "sprawl: {sprawl}"
    );
    ensure!(sprawl["probes"]["percent"] == json!(100.0), "probes: {}", sprawl["probes"]);
    gateway.ok(OWNER, &["exception", "revoke", "EX-PILOT", "--reason", "it is done"]).await?;
    let sprawl = gateway.ok(ADMINISTRATOR, &["report", "sprawl"]).await?;
    let revocations = &sprawl["revocations"];
    ensure!(
        sprawl["active"] == json!(0) && revocations["revoked"] == json!(1) && revocations["calls_after"] == json!(0),
        "sprawl: {sprawl}"
    );
    let csv = gateway.cli(ADMINISTRATOR, &["report", "register", "--output", "csv"]).await?;
    let csv = String::from_utf8(csv.stdout)?;
    ensure!(csv.starts_with("id,revision,kind,") && csv.contains("\r\nEX-PILOT,1,pilot,"), "csv: {csv}");
    let page = gateway.folder.path().join("page.html");
    gateway.ok(ADMINISTRATOR, &["report", "sprawl", "--html", &page.display().to_string()]).await?;
    let page = fs::read_to_string(page)?;
    ensure!(
        page.contains("<svg ") && !page.contains("<script") && page.ends_with("</html>\n"),
        "the page is not whole"
    );
    let elsewhere = gateway.cli(ADMINISTRATOR, &["exception", "list", "--output", "csv"]).await?;
    ensure!(elsewhere.status.code() == Some(2), "csv is for reports alone");
    Ok(())
}

async fn bundled() -> anyhow::Result<()> {
    let mut gateway = used().await?;
    let folder = gateway.folder.path().join("bundle");
    let at = |name: &str| folder.join(name).display().to_string();
    let out = folder.display().to_string();
    // A checkpoint is signed each second; a bundle holds what is signed.
    until("all records of the pilot are signed", Duration::from_secs(20), async || {
        let _ = fs::remove_dir_all(&folder);
        let made = gateway.ok(ADMINISTRATOR, &["report", "bundle", "EX-PILOT", "--out", &out]).await;
        made.is_ok_and(|made| made["unsigned"] == json!(0) && made["records"].as_u64() >= Some(11))
    })
    .await?;
    let key = gateway.folder.path().join("signing.pub");
    fs::copy(gateway.data.join("signing.pub"), &key)?;
    let key = key.display().to_string();
    gateway.kill().await?;
    fs::remove_dir_all(&gateway.data)?;
    let verify = ["report", "verify", &out, "--key", &key];
    let found = gateway.ok(ADMINISTRATOR, &verify).await?;
    ensure!(found["by_kind"]["intent"] == json!(3) && found["by_kind"]["outcome"] == json!(3), "found: {found}");
    program("sh", &["-c", "cd \"$0\" && sha256sum --check --strict SHA256SUMS", &out]).await?;
    for name in ["records.jsonl", "exception.json", "decisions.csv", "README.md"] {
        ensure!(!fs::read_to_string(at(name))?.contains("canary"), "{name} shows arguments");
    }
    for name in
        ["records.jsonl", "checkpoint.txt", "key.txt", "exception.json", "decisions.csv", "README.md", "SHA256SUMS"]
    {
        let whole = fs::read(at(name))?;
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        *changed.get_mut(middle).context("an empty file")? ^= 1;
        fs::write(at(name), changed)?;
        let told = gateway.refused(ADMINISTRATOR, &verify).await?;
        let told: Value = serde_json::from_str(told.split("{\"error\"").next().unwrap_or_default())?;
        ensure!(told["holds"] == json!(false) && told["faults"][0]["file"] != Value::Null, "{name}: {told}");
        fs::write(at(name), whole)?;
    }
    gateway.ok(ADMINISTRATOR, &verify).await.map(drop)
}
