//! A grant as a static Cedar policy, built as data and never by formatting strings.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use cedar_policy::{Context, Entities, EntityUid, Policy, PolicyId, PolicySet as CedarSet, RestrictedExpression};
use serde_json::{Map, Value, json};

use super::{cedar::{self, Answer}, context};
use crate::{
    catalog::ToolCall,
    domain::{ArgumentBound, Bound, Digest, Grant, Subject, Timestamp},
};

/// Compiled grants that are kept; beyond it all are forgotten and compiled again on use.
const COMPILED: usize = 8_192;

/// Grants compiled on first use, by the digest of their exception.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<HashMap<(Digest, u32), Arc<CedarSet>>>);

/// Whether a grant admits a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// It does.
    Admits,
    /// It names the agent and the tool, but not this.
    OutOfScope(&'static str),
    /// It could not be evaluated.
    Failed(String),
}

impl Grants {
    /// Judges a call under a grant: who, for whom, which tool, when, which arguments.
    pub(super) fn judge(&self, grant: &Grant, subject: &Subject, call: &ToolCall, asked: (&EntityUid, &EntityUid, &EntityUid, &Entities), now: Timestamp) -> Match {
        if let Some(why) = beyond_cedar(grant, subject, call) {
            return Match::OutOfScope(why);
        }
        let Some(set) = self.compiled(grant) else { return Match::Failed("the grant cannot be compiled".to_owned()) };
        let Some(context) = context_of(grant, call.value(), now) else { return Match::OutOfScope("arguments") };
        let (principal, action, resource, entities) = asked;
        let Some(request) = cedar::request(principal, action, resource, context) else { return Match::Failed("request".to_owned()) };
        match cedar::ask(&set, &request, entities) {
            Answer::Matched(_) => Match::Admits,
            Answer::Nothing => Match::OutOfScope("arguments, tool, agent or time"),
            Answer::Failed(error) => Match::Failed(error),
        }
    }

    fn compiled(&self, grant: &Grant) -> Option<Arc<CedarSet>> {
        let key = (grant.digest, grant.revision);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = known.get(&key) {
            return Some(Arc::clone(set));
        }
        let mut set = CedarSet::new();
        set.add(policy(grant)?).ok()?;
        let set = Arc::new(set);
        if known.len() >= COMPILED {
            known.clear();
        }
        known.insert(key, Arc::clone(&set));
        Some(set)
    }
}

/// What Cedar cannot see: for whom the agent acts, members that the gateway does not know, undeclared arguments.
fn beyond_cedar(grant: &Grant, subject: &Subject, call: &ToolCall) -> Option<&'static str> {
    let person = subject.on_behalf_of.as_ref().map(|delegator| &delegator.person);
    match person {
        None if grant.user_required => return Some("the agent must act for a person"),
        Some(person) if !grant.users.is_empty() && !grant.users.contains(person) => return Some("the person is not named"),
        None | Some(_) => {}
    }
    if !call.passthrough().is_empty() {
        return Some("params has members that are not known here");
    }
    if grant.arguments.is_empty() {
        return None;
    }
    let declared = call.tool().input_schema.get("properties").and_then(Value::as_object);
    let named = |name: &String| declared.is_some_and(|all| all.contains_key(name)) || grant.arguments.iter().any(|bound| bound.name == *name);
    (!call.value().keys().all(named)).then_some("an argument is not declared")
}

/// `now` and the bounded arguments; `None` if a bounded argument is of a kind that no bound can speak of.
fn context_of(grant: &Grant, arguments: &Map<String, Value>, now: Timestamp) -> Option<Context> {
    let mut fields = Vec::new();
    for bound in &grant.arguments {
        if let Some(value) = arguments.get(&bound.name) {
            fields.push((bound.name.clone(), context::scalar(value)?));
        }
    }
    let input = RestrictedExpression::new_record(fields).ok()?;
    Context::from_pairs([("input".to_owned(), input), ("now".to_owned(), context::moment(now))]).ok()
}

fn policy(grant: &Grant) -> Option<Policy> {
    let entity = |kind: &str, id: &str| json!({"Value": {"__entity": {"type": kind, "id": id}}});
    let one_of = |set: Vec<Value>, what: &str| json!({"contains": {"left": {"Set": set}, "right": {"Var": what}}});
    let now = json!({".": {"left": {"Var": "context"}, "attr": "now"}});
    let moment = |at: Timestamp| json!({"datetime": [{"Value": context::text(at)}]});
    let mut all = vec![
        one_of(grant.agents.iter().map(|agent| entity("Agent", agent.as_str())).collect(), "principal"),
        one_of(grant.tools.keys().map(|tool| entity("Tool", &format!("{}/{tool}", grant.server))).collect(), "resource"),
        json!({"<=": {"left": moment(grant.window.not_before), "right": now}}),
        json!({"<": {"left": now, "right": moment(grant.window.not_after)}}),
    ];
    all.extend(grant.arguments.iter().map(condition));
    let conditions: Vec<Value> = all.into_iter().map(|body| json!({"kind": "when", "body": body})).collect();
    let open = json!({"op": "All"});
    let json = json!({"effect": "permit", "principal": open, "action": open, "resource": open, "conditions": conditions});
    Policy::from_json(Some(PolicyId::new(grant.exception.as_str())), json).ok()
}

fn condition(bound: &ArgumentBound) -> Value {
    let input = json!({".": {"left": {"Var": "context"}, "attr": "input"}});
    let given = json!({"has": {"left": input, "attr": bound.name}});
    let value = json!({".": {"left": input, "attr": bound.name}});
    let and = |left: Value, right: Value| json!({"&&": {"left": left, "right": right}});
    match &bound.bound {
        Bound::In(values) => {
            let set: Vec<Value> = values.iter().map(|value| json!({"Value": value})).collect();
            and(given, json!({"contains": {"left": {"Set": set}, "right": value}}))
        }
        Bound::Between { min, max } => {
            let least = json!({"<=": {"left": {"Value": min}, "right": value}});
            let most = json!({"<=": {"left": value, "right": {"Value": max}}});
            and(given, and(least, most))
        }
        Bound::AbsentOr(only) => {
            let absent = json!({"!": {"arg": given}});
            json!({"||": {"left": absent, "right": {"==": {"left": value, "right": {"Value": only}}}}})
        }
    }
}
