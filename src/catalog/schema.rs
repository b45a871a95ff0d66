//! Schemas of tools: bounded before they are compiled, and compiled without reaching for anything (T071).

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::{expansion, text};
use crate::domain::limits;

/// Bytes of one compiled pattern.
const PATTERN: usize = 1 << 20;
/// Patterns in one schema.
const PATTERNS: usize = 64;
/// The drafts that are read, as `$schema` names them.
const DRAFTS: [&str; 5] = [
    "json-schema.org/draft-04/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft/2020-12/schema",
];

/// Why a schema is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// Not an object, or not one that describes an object.
    #[error("it must be a schema for an object")]
    NotAnObject,
    /// Too many bytes.
    #[error("it is larger than {} KiB", limits::SCHEMA >> 10)]
    Size,
    /// Too deep.
    #[error("it is nested deeper than {} levels", limits::DEPTH)]
    Depth,
    /// Refers to another document, or to nothing.
    #[error("a `$ref` does not point into the schema itself (`#/…`)")]
    Reference,
    /// References that only a running validator can follow.
    #[error("`$dynamicRef` and `$recursiveRef` are not taken")]
    Dynamic,
    /// A schema within that moves the base of references.
    #[error("a schema within it has an `$id` of its own")]
    Identifier,
    /// A draft that is not read.
    #[error("its `$schema` is none of drafts 4, 6, 7, 2019-09 and 2020-12")]
    Draft,
    /// A reference that comes back to itself without going deeper.
    #[error("a `$ref` leads back to itself")]
    Loop,
    /// Too much work for a validator.
    #[error("its references expand to more than {} subschemas at one place", limits::SCHEMA_EXPANSIONS)]
    Expansion,
    /// Too many patterns.
    #[error("it holds more than {PATTERNS} patterns")]
    Patterns,
    /// The validator refuses it, for a pattern with look-around or a keyword of the wrong type, for example.
    #[error("it cannot be compiled: {0}")]
    Compile(String),
}

/// Compiles a schema within all bounds.
pub(super) fn compile(schema: &Value, bytes: usize) -> Result<Validator, SchemaFault> {
    let members = schema.as_object().ok_or(SchemaFault::NotAnObject)?;
    if members.get("type").is_some_and(|kind| kind != "object") {
        return Err(SchemaFault::NotAnObject);
    }
    if bytes > limits::SCHEMA {
        return Err(SchemaFault::Size);
    }
    let mut draft4 = false;
    if let Some(draft) = members.get("$schema") {
        let name = draft.as_str().map(|uri| uri.trim_end_matches('#'));
        let name = name.and_then(|uri| uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")));
        if !name.is_some_and(|name| DRAFTS.contains(&name)) {
            return Err(SchemaFault::Draft);
        }
        draft4 = name.is_some_and(|name| name.contains("draft-04"));
    }
    let mut scan = Scan { identifier: if draft4 { "id" } else { "$id" }, patterns: BTreeSet::new() };
    scan.value(schema, limits::DEPTH, true)?;
    if scan.patterns.len() > PATTERNS {
        return Err(SchemaFault::Patterns);
    }
    expansion::check(schema)?;
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN).dfa_size_limit(PATTERN))
        .build(schema)
        .map_err(|error| SchemaFault::Compile(text::escape(&error.masked().to_string())))
}

struct Scan<'a> {
    /// The keyword with which a schema moves the base of references.
    identifier: &'static str,
    patterns: BTreeSet<&'a str>,
}

impl<'a> Scan<'a> {
    /// Looks at every value, schema or not, so that nothing hides where references might lead later.
    fn value(&mut self, value: &'a Value, depth: usize, root: bool) -> Result<(), SchemaFault> {
        let below = || depth.checked_sub(1).ok_or(SchemaFault::Depth);
        match value {
            Value::Object(members) => {
                let below = below()?;
                for (key, inner) in members {
                    match (key.as_str(), inner) {
                        (key, Value::String(_)) if !root && key == self.identifier => {
                            return Err(SchemaFault::Identifier);
                        }
                        ("$ref", Value::String(text)) if !text.starts_with('#') => return Err(SchemaFault::Reference),
                        ("pattern", Value::String(pattern)) => {
                            self.patterns.insert(pattern);
                        }
                        ("patternProperties", Value::Object(map)) => {
                            self.patterns.extend(map.keys().map(String::as_str))
                        }
                        _ => {}
                    }
                    self.value(inner, below, false)?;
                }
                Ok(())
            }
            Value::Array(items) => {
                let below = below()?;
                items.iter().try_for_each(|item| self.value(item, below, false))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
}
