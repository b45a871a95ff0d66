//! Prompts, resources, and what servers ask of agents: roles and guardrails have the last word.

use super::house::{acting_for, agent, now, set};
use crate::{
    catalog::{Inquiry, Uri},
    domain::{Effect, Method, Reason, ServerName},
    policy::{Deed, PolicySet},
};

const ROLES: &str = r#"
@id("guide") permit (principal in Role::"guide", action == Action::"get", resource in Server::"crm");
@id("docs") permit (principal in Role::"guide", action == Action::"read", resource in Server::"fs")
when { context.input.scheme == "file" && context.input.path like "/docs/*" };
@id("ask") permit (principal in Role::"guide", action in [Action::"elicit", Action::"sample"], resource == Server::"crm");
@id("page") permit (principal in Role::"guide", action == Action::"elicit_url", resource == Server::"crm")
when { context.input.host == "login.example.org" };
@id("caller") permit (principal in Role::"caller", action in Action::"call", resource in Server::"crm");
"#;
const GUARD: &str = r#"
@id("no-secrets") @level("hard") @owner("sven") forbid (principal, action == Action::"read", resource)
when { context.input.path like "*secret*" };
"#;

fn policies() -> PolicySet {
    set(&[("roles/a.cedar", ROLES), ("guardrails/hard/a.cedar", GUARD)])
}

fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

fn reason(set: &PolicySet, roles: &[&str], deed: &Deed<'_>) -> Reason {
    let verdict = set.allows(&agent("a", roles), deed, now());
    assert_eq!(verdict.effect == Effect::Allow, verdict.reason == Reason::Granted);
    verdict.reason
}

#[test]
fn a_prompt_or_a_resource_needs_a_role_and_no_guardrail_against_it() {
    let set = policies();
    let (crm, fs) = (server("crm"), server("fs"));
    let uri = |text| Uri::parse(text).unwrap();
    assert_eq!(reason(&set, &["guide"], &Deed::Get(&crm, "welcome")), Reason::Granted);
    assert_eq!(reason(&set, &["guide"], &Deed::Get(&fs, "welcome")), Reason::NoGrant);
    assert_eq!(reason(&set, &["caller"], &Deed::Get(&crm, "welcome")), Reason::NoGrant);
    assert_eq!(reason(&set, &["guide"], &Deed::Read(&fs, &uri("file:///docs/a"))), Reason::Granted);
    assert_eq!(reason(&set, &["guide"], &Deed::Read(&fs, &uri("file:///etc/passwd"))), Reason::NoGrant);
    assert_eq!(reason(&set, &["guide"], &Deed::Read(&fs, &uri("file:///docs/secret"))), Reason::HardGuardrail);
    assert!(set.may_read(&agent("a", &["guide"]), &fs) && !set.may_read(&agent("a", &["guide"]), &crm));
    assert!(set.may_reach(&agent("a", &["caller"]), &crm) && !set.may_reach(&agent("a", &["caller"]), &fs));
}

/// T036
#[test]
fn a_server_asks_an_agent_only_what_a_role_lets_it_ask() {
    let set = policies();
    let (crm, fs) = (server("crm"), server("fs"));
    let uri = |text| Uri::parse(text).unwrap();
    assert_eq!(reason(&set, &["guide"], &Deed::Elicit(&crm)), Reason::Granted);
    assert_eq!(reason(&set, &["guide"], &Deed::Elicit(&fs)), Reason::NoGrant);
    assert_eq!(reason(&set, &["guide"], &Deed::Sample(&crm)), Reason::Granted);
    assert_eq!(reason(&set, &["guide"], &Deed::Roots(&crm)), Reason::NoGrant);
    let page = |url| reason(&set, &["guide"], &Deed::ElicitUrl(&crm, &uri(url)));
    assert_eq!(page("https://Login.example.org/start"), Reason::Granted);
    assert_eq!(page("https://login.example.org.evil.example/start"), Reason::NoGrant);
    assert!(set.may_send(&agent("a", &["guide"]), &crm) && !set.may_send(&agent("a", &["guide"]), &fs));
    assert!(!set.may_send(&agent("a", &["caller"]), &crm));
}

#[test]
fn the_person_that_an_agent_acts_for_must_be_permitted_too() {
    let set = policies();
    let crm = server("crm");
    let both = acting_for(agent("a", &["guide"]), "rita", &["guide"]);
    let one = acting_for(agent("a", &["guide"]), "rita", &[]);
    assert_eq!(set.allows(&both, &Deed::Get(&crm, "x"), now()).effect, Effect::Allow);
    assert_eq!(set.allows(&one, &Deed::Get(&crm, "x"), now()).effect, Effect::Deny);
}

#[test]
fn an_inquiry_is_cleared_or_the_verdict_says_why_not() {
    let set = policies();
    let prompt = |server_name: &str| Inquiry::prompt(server(server_name), "welcome", Vec::new()).unwrap();
    let subject = agent("a", &["guide"]);
    let clearance = set.judge(&subject, prompt("crm"), now()).unwrap();
    assert_eq!(clearance.verdict().determining.iter().map(|id| &**id).collect::<Vec<_>>(), ["guide"]);
    assert_eq!(set.judge(&subject, prompt("fs"), now()).unwrap_err().reason, Reason::NoGrant);
    let task = |tool: &str| Inquiry::task(Method::GetTask, super::house::reference(tool), "t1", Vec::new()).unwrap();
    assert!(set.judge(&agent("a", &["caller"]), task("crm/read"), now()).is_ok());
    assert!(set.judge(&subject, task("crm/read"), now()).is_err());
}
