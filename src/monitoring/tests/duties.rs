//! Each duty on the result fails closed, and those behind a failure are done all the same.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    super::{Controls, Declared, Duties, Facts, Release, Withheld, previewed},
    Case, at, object,
};
use crate::domain::{Obligation, Registry};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn redact(classes: &[&str]) -> Obligation {
    Obligation::ResponseRedact { classes: set(classes) }
}

fn mark(labels: &[&str], for_s: Option<u32>) -> Obligation {
    Obligation::TaintMark { labels: set(labels), for_s }
}

fn fulfilled(case: &Case, result: impl Into<Bytes>) -> Result<Release, Withheld> {
    let held = case.controls.precondition(&case.duties()).unwrap();
    case.controls.fulfil(held, result.into(), true)
}

fn released(case: &Case, result: &Value) -> Value {
    serde_json::from_slice(fulfilled(case, result.to_string()).unwrap().bytes()).unwrap()
}

#[test]
fn what_the_classes_match_is_taken_out_of_every_text_name_and_number() {
    let case = Case::new(&[redact(&["email"]), redact(&["card", "secret"])]);
    let inner = r#"{"mail":"a\u0040example.org"}"#;
    let result = json!({
        "content": [{"type": "text", "text": "to ana@example.org"}, {"type": "text", "text": inner}],
        "structuredContent": {"bob@example.org": [4_111_111_111_111_111_u64, "AKIAABCDEFGHIJKLMNOP", 7]},
    });
    let wanted = json!({
        "content": [
            {"type": "text", "text": "to [redacted:email]"},
            {"type": "text", "text": r#"{"mail":"[redacted:email]"}"#},
        ],
        "structuredContent": {"[redacted:email]": ["[redacted:card]", "[redacted:secret]", 7]},
    });
    let release = fulfilled(&case, result.to_string()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(release.bytes()).unwrap(), wanted);
    let found: Vec<_> = release.redacted().iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(found, [("card", 1), ("email", 3), ("secret", 1)]);
}

#[test]
fn what_leaves_is_what_was_searched() {
    let case = Case::new(&[redact(&["email"])]);
    let twice = br#"{"content":[],"a":"ana@example.org","a":"nothing"}"#;
    assert_eq!(fulfilled(&case, &twice[..]).unwrap().into_bytes(), r#"{"content":[],"a":"nothing"}"#);
}

#[test]
fn a_result_that_cannot_be_searched_is_withheld_whole() {
    let case = Case::new(&[redact(&["email"])]);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let nested = (0..5).fold("\"a@example.org\"".to_owned(), |inner, _| serde_json::to_string(&inner).unwrap());
    for result in [
        "no json",
        "{\"content\":[{\"type\":\"image\",\"data\":\"QQ==\",\"mimeType\":\"image/png\"}]}",
        "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"a:b\",\"blob\":\"QQ==\"}}]}",
        &large,
        &nested,
    ] {
        assert_eq!(fulfilled(&case, result.to_owned()).unwrap_err().control, "response.redact", "{result:.40}");
    }
}

#[test]
fn a_class_that_nobody_declared_refuses_the_call() {
    let case = Case::new(&[redact(&["email", "customer"])]);
    let unmet = case.controls.precondition(&case.duties()).unwrap_err();
    assert!(unmet.detail.contains("there is no class `customer`"), "{}", unmet.detail);
    let text = "classes: {customer: {pattern: 'KD-[0-9]{6}'}}";
    case.controls.declare(Declared::read("controls.yaml", text, &Registry::default()).unwrap());
    assert_eq!(released(&case, &json!({"text": "KD-123456"})), json!({"text": "[redacted:customer]"}));
}

#[test]
fn a_result_with_more_rows_or_another_kind_of_content_is_withheld() {
    let limit = |rows, types: &[&str]| Obligation::ResponseLimit { bytes: 10_000, rows, types: set(types) };
    let case = Case::new(&[limit(Some(2), &[]), limit(None, &["text"])]);
    let text = |text: &str| json!({"content": [{"type": "text", "text": text}]}).to_string();
    assert!(fulfilled(&case, text("[1,2]")).is_ok());
    assert!(fulfilled(&case, text("one\ntwo")).is_ok());
    for result in [
        text("[1,2,3]"),
        text("one\ntwo\nthree"),
        json!({"structuredContent": {"rows": [1, 2, 3]}}).to_string(),
        json!({"content": [{"type": "image", "data": "QQ=="}]}).to_string(),
    ] {
        assert_eq!(fulfilled(&case, result).unwrap_err().control, "response.limit");
    }
}

#[test]
fn labels_stand_for_their_time_on_the_agent_with_its_person_and_on_nobody_else() {
    let case = Case::new(&[mark(&["pii"], Some(60)), mark(&["customer"], None)]);
    let release = fulfilled(&case, "{}").unwrap();
    assert_eq!(release.marked(), ["customer", "pii"]);
    let (agent, person) = &case.who;
    let of = |person, moment| case.controls.taints().of(agent, person, at(moment)).map(|labels| labels.to_vec());
    let both = Some(vec!["customer".to_owned(), "pii".to_owned()]);
    assert_eq!(of(person.as_ref(), "2026-11-24T10:00:59Z"), both);
    assert_eq!(of(person.as_ref(), "2026-11-24T10:01:00Z"), Some(vec!["customer".to_owned()]));
    assert_eq!(of(person.as_ref(), "2026-11-24T11:00:00Z"), None);
    assert_eq!(of(None, "2026-11-24T10:00:30Z"), None);
}

#[test]
fn a_duty_behind_one_that_fails_is_done_all_the_same() {
    let limit = Obligation::ResponseLimit { bytes: 1, rows: None, types: [].into() };
    let case = Case::new(&[limit, redact(&["email"]), mark(&["pii"], None)]);
    let withheld = fulfilled(&case, "{}").unwrap_err();
    assert_eq!((withheld.control, withheld.marked), ("response.limit", vec!["pii".to_owned()]));
    let case = Case::new(&[Obligation::ApprovalHold { expires_s: 60 }, Obligation::TraceFull]);
    case.trace.fail();
    let unmet = case.controls.precondition(&case.duties()).unwrap_err();
    assert_eq!(unmet.control, "approval.hold");
    assert!(unmet.detail.contains("also trace.full"), "{}", unmet.detail);
}

#[test]
fn a_call_waits_for_a_preview_of_the_same_call_that_is_young_enough() {
    let mut case = Case::new(&[Obligation::DryRunFirst { argument: "dry_run".into(), max_age_s: 60 }]);
    case.bounds.clear();
    let refused = |case: &Case, facts: Facts<'_>| {
        case.controls.precondition(&Duties::under(facts)).err().map(|unmet| unmet.control)
    };
    assert_eq!(refused(&case, case.facts()), Some("dry_run_first"));
    let preview = object(json!({"tenant": "north", "limit": 5, "dry_run": true}));
    assert_eq!(refused(&case, Facts { arguments: &preview, ..case.facts() }), None, "a preview needs none");
    case.controls.remember(&previewed(&case.who, &case.tool, &preview), at("2026-11-24T09:59:30Z"));
    assert_eq!(refused(&case, case.facts()), None);
    let other = object(json!({"tenant": "south", "limit": 5}));
    assert_eq!(refused(&case, Facts { arguments: &other, ..case.facts() }), Some("dry_run_first"));
    let late = Facts { now: at("2026-11-24T10:00:31Z"), ..case.facts() };
    assert_eq!(refused(&case, late), Some("dry_run_first"));
    let none = object(json!({"tenant": {}, "limit": {}, "dry_run": {"type": "string"}}));
    let unknown = Facts { arguments: &preview, declared: Some(&none), ..case.facts() };
    assert_eq!(refused(&case, unknown), Some("dry_run_first"), "a preview that the tool does not know is the call");
    let (who, alone) = (&case.who, (case.who.0.clone(), None));
    assert_ne!(previewed(who, &case.tool, &preview), previewed(&alone, &case.tool, &preview));
}

/// I10
#[test]
fn every_duty_is_either_attached_to_a_probe_or_refused() {
    let lease = || Arc::new(crate::domain::Lease::new(std::time::Duration::from_secs(60), 1));
    let controls = Controls::new(lease(), lease());
    let health = controls.health(at("2026-11-24T10:00:00Z"));
    let params = json!({
        "approval.hold": {"expires_s": 60}, "dry_run_first": {"argument": "a", "max_age_s": 1},
        "egress.allow": {"hosts": ["a"]}, "export.acknowledged": {"sink": "a", "max_lag_s": 1},
        "notify.owner": {"grace_s": 1}, "principal.fresh": {"max_age_s": 1}, "rate.limit": {"per_minute": 1},
        "response.limit": {"bytes": 1}, "response.redact": {"classes": ["email"]}, "taint.mark": {"labels": ["a"]},
        "timebox": {"seconds": 1}, "watch.attached": {"people": ["a"]},
    });
    for id in Obligation::IDS {
        let duty = match params.get(id) {
            Some(params) => json!({"obligation": id, "params": params}),
            None => json!({"obligation": id}),
        };
        let duty: Obligation = serde_json::from_value(duty).unwrap();
        assert_eq!(duty.id(), id);
        let attached = health.iter().any(|control| control.id == id);
        assert_eq!(controls.meets(&duty).is_ok(), attached, "{id}");
        if !attached {
            let case = Case::new(&[duty]);
            assert_eq!(case.controls.precondition(&case.duties()).unwrap_err().control, id);
        }
    }
}
