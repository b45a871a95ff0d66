//! Governance from outside: pilots, one act by three ways, people who leave, approvals in a race, an old copy.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, AGENT, APPROVER, Gateway, OWNER, Options, REQUESTER, SECURITY, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a pilot ends with all of its exceptions and their calls under way", "T085 I16", 60, pilot),
        case!("a file, a command and a request are the same act with the same record", "I13 I19", 60, three_ways),
        case!("of 32 racing approvals exactly those that are needed count", "T081 I5 I6", 60, race),
        case!("an owner who left suspends on record, and comes back", "T090 I5", 60, owner_left),
        case!("an old copy of the store revives nothing", "T104 I14", 90, old_copy),
        case!("an owner reads what changed before attesting", "I8", 60, changes),
    ]
}

const TOOL: &str = "rec__remember";

pub(super) fn pilot_file(id: &str, seconds: i64) -> Value {
    let now = Utc::now();
    let time = |at: chrono::DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    json!({
        "apiVersion": "postern/v1", "id": id, "title": "Remembering",
        "owner": {"human": OWNER, "team": "acceptance"}, "cohort": [AGENT],
        "not_before": time(now - TimeDelta::seconds(60)), "not_after": time(now + TimeDelta::seconds(seconds)),
        "exit": {"target_role": "rememberer", "criteria": "It went well."},
        "rationale": "The acceptance tests show that a pilot bounds its exceptions and ends them all at once."
    })
}

async fn pilot() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-A", "slow", 600).await?;
    record["pilot"] = json!("PI-1");
    let file = gateway.write(&record)?;
    let output = gateway.cli(REQUESTER, &["exception", "submit", &file]).await?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && told.contains("submit it first"), "without its pilot: {told}");
    let pilot = gateway.write(&pilot_file("PI-1", 900))?;
    let shown = gateway.ok(REQUESTER, &["pilot", "submit", &pilot]).await?;
    ensure!(shown["state"] == json!("active"), "pilot: {shown}");
    gateway.grant(&record).await?;
    let mut other = gateway.record("EX-B", "remember", 600).await?;
    other["pilot"] = json!("PI-1");
    gateway.grant(&other).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "1"})).await?.is_done(), "a call under the pilot");
    let shown = gateway.ok(OWNER, &["pilot", "show", "PI-1"]).await?;
    ensure!(shown["live"] == json!(2) && shown["used"] == json!(1), "pilot: {shown}");
    let table = gateway.cli(OWNER, &["--output", "table", "pilot", "show", "PI-1"]).await?;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    ensure!(table.contains("EX-A") && table.contains("done when:") && table.contains("1/100000"), "table:\n{table}");
    let agent = gateway.agent.clone();
    let call = tokio::spawn(async move { agent.call("rec__slow", json!({"ms": 10_000})).await });
    until("the call arrives", Duration::from_secs(5), async || gateway.upstream.count() == 2).await?;
    let ended = gateway.ok(OWNER, &["pilot", "end", "PI-1", "--reason", "it went well"]).await?;
    ensure!(ended["state"] == json!("ended") && ended["revoked"] == json!(["EX-A", "EX-B"]), "ended: {ended}");
    let answer = tokio::time::timeout(Duration::from_secs(2), call).await???;
    ensure!(!answer.is_done(), "the call under way went through: {}", answer.told());
    ensure!(!gateway.agent.call(TOOL, json!({"text": "2"})).await?.is_done(), "a call after the pilot");
    let journal = gateway.journal().await?;
    let of = |kind: &str| journal.iter().filter(|record| record["kind"] == json!(kind)).collect::<Vec<_>>();
    let last = of("pilot").pop().context("no record of the pilot")?.clone();
    ensure!(last["actor"] == json!(OWNER) && last["event"]["revoked"] == json!(["EX-A", "EX-B"]), "record: {last}");
    gateway.verified().await?;
    Ok(())
}

/// The record of a step without what differs by nature: its moment, and the exception's name with what hangs on it.
pub(super) fn bare(record: &Value, id: &str) -> Value {
    let mut text = record.to_string().replace(id, "EX-…");
    for (member, length) in
        [("at", 20..40), ("since", 20..40), ("digest", 71..72), ("nonce", 32..33), ("signature", 80..100)]
    {
        let key = format!("\"{member}\":\"");
        let mut from = 0;
        while let Some(at) = text[from..].find(&key).map(|at| from + at + key.len()) {
            let end = at + text[at..].find('"').unwrap_or_default();
            if length.contains(&(end - at)) {
                text.replace_range(at..end, "…");
            }
            from = at;
        }
    }
    let mut record: Value = serde_json::from_str(&text).unwrap_or_default();
    // How many others there are differs from one to the next.
    if let Some(sprawl) = record.pointer_mut("/event/analysis/sprawl") {
        *sprawl = Value::Null;
    }
    record
}

/// Every act by a file that is named on the command line, by the command's standard form, and by the API.
async fn three_ways() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let window = gateway.record("EX-X", "remember", 600).await?;
    let record = |id: &str| {
        let mut record = window.clone();
        record["id"] = json!(id);
        record
    };
    let folder = gateway.folder.path().join("policies/exceptions");
    fs::create_dir_all(&folder)?;
    let yaml = "application/yaml";
    let api = async |person: &str, path: String, body: Value| {
        let (status, view) = gateway.api(person, "POST", &path, ("application/json", body.to_string())).await?;
        ensure!(status < 300, "{path}: {status} {view}");
        Ok::<_, anyhow::Error>(view)
    };
    let source = folder.join("EX-1.yaml");
    fs::write(&source, serde_json::to_string_pretty(&record("EX-1"))?)?;
    gateway.ok(REQUESTER, &["exception", "submit", &source.display().to_string()]).await?;
    let file = gateway.write(&record("EX-2"))?;
    gateway.ok(REQUESTER, &["exception", "submit", &file]).await?;
    api(REQUESTER, "/api/v1/exceptions".to_owned(), record("EX-3")).await?;
    let text = serde_json::to_string_pretty(&record("EX-4"))?;
    let (status, view) = gateway.api(REQUESTER, "POST", "/api/v1/exceptions", (yaml, text)).await?;
    ensure!(status == 201, "as YAML: {status} {view}");
    for id in ["EX-1", "EX-2", "EX-3", "EX-4"] {
        let by_api = id > "EX-2";
        for (person, word, reason) in [
            (APPROVER, "approve", ""),
            (SECURITY, "approve", ""),
            (OWNER, "attest", "still needed"),
            (APPROVER, "suspend", "look"),
            (APPROVER, "resume", "seen"),
            (OWNER, "revoke", "done"),
        ] {
            if by_api {
                let shown = gateway.ok(person, &["exception", "show", id]).await?;
                let digest = json!({"digest": shown["digest"]});
                let body = if word == "approve" { digest } else { json!({"reason": reason}) };
                api(person, format!("/api/v1/exceptions/{id}/{word}"), body).await?;
            } else if word == "approve" {
                gateway.ok(person, &["exception", word, id]).await?;
            } else {
                gateway.ok(person, &["exception", word, id, "--reason", reason]).await?;
            }
        }
    }
    let journal = gateway.journal().await?;
    let of = |id: &str| -> Vec<Value> {
        let mine =
            journal.iter().filter(|record| record["kind"] == json!("lifecycle") && record["exception"] == json!(id));
        // The gateway's own notes fall where the clock puts them.
        let people = mine.filter(|record| record["actor"] != json!("postern"));
        people
            .map(|record| bare(record, id))
            .map(|mut record| {
                record["version"].take();
                record
            })
            .collect()
    };
    let first = of("EX-1");
    ensure!(first.len() == 9, "{} records: {first:?}", first.len());
    for record in &first {
        ensure!(record["actor"].is_string() && record.to_string().contains("digest"), "no actor or digest: {record}");
    }
    for id in ["EX-2", "EX-3", "EX-4"] {
        ensure!(of(id) == first, "{id} differs:\n{:?}\n{first:?}", of(id));
        let state = gateway.ok(OWNER, &["exception", "show", id]).await?["state"].clone();
        ensure!(state == json!("revoked"), "{id}: {state}");
    }
    gateway.verified().await?;
    Ok(())
}

async fn race() -> anyhow::Result<()> {
    let gateway = Arc::new(Gateway::start().await?);
    let submitted = gateway.submit(&gateway.record("EX-RACE", "remember", 600).await?).await?;
    let body = json!({"digest": submitted["digest"]}).to_string();
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..32 {
        let (gateway, body) = (Arc::clone(&gateway), body.clone());
        racing.spawn(async move {
            let path = "/api/v1/exceptions/EX-RACE/approve";
            gateway.api([APPROVER, SECURITY][n % 2], "POST", path, ("application/json", body)).await
        });
    }
    let mut done = 0;
    while let Some(answer) = racing.join_next().await {
        let (status, view) = answer??;
        ensure!(status == 200 || status == 409, "{status}: {view}");
        done += usize::from(status == 200);
    }
    ensure!(done == 2, "{done} approvals counted");
    let shown = gateway.ok(OWNER, &["exception", "show", "EX-RACE"]).await?;
    ensure!(shown["approvals"].as_array().map_or(0, Vec::len) == 2, "shown: {shown}");
    let journal = gateway.journal().await?;
    let events = |name: &str| journal.iter().filter(|record| record["event"]["event"] == json!(name)).count();
    ensure!(events("approved") == 2 && events("scheduled") == 1, "{} {}", events("approved"), events("scheduled"));
    Ok(())
}

async fn owner_left() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.grant(&gateway.record("EX-OWN", "remember", 600).await?).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "1"})).await?.is_done(), "a call");
    let people = gateway.folder.path().join("policies/people.yaml");
    let before = fs::read_to_string(&people)?;
    let left = before.replace(
        "olivia@example.org: {duties: [own, approve], roles: [], active: true}",
        "olivia@example.org: {duties: [own, approve], roles: [], active: false}",
    );
    ensure!(left != before, "the file is not what this case expects");
    fs::write(&people, left)?;
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    ensure!(!gateway.agent.call(TOOL, json!({"text": "2"})).await?.is_done(), "a call after the owner left");
    let noted = async |event: &str| {
        let journal = gateway.journal().await.unwrap_or_default();
        journal.iter().any(|record| {
            record["event"]["event"] == json!(event) && record["event"]["reason"] == json!("owner_ineligible")
        })
    };
    until("the suspension is on record", Duration::from_secs(6), async || noted("suspended").await).await?;
    fs::write(&people, before)?;
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    until("the return is on record", Duration::from_secs(6), async || noted("resumed").await).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "3"})).await?.is_done(), "a call after the owner came back");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for name in ["postern.db", "postern.db-wal", "postern.db-shm"] {
        let _may_be_absent = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

async fn old_copy() -> anyhow::Result<()> {
    let outside = tempfile::tempdir()?;
    let options = Options { copies: Some(outside.path().to_owned()), ..Options::default() };
    let mut gateway = Gateway::with(options).await?;
    let place = outside.path().join("postern.checkpoint");
    gateway.grant(&gateway.record("EX-OLD", "remember", 600).await?).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "1"})).await?.is_done(), "a call");
    gateway.kill().await?;
    let backup = tempfile::tempdir()?;
    copy(&gateway.data, backup.path())?;
    gateway.launch().await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "2"})).await?.is_done(), "a restart with the newest store is none");
    let seen = fs::read_to_string(&place)?;
    gateway.ok(OWNER, &["exception", "revoke", "EX-OLD", "--reason", "over"]).await?;
    until("the checkpoint is copied", Duration::from_secs(5), async || {
        fs::read_to_string(&place).is_ok_and(|now| now != seen)
    })
    .await?;
    gateway.kill().await?;
    let outside_holds = fs::read_to_string(&place)?;
    say("an old copy of the store is put back");
    copy(backup.path(), &gateway.data)?;
    gateway.launch().await?;
    let answer = gateway.agent.call(TOOL, json!({"text": "3"})).await?;
    ensure!(!answer.is_done(), "revived: {}", answer.told());
    let shown = gateway.ok(OWNER, &["exception", "show", "EX-OLD"]).await?;
    ensure!(shown["state"] == json!("suspended") && shown["reason"] == json!("store_behind"), "shown: {shown}");
    let journal = gateway.journal().await?;
    let alarmed = journal.iter().any(|record| record["about"] == json!("store_behind"));
    ensure!(alarmed, "no alarm");
    gateway.refused(OWNER, &["exception", "resume", "EX-OLD", "--reason", "please"]).await?;
    gateway.ok(SECURITY, &["exception", "resume", "EX-OLD", "--reason", "seen"]).await?;
    ensure!(!gateway.agent.call(TOOL, json!({"text": "4"})).await?.is_done(), "usable while the store is behind");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    ensure!(fs::read_to_string(&place)? == outside_holds, "the copy that tells of it was written over");
    ensure!(gateway.agent.call("rec__echo", json!({"text": "5"})).await?.is_done(), "roles do not suffer");
    Ok(())
}

async fn changes() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    gateway.grant(&gateway.record("EX-CH", "remember", 600).await?).await?;
    ensure!(gateway.agent.call(TOOL, json!({"text": "1"})).await?.is_done(), "a call");
    fs::write(
        gateway.folder.path().join("policies/roles/more.cedar"),
        "@id(\"more\")\npermit (principal in Role::\"more\", action == Action::\"rec/echo\", resource == Tool::\"rec/echo\");\n",
    )?;
    let agents = gateway.folder.path().join("policies/agents.yaml");
    fs::write(&agents, fs::read_to_string(&agents)?.replace("[echoer]", "[echoer, more]"))?;
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    let seen = gateway.ok(OWNER, &["exception", "changes", "EX-CH"]).await?;
    ensure!(seen["calls"] == json!(1) && seen["event"] == json!("scheduled"), "changes: {seen}");
    let told = seen.to_string();
    ensure!(told.contains("roles/more.cedar") && told.contains("roles of the agent worker"), "changes: {seen}");
    let attested = gateway.cli(OWNER, &["--output", "table", "exception", "attest", "EX-CH"]).await?;
    let attested = String::from_utf8_lossy(&attested.stdout).into_owned();
    ensure!(
        attested.contains("policies: roles/more.cedar added") && attested.contains("EX-CH is active"),
        "{attested}"
    );
    let seen = gateway.ok(OWNER, &["exception", "changes", "EX-CH"]).await?;
    ensure!(seen["calls"] == json!(0) && seen["event"] == json!("attested"), "changes: {seen}");
    ensure!(seen["policies"] == json!([]) && seen["registry"] == json!([]), "changes: {seen}");
    Ok(())
}
