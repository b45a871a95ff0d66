//! What an edit of policies, registries included, gains and loses: roles must not become a way around exceptions.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_symcc::implies_asserts;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    answer::Example,
    cast::{Part, Principal},
    ground::Ground,
    prover::{Prover, Session},
    words::example,
    world::{agent, person},
};
use crate::{
    domain::{RoleName, limits},
    policy::{rule::Rule, set::PolicySet},
};

/// How many answers that nobody knows are named.
const NAMED: usize = 32;

/// Something that is permitted on one side only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Who.
    pub principal: String,
    /// What: a tool, the wish for one, or a verb.
    pub what: String,
    /// Whether it is new; otherwise it is gone.
    pub gained: bool,
    /// One such call.
    pub example: Example,
}

/// What an edit of roles and guardrails gains and loses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What is permitted on one side only.
    pub changes: Vec<Change>,
    /// Where nobody knows, and why.
    pub not_proven: Vec<String>,
    /// Combinations of principal and action that were looked at.
    pub compared: usize,
    /// Those of them whose policies differ, so that the solver was asked.
    pub asked: usize,
    /// How long it took.
    pub millis: u64,
}

/// Compares two sets.
pub(super) async fn compare(prover: &Prover, before: &PolicySet, after: &PolicySet) -> Comparison {
    let since = Instant::now();
    let mut work = Work { session: prover.session(), before, after, found: Comparison::default(), unknown: 0 };
    match Ground::all(&[before, after]) {
        Ok(grounds) => work.all(&grounds).await,
        Err(why) => work.unknown(why),
    }
    if let Some(more) = work.unknown.checked_sub(NAMED).filter(|more| *more > 0) {
        work.found.not_proven.push(format!("and {more} more"));
    }
    work.found.millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    work.found
}

struct Work<'a> {
    session: Session<'a>,
    before: &'a PolicySet,
    after: &'a PolicySet,
    found: Comparison,
    unknown: usize,
}

impl Work<'_> {
    fn unknown(&mut self, why: String) {
        self.unknown += 1;
        if self.unknown <= NAMED {
            self.found.not_proven.push(why);
        }
    }

    /// Policies that sleep cannot be compared; silence about them would be taken for an answer.
    fn sleepers(&mut self, grounds: &[Ground]) {
        let roles = |set: &PolicySet| -> Vec<_> {
            let agents = set.registry().agents.iter().map(|(id, entry)| (id.to_string(), entry.roles.clone()));
            agents
                .chain(set.registry().people.iter().map(|(id, entry)| (id.to_string(), entry.roles.clone())))
                .collect()
        };
        let same_holders = roles(self.before) == roles(self.after);
        for (set, other) in [(self.before, self.after), (self.after, self.before)] {
            for rule in set.rules.iter().filter(|rule| Ground::none_for(grounds, rule, set)) {
                let twin = other.rules.iter().any(|twin| rule.level == twin.level && rule.policy == twin.policy);
                if !(twin && same_holders) {
                    let (id, file, line) = (&rule.id, &rule.file, rule.line);
                    self.unknown(format!("`{id}` ({file}:{line}): it names or needs tools of which none is approved"));
                }
            }
        }
    }

    async fn all(&mut self, grounds: &[Ground]) {
        self.sleepers(grounds);
        let principals = principals(self.before, self.after);
        for ground in grounds {
            let typed_alike = typed_alike(ground, self.before, self.after);
            for (name, parts) in &principals {
                self.found.compared += 1;
                let [old, new] = [(self.before, &parts.0), (self.after, &parts.1)]
                    .map(|(set, part)| ground.rules(&set.rules, Principal::Known(part)));
                if same(&old, &new) && parts.0.parents == parts.1.parents && typed_alike {
                    continue;
                }
                let place = format!("{name}, {}", ground.label);
                if self.found.asked >= limits::PROOF_ENVIRONMENTS {
                    self.unknown(format!("{place}: more than {} differ", limits::PROOF_ENVIRONMENTS));
                    continue;
                }
                self.found.asked += 1;
                if !typed_alike {
                    self.unknown(format!("{place}: the tool's definition is not the same on both sides"));
                } else if let Err(why) = self.pair(ground, name, (&old, &parts.0), (&new, &parts.1)).await {
                    self.unknown(format!("{place}: {why}"));
                }
            }
        }
    }

    async fn pair(
        &mut self,
        ground: &Ground,
        name: &str,
        old: (&[&Rule], &Part),
        new: (&[&Rule], &Part),
    ) -> Result<(), String> {
        self.session.ready()?;
        let [old, new] = [old, new].map(|(rules, part)| {
            let bound = ground.bind(rules, (Principal::Known(part), None), "")?;
            ground.compile_all(bound.policies.iter().map(|(_, _, policy)| policy))
        });
        let (old, new) = (old?, new?);
        for (gained, has, lacks) in [(true, &new, &old), (false, &old, &new)] {
            if let Some(env) = self.session.find(&implies_asserts(has, lacks)).await? {
                let example = example(&env, Some(name.to_owned()), Vec::new());
                let (principal, what) = (name.to_owned(), ground.label.clone());
                self.found.changes.push(Change { principal, what, gained, example });
            }
        }
        Ok(())
    }
}

fn same(one: &[&Rule], other: &[&Rule]) -> bool {
    one.len() == other.len()
        && one.iter().all(|rule| other.iter().any(|twin| rule.level == twin.level && rule.policy == twin.policy))
}

/// Whether the tool has one definition on both sides.
fn typed_alike(ground: &Ground, before: &PolicySet, after: &PolicySet) -> bool {
    let Some(tool) = ground.resource.as_ref().and_then(|part| before.names.as_tool(&part.uid)) else { return true };
    match (before.tool(&tool), after.tool(&tool)) {
        (Some(one), Some(other)) => one.tool.digest == other.tool.digest,
        (_, _) => true,
    }
}

/// Principals by name, each as it is before and after.
fn principals(before: &PolicySet, after: &PolicySet) -> BTreeMap<String, (Part, Part)> {
    let mut all = BTreeMap::new();
    let mut add = |name: String, make: &dyn Fn(&PolicySet) -> Part| {
        all.insert(name, (make(before), make(after)));
    };
    let mut roles: BTreeSet<RoleName> = BTreeSet::new();
    for set in [before, after] {
        for id in set.registry().agents.keys() {
            add(format!("agent `{id}`"), &|set| agent(set, id));
        }
        for id in set.registry().people.keys() {
            add(format!("person `{id}`"), &|set| person(set, id));
        }
        let literals = set.rules.iter().flat_map(|rule| rule.policy.entity_literals());
        roles.extend(literals.filter_map(|uid| set.names.as_role(&uid).map(RoleName::from)));
    }
    // Ids of agents and people have no spaces, so that these are nobody's.
    let alone = " only this ";
    add("an agent without a role".to_owned(), &|set| Part { uid: set.names.agent(alone), parents: Vec::new() });
    for role in &roles {
        let parents = |set: &PolicySet| vec![set.names.role(role)];
        add(format!("an agent with the role `{role}`"), &|set| Part {
            uid: set.names.agent(alone),
            parents: parents(set),
        });
        add(format!("a person with the role `{role}`"), &|set| Part {
            uid: set.names.user(alone),
            parents: parents(set),
        });
    }
    all
}
