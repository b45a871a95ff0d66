//! Exports: how far each destination has got.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The part of [`super::Operations`] that is about exports.
#[async_trait]
pub trait ExportOperations: Send + Sync + 'static {
    /// All exports of postern.yaml.
    async fn exports(&self) -> Vec<ExportView>;
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportView {
    /// Its name in postern.yaml.
    pub name: String,
    /// `file`, `syslog` or `http`.
    pub to: String,
    /// The last record that it acknowledged.
    pub acknowledged: u64,
    /// Records that it has not acknowledged.
    pub lag_records: u64,
    /// Seconds since the oldest of them was written.
    pub lag_seconds: u64,
    /// Whether it acknowledges.
    pub healthy: bool,
    /// What goes wrong.
    pub trouble: Option<String>,
}
