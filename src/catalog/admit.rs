//! One tool object of a server's list, judged: named, bounded, compiled and digested, or quarantined.

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::{Names, Quarantine, QuarantineReason, Tool, exposed, json, names::Taken, schema, text};
use crate::domain::{Digest, ServerName, ToolName, ToolRef, limits};

/// Members that an approval does not cover, since no part of them is meant for the model. Whatever else a definition
/// holds is approved, and drift is measured on it: also what a later revision may give a meaning.
const APART: [&str; 2] = ["_meta", "icons"];
/// Bytes of a whole definition.
const DEFINITION: usize = 4 * limits::SCHEMA;
/// The beginning of `_meta` keys that only the gateway may use.
const OWN_META: &str = "dev.postern/";

/// Judges one tool object of `tools/list`. The name that it gets on `/mcp` is taken from then on.
///
/// What is listed holds every member, byte for byte and in the server's order.
///
/// # Errors
/// Why the tool is quarantined. A quarantined tool cannot be approved until its server mends it.
pub fn admit(server: &ServerName, raw: &RawValue, taken: &mut Names) -> Result<Tool, Quarantine> {
    let mut shown = String::new();
    judge(server, raw, taken, &mut shown).map_err(|reason| Quarantine { server: server.clone(), tool: shown, reason })
}

fn judge(server: &ServerName, raw: &RawValue, taken: &mut Names, shown: &mut String) -> Result<Tool, QuarantineReason> {
    if raw.get().len() > DEFINITION {
        return Err(QuarantineReason::Size);
    }
    let members: Members<'_> =
        serde_json::from_str(raw.get()).map_err(|_| QuarantineReason::Unreadable("it is not an object".to_owned()))?;
    if let Some(name) = members.get("name") {
        *shown = text::escape(name.get().trim_matches('"'));
    }
    let value = json::read(raw, 2 * limits::DEPTH).map_err(|fault| QuarantineReason::Unreadable(fault.to_string()))?;
    let Value::Object(whole) = &value else {
        return Err(QuarantineReason::Unreadable("it is not an object".to_owned()));
    };
    let name = text_of(whole, "name")?.ok_or(QuarantineReason::NoName)?;
    *shown = text::escape(name);
    let tool: ToolName = name.parse().map_err(|_| QuarantineReason::Name)?;
    let validator = check_members(whole, &members)?;
    let pinned = whole.iter().filter(|(key, _)| !APART.contains(&key.as_str()));
    let pinned: Map<String, Value> = pinned.map(|(key, value)| (key.clone(), value.clone())).collect();
    let warnings = text::warnings(&Value::Object(pinned.clone()));
    let input_schema = pinned.get("inputSchema").cloned().unwrap_or_default();
    let definition = serde_json_canonicalizer::to_string(&Value::Object(pinned))
        .map_err(|error| QuarantineReason::Unreadable(error.to_string()))?;
    let reference = ToolRef { server: server.clone(), tool };
    let exposed = taken.take(&reference).map_err(|fault| match fault {
        Taken::By { exposed, .. } => QuarantineReason::Collision(exposed),
        Taken::Unnameable(_) => QuarantineReason::Name,
    })?;
    Ok(Tool {
        digest: Digest::of(definition.as_bytes()),
        listed: members.listed(exposed.as_str(), Some(server)),
        listed_alone: members.listed(reference.tool.as_str(), None),
        reference,
        exposed,
        definition: definition.into(),
        input_schema,
        warnings,
        source: Digest::of(raw.get().as_bytes()),
        validator,
    })
}

fn text_of<'a>(whole: &'a Map<String, Value>, key: &'static str) -> Result<Option<&'a str>, QuarantineReason> {
    match whole.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(QuarantineReason::NotText(key)),
    }
}

fn check_members(whole: &Map<String, Value>, members: &Members<'_>) -> Result<jsonschema::Validator, QuarantineReason> {
    for key in ["title", "description"] {
        if text_of(whole, key)?.is_some_and(|text| text.len() > limits::DESCRIPTION) {
            return Err(QuarantineReason::Description(key));
        }
    }
    if let Some(place) = text::hidden(&Value::Object(whole.clone()), "") {
        return Err(QuarantineReason::Hidden(place));
    }
    if whole
        .get("_meta")
        .and_then(Value::as_object)
        .is_some_and(|meta| meta.keys().any(|key| key.starts_with(OWN_META)))
    {
        return Err(QuarantineReason::OwnMeta);
    }
    if whole.get("annotations").is_some_and(|value| !value.is_object()) {
        return Err(QuarantineReason::NotText("annotations"));
    }
    let bytes = |key: &str| members.get(key).map_or(0, |raw| raw.get().len());
    if let Some(output) = whole.get("outputSchema") {
        schema::compile(output, bytes("outputSchema")).map_err(QuarantineReason::OutputSchema)?;
    }
    let input = whole.get("inputSchema").ok_or(QuarantineReason::NoSchema)?;
    schema::compile(input, bytes("inputSchema")).map_err(QuarantineReason::InputSchema)
}

/// The members of an object in their order, each as it was written.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    /// The tool under this name; with a server, what points to its pages points to where `/mcp` has them.
    fn listed(&self, name: &str, server: Option<&ServerName>) -> Bytes {
        write(self.0.iter(), ("name", name), server)
    }

    /// The definition under this name, URI or template, as `/mcp` has it.
    pub(super) fn whole(&self, named: (&str, &str), server: &ServerName) -> Bytes {
        write(self.0.iter(), named, Some(server))
    }
}

fn write<'a>(
    members: impl Iterator<Item = &'a (String, &'a RawValue)>,
    (named, name): (&str, &str),
    server: Option<&ServerName>,
) -> Bytes {
    let mut out = String::from("{");
    for (key, raw) in members {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&json::text(key));
        out.push(':');
        if key == named {
            out.push_str(&json::text(name));
        } else if let (Some(server), "_meta") = (server, key.as_str()) {
            out.push_str(&exposed::meta(server, raw).unwrap_or_else(|| raw.get().to_owned()));
        } else {
            out.push_str(raw.get());
        }
    }
    out.push('}');
    out.into()
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
