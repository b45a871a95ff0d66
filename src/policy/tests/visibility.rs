//! What a subject sees before any argument is known.

use super::house::{agent, at, grant, now, set, standing, tools, usable};
use crate::{
    domain::{Standing, Subject, SuspendReason},
    policy::Visibility,
};

const FILES: [(&str, &str); 2] = [
    (
        "roles/a.cedar",
        r#"@id("always") permit (principal in Role::"r", action == Action::"crm/read", resource);
           @id("some") permit (principal in Role::"r", action == Action::"crm/export", resource) when { context.input.region == "eu" };
           @id("timed") permit (principal in Role::"t", action == Action::"crm/read", resource) when { context.now < datetime("2026-01-01") };
           @id("never") permit (principal in Role::"n", action == Action::"crm/read", resource) when { principal == Agent::"z" };
           @id("ask") permit (principal in Role::"q", action == Action::"request", resource in Server::"crm");"#,
    ),
    (
        "guardrails/hard/a.cedar",
        r#"@id("banned") @level("hard") @owner("o") forbid (principal in Role::"banned", action, resource);
           @id("cn") @level("hard") @owner("o") forbid (principal, action == Action::"crm/export", resource) when { context.input.region == "cn" };"#,
    ),
];

#[test]
fn roles_show_what_they_permit_and_what_depends() {
    let set = set(&FILES);
    let [export, read, path] = <[_; 3]>::try_from(tools()).unwrap();
    let sees = |roles: &[&str], tool| set.visibility(&agent("a", roles), tool, &[], now());
    assert_eq!(sees(&["r"], &read), Visibility::Allowed);
    assert_eq!(sees(&["r"], &export), Visibility::Depends);
    assert_eq!(sees(&["r"], &path), Visibility::Hidden);
    assert_eq!(sees(&["t"], &read), Visibility::Depends);
    assert_eq!(sees(&["n"], &read), Visibility::Hidden);
    assert_eq!(sees(&["q"], &export), Visibility::Requestable);
    assert_eq!(sees(&["q"], &path), Visibility::Hidden);
    assert_eq!(sees(&["r", "banned"], &read), Visibility::Hidden);
    assert_eq!(sees(&["q", "banned"], &export), Visibility::Hidden);
    assert_eq!(set.visibility(&agent("z", &["n"]), &read, &[], now()), Visibility::Allowed);
}

#[test]
fn the_user_narrows_what_the_agent_sees() {
    let set = set(&FILES);
    let read = &tools()[1];
    for (roles, expected) in [
        (&["r"][..], Visibility::Allowed),
        (&["t"], Visibility::Depends),
        (&[], Visibility::Hidden),
        (&["r", "banned"], Visibility::Hidden),
    ] {
        let subject = super::house::acting_for(agent("a", &["r"]), "u", roles);
        assert_eq!(set.visibility(&subject, read, &[], now()), expected, "{roles:?}");
    }
}

#[test]
fn an_exception_shows_its_tool_while_it_lasts_suspended_or_not() {
    let set = set(&FILES);
    let export = &tools()[0];
    let sees = |id, candidate, moment| set.visibility(&agent(id, &[]), export, &[candidate], at(moment));
    let suspended = Standing::Suspended(SuspendReason::ControlUnhealthy);
    assert_eq!(sees("a", usable(grant()), "2026-11-10T00:00:00Z"), Visibility::Exception);
    assert_eq!(sees("a", standing(grant(), suspended), "2026-11-10T00:00:00Z"), Visibility::Exception);
    assert_eq!(sees("a", standing(grant(), Standing::Exhausted), "2026-11-10T00:00:00Z"), Visibility::Exception);
    assert_eq!(sees("b", usable(grant()), "2026-11-10T00:00:00Z"), Visibility::Hidden);
    assert_eq!(sees("a", usable(grant()), "2026-10-31T00:00:00Z"), Visibility::Hidden);
    assert_eq!(sees("a", usable(grant()), "2026-12-01T00:00:00Z"), Visibility::Hidden);
    let banned = set.visibility(&agent("a", &["banned"]), export, &[usable(grant())], now());
    assert_eq!(banned, Visibility::Hidden);
}

#[test]
fn a_tool_that_labels_close_is_not_listed_and_a_call_of_it_still_says_why() {
    let set = set(&[
        (
            "roles/a.cedar",
            r#"@id("r") permit (principal in Role::"r", action == Action::"crm/read", resource);
               @id("e") permit (principal in Role::"r", action == Action::"crm/export", resource) when { context.input.region == "eu" };
               @id("f") permit (principal in Role::"r", action == Action::"fs/read", resource) unless { context.taints.contains("pii") };"#,
        ),
        (
            "guardrails/hard/a.cedar",
            r#"@id("read") @level("hard") @owner("o") forbid (principal, action == Action::"crm/read", resource)
               when { context.taints.contains("pii") };
               @id("both") @level("hard") @owner("o") forbid (principal, action == Action::"crm/export", resource)
               when { context.taints.contains("pii") && context.input.region == "cn" };"#,
        ),
    ]);
    let [export, read, path] = <[_; 3]>::try_from(tools()).unwrap();
    let plain = agent("a", &["r"]);
    let marked =
        |labels: &[&str]| Subject { taints: labels.iter().map(|l| (*l).to_owned()).collect(), ..plain.clone() };
    let lists = |subject: &Subject, tool| set.listed(subject, tool, &[], now());
    for subject in [&plain, &marked(&["other"])] {
        assert_eq!(lists(subject, &read), set.visibility(&plain, &read, &[], now()));
        assert_ne!(lists(subject, &read), Visibility::Hidden);
        assert_ne!(lists(subject, &path), Visibility::Hidden);
    }
    let pii = marked(&["pii"]);
    assert_eq!(lists(&pii, &read), Visibility::Hidden);
    assert_eq!(lists(&pii, &path), Visibility::Hidden, "no role permits it any more");
    assert_eq!(lists(&pii, &export), Visibility::Depends, "the arguments count too");
    assert_ne!(set.visibility(&pii, &read, &[], now()), Visibility::Hidden);
}
