//! A tool's definition is looked at before anybody sees it: name, schema, text (T063, T071, T141).

use bytes::Bytes;
use jsonschema::{Draft, PatternOptions};
use serde_json::{Map, Value, value::RawValue};

use super::{Tool, names, schema};
use crate::domain::{Digest, NameError, ServerName, ToolName, ToolRef, limits};

/// Why a definition is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Quarantine {
    /// Not an object with a name and an input schema.
    #[error("the definition is not an object with `name` and `inputSchema`")]
    Malformed,
    /// The name breaks the rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Text that hides something from the person who reads it.
    #[error("`{0}` holds control, bidirectional, tag or zero-width characters")]
    HiddenText(&'static str),
    /// A description beyond the bound.
    #[error("the description is longer than {} bytes", limits::DESCRIPTION)]
    Description,
    /// A schema that is too large, refers outside, or cannot be compiled.
    #[error("the input schema {0}")]
    Schema(String),
    /// Two definitions of one server with one name.
    #[error("the server defines this name twice")]
    Twice,
}

/// Admits one tool object of a `tools/list` result.
///
/// # Errors
/// Why the definition stays in quarantine.
pub fn admit(server: &ServerName, raw: &RawValue) -> Result<Tool, Quarantine> {
    let Ok(Value::Object(definition)) = serde_json::from_str::<Value>(raw.get()) else { return Err(Quarantine::Malformed) };
    let name = definition.get("name").and_then(Value::as_str).ok_or(Quarantine::Malformed)?;
    let tool: ToolName = name.parse()?;
    let input_schema = definition.get("inputSchema").filter(|schema| schema.is_object()).ok_or(Quarantine::Malformed)?;
    for member in ["title", "description"] {
        let text = definition.get(member).and_then(Value::as_str).unwrap_or_default();
        if text.chars().any(hidden) {
            return Err(Quarantine::HiddenText(member));
        }
        if text.len() > limits::DESCRIPTION {
            return Err(Quarantine::Description);
        }
    }
    schema::within_bounds(input_schema).map_err(Quarantine::Schema)?;
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(input_schema)
        .map_err(|error| Quarantine::Schema(format!("cannot be compiled: {error}")))?;
    let reference = ToolRef { server: server.clone(), tool };
    let exposed = names::exposed(&reference).ok_or(Quarantine::Malformed)?;
    let listed = renamed(raw, exposed.as_str()).ok_or(Quarantine::Malformed)?;
    let listed_alone = renamed(raw, name).ok_or(Quarantine::Malformed)?;
    let digest = digest(&definition)?;
    Ok(Tool { reference, exposed, digest, input_schema: input_schema.clone(), listed, listed_alone, validator })
}

/// Characters that a reader does not see as what they are (T141).
const fn hidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// SHA-256 over the canonical JSON (RFC 8785) of what an approver reads.
fn digest(definition: &Map<String, Value>) -> Result<Digest, Quarantine> {
    let members = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];
    let read: Map<String, Value> =
        members.iter().filter_map(|name| definition.get(*name).map(|value| ((*name).to_owned(), value.clone()))).collect();
    let canonical = serde_json_canonicalizer::to_vec(&read).map_err(|_| Quarantine::Malformed)?;
    Ok(Digest::of(&canonical))
}

/// The definition with another name; every other member stays byte for byte, in its order.
fn renamed(raw: &RawValue, name: &str) -> Option<Bytes> {
    let members: Members<'_> = serde_json::from_str(raw.get()).ok()?;
    let mut out = Vec::with_capacity(raw.get().len() + 64);
    for (index, (key, value)) in members.0.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        out.extend(serde_json::to_vec(key).ok()?);
        out.push(b':');
        if key == "name" {
            out.extend(serde_json::to_vec(name).ok()?);
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.push(b'}');
    Some(out.into())
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
