//! Why a tool cannot be approved until its server mends it.

use serde::{Serialize, Serializer};

use super::SchemaFault;
use crate::domain::{ExposedName, ServerName, limits};

/// A tool that was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("tool `{tool}` of `{server}` is quarantined: {reason}")]
pub struct Quarantine {
    /// The server that offers it.
    pub server: ServerName,
    /// What it calls itself, shortened and escaped; empty if it has no name.
    pub tool: String,
    /// Why.
    #[serde(serialize_with = "as_text")]
    pub reason: QuarantineReason,
}

/// Why a tool was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuarantineReason {
    /// Not JSON that every reader takes alike.
    #[error("its definition cannot be read: {0}")]
    Unreadable(String),
    /// Too large as a whole.
    #[error("its definition is larger than {} KiB", (4 * limits::SCHEMA) >> 10)]
    Size,
    /// Without a name.
    #[error("it has no name")]
    NoName,
    /// The name breaks the rule for names (T063).
    #[error("its name is not 1 to 128 of A-Z a-z 0-9 _ . -")]
    Name,
    /// Another tool of its server would have the same name (T064).
    #[error("more than one tool would be called `{0}`")]
    Collision(ExposedName),
    /// A member has the wrong type.
    #[error("its `{0}` has the wrong type")]
    NotText(&'static str),
    /// Too much text for a model to be shown.
    #[error("its `{0}` is longer than {limit} bytes", limit = limits::DESCRIPTION)]
    Description(&'static str),
    /// Characters that people do not see (T141).
    #[error("it holds the hidden character {0}")]
    Hidden(String),
    /// Speaks in the gateway's name.
    #[error("its `_meta` holds a key that only the gateway may set")]
    OwnMeta,
    /// Without an input schema.
    #[error("it has no `inputSchema`")]
    NoSchema,
    /// The input schema is not taken.
    #[error("its `inputSchema` is not taken: {0}")]
    InputSchema(SchemaFault),
    /// The output schema is not taken.
    #[error("its `outputSchema` is not taken: {0}")]
    OutputSchema(SchemaFault),
    /// The server offers too many tools.
    #[error("its server offers more than {} tools; the rest is left out", limits::TOOLS_PER_SERVER)]
    TooMany,
}

fn as_text<S: Serializer>(reason: &QuarantineReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reason)
}
