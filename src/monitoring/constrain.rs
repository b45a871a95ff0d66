//! The bounds of an exception on the arguments that are sent.

use serde_json::{Map, Value};

use crate::domain::{ArgumentBound, Bound};

/// The first way in which the arguments leave the bounds, if any; bounds are taken in their order, names in theirs.
pub(super) fn violation(
    arguments: &Map<String, Value>,
    bounds: &[ArgumentBound],
    declared: Option<&Map<String, Value>>,
) -> Option<String> {
    bounds
        .iter()
        .find_map(|bound| {
            outside(arguments.get(&bound.name), &bound.bound).map(|why| format!("`{}` {why}", bound.name))
        })
        .or_else(|| {
            let known = |name: &String| {
                declared.is_some_and(|names| names.contains_key(name)) || bounds.iter().any(|bound| bound.name == *name)
            };
            let extra = arguments.keys().find(|name| !known(name))?;
            Some(format!("`{}` is not an argument that the tool declares", extra.escape_debug()))
        })
}

fn outside(value: Option<&Value>, bound: &Bound) -> Option<&'static str> {
    match (bound, value) {
        (Bound::In(allowed), Some(value)) if allowed.contains(value) => None,
        (Bound::In(_), Some(_)) => Some("is not one of the values that the exception allows"),
        (Bound::In(_) | Bound::Between { .. }, None) => Some("must be given under this exception"),
        (Bound::Between { min, max }, Some(value)) => match value.as_i64() {
            Some(number) if (*min..=*max).contains(&number) => None,
            Some(_) => Some("is outside the range that the exception allows"),
            None => Some("must be an integer under this exception"),
        },
        (Bound::AbsentOr(_), None) => None,
        (Bound::AbsentOr(allowed), Some(value)) if allowed == value => None,
        (Bound::AbsentOr(_), Some(_)) => Some("must be left out or be the one value that the exception allows"),
    }
}
