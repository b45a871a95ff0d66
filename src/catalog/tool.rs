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
    /// SHA-256 over the canonical JSON (RFC 8785) of name, title, description, schemas and annotations.
    pub digest: Digest,
    /// The input schema (JSON Schema 2020-12 unless it says otherwise).
    pub input_schema: Value,
    /// The definition as it is listed on `/mcp`, under the exposed name.
    pub listed: Bytes,
    /// The definition as it is listed on `/mcp/{server}`, under its own name.
    pub listed_alone: Bytes,
    pub(super) validator: Validator,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("reference", &self.reference).field("digest", &self.digest).finish_non_exhaustive()
    }
}
