//! One subject before one verb: the policies that can match whatever it is done to.

use std::{collections::HashSet, sync::Arc};

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityUid, PolicySet as CedarSet, Request};

use super::{
    bench::{Ruling, worse},
    model::{Mention, Names, Verb},
    rule::Rule,
    source::Level,
};
use crate::domain::Subject;

/// The policies that can match one subject's deeds of one verb. Advisory guardrails are not among them: they report on
/// calls of tools.
pub(super) struct Court {
    action: EntityUid,
    /// What the policies read.
    pub(super) mention: Mention,
    judges: Vec<Judge>,
    roles: HashSet<EntityUid>,
}

struct Judge {
    principal: EntityUid,
    roles: HashSet<EntityUid>,
    set: CedarSet,
    levels: Vec<(Arc<str>, Level)>,
}

impl Court {
    /// Picks the policies; `None` if Cedar refuses what is picked.
    pub(super) fn new(rules: &[Rule], verb: Verb, names: &Names, subject: &Subject) -> Option<Self> {
        let action = names.verb(verb);
        let mut principals = vec![(names.agent(subject.agent.as_str()), &subject.roles)];
        principals.extend(names.delegator(subject).zip(subject.on_behalf_of.as_ref().map(|user| &user.roles)));
        let mut court = Self { action, mention: Mention::default(), judges: Vec::new(), roles: HashSet::new() };
        for (principal, roles) in principals {
            let roles: HashSet<_> = roles.iter().map(|role| names.role(role)).collect();
            let picked = rules.iter().filter(|rule| {
                rule.level != Level::Advisory && rule.acts(&court.action) && rule.concerns(&principal, &roles)
            });
            let picked: Vec<&Rule> = picked.collect();
            picked.iter().for_each(|rule| court.mention.extend(&rule.mention));
            court.roles.extend(roles.iter().cloned());
            court.judges.push(Judge {
                set: CedarSet::from_policies(picked.iter().map(|rule| rule.policy.clone())).ok()?,
                levels: picked.iter().map(|rule| (Arc::clone(&rule.id), rule.level)).collect(),
                principal,
                roles,
            });
        }
        Some(court)
    }

    /// What they say to the deed: agent and user must both be allowed, either may be forbidden.
    pub(super) fn rule(&self, (resource, server): (&EntityUid, &EntityUid), context: &Context) -> Ruling {
        let mut all = Ruling::Permitted(Vec::new());
        for judge in &self.judges {
            let ruling = self.ask(judge, (resource, server), context.clone());
            all = worse(all, ruling.unwrap_or(Ruling::Failed(Vec::new())));
        }
        if self.judges.is_empty() { Ruling::Failed(Vec::new()) } else { all }
    }

    fn ask(&self, judge: &Judge, (resource, server): (&EntityUid, &EntityUid), context: Context) -> Option<Ruling> {
        let mut entities = vec![
            Entity::with_uid(self.action.clone()),
            Entity::with_uid(server.clone()),
            Entity::new_no_attrs(judge.principal.clone(), judge.roles.clone()),
        ];
        if resource != server {
            entities.push(Entity::new_no_attrs(resource.clone(), HashSet::from([server.clone()])));
        }
        for other in self.judges.iter().filter(|other| other.principal != judge.principal) {
            entities.push(Entity::new_no_attrs(other.principal.clone(), other.roles.clone()));
        }
        entities.extend(self.roles.iter().cloned().map(Entity::with_uid));
        let entities = Entities::from_entities(entities, None).ok()?;
        let request =
            Request::new(judge.principal.clone(), self.action.clone(), resource.clone(), context, None).ok()?;
        let response = Authorizer::new().is_authorized(&request, &judge.set, &entities);
        Some(Ruling::of(&response, &judge.levels))
    }
}
