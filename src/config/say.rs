//! What the JSON Schema found, in words that say how to mend it.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::domain::{Document, Findings};

/// Everything in which the document breaks the schema, each at the line of the key or value itself.
pub(super) fn faults(document: &Document, validator: &Validator, schema: &Value) -> Findings {
    let mut findings = Findings::default();
    for error in validator.iter_errors(&document.value) {
        let path = error.instance_path().as_str();
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let known = known(&error, schema);
            for key in unexpected {
                document.find(&mut findings, &format!("{path}/{}", escape(key)), unknown_key(key, &known));
            }
        } else {
            document.find(&mut findings, path, said(&error));
        }
    }
    findings
}

fn said(error: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::Required { property } = error.kind() {
        return format!("`{}` is missing; add it", property.as_str().unwrap_or_default());
    }
    if let ValidationErrorKind::Enum { options } = error.kind() {
        return format!("must be one of {options}, not {}", error.instance());
    }
    // Only the places of secrets are bounded on both sides.
    let at = error.instance_path().as_str();
    let counted =
        matches!(error.kind(), ValidationErrorKind::MaxProperties { .. } | ValidationErrorKind::MinProperties { .. });
    if counted && at != "/servers" {
        return "write either `{env: NAME}` or `{file: PATH}`".to_owned();
    }
    error.to_string().trim_end_matches('.').to_owned()
}

/// One step of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn known(error: &ValidationError<'_>, schema: &Value) -> Vec<String> {
    let keyword = error.schema_path().as_str();
    let holder = keyword.strip_suffix("/additionalProperties").unwrap_or(keyword);
    let properties = resolve(schema, holder).and_then(|node| node.get("properties")).and_then(Value::as_object);
    properties.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

fn resolve<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    match pointer.rfind("/$ref") {
        Some(_) => schema.pointer("/$defs/value"),
        None => schema.pointer(pointer),
    }
}

fn unknown_key(key: &str, known: &[String]) -> String {
    let near = known.iter().map(|name| (distance(key, name), name)).min();
    match near {
        Some((steps, name)) if steps <= 2 => format!("unknown key; did you mean `{name}`?"),
        Some(_) => format!("unknown key; the keys here are {}", known.join(", ")),
        None => "unknown key; remove it".to_owned(),
    }
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut next = vec![index + 1];
        for (b, pair) in right.iter().zip(row.windows(2)) {
            let (Some(diagonal), Some(above), Some(before)) = (pair.first(), pair.last(), next.last()) else {
                continue;
            };
            let cost = diagonal + usize::from(a != *b);
            next.push(cost.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
