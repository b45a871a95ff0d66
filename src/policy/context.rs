//! `context` for one call: only what some policy reads, built by type.

use cedar_policy::{Context, RestrictedExpression};
use serde_json::{Map, Value};

use super::schema::Type;
use crate::domain::Timestamp;

/// `context.input` and `context.now`, as far as they are read. `None` means that it cannot be built: a denial.
pub(super) fn of_call(input: Option<(&Type, &Map<String, Value>)>, now: Option<Timestamp>) -> Option<Context> {
    let mut pairs = Vec::with_capacity(2);
    if let Some((of, arguments)) = input {
        pairs.push(("input".to_owned(), record(of, arguments)?));
    }
    if let Some(now) = now {
        pairs.push(("now".to_owned(), moment(now)));
    }
    if pairs.is_empty() { Some(Context::empty()) } else { Context::from_pairs(pairs).ok() }
}

/// A moment as Cedar has it: UTC with milliseconds and `Z`.
pub(super) fn moment(at: Timestamp) -> RestrictedExpression {
    RestrictedExpression::new_datetime(text(at))
}

/// The text form of a moment in Cedar (`datetime("…Z")`).
pub(super) fn text(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A value whose type its schema does not give: strings, booleans and integers only.
pub(super) fn scalar(value: &Value) -> Option<RestrictedExpression> {
    match value {
        Value::String(text) => Some(RestrictedExpression::new_string(text.clone())),
        Value::Bool(value) => Some(RestrictedExpression::new_bool(*value)),
        Value::Number(number) => number.as_i64().map(RestrictedExpression::new_long),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn record(of: &Type, arguments: &Map<String, Value>) -> Option<RestrictedExpression> {
    let Type::Record(attributes) = of else { return None };
    let fields = attributes.iter().filter_map(|(name, attribute)| {
        let value = arguments.get(name).filter(|value| !value.is_null())?;
        Some(typed(&attribute.of, value).map(|value| (name.clone(), value)))
    });
    RestrictedExpression::new_record(fields.collect::<Option<Vec<_>>>()?).ok()
}

fn typed(of: &Type, value: &Value) -> Option<RestrictedExpression> {
    match (of, value) {
        (Type::String, Value::String(_)) | (Type::Boolean, Value::Bool(_)) => scalar(value),
        (Type::Long, Value::Number(number)) => whole(number).map(RestrictedExpression::new_long),
        (Type::Set(item), Value::Array(items)) => {
            let items = items.iter().map(|value| typed(item, value)).collect::<Option<Vec<_>>>()?;
            Some(RestrictedExpression::new_set(items))
        }
        (Type::Record(_), Value::Object(map)) => record(of, map),
        _ => None,
    }
}

/// JSON Schema calls 3.0 an integer; so does this.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text = number.as_f64().filter(|float| float.fract() == 0.0).map(|float| format!("{float:.0}"))?;
        text.parse().ok()
    })
}
