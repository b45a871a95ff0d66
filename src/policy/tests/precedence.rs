//! Evaluation error > hard > soft > roles > exception > no.

use serde_json::json;

use super::house::{acting_for, agent, call, export, grant, now, set, short, standing, usable};
use crate::{
    domain::{ArgumentBound, Bound, Grant, Kind, Standing, SuspendReason},
    policy::Decision,
};

const ROLE: (&str, &str) = (
    "roles/a.cedar",
    r#"@id("role") permit (principal in Role::"r", action == Action::"crm/export", resource);
       @id("ask") permit (principal in Role::"q", action == Action::"request", resource == Tool::"crm/export");"#,
);
const HARD: (&str, &str) = (
    "guardrails/hard/a.cedar",
    r#"@id("hard") @level("hard") @owner("o")
       forbid (principal, action == Action::"crm/export", resource) when { context.input.region == "cn" };"#,
);
const SOFT: (&str, &str) = (
    "guardrails/soft/a.cedar",
    r#"@id("soft") @level("soft") @owner("o")
       forbid (principal, action == Action::"crm/export", resource) when { context.input.region like "c*" };"#,
);
const ADVISORY: (&str, &str) = (
    "guardrails/advisory/a.cedar",
    r#"@id("note") @level("advisory") @owner("o")
       forbid (principal, action == Action::"crm/export", resource) when { context.input.max_rows > 100 };"#,
);
const ERRING: (&str, &str) = (
    "guardrails/hard/b.cedar",
    r#"@id("erring") @level("hard") @owner("o")
       forbid (principal, action == Action::"crm/export", resource)
       when { context.input.max_rows * 9223372036854775807 == 7 };"#,
);

/// I7, I15: no exception passes a guardrail, and none has a part in what roles permit.
#[test]
fn the_stronger_set_speaks_first() {
    let set = set(&[ROLE, HARD, SOFT, ADVISORY]);
    let roles = [&["r"][..], &[]];
    let exceptions = [vec![], vec![usable(grant())]];
    let table = [
        // region, roles?, exception?, expected
        ("cn", 0, 1, "deny guardrail hard_guardrail"),
        ("ca", 0, 1, "deny guardrail soft_guardrail"),
        ("eu", 0, 1, "allow rbac granted"),
        ("eu", 0, 0, "allow rbac granted"),
        ("eu", 1, 1, "allow exception granted"),
        ("us", 1, 1, "deny default_deny scope_mismatch"),
        ("eu", 1, 0, "deny default_deny no_grant"),
        ("cn", 1, 1, "deny guardrail hard_guardrail"),
        ("ca", 1, 1, "deny guardrail soft_guardrail"),
    ];
    for (region, role, exception, expected) in table {
        let decision = set.decide(&agent("a", roles[role]), export(region, 1), &exceptions[exception], now());
        assert_eq!(short(&decision), expected, "{region} {role} {exception}");
        let under = decision.verdict().exception.is_some();
        assert!(
            !under || !(expected.contains("rbac") || expected.contains("guardrail")),
            "{region} {role} {exception}"
        );
    }
}

/// I11: an erring `forbid` is skipped by Cedar; here it is a denial, whoever else permits.
#[test]
fn an_evaluation_error_is_a_denial() {
    let set = set(&[ROLE, ERRING]);
    let subject = agent("a", &["r"]);
    assert_eq!(short(&set.decide(&subject, export("eu", 1), &[], now())), "allow rbac granted");
    let decision = set.decide(&subject, export("eu", 2), &[usable(grant())], now());
    assert_eq!(short(&decision), "deny default_deny policy_error");
    assert_eq!(decision.verdict().determining[..], ["erring".into()]);
    let Decision::Deny(denial) = decision else { panic!() };
    assert!(!denial.requestable);
}

#[test]
fn a_number_that_its_type_cannot_hold_is_a_denial_only_if_somebody_reads_it() {
    let reads = (
        "guardrails/hard/c.cedar",
        r#"@id("ratio") @level("hard") @owner("o") forbid (principal, action == Action::"crm/export", resource)
           when { context.input has ratio && context.input.ratio.greaterThan(decimal("0.5")) };"#,
    );
    let ask = |files: &[_], ratio: f64| {
        let arguments = json!({"region": "eu", "max_rows": 1, "ratio": ratio});
        short(&set(files).decide(&agent("a", &["r"]), call("crm/export", arguments), &[], now()))
    };
    assert_eq!(ask(&[ROLE], 0.123_456), "allow rbac granted");
    assert_eq!(ask(&[ROLE, reads], 0.123_456), "deny default_deny policy_error");
    assert_eq!(ask(&[ROLE, reads], 0.25), "allow rbac granted");
    assert_eq!(ask(&[ROLE, reads], 0.75), "deny guardrail hard_guardrail");
}

/// I20: what an exception reads is no business of a call that roles permit.
#[test]
fn an_exception_never_takes_away_what_roles_permit() {
    let set = set(&[ROLE]);
    let mut grant = grant();
    grant.arguments = vec![ArgumentBound { name: "ratio".into(), bound: Bound::Between { min: 0, max: 1 } }];
    let mut faulty = grant.clone();
    faulty.arguments[0].name = "nothing".into();
    let ask = |roles: &[&str], grant: &Grant| {
        let arguments = json!({"region": "eu", "max_rows": 1, "ratio": 0.123_456});
        short(&set.decide(&agent("a", roles), call("crm/export", arguments), &[usable(grant.clone())], now()))
    };
    for grant in [&grant, &faulty] {
        assert_eq!(ask(&["r"], grant), "allow rbac granted");
        assert_eq!(ask(&[], grant), "deny default_deny policy_error");
    }
}

#[test]
fn a_set_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&set(&[]));
}

#[test]
fn the_agent_and_its_user_must_both_be_allowed() {
    let set = set(&[ROLE]);
    for (agent_roles, user_roles, expected) in [
        (&["r"][..], &["r"][..], "allow rbac granted"),
        (&["r"], &[], "deny default_deny no_grant"),
        (&[], &["r"], "deny default_deny no_grant"),
    ] {
        let subject = acting_for(agent("a", agent_roles), "u", user_roles);
        assert_eq!(short(&set.decide(&subject, export("eu", 1), &[], now())), expected);
    }
}

#[test]
fn a_guardrail_sees_the_roles_of_the_user_from_the_side_of_the_agent() {
    let guard = (
        "guardrails/hard/u.cedar",
        r#"@id("contractors") @level("hard") @owner("o") forbid (principal is Agent, action, resource)
           when { context has user && context.user in Role::"contractor" };"#,
    );
    let set = set(&[ROLE, guard]);
    let ask = |roles: &[&str]| {
        let subject = acting_for(agent("a", &["r"]), "u", roles);
        short(&set.decide(&subject, export("eu", 1), &[], now()))
    };
    assert_eq!(ask(&["r"]), "allow rbac granted");
    assert_eq!(ask(&["r", "contractor"]), "deny guardrail hard_guardrail");
}

#[test]
fn advisories_are_reported_and_change_nothing() {
    let set = set(&[ROLE, ADVISORY]);
    for (rows, notes) in [(1, 0), (200, 1)] {
        let decision = set.decide(&agent("a", &["r"]), export("eu", rows), &[], now());
        assert_eq!(short(&decision), "allow rbac granted");
        assert_eq!(decision.verdict().advisories.len(), notes);
    }
    let erring = ("guardrails/advisory/b.cedar", &ERRING.1.replace("\"hard\"", "\"advisory\"")[..]);
    let set = super::house::set(&[ROLE, erring]);
    let decision = set.decide(&agent("a", &["r"]), export("eu", 2), &[], now());
    assert_eq!(short(&decision), "deny default_deny policy_error");
}

#[test]
fn an_exception_is_asked_for_only_where_policy_says_so_and_no_guardrail_speaks() {
    let set = set(&[ROLE, HARD, SOFT]);
    for (region, roles, expected) in
        [("eu", &["q"][..], true), ("eu", &[], false), ("cn", &["q"], false), ("ca", &["q"], false)]
    {
        let Decision::Deny(denial) = set.decide(&agent("a", roles), export(region, 1), &[], now()) else { panic!() };
        assert_eq!(denial.requestable, expected, "{region}");
    }
}

#[test]
fn a_refusal_names_the_exception_that_came_closest() {
    let set = set(&[ROLE]);
    let suspended = Standing::Suspended(SuspendReason::Manual);
    let expired = |mut grant: crate::domain::Grant| {
        grant.window.not_after = now();
        grant
    };
    for (candidate, expected) in [
        (standing(grant(), suspended), "deny default_deny exception_suspended"),
        (standing(grant(), Standing::Exhausted), "deny default_deny exception_exhausted"),
        (usable(expired(grant())), "deny default_deny exception_expired"),
    ] {
        let decision = set.decide(&agent("a", &[]), export("eu", 1), &[candidate], now());
        assert_eq!(short(&decision), expected);
        assert_eq!(decision.verdict().exception.as_ref().unwrap().as_str(), "EX-1");
    }
}

#[test]
fn of_several_exceptions_the_strictest_wins_then_the_earliest_end_then_the_id() {
    let named = |id: &str, duties: usize, end: &str| {
        let mut grant = grant();
        grant.exception = id.parse().unwrap();
        grant.digest = crate::domain::Digest::of(id.as_bytes());
        grant.obligations.truncate(duties);
        grant.window.not_after = super::house::at(end);
        usable(grant)
    };
    let (late, early) = ("2026-12-01T00:00:00Z", "2026-11-20T00:00:00Z");
    let all = [named("EX-1", 1, early), named("EX-4", 2, early), named("EX-3", 2, early), named("EX-2", 2, late)];
    let set = set(&[ROLE]);
    let Decision::Permit(permit) = set.decide(&agent("a", &[]), export("eu", 1), &all, now()) else { panic!() };
    assert_eq!(permit.grant().unwrap().exception.as_str(), "EX-3");
    let others: Vec<_> = permit.verdict().passed_over.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(others, ["EX-4", "EX-2", "EX-1"]);
    assert_eq!(permit.verdict().controls, ["audit.write_ahead", "args.constrain"]);
}

#[test]
fn a_break_glass_exception_says_so() {
    let mut grant = grant();
    grant.kind = Kind::BreakGlass;
    let decision = set(&[]).decide(&agent("a", &[]), export("eu", 1), &[usable(grant)], now());
    assert_eq!(short(&decision), "allow break_glass granted");
}

#[test]
fn a_tool_whose_definition_is_not_the_one_that_was_typed_is_refused() {
    let set = set(&[("roles/all.cedar", r#"@id("all") permit (principal in Role::"r", action, resource);"#)]);
    let changed = super::house::tool("crm/read", json!({"type": "object", "description": "changed"}));
    let call = crate::catalog::ToolCall::check(changed, None, Vec::new()).unwrap();
    assert_eq!(short(&set.decide(&agent("a", &["r"]), call, &[usable(grant())], now())), "deny default_deny stale");
}

/// T067
#[test]
fn no_policies_means_no() {
    let set = set(&[]);
    assert_eq!(short(&set.decide(&agent("a", &["r"]), export("eu", 1), &[], now())), "deny default_deny no_grant");
    assert_eq!(set.registry(), &crate::domain::Registry::default());
}

/// T060, T062: names are compared as pairs, never by prefix.
#[test]
fn a_server_does_not_cover_another_whose_name_begins_alike() {
    let role = (
        "roles/a.cedar",
        r#"@id("fs") permit (principal in Role::"r", action in Action::"call", resource in Server::"fs");"#,
    );
    let mut tools = super::house::tools();
    tools.push(super::house::tool("fs-admin/read", json!({"type": "object"})));
    let set = crate::policy::compile(&super::house::sources(&[role]), &tools).unwrap();
    let other = crate::catalog::ToolCall::check(tools.pop().unwrap(), None, Vec::new()).unwrap();
    let subject = agent("a", &["r"]);
    assert_eq!(short(&set.decide(&subject, call("fs/read", json!({"path": "x"})), &[], now())), "allow rbac granted");
    assert_eq!(short(&set.decide(&subject, other, &[], now())), "deny default_deny no_grant");
}

fn exemption(rules: &[&str]) -> Grant {
    let rules = rules.iter().map(|id| std::sync::Arc::from(*id)).collect();
    Grant { kind: Kind::RuleExemption, rules, arguments: Vec::new(), ..grant() }
}

/// I7
#[test]
fn an_exemption_lifts_the_soft_guardrails_that_it_names_and_a_role_must_permit_the_call() {
    const SECOND: (&str, &str) = (
        "guardrails/soft/b.cedar",
        r#"@id("second") @level("soft") @owner("o")
           forbid (principal, action == Action::"crm/export", resource) when { context.input.region == "cz" };"#,
    );
    let set = set(&[ROLE, HARD, SOFT, SECOND]);
    let table = [
        // region, rules that are named, roles, expected
        ("ca", &["soft"][..], &["r"][..], "allow exception granted"),
        ("ca", &["second"], &["r"], "deny guardrail soft_guardrail"),
        ("ca", &["soft"], &[], "deny guardrail soft_guardrail"),
        ("cn", &["soft", "hard"], &["r"], "deny guardrail hard_guardrail"),
        ("cz", &["soft"], &["r"], "deny guardrail soft_guardrail"),
        ("cz", &["soft", "second"], &["r"], "allow exception granted"),
        ("eu", &["soft"], &["r"], "allow rbac granted"),
        ("eu", &["soft"], &[], "deny default_deny no_grant"),
    ];
    for (region, rules, roles, expected) in table {
        let candidates = [usable(exemption(rules))];
        let decision = set.decide(&agent("a", roles), export(region, 1), &candidates, now());
        assert_eq!(short(&decision), expected, "{region} {rules:?} {roles:?}");
    }
    let two =
        [usable(exemption(&["soft"])), usable(Grant { exception: "EX-2".parse().unwrap(), ..exemption(&["second"]) })];
    let decision = set.decide(&agent("a", &["r"]), export("cz", 1), &two, now());
    assert_eq!(short(&decision), "deny guardrail soft_guardrail", "no call is carried by two exceptions");
    let pilot = [
        usable(exemption(&["soft"])),
        usable(Grant { exception: "EX-2".parse().unwrap(), arguments: Vec::new(), ..grant() }),
    ];
    let decision = set.decide(&agent("a", &[]), export("ca", 1), &pilot, now());
    assert_eq!(short(&decision), "deny guardrail soft_guardrail", "nor by an exemption and a pilot");
}

#[test]
fn what_was_lifted_names_the_role_and_the_exemption_and_carries_its_controls() {
    let set = set(&[ROLE, SOFT]);
    let decision = set.decide(&agent("a", &["r"]), export("ca", 1), &[usable(exemption(&["soft"]))], now());
    let Decision::Permit(permit) = decision else { panic!("{decision:?}") };
    let verdict = permit.verdict();
    assert_eq!(verdict.determining.iter().map(|id| &**id).collect::<Vec<_>>(), ["role", "EX-1"]);
    assert_eq!(verdict.exception, Some("EX-1".parse().unwrap()));
    assert!(permit.grant().is_some() && !verdict.controls.is_empty());
    let held = standing(exemption(&["soft"]), Standing::Suspended(SuspendReason::MilestoneOverdue));
    let decision = set.decide(&agent("a", &["r"]), export("ca", 1), &[held], now());
    assert_eq!(short(&decision), "deny guardrail exception_suspended");
}
