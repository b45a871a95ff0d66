//! Each duty, before and after the call.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;

use super::{
    super::{Controls, Duties, Facts, Unmet, Watch},
    Case, at, every, object,
};
use crate::domain::{Digest, Obligation, Reason};

const RESULT: Bytes = Bytes::from_static(b"{\"a\":1}");

fn refused(controls: &Controls, facts: Facts<'_>) -> (&'static str, Reason) {
    let Unmet { control, reason, .. } = controls.precondition(&Duties::under(facts)).unwrap_err();
    (control, reason)
}

#[test]
fn a_call_that_meets_everything_is_held_and_released() {
    let case = Case::new(&every());
    let held = case.controls.precondition(&case.duties()).unwrap();
    let met = [
        "args.constrain",
        "audit.write_ahead",
        "budget.reserve",
        "descriptor.pin",
        "response.limit",
        "timebox",
        "trace.full",
        "rate.limit",
    ];
    assert_eq!(held.met(), met);
    assert_eq!(held.exception().unwrap().as_str(), "EX-1");
    assert!(held.time_left().unwrap() <= Duration::from_secs(10));
    let release = case.controls.fulfil(held, RESULT, true).unwrap();
    assert_eq!(release.bytes(), &RESULT);
    assert_eq!(release.into_bytes(), RESULT);
}

#[test]
fn a_call_that_a_role_allows_needs_no_control_to_work() {
    let case = Case::new(&every());
    case.audit.fail();
    case.trace.fail();
    let held = case.controls.precondition(&Duties::none()).unwrap();
    assert!(held.deadline().is_none() && held.met().is_empty());
    assert_eq!(case.controls.fulfil(held, RESULT, false).unwrap().into_bytes(), RESULT);
}

/// T088, I10
#[test]
fn a_control_that_does_not_work_refuses_at_once_and_works_again_with_its_lease() {
    let case = Case::new(&every());
    case.trace.fail();
    assert_eq!(refused(&case.controls, case.facts()), ("trace.full", Reason::MonitoringUnavailable));
    case.trace.acknowledge();
    assert!(case.controls.precondition(&case.duties()).is_ok());
    case.trace.set_backlog(11);
    assert_eq!(refused(&case.controls, case.facts()), ("trace.full", Reason::MonitoringUnavailable));
    case.trace.set_backlog(0);
    case.audit.fail();
    assert_eq!(refused(&case.controls, case.facts()), ("audit.write_ahead", Reason::AuditUnavailable));
}

#[test]
fn the_first_duty_that_does_not_hold_is_named_in_a_fixed_order() {
    let mut case = Case::new(&every());
    case.trace.fail();
    case.arguments = object(json!({"tenant": "west", "limit": 5}));
    for _ in 0..3 {
        case.obligations.rotate_left(3);
        assert_eq!(refused(&case.controls, case.facts()), ("args.constrain", Reason::ControlUnmet));
    }
}

#[test]
fn arguments_outside_the_bounds_or_unknown_to_the_tool_are_refused() {
    let mut case = Case::new(&[Obligation::ArgsConstrain]);
    for (arguments, why) in [
        (json!({"limit": 5}), "`tenant` must be given"),
        (json!({"tenant": "west", "limit": 5}), "`tenant` is not one of"),
        (json!({"tenant": ["north"], "limit": 5}), "`tenant` is not one of"),
        (json!({"tenant": "north"}), "`limit` must be given"),
        (json!({"tenant": "north", "limit": 11}), "`limit` is outside"),
        (json!({"tenant": "north", "limit": 5.5}), "`limit` must be an integer"),
        (json!({"tenant": "north", "limit": "5"}), "`limit` must be an integer"),
        (json!({"tenant": "north", "limit": 5, "dry_run": false}), "`dry_run` must be left out"),
        (json!({"tenant": "north", "limit": 5, "dry_run": null}), "`dry_run` must be left out"),
        (json!({"tenant": "north", "limit": 5, "Tenant": "west"}), "`Tenant` is not an argument"),
    ] {
        case.arguments = object(arguments);
        let unmet = case.controls.precondition(&case.duties()).unwrap_err();
        assert_eq!((unmet.control, unmet.reason), ("args.constrain", Reason::ControlUnmet));
        assert!(unmet.detail.starts_with(why), "{}", unmet.detail);
    }
    for arguments in
        [json!({"tenant": "south", "limit": 1, "note": "x"}), json!({"tenant": "north", "limit": 10, "dry_run": true})]
    {
        case.arguments = object(arguments);
        assert!(case.controls.precondition(&case.duties()).is_ok());
    }
    let nothing_declared = Facts { declared: None, ..case.facts() };
    assert!(case.controls.precondition(&Duties::under(nothing_declared)).is_ok(), "a bound declares its argument");
    case.arguments = object(json!({"tenant": "south", "limit": 1, "note": "x"}));
    let nothing_declared = Facts { declared: None, ..case.facts() };
    assert_eq!(refused(&case.controls, nothing_declared), ("args.constrain", Reason::ControlUnmet));
}

#[test]
fn what_belongs_to_every_exception_is_checked_without_being_asked_for() {
    let case = Case::new(&[]);
    let passthrough = Facts { passthrough: true, ..case.facts() };
    assert_eq!(refused(&case.controls, passthrough), ("args.constrain", Reason::ControlUnmet));
    let ended = Facts { not_after: case.facts().now, ..case.facts() };
    assert_eq!(refused(&case.controls, ended), ("timebox", Reason::ExceptionExpired));
}

#[test]
fn a_tool_that_is_not_as_approved_or_a_span_without_its_place_is_refused() {
    let case = Case::new(&every());
    for approved in [None, Some(Digest::of(b"another"))] {
        let drifted = Facts { approved, ..case.facts() };
        assert_eq!(refused(&case.controls, drifted), ("descriptor.pin", Reason::ControlUnmet));
    }
    let untraced = Facts { traced: false, ..case.facts() };
    assert_eq!(refused(&case.controls, untraced), ("trace.full", Reason::MonitoringUnavailable));
}

#[test]
fn a_result_is_withheld_when_a_duty_after_the_call_is_not_met() {
    let case = Case::new(&every());
    let withheld = |result, traced| {
        let held = case.controls.precondition(&case.duties()).unwrap();
        case.controls.fulfil(held, result, traced).unwrap_err().control
    };
    assert_eq!(withheld(RESULT, false), "trace.full");
    assert_eq!(withheld(Bytes::from_static(b"{\"ab\":12}"), true), "response.limit");
    let ends = Facts { not_after: case.facts().now + chrono::Duration::nanoseconds(1), ..case.facts() };
    let held = case.controls.precondition(&Duties::under(ends)).unwrap();
    while held.time_left() != Some(Duration::ZERO) {}
    while std::time::Instant::now() <= held.deadline().unwrap() {}
    assert_eq!(case.controls.fulfil(held, RESULT, true).unwrap_err().control, "timebox");
}

#[test]
fn only_a_call_that_nothing_else_refuses_takes_a_place_in_the_minute() {
    let mut case = Case::new(&[Obligation::RateLimit { per_minute: 2 }, Obligation::TraceFull]);
    case.trace.fail();
    for _ in 0..5 {
        assert_eq!(refused(&case.controls, case.facts()).0, "trace.full");
    }
    case.trace.acknowledge();
    assert!(case.controls.precondition(&case.duties()).is_ok());
    assert!(case.controls.precondition(&case.duties()).is_ok());
    let unmet = case.controls.precondition(&case.duties()).unwrap_err();
    assert_eq!((unmet.control, unmet.reason), ("rate.limit", Reason::RateLimited));
    assert!(unmet.retry_after.unwrap() > Duration::from_secs(50));
    case.exception = "EX-2".parse().unwrap();
    assert!(case.controls.precondition(&case.duties()).is_ok(), "each exception has its own");
}

#[test]
fn health_names_every_control_and_the_watch_says_what_changed() {
    let case = Case::new(&[]);
    let mut watch = Watch::new(Arc::clone(&case.controls));
    assert_eq!(watch.look(at("2026-11-24T10:00:00Z")), []);
    case.trace.fail();
    let seen = at("2026-11-24T10:00:01Z");
    let changes: Vec<_> = watch.look(seen).into_iter().map(|change| (change.id, change.healthy, change.at)).collect();
    assert_eq!(changes, [("trace.full", false, seen)]);
    assert_eq!(watch.look(at("2026-11-24T10:00:02Z")), []);
    let health = case.controls.health(at("2026-11-24T10:00:03Z"));
    assert_eq!(health.len(), 13);
    assert!(health.iter().all(|control| Obligation::IDS.contains(&control.id)));
    let down: Vec<_> = health.iter().filter(|control| !control.healthy).map(|c| (c.id, c.since)).collect();
    assert_eq!(down, [("trace.full", seen)]);
    case.trace.acknowledge();
    assert!(watch.look(at("2026-11-24T10:00:04Z")).iter().all(|change| change.healthy && change.id == "trace.full"));
}
