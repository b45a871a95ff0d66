//! Records of traffic go when their time is over, under a signed checkpoint, and all that is left still verifies.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use chrono::{TimeDelta, Utc};
use postern::{
    domain::{Clock, DecisionId, Timestamp},
    evidence::{How, Journal as _, Outcome, Record},
    store::{Settings, Store},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, Options, SECURITY, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![case!("traffic whose time is over goes and everything else still verifies", "T103 T104", 120, goes)]
}

/// Records of traffic of three days ago.
const OLD: u128 = 4_000;

const PEOPLE: &str = "people:
  olivia@example.org: {duties: [own, approve], roles: [], active: true}
  omar@example.org: {duties: [approve], roles: [], active: true}
  rachel@example.org: {duties: [request, approve], roles: [], active: true}
  alan@example.org: {duties: [approve], roles: [], active: true}
  sonia@example.org: {duties: [approve, security, audit], roles: [], active: true}
";

struct Then(Timestamp);

impl Clock for Then {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn canary(n: u128) -> String {
    format!("a person's name {n}.")
}

/// A data folder as a gateway left it three days ago. The start is record 1.
async fn three_days_ago(data: &Path) -> anyhow::Result<()> {
    let at = Utc::now() - TimeDelta::days(3);
    let (store, _) = Store::open(
        data,
        Settings { commit_timeout: Duration::from_secs(20), ..Settings::default() },
        Arc::new(Then(at)),
    )?;
    for chunk in 0..OLD / 500 {
        let mut writing = JoinSet::new();
        for n in chunk * 500..(chunk + 1) * 500 {
            let store = Arc::clone(&store);
            let outcome = Outcome {
                decision: DecisionId::from_bits(n),
                at,
                how: How::Answered,
                effect_possible: true,
                result: None,
                result_bytes: 6,
                duration_us: 10,
                detail: Some(canary(n)),
                sealed: None,
                redacted: [].into(),
                marked: Vec::new(),
            };
            writing.spawn(async move { store.append(Record::Outcome(outcome)).await });
        }
        while let Some(done) = writing.join_next().await {
            done??;
        }
    }
    store.close().await;
    Ok(())
}

fn files(dir: &Path, found: &mut Vec<Vec<u8>>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(fs::read(path)?) }
    }
    Ok(())
}

/// How many names stand in any file of this folder.
fn names(dir: &Path) -> anyhow::Result<usize> {
    let mut found = Vec::new();
    files(dir, &mut found)?;
    let mut here = vec![false; usize::try_from(OLD)?];
    let mark = b"a person's name ";
    for bytes in &found {
        for at in memchr(bytes, mark) {
            let digits: String =
                bytes[at + mark.len()..].iter().map(|b| char::from(*b)).take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().ok().and_then(|n| here.get_mut(n)).into_iter().for_each(|n| *n = true);
        }
    }
    Ok(here.iter().filter(|here| **here).count())
}

fn memchr<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(mark.len()).enumerate().filter(move |(_, part)| *part == mark).map(|(at, _)| at)
}

async fn holds(gateway: &Gateway, what: &[&str], pruned: u64) -> anyhow::Result<()> {
    let report = gateway.ok(ADMINISTRATOR, &[&["evidence", "verify"], what].concat()).await?;
    ensure!(report["breaches"] == json!([]) && report["pruned"] == pruned, "{what:?}: {report}");
    Ok(())
}

/// A bundle of tiles that cannot be removed ends a turn. The next turn has to come back to it.
async fn stumbles(gateway: &Gateway, data: &Path, aside: &Path) -> anyhow::Result<()> {
    let (bundle, aside) = (data.join("tiles/tile/entries/014"), aside.join("014"));
    if !bundle.exists() {
        say("all bundles were gone before the kill; none is put in the way");
        return Ok(());
    }
    fs::rename(&bundle, &aside)?;
    fs::create_dir(&bundle)?;
    let told = gateway.refused(ADMINISTRATOR, &["evidence", "prune"]).await?;
    fs::remove_dir(&bundle)?;
    fs::rename(&aside, &bundle)?;
    ensure!(told.contains("entries/014"), "{told}");
    let (status, _) = gateway.admin(SECURITY, "GET", "/log/tile/entries/014", &Value::Null).await?;
    ensure!(status == 200, "the bundle is still there: {status}");
    say("a turn ended before the tiles were rid of what was removed");
    Ok(())
}

async fn goes() -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let data = place.path().join("data");
    three_days_ago(&data).await?;
    let evidence = json!({"retention": {"traffic_days": 1}});
    // Anomalies learn from the newest records at the start, which therefore stay.
    let alerts = json!({"anomalies": {"enabled": false}});
    let policies = vec![("people.yaml", PEOPLE)];
    let options = Options { data: Some(data.clone()), evidence, alerts, policies, ..Options::default() };
    let mut gateway = Gateway::with(options).await?;
    let prune = ["evidence", "prune"];
    let dry = [&prune[..], &["--dry-run"]].concat();
    // Of 4,002 records that are old, those of 15 whole bundles go; the start of then stays.
    let mut last = Value::Null;
    until("the tiles hold what is old", Duration::from_secs(20), async || {
        last = gateway.ok(ADMINISTRATOR, &dry).await.unwrap_or_default();
        last["removed"] == 3_839
    })
    .await
    .with_context(|| last.to_string())?;
    ensure!(names(&data)? == 4_000, "a dry run removes nothing");
    say("a dry run tells of 3,839 records of traffic and removes none");

    let file = |name: &str| place.path().join(name);
    let (record, proof, key) = (file("record.json"), file("record.tlog-proof"), data.join("signing.pub"));
    let export = gateway.cli(ADMINISTRATOR, &["evidence", "export"]).await?.stdout;
    let line: Value = serde_json::from_str(
        String::from_utf8(export)?.lines().find(|line| line.contains("\"seq\":10,")).context("line 10")?,
    )?;
    fs::write(&record, line["record"]["payload"].as_str().context("payload")?)?;

    // Killed in the midst of it, and gone on with.
    {
        let pruning = gateway.cli(ADMINISTRATOR, &prune);
        let _cut = tokio::time::timeout(Duration::from_millis(150), pruning).await;
    }
    gateway.kill().await?;
    let verified = gateway.verified().await?;
    let part = verified["pruned"].as_u64().context("pruned")?;
    ensure!(verified["breaches"] == json!([]), "{verified}");
    say(&format!("killed when {part} records were gone: what is left verifies"));
    gateway.launch().await?;
    stumbles(&gateway, &data, place.path()).await?;
    let done = until("the rest goes too", Duration::from_secs(20), async || {
        last = gateway.ok(ADMINISTRATOR, &prune).await.unwrap_or_default();
        last["through"] == 3_840 && last["scrubbed"] == true
    });
    done.await.with_context(|| last.to_string())?;
    ensure!(last["held"] == Value::Null && last["more"] == false, "{last}");
    ensure!(names(&data)? == 4_000 - 3_839, "{} names are still in the files", names(&data)?);
    say("the bytes of 3,839 records are in no file of the data folder any more");

    let tiles = data.join("tiles");
    holds(&gateway, &[], 3_839).await?;
    let (tiles_at, key_at) = (tiles.display().to_string(), key.display().to_string());
    let mut report = Value::Null;
    until("the tiles say so too", Duration::from_secs(10), async || {
        report =
            gateway.ok(ADMINISTRATOR, &["evidence", "verify", &tiles_at, "--key", &key_at]).await.unwrap_or_default();
        // Of the bundles that are gone, the start of then is gone as well.
        report["pruned"] == 3_840 && report["breaches"] == json!([])
    })
    .await
    .with_context(|| report.to_string())?;
    let export = file("export.jsonl");
    fs::write(&export, gateway.cli(ADMINISTRATOR, &["evidence", "export"]).await?.stdout)?;
    holds(&gateway, &[&export.display().to_string(), "--key", &key_at], 3_839).await?;
    say("data folder, tiles and export verify");

    let (status, told) = gateway.admin(SECURITY, "GET", "/log/tile/entries/000", &Value::Null).await?;
    ensure!(status == 410 && told.to_string().contains("removed when their time was over"), "{status} {told}");
    let told = gateway.refused(ADMINISTRATOR, &["evidence", "prove", "--seq", "10"]).await?;
    ensure!(told.contains("record 10 was removed when its time was over"), "{told}");
    let proven = gateway.cli(ADMINISTRATOR, &["evidence", "prove", "--seq", "10", "--hash-only"]).await?;
    fs::write(&proof, proven.stdout)?;
    let (proof, record) = (proof.display().to_string(), record.display().to_string());
    gateway
        .ok(ADMINISTRATOR, &["evidence", "verify", "--proof", &proof, "--record", &record, "--key", &key_at])
        .await?;
    say("whoever kept a record can still prove that it was in the log");

    gateway.kill().await?;
    holds(&gateway, &[], 3_839).await?;
    let forged = rusqlite::Connection::open(data.join("postern.db"))?;
    let changed = forged
        .execute("UPDATE journal SET payload = (SELECT payload FROM journal WHERE seq = 10) WHERE seq = 3900", [])?;
    drop(forged);
    let told = gateway.refused(ADMINISTRATOR, &["evidence", "verify"]).await?;
    ensure!(changed == 1 && told.contains("not what was written"), "{told}");
    say("one record more that is gone without cover is a breach");
    Ok(())
}
