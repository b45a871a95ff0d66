//! Exceptions: what they admit, to the letter.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::house::{acting_for, agent, at, call, call_with, export, grant, now, set, short, usable};
use crate::{
    catalog::ToolCall,
    domain::{ArgumentBound, Bound, Digest, Grant, Obligation, Subject},
    policy::PolicySet,
};

fn ask(set: &PolicySet, subject: &Subject, call: ToolCall, grant: Grant) -> String {
    short(&set.decide(subject, call, &[usable(grant)], now()))
}

const YES: &str = "allow exception granted";
const NO: &str = "deny default_deny scope_mismatch";

/// T070
#[test]
fn arguments_outside_the_bounds_are_refused() {
    let set = set(&[]);
    for (arguments, expected) in [
        (json!({"region": "eu", "max_rows": 1}), YES),
        (json!({"region": "eu", "max_rows": 500}), YES),
        (json!({"region": "eu", "max_rows": 5.0}), YES),
        (json!({"region": "eu", "max_rows": 0}), NO),
        (json!({"region": "eu", "max_rows": 501}), NO),
        (json!({"region": "EU", "max_rows": 1}), NO),
        (json!({"region": "eu", "max_rows": 1, "include_pii": false}), YES),
        (json!({"region": "eu", "max_rows": 1, "include_pii": true}), NO),
        (json!({"region": "eu", "max_rows": 1, "note": "declared and not bounded"}), YES),
        (json!({"region": "eu", "max_rows": 1, "Region": "us"}), NO),
        (json!({"region": "eu", "max_rows": 1, "region ": "us"}), NO),
    ] {
        assert_eq!(
            ask(&set, &agent("a", &[]), call("crm/export", arguments.clone()), grant()),
            expected,
            "{arguments}"
        );
    }
    let passing = call_with("crm/export", json!({"region": "eu", "max_rows": 1}), &["extra"]);
    assert_eq!(ask(&set, &agent("a", &[]), passing, grant()), NO);
}

#[test]
fn null_does_not_stand_for_an_absent_argument_that_is_bounded() {
    let mut grant = grant();
    grant.arguments.push(ArgumentBound { name: "note".into(), bound: Bound::AbsentOr(json!("x")) });
    let ask = |note: Value| {
        let arguments = json!({"region": "eu", "max_rows": 1, "note": note});
        ask(&set(&[]), &agent("a", &[]), call("crm/export", arguments), grant.clone())
    };
    assert_eq!([ask(json!("x")), ask(json!("y")), ask(json!(null))], [YES, NO, NO]);
}

#[test]
fn a_number_is_bounded_as_a_number() {
    let mut grant = grant();
    grant.arguments = vec![ArgumentBound { name: "ratio".into(), bound: Bound::Between { min: 0, max: 2 } }];
    let ask = |ratio: f64| {
        let arguments = json!({"region": "eu", "max_rows": 1, "ratio": ratio});
        ask(&set(&[]), &agent("a", &[]), call("crm/export", arguments), grant.clone())
    };
    assert_eq!([ask(0.0), ask(1.5), ask(2.0), ask(2.0001), ask(-0.5)], [YES, YES, YES, NO, NO]);
}

#[test]
fn the_agent_the_tool_and_the_person_must_be_named() {
    let set = set(&[]);
    let none = "deny default_deny no_grant";
    assert_eq!(ask(&set, &agent("b", &[]), export("eu", 1), grant()), none);
    assert_eq!(ask(&set, &agent("a", &[]), call("crm/read", json!({})), grant()), none);
    let for_person = |required, users: &[&str]| {
        let mut grant = grant();
        grant.user_required = required;
        grant.users = users.iter().map(|user| (*user).into()).collect();
        grant
    };
    let subjects = [agent("a", &[]), acting_for(agent("a", &[]), "u", &[]), acting_for(agent("a", &[]), "v", &[])];
    for (required, users, expected) in [
        (false, &[][..], [YES, YES, YES]),
        (true, &[], [NO, YES, YES]),
        (false, &["u"], [YES, YES, NO]),
        (true, &["u"], [NO, YES, NO]),
    ] {
        let found = subjects.clone().map(|subject| ask(&set, &subject, export("eu", 1), for_person(required, users)));
        assert_eq!(found, expected, "{required} {users:?}");
    }
}

#[test]
fn the_window_is_never_wider_than_it_says() {
    let set = set(&[]);
    let mut grant = grant();
    grant.window.not_before = at("2026-11-01T00:00:00.000000001Z");
    for (moment, expected) in [
        ("2026-11-01T00:00:00Z", "deny default_deny no_grant"),
        ("2026-11-01T00:00:00.001Z", YES),
        ("2026-11-30T23:59:59.999999999Z", YES),
        ("2026-12-01T00:00:00Z", "deny default_deny exception_expired"),
    ] {
        let decision = set.decide(&agent("a", &[]), export("eu", 1), &[usable(grant.clone())], at(moment));
        assert_eq!(short(&decision), expected, "{moment}");
    }
}

#[test]
fn a_definition_that_was_not_approved_needs_a_control_that_says_so() {
    let set = set(&[]);
    let mut grant = grant();
    grant.tools.values_mut().for_each(|digest| *digest = Digest::of(b"another"));
    assert_eq!(ask(&set, &agent("a", &[]), export("eu", 1), grant.clone()), "deny default_deny control_unmet");
    // With the control, it is the control that refuses, because it suspends the exception as well.
    grant.obligations.push(Obligation::DescriptorPin);
    assert_eq!(ask(&set, &agent("a", &[]), export("eu", 1), grant), YES);
}

#[test]
fn two_grants_under_one_digest_are_not_taken_for_each_other() {
    let set = set(&[]);
    assert_eq!(ask(&set, &agent("a", &[]), export("eu", 1), grant()), YES);
    let mut other = grant();
    other.arguments[0].bound = Bound::In(vec![json!("us")]);
    assert_eq!(ask(&set, &agent("a", &[]), export("eu", 1), other), NO);
    assert_eq!(ask(&set, &agent("a", &[]), export("eu", 1), grant()), YES);
}

#[test]
fn the_faults_of_a_grant_name_their_place() {
    let set = set(&[]);
    assert_eq!(set.check_grant(&grant()).0, []);
    let bound = |name: &str, bound| ArgumentBound { name: name.into(), bound };
    let mut faulty = grant();
    faulty.arguments = vec![bound("regio", Bound::In(vec![json!("eu")]))];
    faulty.tools.insert("gone".parse().unwrap(), Digest::of(b""));
    let found: Vec<_> = set.check_grant(&faulty).0.into_iter().map(|f| (f.path, f.message)).collect();
    let expected = [
        ("/grant/args/regio", "the tool `crm/export` has no argument `regio`"),
        ("/grant/tools", "no approved tool is called `crm/gone`"),
    ];
    assert_eq!(found, expected.map(|(path, message)| (path.to_owned(), message.to_owned())));
    for (name, wrong, part) in [
        ("region", Bound::Between { min: 1, max: 2 }, "are for numbers"),
        ("max_rows", Bound::In(vec![json!("eu")]), "not of the argument's type"),
        ("max_rows", Bound::In(vec![]), "empty"),
        ("max_rows", Bound::Between { min: 2, max: 1 }, "is above"),
        ("mixed", Bound::In(vec![json!("eu")]), "one of several types"),
        ("include_pii", Bound::AbsentOr(json!({"__entity": {}})), "not of the argument's type"),
    ] {
        let mut faulty = grant();
        faulty.arguments = vec![bound(name, wrong)];
        let findings = set.check_grant(&faulty);
        assert!(findings.0.len() == 1 && findings.0[0].message.contains(part), "{findings}");
        assert_eq!(ask(&set, &agent("a", &[]), export("eu", 1), faulty), "deny default_deny policy_error");
    }
}

/// A set without policies, made once.
static EMPTY: LazyLock<PolicySet> = LazyLock::new(|| set(&[]));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The policy that proofs are about and the shorter one that is asked admit the same calls.
    #[test]
    fn the_policy_for_proofs_says_what_is_decided(ms in -1000i64..4_000_000_000, nanos in 0..2_000_000i64, rows in -5i64..510) {
        use cedar_policy::{Authorizer, Decision, PolicySet as CedarSet, Request};
        let set = &*EMPTY;
        let mut grant = grant();
        grant.window.not_before += chrono::TimeDelta::nanoseconds(nanos);
        let moment = at("2026-11-01T00:00:00Z") + chrono::TimeDelta::milliseconds(ms);
        let known = set.tool(&super::house::reference("crm/export")).unwrap();
        let subject = agent("a", &[]);
        let policy = crate::policy::grant::policy(&grant, known, true).unwrap();
        let mention = crate::policy::model::Mention::of(&policy);
        let facts = crate::policy::known::Moment { now: moment, user: None, taints: [].into() };
        let context = facts.context(known, export("eu", rows).value(), &mention).unwrap();
        let bench = set.bench(known, &subject);
        let bench = bench.as_ref().as_ref().unwrap();
        let principal = bench.judges[0].principal.clone();
        let request = Request::new(principal, known.action.clone(), known.resource.clone(), context, None).unwrap();
        let policies = CedarSet::from_policies([policy]).unwrap();
        let proven = Authorizer::new().is_authorized(&request, &policies, &bench.entities);
        let decided = set.decide(&subject, export("eu", rows), &[usable(grant)], moment);
        prop_assert_eq!(proven.decision() == Decision::Allow, short(&decided) == YES);
        prop_assert_eq!(proven.diagnostics().errors().count(), 0);
    }

    /// Ids and values are data: whatever they hold, the grant admits this agent with this value and no other.
    #[test]
    fn hostile_ids_and_values_stay_data(id in "[ -~]{0,8}(\"|\\\\|//|\\|\\|| true |\\{|\u{e9}|\n){1,4}[ -~]{0,8}", value in "\\PC{0,12}[\"\\\\]{0,3}") {
        let set = &*EMPTY;
        let mut grant = grant();
        grant.agents = [id.as_str().into()].into();
        grant.users = [id.as_str().into()].into();
        grant.arguments = vec![ArgumentBound { name: "region".into(), bound: Bound::In(vec![json!(value)]) }];
        prop_assert_eq!(set.check_grant(&grant).0, []);
        let other = format!("{value}x");
        prop_assert_eq!(ask(set, &agent(&id, &[]), export(&value, 1), grant.clone()), YES);
        prop_assert_eq!(ask(set, &agent(&id, &[]), export(&other, 1), grant.clone()), NO);
        prop_assert_eq!(ask(set, &acting_for(agent(&id, &[]), &other, &[]), export(&value, 1), grant.clone()), NO);
        prop_assert_eq!(ask(set, &agent("a", &[]), export(&value, 1), grant), "deny default_deny no_grant");
    }
}
