//! Roles before the solver: what can fail, what an edit gains and loses, and what a graduation gains.

use std::sync::Arc;

use super::support::{REGISTRY, house, refuted, solver};
use crate::policy::{
    SourceFile,
    proof::{Answer, Comparison, Graduation, compare, nothing_gained, policy_proofs},
    tests::house::{grant, set},
};

fn export(condition: &str) -> String {
    format!(
        "@id(\"r\") permit (principal in Role::\"reader\", action == Action::\"crm/export\", resource) {condition};"
    )
}

#[test]
fn a_policy_that_can_overflow_is_shown_and_others_are_proven() {
    let Some(prover) = solver() else { return };
    let files = "@id(\"sum\") permit (principal in Role::\"x\", action == Action::\"crm/export\", resource)\
                 when { context.input.max_rows + 1 > 5 };\n\
                 @id(\"fine\") permit (principal in Role::\"x\", action in Action::\"call\", resource in Server::\"crm\");\n\
                 @id(\"also\") permit (principal in Role::\"x\", action == Action::\"crm/export\", resource)\
                 when { context.input.max_rows > 5 };\n\
                 @id(\"read\") permit (principal in Role::\"x\", action == Action::\"read\", resource)\
                 when { context.input.path like \"/a*\" };";
    let proofs = policy_proofs(&prover, &house(&[("roles/x.cedar", files)]));
    let answers: Vec<_> = proofs.iter().map(|proof| (proof.about.as_str(), proof.answer.is_proven())).collect();
    assert_eq!(answers, [("sum", false), ("fine", true), ("also", true), ("read", true)]);
    assert!(refuted(&proofs[0].answer).contains("\"max_rows\": 9223372036854775807"));
}

fn edit(before: &[(&str, &str)], after: &[(&str, &str)]) -> Comparison {
    let found = compare(&solver().unwrap(), &house(before), &house(after));
    assert_eq!(found.not_proven, [""; 0]);
    found
}

fn lines(found: &Comparison) -> Vec<String> {
    let line = |gained: bool| if gained { "gained" } else { "lost" };
    found.changes.iter().map(|c| format!("{} {}: {}", c.principal, line(c.gained), c.what)).collect()
}

#[test]
fn an_edit_of_roles_shows_what_each_principal_gains_and_loses_with_a_call() {
    let Some(_) = solver() else { return };
    let (old, new) = (export("when { context.input.max_rows <= 10 }"), export("when { context.input.max_rows > 5 }"));
    let found = edit(&[("roles/x.cedar", &old)], &[("roles/x.cedar", &new)]);
    let who = ["agent `a`", "an agent with the role `reader`", "a person with the role `reader`"];
    for who in who {
        for what in ["gained", "lost"] {
            assert!(lines(&found).contains(&format!("{who} {what}: crm/export")), "{:?}", lines(&found));
        }
    }
    assert_eq!(found.changes.len(), 6);
    assert!(found.changes[0].example.to_string().contains("max_rows"), "{}", found.changes[0].example);
}

#[test]
fn an_edit_that_says_the_same_in_other_words_changes_nothing() {
    let Some(_) = solver() else { return };
    let (old, new) =
        (export("when { context.input.max_rows <= 10 }"), export("unless { context.input.max_rows > 10 }"));
    let found = edit(&[("roles/x.cedar", &old)], &[("roles/x.cedar", &new)]);
    assert_eq!((lines(&found), found.asked), (vec![], 3));
    let same = edit(&[("roles/x.cedar", &old)], &[("roles/y.cedar", &old)]);
    assert_eq!((same.changes.len(), same.asked), (0, 0));
}

#[test]
fn a_role_that_an_agent_is_given_is_a_gain_and_a_guardrail_a_loss() {
    let Some(prover) = solver() else { return };
    let role = export("");
    let agents = REGISTRY[1].1.replace(
        "  b: {owner: u, operator: v, channel: board}",
        "  b: {owner: u, operator: v, channel: board, roles: [reader]}",
    );
    let after = set(&[REGISTRY[0], ("agents.yaml", &agents), ("roles/x.cedar", &role)]);
    let found = compare(&prover, &house(&[("roles/x.cedar", &role)]), &after);
    assert_eq!(lines(&found), ["agent `b` gained: crm/export"]);
    let hard = super::support::hard("principal is Agent", "when { context.input.region == \"us\" }");
    let found = edit(&[("roles/x.cedar", &role)], &[("roles/x.cedar", &role), ("guardrails/hard/x.cedar", &hard)]);
    assert_eq!(lines(&found), ["agent `a` lost: crm/export", "an agent with the role `reader` lost: crm/export"]);
}

#[test]
fn a_candidate_role_gains_nothing_beyond_the_exception_or_is_shown_to() {
    let Some(prover) = solver() else { return };
    let grants = [Arc::new(grant())];
    let ask = |files: &[(&str, &str)], condition: &str, member: &str| {
        let text = format!(
            "@id(\"new\") permit (principal in Role::\"exporter\", action == Action::\"crm/export\", resource == Tool::\"crm/export\") \
             when {{ {condition} }};"
        );
        let candidate = SourceFile { path: "roles/new.cedar".into(), text };
        let role = "exporter".into();
        let members = [member.into()];
        let graduation = Graduation { candidate: &candidate, role: &role, grants: &grants, members: &members };
        nothing_gained(&prover, &house(files), graduation).unwrap().remove(0).answer
    };
    let within = "context.input.region == \"eu\" && context.input.max_rows >= 1 && context.input.max_rows <= 300 && \
                  !(context.input has include_pii)";
    let wider = "context.input.region == \"eu\" && context.input.max_rows <= 300 && !(context.input has include_pii)";
    assert_eq!(ask(&[], within, "a"), Answer::Proven);
    assert!(refuted(&ask(&[], wider, "a")).contains("max_rows"));
    assert!(refuted(&ask(&[], within, "b")).contains("agent `b`"));
    // What roles already permit is nothing gained; what else the role has is.
    assert_eq!(ask(&[("roles/x.cedar", &export(""))], wider, "a"), Answer::Proven);
    let other = "@id(\"o\") permit (principal in Role::\"exporter\", action == Action::\"fs/read\", resource);";
    assert!(refuted(&ask(&[("roles/x.cedar", other)], within, "a")).contains("fs/read"));
}

#[test]
fn what_sleeps_is_not_passed_over_in_silence() {
    let Some(prover) = solver() else { return };
    let role = |role: &str, tool: &str| {
        format!(
            "@id(\"r\") permit (principal in Role::\"{role}\", action == Action::\"{tool}\", resource == Tool::\"{tool}\");"
        )
    };
    let (old, new) = (role("reader", "crm/gone"), role("writer", "crm/gone"));
    let found = compare(&prover, &house(&[("roles/x.cedar", &old)]), &house(&[("roles/x.cedar", &new)]));
    assert!(found.changes.is_empty() && found.not_proven.len() == 2, "{found:?}");
    assert!(found.not_proven[0].contains("roles/x.cedar:1"), "{found:?}");
    let same = compare(&prover, &house(&[("roles/x.cedar", &old)]), &house(&[("roles/x.cedar", &old)]));
    assert_eq!(same.not_proven, [""; 0]);
    let candidate = SourceFile { path: "roles/new.cedar".into(), text: role("exporter", "crm/gone") };
    let (role, members) = ("exporter".into(), ["a".into()]);
    let graduation = Graduation { candidate: &candidate, role: &role, grants: &[], members: &members };
    let answer = nothing_gained(&prover, &house(&[]), graduation).unwrap().remove(0).answer;
    assert!(matches!(&answer, Answer::NotProven { .. }), "{answer}");
}
