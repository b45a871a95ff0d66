//! Everything that is wrong with the files, each with its place.

use super::house::{findings, set, sources, tools};
use crate::{domain::Findings, policy::compile};

fn places(findings: &Findings) -> Vec<(&str, usize)> {
    findings.0.iter().map(|finding| (finding.file.as_str(), finding.line)).collect()
}

#[track_caller]
fn only(path: &str, text: &str, line: usize, part: &str) {
    let found = findings(&[(path, text)]);
    assert!(
        found.0.iter().any(|f| f.line == line && f.message.contains(part)) && found.0.iter().all(|f| f.file == path),
        "{found}"
    );
}

#[test]
fn a_syntax_error_names_its_line() {
    only(
        "roles/a.cedar",
        "// a\n@id(\"x\")\npermit (principal in Role::\"r\" action, resource);\n",
        3,
        "unexpected token",
    );
    only("roles/a.cedar", "permit (principal == ?principal, action, resource);", 1, "templates");
}

#[test]
fn strict_validation_names_the_line_of_the_expression() {
    let policy =
        "@id(\"x\")\npermit (\n  principal in Role::\"r\", action == Action::\"crm/export\", resource\n)\nwhen {\n";
    for (condition, part) in [
        ("  context.input.regoin == \"eu\"\n};", "regoin"),
        ("  context.input.ratio == decimal(\"1.0\")\n};", "ratio"),
        ("  context.input.region == 1\n};", "compatible"),
    ] {
        only("roles/a.cedar", &format!("{policy}{condition}"), 6, part);
    }
    only(
        "roles/a.cedar",
        "\n@id(\"x\")\npermit (principal in Role::\"r\", action == Action::\"crm-export\", resource);",
        3,
        "crm-export",
    );
    only("roles/a.cedar", "@id(\"x\") permit (principal in Rule::\"r\", action, resource);", 1, "Rule");
}

#[test]
fn warnings_are_errors() {
    let impossible = "\n@id(\"x\")\npermit (principal in Role::\"r\", action == Action::\"crm/export\", resource in Server::\"fs\")\nwhen { false };";
    only("roles/a.cedar", impossible, 2, "impossible");
    only(
        "roles/a.cedar",
        "@id(\"x\") permit (principal in Role::\"r\", action, resource in Role::\"r\");",
        1,
        "impossible",
    );
}

#[test]
fn an_argument_without_a_type_cannot_be_read() {
    let text = "@id(\"x\") permit (principal in Role::\"r\", action == Action::\"crm/export\", resource)\nwhen { context.input has mixed && context.input.mixed == \"a\" };";
    only("roles/a.cedar", text, 1, "it may have one of several types");
}

#[test]
fn roles_only_permit_and_guardrails_only_forbid_and_say_who_they_are() {
    let permit = "permit (principal in Role::\"r\", action, resource);";
    let forbid = "forbid (principal, action, resource);";
    only("roles/a.cedar", permit, 1, "needs `@id");
    only("roles/a.cedar", &format!("@id(\"x\") {forbid}"), 1, "only permit");
    only("roles/a.cedar", "@id(\"x\") permit (principal, action, resource);", 1, "name a role");
    only(
        "roles/a.cedar",
        "@id(\"x\") permit (principal in Role::\"r\", action == Action::\"call\", resource);",
        1,
        "is a group",
    );
    only("guardrails/hard/a.cedar", &format!("@id(\"x\") @level(\"hard\") @owner(\"o\") {permit}"), 1, "only forbid");
    only("guardrails/hard/a.cedar", &format!("@id(\"x\") @owner(\"o\") {forbid}"), 1, "needs @level(\"hard\")");
    only("guardrails/hard/a.cedar", &format!("@id(\"x\") @level(\"soft\") @owner(\"o\") {forbid}"), 1, "stands in");
    only("guardrails/soft/a.cedar", &format!("@id(\"x\") @level(\"soft\") {forbid}"), 1, "needs @owner");
}

/// Only the roles of the agent and of its user are known; of anybody else the answer would always be no.
#[test]
fn nobody_asks_for_the_roles_of_a_stranger() {
    let guard = |condition: &str| {
        format!(
            "@id(\"x\") @level(\"hard\") @owner(\"o\")\nforbid (principal, action in Action::\"call\", resource) when {{ {condition} }};"
        )
    };
    for condition in [
        "Agent::\"z\" in Role::\"r\"",
        "(if principal is Agent then Agent::\"z\" else User::\"z\") in Role::\"r\"",
        "[1].contains(2) || User::\"u\" in [Role::\"r\"]",
    ] {
        let found = findings(&[("guardrails/hard/a.cedar", &guard(condition))]);
        assert!(found.to_string().contains("a stranger to the call"), "{condition}: {found}");
    }
    for condition in [
        "principal in Role::\"r\"",
        "context has user && context.user in [Role::\"r\", Role::\"s\"]",
        "resource in Server::\"fs\"",
    ] {
        set(&[("guardrails/hard/a.cedar", &guard(condition))]);
    }
}

#[test]
fn an_id_is_used_once_over_all_files() {
    let text = "\n@id(\"x\") permit (principal in Role::\"r\", action, resource);";
    let found = findings(&[("roles/a.cedar", text), ("roles/b.cedar", text)]);
    assert_eq!(places(&found), [("roles/b.cedar", 2)]);
    assert!(found.to_string().contains("already used at roles/a.cedar:2"), "{found}");
}

#[test]
fn all_faults_are_told_at_once() {
    let found = findings(&[
        ("roles/a.cedar", "permit ("),
        ("roles/sub/b.cedar", ""),
        ("agents.yaml", "agents:\n  a: {owner: nobody, operator: u, channel: c}\n  b: {owner: u}\n"),
        ("people.yaml", "people:\n  u: {duties: [own]}\n  v: {duties: [fly]}\n"),
    ]);
    assert_eq!(
        places(&found),
        [("agents.yaml", 3), ("agents.yaml", 3), ("people.yaml", 3), ("roles/a.cedar", 1), ("roles/sub/b.cedar", 0)]
    );
}

#[test]
fn owners_and_operators_are_people_that_people_yaml_knows() {
    let found = findings(&[
        ("agents.yaml", "agents:\n  a:\n    owner: u\n    operator: nobody\n    channel: c\n"),
        ("people.yaml", "people:\n  u: {}\n"),
    ]);
    assert_eq!(
        found.to_string(),
        "agents.yaml:4: /agents/a/operator: `nobody` is not in people.yaml; add the person, or name another"
    );
}

#[test]
fn the_registry_reads_what_is_left_out_as_the_careful_default() {
    let set = set(&[
        ("agents.yaml", "agents:\n  a: {owner: u, operator: u, channel: c}\n"),
        ("people.yaml", "people:\n  u: {}\n"),
    ]);
    let registry = set.registry();
    assert!(registry.agents[&"a".into()].roles.is_empty());
    let person = &registry.people[&"u".into()];
    assert!(person.duties.is_empty() && person.roles.is_empty() && person.active);
}

#[test]
fn a_policy_on_a_tool_that_is_not_there_sleeps_and_says_so() {
    let files = [(
        "roles/a.cedar",
        "@id(\"a\") permit (principal in Role::\"r\", action == Action::\"crm/gone\", resource) when { context.input.x == 1 };
         @id(\"b\") permit (principal in Role::\"r\", action in Action::\"call\", resource in Server::\"gone\");
         @id(\"c\") permit (principal in Role::\"r\", action == Action::\"request\", resource == Tool::\"crm/gone\");
         @id(\"d\") permit (principal in Role::\"r\", action in [Action::\"crm/export\", Action::\"crm/gone\"], resource)
         when { context.input.region == \"eu\" };",
    )];
    let set = set(&files);
    let notes = set.notes();
    let asleep =
        notes.0.iter().filter(|note| note.message.contains("sleeps")).map(|note| note.line).collect::<Vec<_>>();
    assert_eq!((asleep, notes.0.len()), (vec![1, 2, 3], 4), "{notes}");
    let subject = super::house::agent("a", &["r"]);
    let decision = set.decide(&subject, super::house::export("eu", 1), &[], super::house::now());
    assert_eq!(super::house::short(&decision), "allow rbac granted");
    // Without any tool, everything that is well written sleeps.
    assert!(compile(&sources(&files), &[]).is_ok());
    let misspelt = sources(&[("roles/a.cedar", "@id(\"a\") permit (principal in Rule::\"r\", action, resource);")]);
    assert!(compile(&misspelt, &[]).is_err());
}

/// A forbid that covers a tool which is there never sleeps because of another that is not.
#[test]
fn a_guardrail_over_two_tools_holds_when_one_of_them_is_gone() {
    let role = ("roles/a.cedar", "@id(\"r\") permit (principal in Role::\"r\", action in Action::\"call\", resource);");
    let guard = (
        "guardrails/hard/a.cedar",
        "@id(\"g\") @level(\"hard\") @owner(\"o\")
         forbid (principal, action in [Action::\"crm/export\", Action::\"crm/gone\"], resource) when { context.input.region == \"cn\" };",
    );
    let set = set(&[role, guard]);
    let subject = super::house::agent("a", &["r"]);
    let decision = set.decide(&subject, super::house::export("cn", 1), &[], super::house::now());
    assert_eq!(super::house::short(&decision), "deny guardrail hard_guardrail");
}

#[test]
fn the_digest_names_the_files_and_the_definitions() {
    let role = ("roles/a.cedar", "@id(\"r\") permit (principal in Role::\"r\", action in Action::\"call\", resource);");
    let (one, two) = (set(&[role, ("README.md", "x")]), set(&[("README.md", "x"), role]));
    assert_eq!(one.digest(), two.digest());
    assert_ne!(one.digest(), set(&[role, ("README.md", "y")]).digest());
    assert_ne!(one.digest(), compile(&sources(&[role, ("README.md", "x")]), &tools()[1..]).unwrap().digest());
    assert_eq!(one.policy("r").unwrap().line, 1);
    assert!(one.cedar_schema().unwrap().contains("crm/export"));
}

#[test]
fn a_role_for_every_call_waits_where_no_tool_is_known_yet() {
    let role =
        ("roles/a.cedar", "@id(\"x\")\npermit (principal in Role::\"r\", action in Action::\"call\", resource);\n");
    assert!(compile(&sources(&[role]), &[]).is_ok());
}
