//! The journal of a data folder, read beside the gateway or without it.

use std::{io, path::Path};

use serde_json::Value;

use crate::{evidence::Line, store::Inspection};

/// What a verification found.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// Records that were read.
    pub records: u64,
    /// Checkpoints that were held against them.
    pub checkpoints: u64,
    /// What is wrong, each with its place.
    pub faults: Vec<String>,
}

/// Verifies chain and checkpoints.
///
/// # Errors
/// The folder has no journal that can be read.
pub fn verify(data: &Path) -> anyhow::Result<Verified> {
    let inspection = Inspection::open(data)?;
    let report = inspection.verify(inspection.key(), &[])?;
    Ok(Verified {
        sound: report.holds(),
        records: report.records,
        checkpoints: report.checkpoints,
        faults: report.breaches.iter().map(ToString::to_string).collect(),
    })
}

/// Gives every record from a sequence number on, then the checkpoints between them.
///
/// # Errors
/// The folder has no journal that can be read, or `each` fails.
pub fn records(data: &Path, since: u64, each: &mut dyn FnMut(Value) -> io::Result<()>) -> anyhow::Result<()> {
    let inspection = Inspection::open(data)?;
    inspection.export(since, |line: Line| {
        let text = line.write().map_err(io::Error::other)?;
        each(serde_json::from_str(&text).map_err(io::Error::other)?)
    })?;
    Ok(())
}
