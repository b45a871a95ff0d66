//! Exceptions before the solver: each claim in both polarities.

use serde_json::json;

use super::support::{answer, ask, hard, house, refuted, run, solver};
use crate::{
    domain::{ArgumentBound, Bound, Digest, Window},
    policy::{
        proof::{Answer, Claim, exception},
        tests::house::{at, grant},
    },
};

#[test]
fn an_exception_that_keeps_clear_of_a_hard_guardrail_is_proven_and_one_that_reaches_it_is_shown() {
    let Some(prover) = solver() else { return };
    let claim = Claim::ClearOfHardGuardrails;
    let clear = house(&[("guardrails/hard/x.cedar", &hard("principal", "when { context.input.max_rows > 500 }"))]);
    assert_eq!(ask(&prover, &clear, &grant(), claim), Answer::Proven);
    let reached = house(&[("guardrails/hard/x.cedar", &hard("principal", "when { context.input.max_rows > 499 }"))]);
    let words = refuted(&ask(&prover, &reached, &grant(), claim));
    for part in
        ["Agent::\"a\"", "Action::\"crm/export\"", "Tool::\"crm/export\"", "\"max_rows\": 500", "\"eu\"", "(by no)"]
    {
        assert!(words.contains(part), "{part} in {words}");
    }
}

#[test]
fn roles_are_those_of_the_registry_and_not_what_a_solver_may_imagine() {
    let Some(prover) = solver() else { return };
    let claim = Claim::ClearOfHardGuardrails;
    for (scope, condition, reached) in [
        ("principal in Role::\"reader\"", "", true),
        ("principal in Role::\"writer\"", "", false),
        ("principal is Agent in Role::\"writer\"", "", false),
        ("principal", "when { principal in [Role::\"writer\", Role::\"reader\"] }", true),
        ("principal", "unless { principal in Role::\"reader\" }", false),
        ("principal", "unless { resource in Server::\"crm\" }", false),
        ("principal", "when { principal == Agent::\"b\" }", false),
        ("principal", "when { principal != Agent::\"b\" }", true),
    ] {
        let mut grant = grant();
        grant.user_required = true;
        grant.users = ["u".into()].into();
        let set = house(&[("guardrails/hard/x.cedar", &hard(scope, condition))]);
        let answer = ask(&prover, &set, &grant, claim);
        // The user `u` is no reader and no agent: what forbids everybody but a reader forbids `u`.
        let reached = reached || condition.starts_with("unless { principal in");
        assert_eq!(matches!(answer, Answer::Refuted { .. }), reached, "{scope} {condition}: {answer}");
        assert_eq!(answer.is_proven(), !reached, "{scope} {condition}: {answer}");
    }
}

#[test]
fn a_guardrail_on_the_person_is_reached_through_the_person() {
    let Some(prover) = solver() else { return };
    let set = house(&[("guardrails/hard/x.cedar", &hard("principal is User in Role::\"guest\"", ""))]);
    let ask = |required, users: &[&str]| {
        let mut grant = grant();
        grant.user_required = required;
        grant.users = users.iter().map(|user| (*user).into()).collect();
        ask(&prover, &set, &grant, Claim::ClearOfHardGuardrails)
    };
    assert_eq!(ask(true, &["u"]), Answer::Proven);
    assert!(refuted(&ask(true, &["u", "v"])).contains("for User::\"v\""));
    assert!(refuted(&ask(false, &[])).contains("for User::"));
}

#[test]
fn an_exception_that_roles_already_imply_is_named_with_agent_and_tool() {
    let Some(prover) = solver() else { return };
    let claim = Claim::AddsToRoles;
    let role = |condition: &str| {
        format!(
            "@id(\"r\") permit (principal in Role::\"reader\", action == Action::\"crm/export\", resource) {condition};"
        )
    };
    let narrower = role("when { context.input.max_rows < 500 }");
    let wider = role("when { context.input.max_rows < 501 && context.input.region like \"e*\" }");
    let staff = "@id(\"s\") permit (principal is User in Role::\"staff\", action == Action::\"crm/export\", resource);";
    let mut grant = grant();
    grant.user_required = true;
    grant.users = ["u".into()].into();
    let ask = |files: &[(&str, &str)], grant: &_| ask(&prover, &house(files), grant, claim);
    assert_eq!(ask(&[("roles/x.cedar", &narrower), ("roles/y.cedar", staff)], &grant), Answer::Proven);
    // Without a permit for the person, the exception does add something.
    assert_eq!(ask(&[("roles/x.cedar", &wider)], &grant), Answer::Proven);
    let words = refuted(&ask(&[("roles/x.cedar", &wider), ("roles/y.cedar", staff)], &grant));
    assert!(words.contains("crm/export by Agent::\"a\""), "{words}");
    // What a guardrail forbids anyway is nothing that the exception adds.
    let hard = hard("principal", "when { context.input.max_rows == 500 }");
    let files = [("roles/x.cedar", &*narrower), ("roles/y.cedar", staff), ("guardrails/hard/x.cedar", &*hard)];
    refuted(&ask(&files, &grant));
}

#[test]
fn an_exception_that_admits_nothing_is_named() {
    let Some(prover) = solver() else { return };
    let nothing = house(&[]);
    assert_eq!(ask(&prover, &nothing, &grant(), Claim::Alive), Answer::Proven);
    let mut contradictory = grant();
    contradictory.arguments.push(ArgumentBound { name: "region".into(), bound: Bound::In(vec![json!("us")]) });
    refuted(&ask(&prover, &nothing, &contradictory, Claim::Alive));
    let soft = hard("principal", "when { context.input.region == \"eu\" }").replace("hard", "soft");
    let shadowed = house(&[("guardrails/soft/x.cedar", &soft)]);
    refuted(&ask(&prover, &shadowed, &grant(), Claim::Alive));
    assert_eq!(ask(&prover, &shadowed, &grant(), Claim::ClearOfHardGuardrails), Answer::Proven);
}

#[test]
fn an_exception_ends_with_its_window_and_one_that_goes_on_is_shown() {
    let Some(prover) = solver() else { return };
    let set = house(&[]);
    assert_eq!(ask(&prover, &set, &grant(), Claim::WithinItsWindow), Answer::Proven);
    assert_eq!(ask(&prover, &set, &grant(), Claim::NeverErrors), Answer::Proven);
    let approved = Window { not_after: at("2026-11-30T23:59:59.999Z"), ..grant().window };
    let proofs = run(exception::prove(&prover, &set, &grant(), approved));
    let words = refuted(&answer(proofs, Claim::WithinItsWindow));
    assert!(words.contains("now:"), "{words}");
}

#[test]
fn what_cannot_be_compiled_is_not_proven() {
    let Some(prover) = solver() else { return };
    let mut gone = grant();
    gone.tools = [("gone".parse().unwrap(), Digest::of(b""))].into();
    let answer = ask(&prover, &house(&[]), &gone, Claim::ClearOfHardGuardrails);
    assert!(matches!(&answer, Answer::NotProven { why } if why.contains("no approved tool")), "{answer}");
}
