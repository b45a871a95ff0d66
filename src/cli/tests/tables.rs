//! Tables as people see them.

use chrono::DateTime;
use serde_json::json;

use crate::{
    api::{ControlView, DueView, ExceptionView, KeyView},
    cli::{
        render,
        screen::{Format, Screen},
        table::{facts, table},
    },
    domain::{Digest, Kind, Timestamp},
};

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn exception(id: &str, state: &str, reason: Option<&str>) -> ExceptionView {
    ExceptionView {
        id: id.parse().unwrap(),
        revision: 1,
        digest: Digest::of(b"spec"),
        state: state.into(),
        reason: reason.map(Into::into),
        kind: Kind::Pilot,
        pilot: None,
        owner: "olga@corp".into(),
        requester: "rene@corp".into(),
        agents: vec!["agent-1".into()],
        server: "notes".into(),
        tools: vec!["delete_note".into()],
        not_before: at(0),
        not_after: at(3600),
        calls: 5,
        used: 2,
        attestation_due: None,
        due: None,
        rules: vec![],
        incident: None,
        milestones: vec![],
        post_review: None,
        approvals: vec![],
        analysis: None,
        removal_test: None,
        trial: None,
        spec: None,
    }
}

#[test]
fn exceptions_stand_in_aligned_columns() {
    let mut views =
        [exception("EX-2026-0001", "active", None), exception("EX-2", "suspended", Some("attestation_lapsed"))];
    views[1].due = Some(DueView { what: "attestation".into(), at: at(60) });
    assert_eq!(
        render::exceptions(&views),
        "\
EXCEPTION     KIND   STATE                           OWNER      AGENTS   TOOLS               ENDS                  USED  DUE
EX-2026-0001  pilot  active                          olga@corp  agent-1  notes: delete_note  2027-01-15T09:00:00Z  2/5
EX-2          pilot  suspended (attestation_lapsed)  olga@corp  agent-1  notes: delete_note  2027-01-15T09:00:00Z  2/5   attestation 2027-01-15T08:01:00Z
"
    );
    assert_eq!(render::exceptions(&[]), "none\n");
}

#[test]
fn one_exception_is_a_list_of_facts() {
    assert_eq!(
        render::exception(&exception("EX-2", "active", None)),
        format!(
            "\
exception:  EX-2
state:      active
kind:       pilot
revision:   1
digest:     {}
owner:      olga@corp
requester:  rene@corp
agents:     agent-1
tools:      notes: delete_note
from:       2027-01-15T08:00:00Z
until:      2027-01-15T09:00:00Z
used:       2 of 5 calls
",
            Digest::of(b"spec")
        )
    );
}

#[test]
fn keys_and_controls_are_tables() {
    let key = KeyView {
        id: "crd_1".parse().unwrap(),
        kind: "agent".into(),
        principal: "agent-1".into(),
        created: at(0),
        expires: at(60),
        revoked: Some(at(30)),
        note: "laptop".into(),
        networks: vec![],
    };
    assert_eq!(
        render::keys(&[key]),
        "\
ID     FOR    PRINCIPAL  EXPIRES               STATE                         FROM      NOTE
crd_1  agent  agent-1    2027-01-15T08:01:00Z  revoked 2027-01-15T08:00:30Z  anywhere  laptop
"
    );
    let control = ControlView {
        id: "trace.full".into(),
        healthy: false,
        since: at(0),
        detail: None,
        probe: None,
        control: None,
        kept_by: None,
        declared: true,
        needed_by: Vec::new(),
    };
    assert_eq!(
        render::controls(&[control]),
        "\
CONTROL     HEALTH       SINCE                 KEPT BY      NEEDED BY  DETAIL
trace.full  NOT WORKING  2027-01-15T08:00:00Z  the gateway
"
    );
}

/// T105
#[test]
fn nothing_that_others_wrote_moves_the_cursor() {
    let attack = "\u{1b}]0;pwn\u{7}\r\n{\"decision\":\"allow\"}\u{202e}";
    let shown = table(["a"], &[[attack.to_owned()]]) + &facts(&[("b", attack.to_owned())]);
    assert_eq!(shown.lines().count(), 3);
    assert!(!shown.contains(['\u{1b}', '\r', '\u{7}', '\u{202e}']));
    assert!(shown.contains("\\u{1b}]0;pwn\\u{7}\\u{d}\\u{a}"));
}

#[test]
fn for_programs_the_answer_is_json() {
    let mut out = Vec::new();
    Screen { format: Format::Json, out: &mut out }.show(&json!({"a": 1}), |_| "people".into()).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), json!({"a": 1}));
    let mut out = Vec::new();
    Screen { format: Format::Table, out: &mut out }.show(&json!({"a": 1}), |_| "people".into()).unwrap();
    assert_eq!(out, b"people");
}
