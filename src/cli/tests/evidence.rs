//! Evidence of a data folder, without a gateway.

use std::sync::Arc;

use clap::Parser as _;

use crate::{
    cli::{Cli, command::Command, evidence::evidence, exit::Failure, screen::Screen},
    domain::{Clock, Timestamp},
    store::{Settings, Store},
};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
    }
}

fn ask(line: &str, data: &std::path::Path) -> (Result<(), Failure>, String) {
    let cli = Cli::try_parse_from(format!("postern {line} --data {}", data.display()).split_whitespace()).unwrap();
    let (mut out, global) = (Vec::new(), cli.global);
    let Command::Evidence(command) = cli.command else { panic!("evidence") };
    let done = evidence(&command, &global, &mut Screen { format: global.output, out: &mut out });
    (done, String::from_utf8(out).unwrap())
}

#[test]
fn evidence_is_verified_shown_and_exported_offline_and_a_changed_record_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Store::open(&data, Settings::default(), Arc::new(Still)).unwrap());
    let (done, text) = ask("evidence verify", &data);
    assert!(done.is_ok() && text.contains("verdict:      as it was written"), "{text}");
    let (done, text) = ask("evidence show", &data);
    done.unwrap();
    assert!(text.starts_with("SEQ  AT  ") && text.contains("2027-01-15T08:00:00.000Z  start"), "{text}");
    let (done, text) = ask("evidence export", &data);
    done.unwrap();
    assert!(
        text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()) && text.lines().count() >= 2
    );
    assert_eq!(ask("evidence export --since 9", &data).1, "");

    let database = rusqlite::Connection::open(data.join("postern.db")).unwrap();
    database.execute("UPDATE journal SET payload = replace(payload, 'start', 'stort') WHERE seq = 1", []).unwrap();
    drop(database);
    let (done, text) = ask("--output json evidence verify", &data);
    assert_eq!(done.unwrap_err().code(), 1);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["breaches"][0]["seq"], 1, "{report}");
}
