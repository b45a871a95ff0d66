//! One tool as its server defines it.

use std::fmt;

use bytes::Bytes;
use jsonschema::Validator;
use serde_json::Value;

use crate::domain::{Digest, ExposedName, ToolRef};

/// A tool whose definition was admitted: named by the rules, its schema bounded and compiled.
pub struct Tool {
    /// Which tool of which server.
    pub reference: ToolRef,
    /// Its name on `/mcp`.
    pub exposed: ExposedName,
    /// SHA-256 of `definition`.
    pub digest: Digest,
    /// What is approved: the canonical JSON (RFC 8785) of every member but `_meta` and `icons`.
    pub definition: Box<str>,
    /// The input schema (JSON Schema 2020-12 unless it says otherwise).
    pub input_schema: Value,
    /// The definition as it is listed on `/mcp`, under the exposed name.
    pub listed: Bytes,
    /// The definition as it is listed on `/mcp/{server}`, under its own name.
    pub listed_alone: Bytes,
    /// What an approver should look at twice: text that speaks to the model rather than of the tool (T141).
    pub warnings: Vec<String>,
    /// SHA-256 of the definition as the server sent it.
    pub(super) source: Digest,
    pub(super) validator: Validator,
}

impl Tool {
    /// Whether the input schema declares an argument of this name at its top level.
    #[must_use]
    pub fn declares(&self, argument: &str) -> bool {
        self.input_schema.get("properties").is_some_and(|properties| properties.get(argument).is_some())
    }
}

impl Tool {
    /// Whether the input schema says of the argument at this place (a JSON pointer) that it is a secret: `writeOnly`,
    /// `format: password`, or that a header repeats it.
    #[must_use]
    pub fn hides(&self, place: &str) -> bool {
        let mut schema = Some(&self.input_schema);
        place.split('/').skip(1).any(|name| {
            let name = name.replace("~1", "/").replace("~0", "~");
            schema = schema.and_then(|schema| schema.get("properties")?.get(name));
            schema.is_some_and(|schema| {
                schema.get("writeOnly").is_some_and(|only| only == &Value::Bool(true))
                    || schema.get("format").is_some_and(|format| format == "password")
                    || schema.get("x-mcp-header").is_some()
            })
        })
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("reference", &self.reference).field("digest", &self.digest).finish_non_exhaustive()
    }
}
