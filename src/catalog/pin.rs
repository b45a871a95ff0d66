//! Approved definitions: what a person looked at, against what the server says now.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::{Digest, ServerName, Timestamp, ToolName, ToolRef};

/// One approval of a tool's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRow {
    /// The server.
    pub server: ServerName,
    /// The tool.
    pub tool: ToolName,
    /// The digest of the definition.
    pub digest: Digest,
    /// The definition that was approved, so that a later one can be compared with it.
    pub definition: String,
    /// Who approved it.
    pub approved_by: String,
    /// When.
    pub at: Timestamp,
}

/// How a tool's definition stands to what was approved. Only approved tools can be seen and called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "pin")]
pub enum Pin {
    /// It is what was approved.
    Approved,
    /// Nobody approved this tool yet (T142).
    New,
    /// It is not what was approved (T140).
    Drifted {
        /// The digest that was approved.
        approved: Digest,
    },
}

/// The approved digest of every tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<ToolRef, Digest>);

impl Pins {
    /// How this definition of a tool stands.
    #[must_use]
    pub fn judge(&self, tool: &ToolRef, digest: Digest) -> Pin {
        match self.0.get(tool) {
            None => Pin::New,
            Some(approved) if *approved == digest => Pin::Approved,
            Some(approved) => Pin::Drifted { approved: *approved },
        }
    }
}

impl From<Vec<PinRow>> for Pins {
    /// The latest approval of a tool is the one that counts.
    fn from(mut rows: Vec<PinRow>) -> Self {
        rows.sort_by_key(|row| row.at);
        Self(rows.into_iter().map(|row| (ToolRef { server: row.server, tool: row.tool }, row.digest)).collect())
    }
}

/// The store of approvals cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the approved tool definitions cannot be reached: {0}")]
pub struct PinStoreError(pub String);

/// Where approvals are kept.
#[async_trait]
pub trait PinStore: Send + Sync {
    /// All approvals.
    async fn load(&self) -> Result<Vec<PinRow>, PinStoreError>;
    /// Keeps one approval; durable when it returns.
    async fn approve(&self, row: PinRow) -> Result<(), PinStoreError>;
}
