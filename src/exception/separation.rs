//! Who may do what to an exception: requester, owner, operator and approver are different people (T081, I5).

use std::collections::BTreeMap;

use super::{
    Ceiling, Exception, Spec,
    approval::{may_approve, may_approve_kind},
};
use crate::domain::{AgentId, Document, Duty, Findings, Person, PersonId, Registry};

/// Whether the person has the duty now. The registry decides, not what the credential once said; only the first
/// administrator, whom no people.yaml names, has the duty from its key, and members of a group have what the group
/// gives while their token says so.
#[must_use]
pub(super) fn may(registry: &Registry, person: &Person, duty: Duty) -> bool {
    let first = duty == Duty::Administer
        && !registry.people.contains_key(&person.id)
        && person.duties.contains(&Duty::Administer);
    first || registry.may(&person.id, duty) || registry.may_by_group(person, duty)
}

/// Faults of the people and agents that the record names: unknown, not entitled, or one person in two parts.
pub(super) fn people(document: &Document, spec: &Spec, requester: &PersonId, registry: &Registry) -> Findings {
    let mut findings = Findings::default();
    let mut find = |path: &str, message: String| document.find(&mut findings, path, message);
    for (at, (agent, operator)) in operators(spec, registry).enumerate() {
        let path = place(document, agent).unwrap_or(at);
        let path = format!("/subject/agents/{path}");
        let Some(operator) = operator else {
            find(&path, format!("agents.yaml does not know `{agent}`: add it there, or name another"));
            continue;
        };
        for (part, person) in parts(spec, requester) {
            if person == operator {
                find(
                    &path,
                    format!("`{person}` operates this agent and cannot be its {part} as well: let another do it"),
                );
            }
        }
        let channel = registry.agents.get(agent).map(|entry| entry.channel.as_str());
        if channel != Some(spec.channel.as_str()) {
            let message = format!("`{agent}` was let in through `{}`: use that channel", channel.unwrap_or_default());
            find("/governance/channel", message);
        }
    }
    if spec.owner.human == *requester || spec.owner.backup.as_ref() == Some(requester) {
        find("/owner", format!("`{requester}` asks for it and cannot own it as well: let another do it"));
    }
    if spec.owner.backup.as_ref() == Some(&spec.owner.human) {
        find("/owner/backup", "the owner cannot be the backup as well: name another, or nobody".to_owned());
    }
    if let Some(rule_owner) = &spec.rule_owner {
        for rule in &spec.access.rules {
            match registry.soft_rules.get(rule) {
                Some(owner) if owner == rule_owner => {}
                Some(owner) => {
                    find("/rule_owner", format!("the rule `{rule}` is owned by `{owner}`: write that person"))
                }
                None => {
                    find("/rule_ids", format!("`{rule}` is no soft guardrail, and nothing else is lifted: remove it"))
                }
            }
        }
        let benefits = spec.subject.users.contains(rule_owner)
            || operators(spec, registry).any(|(_, operator)| operator == Some(rule_owner));
        if benefits {
            find(
                "/rule_owner",
                format!("`{rule_owner}` would benefit and cannot approve it: let another own the rule"),
            );
        }
        if !may_approve(registry, rule_owner) {
            find("/rule_owner", format!("`{rule_owner}` has no duty to approve in people.yaml, so nobody could"));
        }
        let part = parts(spec, requester).into_iter().find(|(_, person)| *person == rule_owner);
        if let Some((part, _)) = part {
            find("/rule_owner", format!("`{rule_owner}` is its {part} and cannot approve it: let another be that"));
        }
    }
    for (path, person) in [("/owner/human", Some(&spec.owner.human)), ("/owner/backup", spec.owner.backup.as_ref())] {
        if let Some(person) = person.filter(|person| !registry.may(person, Duty::Own)) {
            find(path, format!("`{person}` is not an active person with the duty `own` in people.yaml"));
        }
    }
    findings
}

/// Why this person cannot approve this exception, if so.
pub(super) fn approver(exception: &Exception, person: &PersonId, registry: &Registry) -> Result<(), String> {
    let kind = exception.spec.kind;
    if !may_approve_kind(registry, person, kind) {
        let vendor = if Ceiling::of(kind).vendor_risk { ", nor `vendor_risk`" } else { "" };
        return Err(format!("`{person}` has neither of the duties `approve` and `security`{vendor}"));
    }
    if let Some((part, _)) = parts(&exception.spec, &exception.requester).into_iter().find(|(_, one)| *one == person) {
        return Err(format!("`{person}` is its {part} and cannot approve it"));
    }
    if is_beneficiary(exception, person, registry) {
        return Err(format!(
            "`{person}` operates an agent that benefits, or is one it may act for, and cannot approve it"
        ));
    }
    Ok(())
}

/// Whether the person operates an agent that benefits, or is one that it may act for.
#[must_use]
pub(super) fn is_beneficiary(exception: &Exception, person: &PersonId, registry: &Registry) -> bool {
    exception.spec.subject.users.contains(person)
        || operators(&exception.spec, registry).any(|(_, operator)| operator == Some(person))
}

/// Whether the person is the owner or the backup, and may own now.
#[must_use]
pub(super) fn is_owner(exception: &Exception, person: &PersonId, registry: &Registry) -> bool {
    let owner = &exception.spec.owner;
    (owner.human == *person || owner.backup.as_ref() == Some(person)) && registry.may(person, Duty::Own)
}

/// Whether the person may suspend, resume or revoke: its owner, or whoever approves, does security or administers.
#[must_use]
pub(super) fn is_steward(exception: &Exception, person: &Person, registry: &Registry) -> bool {
    is_owner(exception, &person.id, registry)
        || may_approve_kind(registry, &person.id, exception.spec.kind)
        || may(registry, person, Duty::Administer)
}

/// Why this person cannot review this exception, if so.
pub(super) fn reviewer(exception: &Exception, person: &Person, registry: &Registry) -> Result<(), String> {
    let id = &person.id;
    if !(registry.may(id, Duty::Security) || may(registry, person, Duty::Audit)) {
        return Err(format!("`{id}` has neither of the duties `security` and `audit`"));
    }
    let part = parts(&exception.spec, &exception.requester).into_iter().any(|(_, one)| one == id);
    if part || is_beneficiary(exception, id, registry) {
        return Err(format!("`{id}` had a part in it and cannot review it"));
    }
    Ok(())
}

/// Requester, owner and backup, with what they are called.
fn parts<'a>(spec: &'a Spec, requester: &'a PersonId) -> Vec<(&'static str, &'a PersonId)> {
    let named =
        [("requester", Some(requester)), ("owner", Some(&spec.owner.human)), ("backup", spec.owner.backup.as_ref())];
    named.into_iter().filter_map(|(part, person)| person.map(|person| (part, person))).collect()
}

/// The agents with who operates each; `None` for an agent that the registry does not know.
fn operators<'a>(spec: &'a Spec, registry: &'a Registry) -> impl Iterator<Item = (&'a AgentId, Option<&'a PersonId>)> {
    let known: &BTreeMap<_, _> = &registry.agents;
    spec.subject.agents.iter().map(|agent| (agent, known.get(agent).map(|entry| &entry.operator)))
}

/// Where the document names the agent.
fn place(document: &Document, agent: &AgentId) -> Option<usize> {
    let agents = document.value.pointer("/subject/agents")?.as_array()?;
    agents.iter().position(|one| one.as_str() == Some(agent.as_str()))
}
