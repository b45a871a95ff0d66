//! The policies that can match one tool, found by their scopes, with what a decision on it needs at hand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use cedar_policy::{Entities, Entity, EntityUid, Policy, PolicyId, PolicySet as CedarSet};
use serde_json::Value;

use super::{
    cedar,
    load::Loaded,
    schema::{self, Type},
    sources::Layer,
    visibility::Visibility,
};
use crate::{catalog::Tool, domain::{AgentId, RoleName, ToolRef}};

/// Remembered principals of a slice; beyond it all are forgotten.
const PRINCIPALS: usize = 1_024;

/// Every policy of roles and guardrails.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Loaded>);

impl Rules {
    pub(super) const fn new(loaded: Vec<Loaded>) -> Self {
        Self(loaded)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

/// Who asks about a tool, as a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) roles: Arc<[RoleName]>,
}

/// What a decision on one tool needs.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) hard: CedarSet,
    pub(super) soft: CedarSet,
    pub(super) advisory: CedarSet,
    pub(super) roles: CedarSet,
    /// Roles whose conditions read the arguments, with the conditions taken away: what may be allowed.
    pub(super) roles_maybe: CedarSet,
    /// Guardrails that do not read the arguments: what is forbidden whatever they are.
    pub(super) always_forbidden: CedarSet,
    pub(super) requestable: CedarSet,
    pub(super) action: EntityUid,
    pub(super) request_action: EntityUid,
    pub(super) resource: EntityUid,
    pub(super) input: Type,
    pub(super) reads_input: bool,
    pub(super) reads_now: bool,
    base: Vec<Entity>,
    entities: Mutex<HashMap<Key, (EntityUid, Arc<Entities>)>>,
    pub(super) seen: Mutex<HashMap<(AgentId, Key, Option<Key>), Visibility>>,
}

impl Slice {
    /// Finds the policies; `None` only if Cedar refuses its own data.
    pub(super) fn build(rules: &Rules, tool: &Tool) -> Option<Self> {
        let name = tool.reference.to_string();
        let (action, call, request_action) = (cedar::uid("Action", &name)?, cedar::uid("Action", "call")?, cedar::uid("Action", "request")?);
        let (resource, server) = (cedar::uid("Tool", &name)?, cedar::uid("Server", tool.reference.server.as_str())?);
        let base = vec![
            Entity::new_no_attrs(call.clone(), [].into()),
            Entity::new_no_attrs(action.clone(), [call].into()),
            Entity::new_no_attrs(request_action.clone(), [].into()),
            Entity::new_no_attrs(server.clone(), [].into()),
            Entity::new_no_attrs(resource.clone(), [server].into()),
        ];
        let mut slice = Self {
            hard: CedarSet::new(),
            soft: CedarSet::new(),
            advisory: CedarSet::new(),
            roles: CedarSet::new(),
            roles_maybe: CedarSet::new(),
            always_forbidden: CedarSet::new(),
            requestable: CedarSet::new(),
            action,
            request_action,
            resource,
            input: schema::input_type(&tool.input_schema),
            reads_input: false,
            reads_now: false,
            base,
            entities: Mutex::default(),
            seen: Mutex::default(),
        };
        rules.0.iter().try_for_each(|rule| slice.take(rule, &tool.reference))?;
        Some(slice)
    }

    fn take(&mut self, rule: &Loaded, tool: &ToolRef) -> Option<()> {
        if !covers(rule.json.get("resource"), "Tool", tool) {
            return Some(());
        }
        let reads_input = reads(&rule.json, "input");
        let asks = rule.json.get("action").is_some_and(|scope| names(scope, "Action", "request"));
        if rule.layer == Layer::Roles && (asks || is_all(rule.json.get("action"))) {
            self.requestable.add(rule.policy.clone()).ok()?;
        }
        if !covers(rule.json.get("action"), "Action", tool) {
            return Some(());
        }
        self.reads_input |= reads_input;
        self.reads_now |= reads(&rule.json, "now");
        let set = match rule.layer {
            Layer::Hard => &mut self.hard,
            Layer::Soft => &mut self.soft,
            Layer::Advisory => &mut self.advisory,
            Layer::Roles => &mut self.roles,
        };
        set.add(rule.policy.clone()).ok()?;
        match rule.layer {
            Layer::Hard | Layer::Soft if !reads_input => self.always_forbidden.add(rule.policy.clone()).ok()?,
            Layer::Roles if reads_input => self.roles_maybe.add(without_conditions(rule)?).ok()?,
            Layer::Hard | Layer::Soft | Layer::Advisory | Layer::Roles => {}
        }
        Some(())
    }

    /// The principal with its roles, the tool and its action, as entities; remembered.
    pub(super) fn entities(&self, key: &Key) -> Option<(EntityUid, Arc<Entities>)> {
        let mut known = self.entities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(key) {
            return Some(found.clone());
        }
        let (uid, mut all) = cedar::principal(key.kind, &key.id, &key.roles)?;
        all.extend(self.base.iter().cloned());
        let entities = Arc::new(Entities::from_entities(all, None).ok()?);
        if known.len() >= PRINCIPALS {
            known.clear();
        }
        known.insert(key.clone(), (uid.clone(), Arc::clone(&entities)));
        Some((uid, entities))
    }
}

fn is_all(scope: Option<&Value>) -> bool {
    scope.and_then(|scope| scope.get("op")).and_then(Value::as_str) == Some("All")
}

/// Whether a scope (JSON form) can cover this tool as action or resource. What is not understood covers.
fn covers(scope: Option<&Value>, kind: &str, tool: &ToolRef) -> bool {
    let Some(scope) = scope else { return true };
    match scope.get("op").and_then(Value::as_str) {
        Some("==" | "in") => {
            let name = tool.to_string();
            names(scope, kind, &name)
                || (kind == "Tool" && names(scope, "Server", tool.server.as_str()))
                || (kind == "Action" && names(scope, "Action", "call"))
        }
        _ => true,
    }
}

/// Whether a scope names this entity, alone or in a list.
fn names(scope: &Value, kind: &str, id: &str) -> bool {
    let is = |entity: &Value| entity.get("type").and_then(Value::as_str) == Some(kind) && entity.get("id").and_then(Value::as_str) == Some(id);
    scope.get("entity").is_some_and(is) || scope.get("entities").and_then(Value::as_array).is_some_and(|all| all.iter().any(is))
}

/// Whether a condition reads this attribute of the context, or the context whole.
fn reads(json: &Value, attribute: &str) -> bool {
    match json {
        Value::Object(map) => {
            for access in [".", "has"] {
                if let Some(inner) = map.get(access)
                    && inner.get("left").is_some_and(|left| left == &serde_json::json!({"Var": "context"}))
                {
                    return inner.get("attr").and_then(Value::as_str) == Some(attribute);
                }
            }
            map.get("Var").and_then(Value::as_str) == Some("context") || map.values().any(|value| reads(value, attribute))
        }
        Value::Array(items) => items.iter().any(|value| reads(value, attribute)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn without_conditions(rule: &Loaded) -> Option<Policy> {
    let mut json = rule.json.clone();
    json.as_object_mut()?.insert("conditions".to_owned(), Value::Array(Vec::new()));
    Policy::from_json(Some(PolicyId::new(rule.policy.id().to_string())), json).ok()
}
