//! A grant as a Cedar policy, built as data (the JSON form) and never by formatting text.

use std::sync::Arc;

use cedar_policy::{
    Policy, PolicyId, PolicySet as CedarSet, ValidationMode, ValidationWarning, Validator, ffi::DetailedError,
};
use chrono::{Datelike as _, SecondsFormat, SubsecRound as _, TimeDelta};
use serde_json::{Value, json};

use super::{
    known::Known,
    model::{self, Mention, Shape},
};
use crate::domain::{ArgumentBound, Bound, Findings, Grant, Timestamp};

/// A grant, ready to be asked about one tool.
pub(super) struct Compiled {
    /// The grant that was compiled.
    pub(super) grant: Arc<Grant>,
    /// Its policy, or why there is none.
    pub(super) policy: Result<(CedarSet, Mention), String>,
}

impl Compiled {
    /// Compiles a grant for one of its tools.
    pub(super) fn new(grant: &Arc<Grant>, known: &Known) -> Self {
        let policy = policy(grant, known, false).map_err(|(_, message)| message).and_then(|policy| {
            let mention = Mention::of(&policy);
            CedarSet::from_policies([policy]).map(|set| (set, mention)).map_err(|error| error.to_string())
        });
        Self { grant: Arc::clone(grant), policy }
    }
}

/// What is wrong with the grant for this tool; strict validation included.
pub(super) fn faults(grant: &Grant, known: &Known, schema: &cedar_policy::Schema, findings: &mut Findings) {
    let policy = match policy(grant, known, true) {
        Ok(policy) => policy,
        Err((path, message)) => return findings.push("", 0, &path, message),
    };
    let Ok(set) = CedarSet::from_policies([policy]) else {
        return findings.push("", 0, "/id", "the exception's id cannot name a policy");
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    // Warnings about the spelling of values are for policies that people write, not for the data of a record.
    let matters = |warning: &&ValidationWarning| {
        matches!(warning, ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::BidiCharsInString(_))
    };
    let errors = result.validation_errors().map(DetailedError::from);
    for error in errors.chain(result.validation_warnings().filter(matters).map(DetailedError::from)) {
        findings.push("", 0, "/grant/args", format!("for the tool `{}`: {}", known.tool.reference, error.message));
    }
}

/// The policy of a grant for one tool; or the path in the record and what is wrong there.
///
/// Timed, it is the whole grant, for validation and proofs. Untimed, the window is left to the caller, who holds it in
/// nanoseconds: Cedar would read both its ends from text on each call.
pub(super) fn policy(grant: &Grant, known: &Known, timed: bool) -> Result<Policy, (String, String)> {
    let window = window(grant)
        .ok_or_else(|| ("/not_after".to_owned(), "the times must lie in the years 1 to 9999".to_owned()))?;
    let mut conditions = vec![call(
        "contains",
        set(grant.agents.iter().map(|agent| entity("Agent", agent.as_str()))),
        json!({"Var": "principal"}),
    )];
    conditions.extend(timed.then_some(window));
    conditions.extend(person(grant));
    for bound in &grant.arguments {
        let path = || format!("/grant/args/{}", bound.name.replace('~', "~0").replace('/', "~1"));
        conditions.push(argument(bound, known).map_err(|message| (path(), message))?);
    }
    let policy = json!({
        "effect": "permit",
        "principal": {"op": "is", "entity_type": "Agent"},
        "action": {"op": "==", "entity": uid("Action", known.action.id().unescaped())},
        "resource": {"op": "==", "entity": uid("Tool", known.resource.id().unescaped())},
        "conditions": conditions.into_iter().map(|body| json!({"kind": "when", "body": body})).collect::<Vec<_>>(),
    });
    Policy::from_json(Some(PolicyId::new(grant.exception.as_str())), policy)
        .map_err(|error| ("/grant".to_owned(), error.to_string()))
}

/// `not_before <= now < not_after`, in whole milliseconds, never wider than the grant.
fn window(grant: &Grant) -> Option<Value> {
    let start = grant.window.not_before;
    let whole = start.trunc_subsecs(3);
    let start = if whole < start { whole.checked_add_signed(TimeDelta::milliseconds(1))? } else { whole };
    let time = |at| milliseconds(at).map(|text| json!({"datetime": [{"Value": text}]}));
    let now = attribute(json!({"Var": "context"}), "now");
    Some(both(call(">=", now.clone(), time(start)?), call("<", now, time(grant.window.not_after)?)))
}

/// Whom the agent may act for.
fn person(grant: &Grant) -> Option<Value> {
    let context = json!({"Var": "context"});
    let acts = has(context.clone(), "user");
    let listed = set(grant.users.iter().map(|user| entity("User", user.as_str())));
    let named = call("contains", listed, attribute(context, "user"));
    match (grant.user_required, grant.users.is_empty()) {
        (false, true) => None,
        (true, true) => Some(acts),
        (true, false) => Some(both(acts, named)),
        (false, false) => Some(if_given(acts, named)),
    }
}

/// A bound on one argument.
fn argument(bound: &ArgumentBound, known: &Known) -> Result<Value, String> {
    let name = bound.name.as_str();
    let Some(member) = known.input.members.get(name) else {
        let tool = &known.tool.reference;
        return Err(known.input.untyped.get(name).map_or_else(
            || format!("the tool `{tool}` has no argument `{name}`"),
            |why| format!("the argument `{name}` of `{tool}` cannot be bounded, because {why}"),
        ));
    };
    let input = attribute(json!({"Var": "context"}), "input");
    let (given, value) = (has(input.clone(), name), attribute(input, name));
    Ok(match &bound.bound {
        Bound::In(values) if values.is_empty() => return Err("the list of values is empty".to_owned()),
        Bound::In(values) => {
            let values = values.iter().map(|value| literal(value, &member.shape)).collect::<Result<Vec<_>, _>>()?;
            both(given, call("contains", set(values.into_iter()), value))
        }
        Bound::Between { min, max } if min > max => return Err(format!("`min` {min} is above `max` {max}")),
        Bound::Between { min, max } => {
            let (least, greatest) = match &member.shape {
                Shape::Whole => (">=", "<="),
                Shape::Decimal => ("greaterThanOrEqual", "lessThanOrEqual"),
                Shape::Text | Shape::Flag | Shape::Set(_) | Shape::Record(_) => {
                    return Err(format!("`min` and `max` are for numbers, and `{name}` is none"));
                }
            };
            let [min, max] = [min, max].map(|number| literal(&json!(number), &member.shape));
            let above = compare(least, value.clone(), min?);
            both(given, both(above, compare(greatest, value, max?)))
        }
        Bound::AbsentOr(only) => if_given(given, call("==", value, literal(only, &member.shape)?)),
    })
}

/// A constant of the argument's type.
fn literal(value: &Value, shape: &Shape) -> Result<Value, String> {
    match (shape, value) {
        (Shape::Text, Value::String(_)) | (Shape::Flag, Value::Bool(_)) => Ok(json!({"Value": value})),
        (Shape::Whole, Value::Number(number)) => model::whole(number)
            .map(|whole| json!({"Value": whole}))
            .ok_or_else(|| format!("{number} is not a whole number")),
        (Shape::Decimal, Value::Number(number)) => model::decimal(number)
            .map(|text| json!({"decimal": [{"Value": text}]}))
            .ok_or_else(|| format!("{number} has more than four decimal digits, or is too large")),
        (Shape::Set(_) | Shape::Record(_), _) => {
            Err("the argument is a list or an object; bounds are for text, numbers and flags".to_owned())
        }
        (Shape::Text | Shape::Flag | Shape::Whole | Shape::Decimal, _) => {
            Err(format!("{value} is not of the argument's type"))
        }
    }
}

/// A moment as Cedar writes it: UTC, whole milliseconds, rounded down.
pub(super) fn milliseconds(at: Timestamp) -> Option<String> {
    (1..=9999).contains(&at.year()).then(|| at.trunc_subsecs(3).to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn uid(kind: &str, id: &str) -> Value {
    json!({"type": kind, "id": id})
}

fn entity(kind: &str, id: &str) -> Value {
    json!({"Value": {"__entity": uid(kind, id)}})
}

fn set(items: impl Iterator<Item = Value>) -> Value {
    json!({"Set": items.collect::<Vec<_>>()})
}

fn attribute(left: Value, name: &str) -> Value {
    json!({".": {"left": left, "attr": name}})
}

fn has(left: Value, name: &str) -> Value {
    json!({"has": {"left": left, "attr": name}})
}

fn call(operator: &str, left: Value, right: Value) -> Value {
    json!({operator: {"left": left, "right": right}})
}

fn both(left: Value, right: Value) -> Value {
    call("&&", left, right)
}

/// What is absent passes. (Strict validation does not see through `!(has) || …`.)
fn if_given(given: Value, then: Value) -> Value {
    json!({"if-then-else": {"if": given, "then": then, "else": {"Value": true}}})
}

/// A comparison; those of decimals are methods.
fn compare(operator: &str, left: Value, right: Value) -> Value {
    if operator.ends_with('=') { call(operator, left, right) } else { json!({operator: [left, right]}) }
}
