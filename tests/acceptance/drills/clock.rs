//! The drill of the clock: it is set back by an hour under a gateway that runs, and found so by one that starts.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Timeline, alarmed, excepted};
use crate::{
    Case, NotRun,
    cases::case,
    gateway::{Gateway, Options, until},
};

pub fn drills() -> Vec<Case> {
    vec![case!("drill: clock backwards", "T087", 90, backwards)]
}

/// `libfaketime` of the package of this name.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file())
}

async fn backwards() -> anyhow::Result<()> {
    let Some(library) = library() else {
        return Err(NotRun("libfaketime is not there (`apt-get install libfaketime`)".to_owned()).into());
    };
    let place = tempfile::tempdir()?;
    let offset = place.path().join("offset");
    fs::write(&offset, "+0\n")?;
    let environment = vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ];
    let mut gateway = Gateway::with(Options { environment, ..Options::default() }).await?;
    excepted(&gateway, "budget.reserve", Value::Null).await?;
    fs::write(&offset, "-3600\n")?;
    let mut line = Timeline::begin("clock set back by an hour");
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(3)).await?;
    let told = async || alarmed(&gateway, "clock_suspect").await;
    until("an alarm about the clock", Duration::from_secs(3), told).await?;
    line.mark("alarm clock_suspect on record");
    gateway.kill().await?;
    gateway.launch().await?;
    line.mark("gateway killed and started under the wrong clock");
    let by_role = async || super::by_role(&gateway).await.is_ok();
    until("calls by role are served again", Duration::from_secs(20), by_role).await?;
    line.refused(&gateway, "monitoring_unavailable", Duration::from_secs(3)).await?;
    fs::write(&offset, "+0\n")?;
    line.mark("clock right again");
    line.works(&gateway, Duration::from_secs(5)).await?;
    let journal = gateway.journal().await?;
    let moments = journal.iter().filter_map(|record| record["at"].as_str()).map(chrono::DateTime::parse_from_rfc3339);
    let moments: Vec<_> = moments.collect::<Result<_, _>>()?;
    // Records of calls at the same time may change places; none may be of an earlier hour.
    let back = moments.windows(2).map(|pair| pair[0] - pair[1]).max().context("no records")?;
    ensure!(back < chrono::TimeDelta::seconds(1), "the journal's moments go back by {back}");
    line.tell();
    gateway.verified().await.map(drop)
}
