//! Removal tests and graduation.

use std::sync::Arc;

use serde_json::json;

use super::house::{AGENT, EXPORT, READ, at, export, history, noon, record, recorded, set, spec, tools, world};
use crate::{
    analysis::{Graduated, Graduation, RecordedCall, RemovalReport, RemovalStudy, Study as _, World},
    domain::{Digest, Timestamp},
    exception::{Event, StoredEvent, TestResult},
    policy::{PolicySet, SourceFile, Sources, compile},
};

fn since() -> Timestamp {
    at("2026-10-01T00:00:00Z")
}

fn report(then: World, history: &[StoredEvent], calls: &[RecordedCall]) -> RemovalReport {
    let mut study = RemovalStudy::new(&"EX-1".parse().unwrap(), history, then, since());
    let filter = study.filter();
    calls.iter().filter(|call| filter.takes(call.agent(), &call.tool, &call.verdict)).for_each(|call| study.take(call));
    study.finish(noon(), true)
}

fn calls() -> Vec<RecordedCall> {
    let set = set(&[READ]);
    vec![
        export(&set, 1, noon(), "eu", 101),
        export(&set, 2, noon(), "us", 400),
        export(&set, 3, noon(), "asia", 5),
        recorded(&set, 4, noon(), ("pilot-8", "crm/export"), &json!({"region": "eu", "max_rows": 150})),
        recorded(&set, 5, noon(), (AGENT, "crm/read"), &json!({})),
    ]
}

#[test]
fn the_report_says_what_would_break_for_whom_and_what_takes_over() {
    let whole = report(world(&[READ]), &history(), &calls());
    assert_eq!((whole.result, whole.admitted, whole.would_break), (TestResult::Needed, 3, 3));
    assert_eq!(whole.agents[&AGENT.into()].would_break, 2);
    assert_eq!(whole.agents[&"pilot-8".into()].would_break, 1);
    let part = report(world(&[READ, EXPORT]), &history(), &calls());
    assert_eq!((part.result, part.would_break), (TestResult::Needed, 1));
    assert_eq!(serde_json::to_value(&part.taken_over).unwrap(), json!({"allow (rbac)": 2}));
    assert_eq!(part.test().unwrap().would_break, 1);
}

#[test]
fn nothing_that_breaks_is_only_said_when_enough_could_be_judged() {
    let calls: Vec<_> = calls().into_iter().filter(|call| call.decision.to_string() != "dec_2").collect();
    const ALL: (&str, &str) = (
        "roles/all.cedar",
        r#"@id("all") permit (principal in Role::"reader", action == Action::"crm/export", resource);"#,
    );
    assert_eq!(report(world(&[READ, ALL]), &history(), &calls).result, TestResult::Unneeded);
    assert_eq!(report(world(&[READ]), &history(), &[]).result, TestResult::Unneeded, "not used at all");
    let mut blind = calls;
    for call in &mut blind {
        call.arguments = Err(crate::analysis::Unjudged::NotKept);
    }
    assert_eq!(report(world(&[READ, ALL]), &history(), &blind).result, TestResult::Incomplete);
}

#[test]
fn what_was_refused_during_a_trial_is_counted() {
    let mut history = history();
    let begun = Event::TrialBegun {
        percent: 50,
        members: [AGENT.into()].into(),
        until: at("2026-11-10T13:00:00Z"),
        by: "alice".into(),
    };
    let trial = StoredEvent { at: at("2026-11-10T11:00:00Z"), event: begun, version: 6, ..history[5].clone() };
    history.truncate(5);
    history.push(trial);
    let mut refused = export(&set(&[READ]), 7, noon(), "eu", 9);
    refused.verdict.effect = crate::domain::Effect::Deny;
    refused.verdict.reason = crate::domain::Reason::ExceptionSuspended;
    let report = report(world(&[READ]), &history, &[refused]);
    assert_eq!((report.admitted, report.agents[&AGENT.into()].refused_in_trials), (0, 1));
}

fn with_role(draft: &Graduated, files: &[(&str, &str)]) -> Arc<PolicySet> {
    let all = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let all = all.chain([(draft.file.clone(), draft.cedar.clone())]);
    let sources = Sources { files: all.map(|(path, text)| SourceFile { path, text }).collect() };
    Arc::new(compile(&sources, &tools()).unwrap_or_else(|findings| panic!("{findings}\n{}", draft.cedar)))
}

fn graduation(calls: &[RecordedCall]) -> Graduation {
    let grant = spec(record()).grant(1, Digest::of(b"spec"));
    let mut graduation = Graduation::new("exporter".into(), "EX-1".to_owned(), vec![grant], since());
    let filter = graduation.filter();
    calls
        .iter()
        .filter(|call| filter.takes(call.agent(), &call.tool, &call.verdict))
        .for_each(|call| graduation.take(call));
    graduation
}

#[test]
fn the_role_that_takes_over_loses_nothing_that_was_used_and_allows_nothing_that_was_refused() {
    let calls = calls();
    let graduation = graduation(&calls);
    let draft = graduation.draft(&set(&[READ]));
    assert!(draft.cedar.contains(r#"["eu", "us"].contains(context.input["region"])"#), "{}", draft.cedar);
    assert!(draft.cedar.contains(r#"context.input["max_rows"] >= 101 && context.input["max_rows"] <= 400"#));
    assert!(draft.cedar.contains(r#"!(context.input has "include_pii")"#));
    assert_eq!(draft.members.len(), 2);
    assert!(draft.tools[0].diff.iter().any(|line| line.contains("from 101 to 400 (the exception: 1 to 500)")));
    let mut replay = graduation.replay(&world(&[READ]), with_role(&draft, &[READ]));
    let trial = graduation.trial();
    calls.iter().filter(|call| trial.takes(call.agent(), &call.tool, &call.verdict)).for_each(|call| replay.take(call));
    let replayed = replay.finish();
    assert_eq!((replayed.lost, replayed.gained), (0, 0));
    assert!(replayed.changes.iter().any(|change| change.to.to_string() == "allow (rbac)"));
}

#[test]
fn a_role_compiles_whatever_texts_and_optional_arguments_were_used() {
    let set = set(&[READ]);
    let hostile = [
        recorded(&set, 1, noon(), (AGENT, "crm/export"), &json!({"region": "eu", "max_rows": 1, "include_pii": true})),
        recorded(&set, 2, noon(), (AGENT, "crm/export"), &json!({"region": "us", "max_rows": 2})),
    ];
    let mut calls = hostile.to_vec();
    // What nobody would grant, and a policy must still be able to hold.
    let turned = recorded(&set, 4, noon(), (AGENT, "crm/export"), &json!({"region": "\u{202e}ue", "max_rows": 1}));
    calls.push(RecordedCall { verdict: hostile[0].verdict.clone(), ..turned });
    let strange =
        recorded(&set, 3, noon(), (AGENT, "crm/export"), &json!({"region": "\" || true //\\é\n", "max_rows": -3}));
    calls.push(RecordedCall { verdict: hostile[0].verdict.clone(), ..strange });
    let graduation = graduation(&calls);
    let draft = graduation.draft(&set);
    with_role(&draft, &[READ]);
    assert!(
        draft
            .cedar
            .contains(r#"(if context.input has "include_pii" then context.input["include_pii"] == true else true)"#)
    );
    assert!(draft.tools[0].diff.iter().any(|line| line.contains("1 texts with direction characters")));
    assert!(!draft.cedar.contains("é"), "only ASCII leaves the generator");
}

#[test]
fn nothing_used_gives_no_role() {
    let draft = graduation(&[]).draft(&set(&[READ]));
    assert!(draft.tools.is_empty() && draft.members.is_empty());
    assert_eq!(draft.unused, ["crm/export"]);
    assert_eq!(draft.idle.len(), 2);
}
