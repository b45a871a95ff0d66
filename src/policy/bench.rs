//! One subject before one tool: the policies whose scopes can match its agent and its user, and what they say.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet as CedarSet,
    Request, Response,
};

use super::{
    known::{Known, Moment},
    labelled::Labelled,
    model::{Mention, Names},
    rule::Rule,
    source::Level,
    visibility::Access,
};
use crate::domain::Subject;

/// What policies say to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// A policy could not be evaluated.
    Failed(Vec<Arc<str>>),
    /// Hard guardrails forbid it.
    Hard(Vec<Arc<str>>),
    /// Soft guardrails forbid it.
    Soft(Vec<Arc<str>>),
    /// Roles permit it, for the agent and for the user.
    Permitted(Vec<Arc<str>>),
    /// Nothing speaks, for the agent or for the user.
    Silent,
}

impl Ruling {
    /// What Cedar's answer over policies of these levels says.
    pub(super) fn of(response: &Response, levels: &[(Arc<str>, Level)]) -> Self {
        let ids = |wanted: &[Level], found: &[&PolicyId]| {
            named(levels.iter().filter(|(_, level)| wanted.contains(level)).map(|(id, _)| id), found)
        };
        let errors: Vec<_> = response.diagnostics().errors().map(erring).collect();
        if !errors.is_empty() {
            return Self::Failed(ids(&[Level::Hard, Level::Soft, Level::Role], &errors));
        }
        let reasons: Vec<_> = response.diagnostics().reason().collect();
        if reasons.is_empty() {
            return Self::Silent;
        }
        let [hard, soft, roles] = [Level::Hard, Level::Soft, Level::Role].map(|level| ids(&[level], &reasons));
        if !hard.is_empty() {
            Self::Hard(hard)
        } else if !soft.is_empty() {
            Self::Soft(soft)
        } else if response.decision() == Decision::Allow && !roles.is_empty() {
            Self::Permitted(roles)
        } else {
            Self::Failed(Vec::new())
        }
    }
}

/// The policies that can match one principal.
pub(super) struct Judge {
    /// The principal.
    pub(super) principal: EntityUid,
    /// Hard and soft guardrails, and roles.
    pub(super) binding: CedarSet,
    /// The same without soft guardrails; made when an exemption asks.
    firm: OnceLock<Option<CedarSet>>,
    /// Whether the binding policies decide by their scopes alone.
    pub(super) plain: bool,
    /// What labels can close; none if no policy reads labels and nothing of the arguments.
    pub(super) labelled: Option<Labelled>,
    /// The `@id`s of the binding policies.
    pub(super) levels: Vec<(Arc<str>, Level)>,
    advisory: CedarSet,
    advisories: Vec<Arc<str>>,
    wishes: CedarSet,
    wishing: Mention,
}

/// The policies that can match one subject's calls of one tool.
pub(super) struct Bench {
    /// The agent, and the user that it acts for.
    pub(super) judges: Vec<Judge>,
    /// What the policies read.
    pub(super) mention: Mention,
    /// The principals, their roles, the tool, its server and its action.
    pub(super) entities: Entities,
    /// What holds whatever the arguments; found once.
    pub(super) access: OnceLock<Access>,
}

impl Bench {
    /// Picks the policies of the tool that can match the subject; `None` if Cedar refuses what is picked.
    pub(super) fn new(rules: &[Rule], known: &Known, names: &Names, subject: &Subject) -> Option<Self> {
        let mut principals = vec![(names.agent(subject.agent.as_str()), &subject.roles)];
        principals.extend(names.delegator(subject).zip(subject.on_behalf_of.as_ref().map(|user| &user.roles)));
        let mut bench = Self {
            judges: Vec::new(),
            mention: Mention::default(),
            entities: Entities::empty(),
            access: OnceLock::new(),
        };
        let mut entities = vec![
            Entity::new_no_attrs(known.resource.clone(), HashSet::from([known.server.clone()])),
            Entity::with_uid(known.server.clone()),
            Entity::new_no_attrs(known.action.clone(), HashSet::from([names.call.clone()])),
            Entity::with_uid(names.call.clone()),
            Entity::with_uid(names.request.clone()),
        ];
        let mut every = HashSet::new();
        for (principal, roles) in principals {
            let roles: HashSet<_> = roles.iter().map(|role| names.role(role)).collect();
            bench.judges.push(Judge::new(rules, known, &mut bench.mention, (&principal, &roles))?);
            every.extend(roles.iter().cloned());
            entities.push(Entity::new_no_attrs(principal, roles));
        }
        entities.extend(every.into_iter().map(Entity::with_uid));
        bench.entities = Entities::from_entities(entities, None).ok()?;
        Some(bench)
    }

    /// What the binding policies say: agent and user must both be allowed, either may be forbidden.
    pub(super) fn rule(&self, known: &Known, context: &Context) -> Ruling {
        let mut all = Ruling::Permitted(Vec::new());
        for judge in &self.judges {
            all = worse(all, judge.rule(self, known, context.clone()));
        }
        if self.judges.is_empty() { Ruling::Failed(Vec::new()) } else { all }
    }

    /// What they would say if there were no soft guardrails.
    pub(super) fn rule_without_soft(&self, known: &Known, context: &Context) -> Ruling {
        let mut all = Ruling::Permitted(Vec::new());
        for judge in &self.judges {
            all = worse(all, judge.rule_without_soft(self, known, context.clone()));
        }
        if self.judges.is_empty() { Ruling::Failed(Vec::new()) } else { all }
    }

    /// The advisory guardrails that would forbid it; the error names those that could not be evaluated.
    pub(super) fn advise(&self, known: &Known, context: &Context) -> Result<Vec<Arc<str>>, Vec<Arc<str>>> {
        let mut found = Vec::new();
        for judge in self.judges.iter().filter(|judge| !judge.advisories.is_empty()) {
            let asked = judge.ask(&judge.advisory, &known.action, (self, known), context.clone());
            let response = asked.ok_or_else(|| judge.advisories.clone())?;
            let errors: Vec<_> = response.diagnostics().errors().map(erring).collect();
            if !errors.is_empty() {
                return Err(named(judge.advisories.iter(), &errors));
            }
            found.extend(named(judge.advisories.iter(), &response.diagnostics().reason().collect::<Vec<_>>()));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Whether the agent may ask for an exception for this tool.
    pub(super) fn may_ask(&self, known: &Known, names: &Names, moment: &Moment) -> bool {
        let Some(agent) = self.judges.first() else { return false };
        let Ok(context) = moment.wish(&agent.wishing) else { return false };
        agent.ask(&agent.wishes, &names.request, (self, known), context).is_some_and(|response| {
            response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
        })
    }
}

impl Judge {
    fn new(
        rules: &[Rule],
        known: &Known,
        mention: &mut Mention,
        (principal, roles): (&EntityUid, &HashSet<EntityUid>),
    ) -> Option<Self> {
        let pick = |places: &[usize], advisory: bool| -> Vec<&Rule> {
            let rules = places.iter().filter_map(|place| rules.get(*place));
            rules
                .filter(|rule| (rule.level == Level::Advisory) == advisory && rule.concerns(principal, roles))
                .collect()
        };
        let set = |rules: &[&Rule]| CedarSet::from_policies(rules.iter().map(|rule| rule.policy.clone())).ok();
        let (binding, advisory) = (pick(&known.calls, false), pick(&known.calls, true));
        let wishes = pick(&known.wishes, false);
        let mut wishing = Mention::default();
        for rule in &wishes {
            wishing.extend(&rule.mention);
        }
        binding.iter().chain(&advisory).for_each(|rule| mention.extend(&rule.mention));
        Some(Self {
            principal: principal.clone(),
            labelled: Labelled::pick(&binding),
            plain: binding.iter().all(|rule| rule.is_plain()),
            levels: binding.iter().map(|rule| (Arc::clone(&rule.id), rule.level)).collect(),
            binding: set(&binding)?,
            firm: OnceLock::new(),
            advisory: set(&advisory)?,
            advisories: advisory.iter().map(|rule| Arc::clone(&rule.id)).collect(),
            wishes: set(&wishes)?,
            wishing,
        })
    }

    /// What the binding policies say to this principal.
    pub(super) fn rule(&self, bench: &Bench, known: &Known, context: Context) -> Ruling {
        let Some(response) = self.ask(&self.binding, &known.action, (bench, known), context) else {
            return Ruling::Failed(Vec::new());
        };
        Ruling::of(&response, &self.levels)
    }

    fn rule_without_soft(&self, bench: &Bench, known: &Known, context: Context) -> Ruling {
        let soft = |id: &str| self.levels.iter().any(|(of, level)| *level == Level::Soft && &**of == id);
        let firm = self.firm.get_or_init(|| {
            let kept = self.binding.policies().filter(|policy| !soft(policy.id().as_ref()));
            CedarSet::from_policies(kept.cloned()).ok()
        });
        let asked = firm.as_ref().and_then(|firm| self.ask(firm, &known.action, (bench, known), context));
        asked.map_or_else(|| Ruling::Failed(Vec::new()), |response| Ruling::of(&response, &self.levels))
    }

    pub(super) fn ask(
        &self,
        set: &CedarSet,
        action: &EntityUid,
        (bench, known): (&Bench, &Known),
        context: Context,
    ) -> Option<Response> {
        let request =
            Request::new(self.principal.clone(), action.clone(), known.resource.clone(), context, None).ok()?;
        Some(Authorizer::new().is_authorized(&request, set, &bench.entities))
    }
}

/// The stronger of two rulings; of equals, both.
pub(super) fn worse(one: Ruling, other: Ruling) -> Ruling {
    use Ruling::{Failed, Hard, Permitted, Silent, Soft};
    let both = |mut a: Vec<Arc<str>>, b| {
        a.extend::<Vec<_>>(b);
        a.sort();
        a.dedup();
        a
    };
    match (one, other) {
        (Failed(a), Failed(b)) => Failed(both(a, b)),
        (Failed(a), _) | (_, Failed(a)) => Failed(a),
        (Hard(a), Hard(b)) => Hard(both(a, b)),
        (Hard(a), _) | (_, Hard(a)) => Hard(a),
        (Soft(a), Soft(b)) => Soft(both(a, b)),
        (Soft(a), _) | (_, Soft(a)) => Soft(a),
        (Permitted(a), Permitted(b)) => Permitted(both(a, b)),
        (Silent, _) | (_, Silent) => Silent,
    }
}

/// The `@id`s among those that were found, sorted.
fn named<'a>(ids: impl Iterator<Item = &'a Arc<str>>, found: &[&PolicyId]) -> Vec<Arc<str>> {
    let is_found = |id: &Arc<str>| found.iter().any(|policy| AsRef::<str>::as_ref(*policy) == &**id);
    let mut ids: Vec<_> = ids.filter(|id| is_found(id)).map(Arc::clone).collect();
    ids.sort();
    ids
}

/// The policy that could not be evaluated.
pub(super) fn erring(error: &AuthorizationError) -> &PolicyId {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
    }
}
