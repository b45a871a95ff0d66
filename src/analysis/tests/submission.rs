//! The analysis of a submission.

use serde_json::{Value, json};

use super::house::{AGENT, EXPORT, NO_DROP, READ, at, export, hidden, noon, record, recorded, set, spec, world};
use crate::{
    analysis::{Analysis, RecordedCall, Sprawl, Study as _, Submission},
    domain::{Digest, Findings},
};

const ROOM: Sprawl = Sprawl { of_owner: 1, per_owner: 10, of_channel: 1, per_channel: 50 };

fn analysed(record: Value, files: &[(&str, &str)], calls: &[RecordedCall], sprawl: Sprawl) -> (Analysis, Findings) {
    let grant = spec(record).grant(1, Digest::of(b"spec"));
    let mut submission = Submission::new(grant, &world(files), (at("2026-10-01T00:00:00Z"), noon()));
    let filter = submission.filter();
    calls
        .iter()
        .filter(|call| filter.takes(call.agent(), &call.tool, &call.verdict))
        .for_each(|call| submission.take(call));
    submission.finish(30, sprawl)
}

fn other() -> Value {
    let mut record = record();
    record["id"] = json!("EX-2");
    record["grant"]["args"] = json!({"region": {"in": ["asia"]}, "max_rows": {"min": 1, "max": 50}});
    record
}

#[test]
fn it_tells_what_was_refused_and_would_now_pass() {
    let set = set(&[READ]);
    let calls = [
        export(&set, 1, noon(), "asia", 10),
        export(&set, 2, noon(), "asia", 20),
        export(&set, 3, noon(), "asia", 60),
        export(&set, 4, noon(), "eu", 10),
        recorded(&set, 5, noon(), (AGENT, "crm/drop"), &json!({})),
        hidden(6, "crm/export"),
    ];
    let (analysis, hard) = analysed(other(), &[READ], &calls, ROOM);
    assert!(hard.0.is_empty(), "{hard}");
    assert_eq!((analysis.would_pass, analysis.still_refused), (2, 1));
    assert_eq!(analysis.passing.len(), 1);
    assert_eq!(analysis.passing[0].to.to_string(), "allow (exception EX-2)");
    assert_eq!((analysis.completeness.recorded, analysis.completeness.percent), (4, 75), "one was hidden");
    assert_eq!(analysis.implied.answer, "none");
    assert_eq!(analysis.admits.arguments, ["max_rows: from 1 to 50", "region: one of \"asia\""]);
    assert!(serde_json::to_vec(&analysis).unwrap().len() < 32 << 10);
}

#[test]
fn guardrails_that_speak_of_it_are_named_and_one_that_always_forbids_is_hard() {
    const PII: (&str, &str) = (
        "guardrails/soft/pii.cedar",
        r#"@id("pii") @level("soft") @owner("dpo") forbid (principal, action == Action::"crm/export", resource)
           when { context.input has include_pii && context.input.include_pii };"#,
    );
    let (analysis, hard) = analysed(other(), &[READ, NO_DROP, PII], &[], ROOM);
    assert!(hard.0.is_empty());
    let told: Vec<_> =
        analysis.guardrails.iter().map(|one| format!("{} {} {}", one.id, one.level, one.always)).collect();
    assert_eq!(told, ["pii soft false"], "no-drop does not speak of crm/export");
    let mut dead = other();
    dead["grant"]["tools"] = json!(["drop"]);
    dead["grant"]["args"] = json!({});
    dead["grant"]["descriptor_digest"] = json!(super::house::tools()[2].digest.to_string());
    let (analysis, hard) = analysed(dead, &[READ, NO_DROP], &[], ROOM);
    assert!(analysis.guardrails[0].always);
    assert!(hard.to_string().contains("`no-drop`"), "{hard}");
}

#[test]
fn it_tells_whether_roles_allow_it_already() {
    let (analysis, _) = analysed(other(), &[READ, EXPORT], &[], ROOM);
    assert_eq!((analysis.implied.answer.as_str(), analysis.implied.depends.len()), ("some", 2));
    const ALL: (&str, &str) = (
        "roles/all.cedar",
        r#"@id("all") permit (principal in Role::"reader", action == Action::"crm/export", resource);"#,
    );
    let (analysis, hard) = analysed(other(), &[READ, ALL], &[], ROOM);
    assert_eq!(analysis.implied.answer, "all");
    assert!(hard.0.is_empty() && analysis.notes.iter().any(|note| note.contains("not needed")));
    let call = export(&set(&[READ]), 1, noon(), "asia", 10);
    let (analysis, _) = analysed(other(), &[READ, ALL], &[call], ROOM);
    assert_eq!((analysis.implied.refused_then, analysis.would_pass), (1, 0));
}

/// I17
#[test]
fn a_budget_that_would_be_broken_is_a_hard_finding() {
    for (sprawl, path) in
        [(Sprawl { of_owner: 10, ..ROOM }, "/owner/human"), (Sprawl { of_channel: 50, ..ROOM }, "/governance/channel")]
    {
        let (_, hard) = analysed(other(), &[READ], &[], sprawl);
        assert_eq!(hard.0.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), [path]);
    }
}
