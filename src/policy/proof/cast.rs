//! A policy as it stands before one principal and one tool: what a principal is in is decided by the registry here and
//! put into the policy as a constant, so that the solver cannot imagine other roles.

use cedar_policy::{EntityUid, Policy, PolicyId};
use serde_json::{Value, json};

/// An entity of which it is known what it is in.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The entity.
    pub(super) uid: EntityUid,
    /// What it is in.
    pub(super) parents: Vec<EntityUid>,
}

/// Who stands for `principal`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Principal<'a> {
    /// Whoever asks.
    Any,
    /// This one.
    Known(&'a Part),
    /// The user that the agent acts for, of whom nothing is known.
    User,
}

/// Who stands for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast<'a> {
    /// `principal`.
    pub(super) principal: Principal<'a>,
    /// `action`.
    pub(super) action: &'a EntityUid,
    /// `resource`; for what is no tool, nothing is known of it.
    pub(super) resource: Option<&'a Part>,
    /// `context.user`, if it is known.
    pub(super) user: Option<&'a Part>,
}

/// What is known of an expression.
enum Known<'a> {
    Part(&'a Part),
    /// Of this type.
    Kind(&'static str),
}

impl Cast<'_> {
    /// The policy, for this cast and under this id. Its scope must have been held against the cast before.
    pub(super) fn policy(&self, policy: &Policy, id: &str) -> Result<Policy, String> {
        let mut json = policy.to_json().map_err(|error| error.to_string())?;
        let map = json.as_object_mut().ok_or("a policy that is no object")?;
        let mut conditions = Vec::new();
        match self.principal {
            Principal::Any => {}
            Principal::Known(_) => drop(map.insert("principal".to_owned(), json!({"op": "All"}))),
            Principal::User => {
                conditions.push(when(json!({"has": {"left": {"Var": "context"}, "attr": "user"}})));
                let scope = map.insert("principal".to_owned(), json!({"op": "All"})).unwrap_or_default();
                conditions.extend(from_scope(&scope).map(|body| when(self.expression(&body))));
            }
        }
        map.insert("action".to_owned(), json!({"op": "==", "entity": plain(self.action)}));
        if let Some(resource) = self.resource {
            map.insert("resource".to_owned(), json!({"op": "==", "entity": plain(&resource.uid)}));
        }
        for condition in map.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let body = condition.get("body").map(|body| self.expression(body)).unwrap_or_default();
            conditions.push(json!({"kind": condition.get("kind"), "body": body}));
        }
        map.insert("conditions".to_owned(), Value::Array(conditions));
        Policy::from_json(Some(PolicyId::new(id)), json).map_err(|error| error.to_string())
    }

    fn expression(&self, node: &Value) -> Value {
        let Some((key, inner)) = node.as_object().and_then(|map| map.iter().next()) else { return node.clone() };
        if let Some(decided) = self.decide(key, inner) {
            return json!({"Value": decided});
        }
        match (key.as_str(), inner) {
            ("Var", Value::String(name)) if name == "principal" => self.stands_for_principal(node),
            ("Value" | "Var" | "Slot", _) => node.clone(),
            // A user of whom only the type is known: `is User in R` asks only for R.
            ("is", Value::Object(map)) if self.is_of_type(map.get("left"), map.get("entity_type")) == Some(true) => {
                let side = |name: &str| map.get(name).map(|side| self.expression(side));
                json!({"in": {"left": side("left"), "right": side("in")}})
            }
            ("Set", Value::Array(items)) | (_, Value::Array(items)) => {
                json!({key: items.iter().map(|item| self.expression(item)).collect::<Vec<_>>()})
            }
            (_, Value::Object(map)) => {
                let inside = |value: &Value| if value.is_object() { self.expression(value) } else { value.clone() };
                let map: serde_json::Map<_, _> =
                    map.iter().map(|(name, value)| (name.clone(), inside(value))).collect();
                json!({key: map})
            }
            _ => node.clone(),
        }
    }

    fn stands_for_principal(&self, node: &Value) -> Value {
        match self.principal {
            Principal::Any => node.clone(),
            Principal::Known(part) => json!({"Value": {"__entity": plain(&part.uid)}}),
            Principal::User => user(),
        }
    }

    /// The truth of an expression that the cast settles.
    fn decide(&self, operator: &str, inner: &Value) -> Option<bool> {
        let (left, right) = (inner.get("left"), inner.get("right"));
        match operator {
            "in" => self.is_in(left?, right?),
            "is" => {
                let is = self.is_of_type(left, inner.get("entity_type"))?;
                match inner.get("in") {
                    Some(right) if is => self.is_in(left?, right),
                    Some(_) | None => Some(is),
                }
            }
            "==" => self.equal(left?, right?),
            "!=" => self.equal(left?, right?).map(|equal| !equal),
            _ => None,
        }
    }

    fn is_of_type(&self, left: Option<&Value>, kind: Option<&Value>) -> Option<bool> {
        let kind = kind?.as_str()?;
        Some(match self.known(left?)? {
            Known::Part(part) => part.uid.type_name().to_string() == kind,
            Known::Kind(known) => known == kind,
        })
    }

    fn is_in(&self, left: &Value, right: &Value) -> Option<bool> {
        let Known::Part(part) = self.known(left)? else { return None };
        let is_one = |uid: &Value| std::iter::once(&part.uid).chain(&part.parents).any(|own| plain(own) == *uid);
        Some(literals(right)?.iter().any(is_one))
    }

    fn equal(&self, left: &Value, right: &Value) -> Option<bool> {
        let (known, other) = match (self.known(left), self.known(right)) {
            (Some(Known::Part(one)), Some(Known::Part(other))) => return Some(one.uid == other.uid),
            (Some(known), _) => (known, right),
            (None, Some(known)) => (known, left),
            (None, None) => return None,
        };
        let literals = literals(other).filter(|_| other.get("Set").is_none())?;
        let [literal] = literals.as_slice() else { return None };
        match known {
            Known::Part(part) => Some(plain(&part.uid) == *literal),
            Known::Kind(kind) => (literal.get("type").and_then(Value::as_str) != Some(kind)).then_some(false),
        }
    }

    fn known(&self, node: &Value) -> Option<Known<'_>> {
        let part = match node.get("Var").and_then(Value::as_str) {
            Some("principal") => match self.principal {
                Principal::Any => None,
                Principal::Known(part) => Some(part),
                Principal::User => return Some(Known::Kind("User")),
            },
            Some("resource") => self.resource,
            Some(_) => None,
            None if *node == user() => match self.user {
                Some(part) => Some(part),
                None => return Some(Known::Kind("User")),
            },
            None => None,
        };
        part.map(Known::Part)
    }
}

/// The entities, if the expression is one or a set of them.
fn literals(node: &Value) -> Option<Vec<Value>> {
    match (node.get("Value"), node.get("Set")) {
        (Some(Value::Array(items)), _) => items.iter().map(|item| item.get("__entity").cloned()).collect(),
        (Some(value), _) => Some(vec![value.get("__entity")?.clone()]),
        (None, Some(Value::Array(items))) => {
            items.iter().map(|item| item.get("Value")?.get("__entity").cloned()).collect()
        }
        (None, _) => None,
    }
}

/// What the scope asks of the principal, as an expression.
fn from_scope(scope: &Value) -> Option<Value> {
    let principal = json!({"Var": "principal"});
    let right = |scope: &Value| json!({"Value": {"__entity": scope.get("entity")}});
    match scope.get("op").and_then(Value::as_str)? {
        operator @ ("==" | "in") => Some(json!({operator: {"left": principal, "right": right(scope)}})),
        "is" => {
            let mut is = json!({"left": principal, "entity_type": scope.get("entity_type")});
            if let (Some(within), Some(is)) = (scope.get("in"), is.as_object_mut()) {
                is.insert("in".to_owned(), right(within));
            }
            Some(json!({"is": is}))
        }
        _ => None,
    }
}

/// The entity as the JSON form writes it.
pub(super) fn plain(uid: &EntityUid) -> Value {
    json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()})
}

/// A condition.
pub(super) fn when(body: Value) -> Value {
    json!({"kind": "when", "body": body})
}

/// `context.user`
pub(super) fn user() -> Value {
    json!({".": {"left": {"Var": "context"}, "attr": "user"}})
}

/// The policy with this entity in the place of `principal`.
pub(super) fn for_principal(policy: &Policy, uid: &EntityUid) -> Result<Policy, String> {
    let part = Part { uid: uid.clone(), parents: Vec::new() };
    let mut json = policy.to_json().map_err(|error| error.to_string())?;
    let map = json.as_object_mut().ok_or("a policy that is no object")?;
    map.insert("principal".to_owned(), json!({"op": "All"}));
    let cast = Cast { principal: Principal::Known(&part), action: uid, resource: None, user: None };
    for condition in map.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(body) = condition.get_mut("body") {
            *body = cast.expression(body);
        }
    }
    Policy::from_json(Some(policy.id().clone()), json).map_err(|error| error.to_string())
}
