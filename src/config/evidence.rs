//! `evidence`: where the tiles of the journal stand.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::Ground;

/// How evidence is given to others.
#[derive(Debug, Clone)]
pub struct EvidenceSettings {
    /// The folder of the tiles.
    pub tiles: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EvidenceForm {
    tiles: Option<String>,
}

/// Fills in defaults.
pub(super) fn check(form: &EvidenceForm, data: &str, ground: &Ground<'_>) -> EvidenceSettings {
    let tiles = form.tiles.as_ref().map_or_else(|| ground.path(data).join("tiles"), |folder| ground.path(folder));
    EvidenceSettings { tiles }
}
