//! `evidence`: where the tiles of the journal stand, and how long records of traffic are kept.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::Ground;

/// How evidence is given to others.
#[derive(Debug, Clone)]
pub struct EvidenceSettings {
    /// The folder of the tiles.
    pub tiles: PathBuf,
    /// Days that records of traffic are kept; none keeps all.
    pub traffic_days: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EvidenceForm {
    tiles: Option<String>,
    retention: RetentionForm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RetentionForm {
    traffic_days: Option<u32>,
}

/// Fills in defaults.
pub(super) fn check(form: &EvidenceForm, data: &str, ground: &Ground<'_>) -> EvidenceSettings {
    let tiles = form.tiles.as_ref().map_or_else(|| ground.path(data).join("tiles"), |folder| ground.path(folder));
    EvidenceSettings { tiles, traffic_days: form.retention.traffic_days }
}
