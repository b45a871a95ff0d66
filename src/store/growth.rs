//! Proofs of growth from the hashes of tiles, and the checkpoints that stand beside them.

use super::{NEWEST, TileFolder, TilesError};
use crate::evidence::{
    bridge,
    tiles::{hashes, join, subtree},
};

/// The newest checkpoint that a quorum of witnesses has cosigned.
pub const WITNESSED: &str = "checkpoint.witnessed";

impl TileFolder {
    /// The hashes that show that the tree of size `to` only adds to that of size `from`: some dozen tiles are read,
    /// however long the log is. None unless 0 < from <= to.
    ///
    /// # Errors
    /// A tile is missing or cannot be read.
    pub fn growth(&self, from: u64, to: u64) -> Result<Option<Vec<[u8; 32]>>, TilesError> {
        bridge(from, to, |height, number| self.complete(to, height, number))
    }

    fn complete(&self, size: u64, height: u32, number: u64) -> Result<[u8; 32], TilesError> {
        let lost = || TilesError::Missing(format!("subtree {number} of height {height}"));
        let (name, at, count) = subtree(size, height, number).ok_or_else(lost)?;
        let tile = self.read(&name)?.ok_or_else(|| TilesError::Missing(name.path()))?;
        let part = hashes(&tile, name.width).and_then(|hashes| hashes.get(at..at + count));
        Ok(join(part.ok_or_else(|| TilesError::Missing(name.path()))?))
    }

    /// The newest checkpoint that a quorum of witnesses has cosigned; none if there was none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn witnessed(&self) -> Result<Option<String>, TilesError> {
        self.note(WITNESSED)
    }

    /// Puts this text, which bears cosignatures, in the place of the newest checkpoint; it is kept by itself too where
    /// there is a quorum.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn announce(&self, note: &str, quorum: bool) -> Result<(), TilesError> {
        if quorum {
            self.write(WITNESSED, note.as_bytes())?;
        }
        self.write(NEWEST, note.as_bytes())
    }
}
