//! Pins: the definitions that people approved.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::{Digest, ServerName, Timestamp, ToolName, ToolRef};

/// Whether a tool's live definition is the approved one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// It is; the tool can be seen and called.
    Approved,
    /// Nobody approved a definition yet (T142).
    New,
    /// It differs from what was approved (T140).
    Drifted {
        /// The digest that was approved.
        approved: Digest,
    },
}

/// An approved definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRow {
    /// The server.
    pub server: ServerName,
    /// The tool.
    pub tool: ToolName,
    /// Digest of the definition.
    pub digest: Digest,
    /// The definition as it was read.
    pub definition: String,
    /// Who approved it.
    pub approved_by: String,
    /// When.
    pub at: Timestamp,
}

/// The pins are not there.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the pins cannot be read or written: {0}")]
pub struct PinStoreError(pub String);

/// Keeps pins. Implemented by the store.
#[async_trait]
pub trait PinStore: Send + Sync {
    /// All pins.
    async fn pins(&self) -> Result<Vec<PinRow>, PinStoreError>;
    /// Approves definitions, all or none, replacing older pins of the same tools.
    async fn pin(&self, rows: Vec<PinRow>) -> Result<(), PinStoreError>;
}

/// Approved digests by tool.
pub type Pins = BTreeMap<ToolRef, Digest>;
