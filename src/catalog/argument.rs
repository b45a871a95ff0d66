//! Arguments against the pinned schema: the only place that makes a [`ToolCall`].

use std::{fmt::Write as _, sync::Arc};

use serde_json::{Map, Value, value::RawValue};

use super::{
    Tool,
    json::{self, JsonFault},
};
use crate::domain::{Digest, Fault, limits};

/// Faults of the arguments that one answer names.
const NAMED: usize = 5;
/// Characters of one of them.
const SHOWN: usize = 200;

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

/// The arguments do not fit the tool. The text is for the agent that sent them: it names places and what is
/// expected there, and repeats no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Something other than an object.
    #[error("the arguments must be a JSON object")]
    NotAnObject,
    /// Not JSON that every reader takes alike: a duplicate key, too deep, a number out of range.
    #[error("the arguments cannot be read: {0}")]
    Unreadable(String),
    /// An integer that JSON readers disagree on.
    #[error("the arguments cannot be read: {0}")]
    UnsafeInteger(String),
    /// Breaks the input schema.
    #[error("the arguments do not fit the tool's input schema: {told}")]
    Schema {
        /// The first places and what is expected there. Names that the agent chose may stand in it.
        told: String,
        /// The first rules of the schema that are broken, as places of the schema.
        rules: String,
    },
}

impl ArgumentError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Caller
    }

    /// What stands on record: nothing that the agent sent, names of arguments included (T106).
    #[must_use]
    pub fn recorded(&self) -> String {
        match self {
            Self::NotAnObject => self.to_string(),
            Self::Unreadable(_) | Self::UnsafeInteger(_) => "the arguments cannot be read".to_owned(),
            Self::Schema { rules, .. } => format!("the arguments break the tool's input schema at {rules}"),
        }
    }
}

impl From<JsonFault> for ArgumentError {
    fn from(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Unreadable(text) => Self::Unreadable(text),
            JsonFault::UnsafeInteger(_) => Self::UnsafeInteger(fault.to_string()),
        }
    }
}

impl ToolCall {
    /// Checks the arguments (absent means `{}`) against the tool's schema. `passthrough` are members of
    /// `params` that the gateway does not know; they travel with the call and are part of its digest.
    ///
    /// # Errors
    /// The arguments are no object, are not read alike by everybody, or break the schema.
    pub fn check(
        tool: Arc<Tool>,
        arguments: Option<&RawValue>,
        passthrough: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Result<Self, ArgumentError> {
        let arguments = match arguments {
            Some(raw) => raw.to_owned(),
            None => RawValue::from_string("{}".to_owned()).map_err(|_| ArgumentError::NotAnObject)?,
        };
        if !arguments.get().trim_start().starts_with('{') {
            return Err(ArgumentError::NotAnObject);
        }
        let value = json::read(&arguments, limits::DEPTH)?;
        if !tool.validator.is_valid(&value) {
            return Err(ArgumentError::Schema { told: faults(&tool, &value), rules: rules(&tool, &value) });
        }
        let Value::Object(value) = value else { return Err(ArgumentError::NotAnObject) };
        let mut parts = vec![arguments.get().as_bytes()];
        for (name, raw) in &passthrough {
            parts.extend([&b"\0"[..], name.as_bytes(), b"\0", raw.get().as_bytes()]);
        }
        let digest = Digest::of_parts(&parts);
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

    /// Names of arguments that the schema does not declare at its top level, such as `Path` beside `path`;
    /// refused where an exception bounds the arguments (T070).
    pub fn undeclared(&self) -> impl Iterator<Item = &str> {
        self.value.keys().map(String::as_str).filter(|name| !self.tool.declares(name))
    }
}

fn rules(tool: &Tool, value: &Value) -> String {
    let one = |path: &str| path.chars().take(SHOWN).collect::<String>();
    let broken = tool.validator.iter_errors(value).take(NAMED).map(|error| one(error.schema_path().as_str()));
    broken.collect::<Vec<_>>().join(", ")
}

fn faults(tool: &Tool, value: &Value) -> String {
    let mut text = String::new();
    let mut more = 0_usize;
    for (index, error) in tool.validator.iter_errors(value).enumerate() {
        if index >= NAMED {
            more = more.saturating_add(1);
            continue;
        }
        if index > 0 {
            text.push_str("; ");
        }
        let path = error.instance_path().as_str();
        if !path.is_empty() {
            text.push_str("at `");
            text.extend(path.chars().take(SHOWN));
            text.push_str("`: ");
        }
        text.extend(error.masked().to_string().chars().take(SHOWN));
    }
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, "; and {more} more");
    }
    text
}
