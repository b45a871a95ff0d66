//! Arguments against the pinned schema: the only place that makes a [`ToolCall`].

use std::sync::Arc;

use serde_json::{Map, Value, value::RawValue};

use super::Tool;
use crate::domain::{Digest, limits};

/// A call whose arguments satisfy the tool's input schema. It owns what was checked, so what is judged is
/// what is sent; it cannot be cloned.
#[derive(Debug)]
#[must_use]
pub struct ToolCall {
    tool: Arc<Tool>,
    arguments: Box<RawValue>,
    value: Map<String, Value>,
    digest: Digest,
    passthrough: Vec<(Box<str>, Box<RawValue>)>,
}

/// The arguments do not fit the tool.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// Not an object, or not readable.
    #[error("the arguments must be a JSON object")]
    NotAnObject,
    /// Breaks the input schema; the text names the first place and what is expected there.
    #[error("{0}")]
    Schema(String),
    /// An integer that JSON readers disagree on.
    #[error("the integer at `{0}` is beyond ±(2^53−1)")]
    UnsafeInteger(String),
}

impl ToolCall {
    /// Checks the arguments (absent means `{}`) against the tool's schema. `passthrough` are members of
    /// `params` that the gateway does not know; they travel with the call and are part of its digest.
    ///
    /// # Errors
    /// The arguments are no object, break the schema, or hold an integer beyond ±(2^53−1).
    pub fn check(
        tool: Arc<Tool>,
        arguments: Option<&RawValue>,
        passthrough: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Result<Self, ArgumentError> {
        let text = arguments.map_or("{}", RawValue::get);
        let value: Value = serde_json::from_str(text).map_err(|_| ArgumentError::NotAnObject)?;
        if let Some(path) = unsafe_integer(&value, String::new()) {
            return Err(ArgumentError::UnsafeInteger(path));
        }
        if !value.is_object() {
            return Err(ArgumentError::NotAnObject);
        }
        if let Err(error) = tool.validator.validate(&value) {
            let path = error.instance_path().as_str();
            let place = if path.is_empty() { String::new() } else { format!("at `{path}`: ") };
            return Err(ArgumentError::Schema(format!("{place}{error}")));
        }
        let Value::Object(value) = value else { return Err(ArgumentError::NotAnObject) };
        let mut parts = vec![text.as_bytes()];
        for (name, raw) in &passthrough {
            parts.extend([&b"\0"[..], name.as_bytes(), b"\0", raw.get().as_bytes()]);
        }
        let digest = Digest::of_parts(&parts);
        let arguments = RawValue::from_string(text.to_owned()).map_err(|_| ArgumentError::NotAnObject)?;
        Ok(Self { tool, arguments, value, digest, passthrough })
    }

    /// The tool.
    #[must_use]
    pub const fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// The arguments, byte for byte as they will be sent.
    #[must_use]
    pub fn arguments(&self) -> &RawValue {
        &self.arguments
    }

    /// The arguments as a value.
    #[must_use]
    pub const fn value(&self) -> &Map<String, Value> {
        &self.value
    }

    /// SHA-256 over the exact bytes that will be sent: arguments, then each member that passes through.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Members of `params` that pass through; refused under an exception.
    #[must_use]
    pub fn passthrough(&self) -> &[(Box<str>, Box<RawValue>)] {
        &self.passthrough
    }
}

fn unsafe_integer(value: &Value, path: String) -> Option<String> {
    match value {
        Value::Number(number) => {
            let safe = -limits::SAFE_INTEGER..=limits::SAFE_INTEGER;
            #[expect(clippy::cast_precision_loss, reason = "2^53-1 is exact in f64")]
            let bound = limits::SAFE_INTEGER as f64;
            let fits = number.as_i64().map_or_else(
                || number.as_f64().is_some_and(|float| float.fract() != 0.0 || float.abs() <= bound),
                |integer| safe.contains(&integer),
            );
            (!fits).then_some(path)
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(i, item)| unsafe_integer(item, format!("{path}/{i}"))),
        Value::Object(map) => map.iter().find_map(|(key, item)| unsafe_integer(item, format!("{path}/{key}"))),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}
