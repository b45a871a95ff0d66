//! What is asked about: one action with what it is done to, the types of its context, and the policies that meet there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{EntityTypeName, EntityUid, Policy, PolicySet as CedarSet, RequestEnv, Schema};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet};

use super::{
    cast::{Cast, Part, Principal},
    prover::why,
};
use crate::{
    domain::ToolRef,
    policy::{
        known::Known,
        model::{self, Input, Names, Verb},
        rule::{Rule, Scope},
        set::PolicySet,
        source::Level,
    },
};

/// One action with what it is done to.
pub(super) struct Ground {
    /// What people call it.
    pub(super) label: String,
    /// The action.
    pub(super) action: EntityUid,
    /// The tool; for what is no tool, nothing is known of it.
    pub(super) resource: Option<Part>,
    kind: EntityTypeName,
    schema: Schema,
    deed: Deed,
}

enum Deed {
    /// A call, and the group of its action.
    Call(EntityUid),
    /// The wish for a tool.
    Wish,
    /// Anything else.
    Other,
}

/// Policies for one principal, ready for the solver.
pub(super) struct Bound {
    /// Each policy with its `@id` and level; advisory ones are left out.
    pub(super) policies: Vec<(String, Level, Policy)>,
}

impl Bound {
    /// Only those of these levels.
    pub(super) fn of(&self, levels: &[Level]) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(|(_, level, _)| levels.contains(level)).map(|(_, _, policy)| policy)
    }
}

impl Ground {
    /// The call of a tool, typed for all policies of these sets.
    pub(super) fn call(known: &Known, sets: &[&PolicySet]) -> Result<Self, String> {
        Self::of_tool(known, sets, known.action.clone(), Deed::Call(call_group(sets)?))
    }

    fn of_tool(known: &Known, sets: &[&PolicySet], action: EntityUid, deed: Deed) -> Result<Self, String> {
        let wish = if matches!(deed, Deed::Wish) { "the wish for " } else { "" };
        Ok(Self {
            label: format!("{wish}{}", known.tool.reference),
            action,
            kind: known.resource.type_name().clone(),
            schema: schema(Some(known), sets)?,
            resource: Some(Part { uid: known.resource.clone(), parents: vec![known.server.clone()] }),
            deed,
        })
    }

    /// Everything that policies of these sets can be asked: calls, wishes, and what is done beside.
    pub(super) fn all(sets: &[&PolicySet]) -> Result<Vec<Self>, String> {
        let mut tools: BTreeMap<&ToolRef, &Known> = BTreeMap::new();
        for set in sets {
            tools.extend(&set.known);
        }
        let names = names(sets)?;
        let mut grounds = Vec::new();
        for known in tools.into_values() {
            grounds.push(Self::call(known, sets)?);
            grounds.push(Self::of_tool(known, sets, names.request.clone(), Deed::Wish)?);
        }
        let schema = schema(None, sets)?;
        for verb in Verb::ALL {
            let kind = verb.resource().parse::<EntityTypeName>().map_err(|error| error.to_string())?;
            let (label, action) = (verb.as_str().to_owned(), names.verb(verb));
            grounds.push(Self { label, action, resource: None, kind, schema: schema.clone(), deed: Deed::Other });
        }
        Ok(grounds)
    }

    /// Whether it is the call of a tool.
    pub(super) const fn is_call(&self) -> bool {
        matches!(self.deed, Deed::Call(_))
    }

    /// Whether a binding policy reaches further than can be asked about: it meets nothing, or names absent tools.
    pub(super) fn none_for(grounds: &[Self], rule: &Rule, set: &PolicySet) -> bool {
        rule.level != Level::Advisory
            && (!grounds.iter().any(|ground| ground.meets(rule))
                || rule.tools(&set.names).iter().any(|tool| set.tool(tool).is_none()))
    }

    /// Whether the scope of a policy can match here, whoever asks.
    pub(super) fn meets(&self, rule: &Rule) -> bool {
        let Some(Part { uid: tool, parents }) = &self.resource else { return rule.acts(&self.action) };
        let Some(server) = parents.first() else { return false };
        let group = if let Deed::Call(group) = &self.deed { Some(group) } else { None };
        rule.meets(&Scope { action: &self.action, group, tool, server })
    }

    /// The binding policies that can match this principal.
    pub(super) fn rules<'r>(&self, rules: &'r [Rule], principal: Principal<'_>) -> Vec<&'r Rule> {
        let concerned = |rule: &&Rule| match principal {
            Principal::Known(part) => {
                let roles: HashSet<_> = part.parents.iter().cloned().collect();
                rule.concerns(&part.uid, &roles)
            }
            Principal::Any | Principal::User => true,
        };
        let binding = rules.iter().filter(|rule| rule.level != Level::Advisory && self.meets(rule));
        binding.filter(concerned).collect()
    }

    /// These policies as they stand before this principal; `mark` keeps the ids of two principals apart.
    pub(super) fn bind(
        &self,
        rules: &[&Rule],
        cast: (Principal<'_>, Option<&Part>),
        mark: &str,
    ) -> Result<Bound, String> {
        let (principal, user) = cast;
        let cast = Cast { principal, action: &self.action, resource: self.resource.as_ref(), user };
        let bind = |rule: &&Rule| {
            Ok((rule.id.to_string(), rule.level, cast.policy(&rule.policy, &format!("{mark}{}", rule.id))?))
        };
        Ok(Bound { policies: rules.iter().map(bind).collect::<Result<_, String>>()? })
    }

    /// One policy for the solver, asked by an agent.
    pub(super) fn compile(&self, policy: &Policy) -> Result<CompiledPolicy, String> {
        self.compile_for(policy, "Agent")
    }

    /// One policy for the solver, asked by a principal of this type.
    pub(super) fn compile_for(&self, policy: &Policy, kind: &str) -> Result<CompiledPolicy, String> {
        CompiledPolicy::compile(policy, &self.env(kind)?, &self.schema).map_err(|error| why(&error))
    }

    /// Several policies for the solver, asked by an agent.
    pub(super) fn compile_all<'p>(
        &self,
        policies: impl Iterator<Item = &'p Policy>,
    ) -> Result<CompiledPolicySet, String> {
        let set = CedarSet::from_policies(policies.cloned()).map_err(|error| error.to_string())?;
        CompiledPolicySet::compile(&set, &self.env("Agent")?, &self.schema).map_err(|error| why(&error))
    }

    fn env(&self, principal: &str) -> Result<RequestEnv, String> {
        let principal = principal.parse::<EntityTypeName>().map_err(|error| error.to_string())?;
        Ok(RequestEnv::new(principal, self.action.clone(), self.kind.clone()))
    }
}

fn names<'a>(sets: &[&'a PolicySet]) -> Result<&'a Names, String> {
    sets.first().map(|set| &set.names).ok_or_else(|| "no policies".to_owned())
}

fn call_group(sets: &[&PolicySet]) -> Result<EntityUid, String> {
    names(sets).map(|names| names.call.clone())
}

/// The Cedar schema of this tool and of the actions that policies name besides.
fn schema(known: Option<&Known>, sets: &[&PolicySet]) -> Result<Schema, String> {
    let nothing = Input::default();
    let own = known.map(|known| &known.tool.reference);
    let named = sets.iter().flat_map(|set| set.rules.iter().flat_map(|rule| rule.tools(&set.names)));
    let others: BTreeSet<ToolRef> = named.filter(|tool| Some(tool) != own).collect();
    let tools =
        others.iter().map(|tool| (tool, &nothing)).chain(known.map(|known| (&known.tool.reference, &known.input)));
    Schema::from_json_value(model::schema(tools)).map_err(|error| error.to_string())
}
