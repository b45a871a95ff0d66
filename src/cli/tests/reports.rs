//! Reports as a person reads them, held against files; and those that need no gateway.

use std::{path::Path, sync::Arc};

use clap::Parser as _;
use serde_json::json;

use crate::{
    cli::{Cli, command::Command, exit::Failure, report::report, report_render as render, screen::Screen},
    domain::{Clock, Timestamp},
    report::{Holdings, Register, Scope, Sprawl, Standards, Tally, Verification},
    store::{Settings, Store},
};

/// Holds a text against the file of this name.
fn expected(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/tests/expected").join(name);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} is another text:\n{text}", path.display());
}

fn register() -> Register {
    let row = |id: &str, state: &str, reason: Option<&str>| {
        json!({
            "id": id, "revision": 1, "kind": "pilot", "category": "mitigated", "state": state, "reason": reason,
            "owner": "olga@example.org", "team": "crm", "requester": "rita@example.org",
            "approvers": ["anna@example.org", "arne@example.org"], "agents": ["agent-1"], "server": "crm",
            "tools": ["export"], "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "days_left": 6,
            "submitted": "2026-11-01T00:00:00Z", "approved": "2026-11-01T00:00:00Z", "calls": 100, "used": 7,
            "last_call": "2026-11-20T00:00:00Z", "attested": ["2026-11-17T00:00:00Z", "olga@example.org"],
            "attestation_due": "2026-11-24T00:00:00Z", "attestation_lapses": "2026-11-25T00:00:00Z",
            "review": "none", "controls": ["trace"], "duties": ["audit.write_ahead"], "standards": ["AC-3(10)"],
            "ticket": "CHG-1", "why": "Because \u{1b}[2J it is needed.",
        })
    };
    let rows = [row("EX-1", "active", None), row("EX-2", "suspended", Some("attestation_lapsed"))];
    let register =
        json!({"at": "2026-11-24T12:00:00Z", "records": 99, "complete": true, "damaged": ["EX-3"], "rows": rows});
    serde_json::from_value(register).unwrap()
}

#[test]
fn the_register_and_the_measures_read_well() {
    let register = register();
    expected("register.txt", &render::register(&register));
    expected("register.csv", &register.csv());
    let sprawl = Sprawl::of(&register, &Tally::default(), Scope { days: 2, health: None, analysis: None });
    expected("sprawl.txt", &render::sprawl(&sprawl));
    expected("sprawl.csv", &sprawl.csv());
    let same: Sprawl = serde_json::from_value(serde_json::to_value(&sprawl).unwrap()).unwrap();
    assert_eq!(same, sprawl, "what the gateway sends is what the command reads");
}

#[test]
fn standards_and_a_verification_read_well() {
    let map = Standards::read().unwrap();
    let mapped = map.mapped(&Holdings::of(None));
    expected("standards.txt", &render::standards(&map, &mapped, 3));
    let fault = crate::report::Fault { file: "records.jsonl".into(), seq: Some(4), what: "does not stand".into() };
    let proven = crate::report::Proven { seq: 3, at: Still.now(), what: "lifecycle submitted".into() };
    let found = Verification {
        holds: false,
        exception: Some("EX-1".parse().unwrap()),
        key: Some("postern/1".into()),
        key_given: false,
        signed: 40,
        records: 1,
        by_kind: [("lifecycle".to_owned(), 1)].into(),
        proven: vec![proven],
        faults: vec![fault],
    };
    expected("verification.txt", &render::verification(&found));
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
    }
}

fn ask(line: &str) -> (Result<(), Failure>, String) {
    let cli = Cli::try_parse_from(format!("postern {line}").split_whitespace()).unwrap();
    let (mut out, global) = (Vec::new(), cli.global);
    let Command::Report(command) = cli.command else { panic!("report") };
    let done = report(command, &global, &mut Screen { format: global.output, out: &mut out });
    (done, String::from_utf8(out).unwrap())
}

#[test]
fn reports_of_a_folder_need_no_gateway_and_say_what_they_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Store::open(&data, Settings::default(), Arc::new(Still)).unwrap());
    let data = data.display().to_string();
    let (done, text) = ask(&format!("report standards --data {data}"));
    assert!(done.is_ok() && text.contains("nothing held"), "{text}");
    let (done, text) = ask(&format!("--output csv report standards --data {data}"));
    assert!(done.is_ok() && text.starts_with("evidence,held,"), "{text}");
    let out = folder.path().join("bundle").display().to_string();
    let refused = ask(&format!("report bundle EX-9 --out {out} --data {data}")).0.unwrap_err();
    assert_eq!((refused.code(), refused.to_string().contains("EX-9")), (1, true));
    assert!(!Path::new(&out).exists(), "nothing is left of it");
    assert_eq!(ask(&format!("--output html report bundle EX-9 --out {out} --data {data}")).0.unwrap_err().code(), 2);
    assert_eq!(ask(&format!("report verify {out}")).0.unwrap_err().code(), 2);
    assert_eq!(ask(&format!("report verify {data} --key nonsense")).0.unwrap_err().code(), 2);
    let (done, text) = ask(&format!("report verify {data}"));
    assert!(done.unwrap_err().code() == 1 && text.contains("is no file of a bundle"), "{text}");
}
