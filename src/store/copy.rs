//! Evidence that was copied away: a data folder, a folder of tiles, or an export.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use super::{Inspection, NEWEST, OpenError, TileFolder, TilesError, tiles::LINE};
use crate::{
    domain::limits,
    evidence::{
        Breach, Checkpoint, CheckpointError, KeyLine, Line, Record, Report, Runs, SigningChange, Verifier,
        VerifyingKey, leaf,
        tiles::{Edge, Place, TileName, entries, hashes, width},
    },
};

/// The copy cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Nothing of the three.
    #[error("`{0}` is no data folder (`postern.db`), no folder of tiles (`checkpoint`, `tile/`) and no export")]
    Unknown(PathBuf),
    /// The data folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tiles.
    #[error(transparent)]
    Tiles(#[from] TilesError),
    /// A tile is missing.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A tile is not what its name says.
    #[error("`{0}` was changed: it does not hold what its name says")]
    Shape(String),
    /// A record is not the one whose hash stands in the tree.
    #[error("`{tile}` was changed: record {seq} is not the one whose hash stands in the tree")]
    Entry {
        /// The bundle.
        tile: String,
        /// The record.
        seq: u64,
    },
    /// The newest checkpoint, or one that was given.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// The export.
    #[error("line {0} is none of an export of evidence")]
    Line(usize),
    /// Reading failed.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// A copy.
#[derive(Debug)]
pub enum Copied {
    /// A data folder.
    Data(Box<Inspection>),
    /// A folder of tiles.
    Tiles(TileFolder),
    /// An export, as JSON lines.
    Export(PathBuf),
}

/// One record of a copy.
#[derive(Debug)]
pub struct Leaf {
    /// Its sequence number.
    pub seq: u64,
    /// Its leaf in the tree.
    pub hash: [u8; 32],
    /// Its bytes; none if it was removed when its time was over.
    pub record: Option<Vec<u8>>,
}

impl Copied {
    /// Opens what is at this path.
    ///
    /// # Errors
    /// It is none of the three.
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        if path.join("postern.db").exists() {
            return Ok(Self::Data(Box::new(Inspection::open(path)?)));
        }
        if path.join(NEWEST).is_file() {
            return Ok(Self::Tiles(TileFolder::new(path)));
        }
        if path.is_file() { Ok(Self::Export(path.to_owned())) } else { Err(CopyError::Unknown(path.to_owned())) }
    }

    /// The key that stands beside it; a stranger brings his own.
    #[must_use]
    pub fn key(&self) -> Option<&VerifyingKey> {
        if let Self::Data(inspection) = self { Some(inspection.key()) } else { None }
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn newest(&self) -> Result<Option<String>, CopyError> {
        if let Self::Tiles(folder) = self {
            return Ok(folder.checkpoint()?);
        }
        let mut newest = None;
        self.lines(|line| {
            if let Line::Checkpoint(note) = line {
                newest = Some(note);
            }
            Ok(())
        })?;
        Ok(newest)
    }

    /// Gives the first `size` records, in order; of tiles each record is held against its hash.
    ///
    /// # Errors
    /// They cannot be read, or a tile was changed.
    pub fn leaves(&self, size: u64, mut each: impl FnMut(Leaf)) -> Result<(), CopyError> {
        let Self::Tiles(folder) = self else {
            return self.lines(|line| {
                if let Line::Row(row) = line
                    && row.seq <= size
                {
                    let (hash, kept) = (row.leaf(), row.pruned().is_none());
                    each(Leaf { seq: row.seq, hash, record: kept.then_some(row.payload) });
                }
                Ok(())
            });
        };
        let line = folder.line()?;
        for index in 0..size.div_ceil(256) {
            bundle(folder, (index, width(size, index)), &line, &mut each)?;
        }
        Ok(())
    }

    fn lines(&self, mut take: impl FnMut(Line) -> Result<(), CopyError>) -> Result<(), CopyError> {
        match self {
            Self::Data(inspection) => {
                inspection.export(0, |line| take(line).map_err(std::io::Error::other))?;
                Ok(())
            }
            Self::Export(path) => {
                for (at, line) in BufReader::new(fs::File::open(path)?).lines().enumerate() {
                    take(Line::read(&line?).map_err(|_| CopyError::Line(at + 1))?)?;
                }
                Ok(())
            }
            Self::Tiles(_) => Ok(()),
        }
    }
}

/// Up to where this record says that traffic was removed.
fn retained(record: &[u8], seq: u64) -> Option<u64> {
    if !record.starts_with(br#"{"kind":"retention""#) {
        return None;
    }
    match serde_json::from_slice(record) {
        Ok(Record::Retention(said)) if said.is_sound(seq) => Some(said.through),
        Ok(_) | Err(_) => None,
    }
}

/// Gives one bundle; of one whose records are gone, those of `line` are still there.
fn bundle(
    folder: &TileFolder,
    (index, width): (u64, usize),
    line: &[(u64, Vec<u8>)],
    each: &mut impl FnMut(Leaf),
) -> Result<(), CopyError> {
    let name = |place| TileName { place, index, width };
    let (lower, records) = (name(Place::Hashes(0)), name(Place::Entries));
    let tile = folder.read(&lower)?.ok_or_else(|| CopyError::Missing(lower.path()))?;
    let tile = hashes(&tile, width).ok_or_else(|| CopyError::Shape(lower.path()))?;
    let bytes = folder.read(&records)?;
    let found = match &bytes {
        Some(bytes) => {
            let found = entries(bytes).filter(|found| found.len() == width);
            Some(found.ok_or_else(|| CopyError::Shape(records.path()))?)
        }
        None => None,
    };
    for (at, (seq, hash)) in (index * 256 + 1..).zip(tile).enumerate() {
        let (record, tile) = match &found {
            Some(found) => (found.get(at).map(|record| record.to_vec()), records.path()),
            None => {
                let at = line.binary_search_by_key(&seq, |(of, _)| *of).ok();
                (at.and_then(|at| line.get(at)).map(|(_, record)| record.clone()), LINE.to_owned())
            }
        };
        if record.as_ref().is_some_and(|record| leaf(record) != *hash) {
            return Err(CopyError::Entry { tile, seq });
        }
        each(Leaf { seq, hash: *hash, record });
    }
    Ok(())
}

impl Copied {
    /// The changes of the signing key, each with its place; `size` is how many records are looked at.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn changes(&self, size: u64) -> Result<Vec<(u64, SigningChange)>, CopyError> {
        if let Self::Data(inspection) = self {
            return Ok(inspection.changes()?);
        }
        let mut found = Vec::new();
        self.leaves(size, |leaf| {
            let change = leaf.record.as_deref().and_then(KeyLine::change);
            found.extend(change.filter(|_| found.len() <= limits::SIGNING_KEYS).map(|change| (leaf.seq, change)));
        })?;
        Ok(found)
    }

    /// Holds all that is there against its chain, its hashes and its checkpoints; `others` are checkpoints that were
    /// kept elsewhere. A fault of the tiles is an error that names the file.
    ///
    /// # Errors
    /// It cannot be read, or a tile was changed.
    pub fn verify(&self, line: &KeyLine, others: &[String]) -> Result<Report, CopyError> {
        match self {
            Self::Data(inspection) => Ok(inspection.verify(line, others)?),
            Self::Export(_) => {
                let mut notes = others.to_vec();
                self.lines(|line| {
                    if let Line::Checkpoint(note) = line {
                        notes.push(note);
                    }
                    Ok(())
                })?;
                let line = line.with(&self.changes(u64::MAX)?);
                let mut verifier = Verifier::new(&line, notes.iter().map(String::as_str));
                self.lines(|line| {
                    if let Line::Row(row) = line {
                        verifier.row(&row);
                    }
                    Ok(())
                })?;
                Ok(verifier.finish())
            }
            Self::Tiles(folder) => self.verify_tiles(folder, line, others),
        }
    }

    fn verify_tiles(&self, folder: &TileFolder, line: &KeyLine, others: &[String]) -> Result<Report, CopyError> {
        let note = folder.checkpoint()?.ok_or_else(|| CopyError::Missing(NEWEST.to_owned()))?;
        let size = Checkpoint::read(&note).map_err(CopyError::Checkpoint)?.size;
        let line = line.with(&self.changes(size)?);
        let keys = Report::of_keys(&line);
        let signed = match line.open(&note) {
            Ok(signed) => signed,
            // The line of keys says why.
            Err(_) if !keys.holds() => return Ok(keys),
            Err(error) => return Err(CopyError::Checkpoint(error)),
        };
        let mut earlier = Vec::new();
        for other in others {
            earlier.push(line.open(other).map_err(CopyError::Checkpoint)?);
        }
        let (mut edge, mut report, mut wrong) = (Edge::default(), keys, None);
        let (mut gone, mut said) = (Runs::default(), 0);
        self.leaves(signed.size, |leaf| {
            report.records += 1;
            match &leaf.record {
                Some(record) => said = retained(record, leaf.seq).map_or(said, |through| said.max(through)),
                None => {
                    report.pruned += 1;
                    gone.push(leaf.seq);
                }
            }
            for (name, tile) in edge.push(leaf.hash) {
                let same = folder.read(&name).is_ok_and(|found| found.is_some_and(|found| found == tile));
                wrong = wrong.take().or_else(|| (!same).then(|| name.path()));
            }
            let here = earlier.iter().filter(|checkpoint| checkpoint.size == edge.size());
            for checkpoint in here {
                if checkpoint.root == edge.tree().root() {
                    (report.checkpoints, report.signed) = (report.checkpoints + 1, checkpoint.size);
                } else {
                    report.breaches.push(Breach::Rewritten { after: report.signed, size: checkpoint.size });
                }
            }
        })?;
        for (name, tile) in edge.partial() {
            let same = folder.read(&name)?.is_some_and(|found| found == tile);
            wrong = wrong.or_else(|| (!same).then(|| name.path()));
        }
        if let Some(path) = wrong {
            return Err(CopyError::Shape(path));
        }
        // Bundles go whole, up to where the last word of the journal says that traffic was removed.
        let covered = Runs::of((said > 0).then_some([1, said]));
        for [from, to] in gone.without(&covered).as_slice() {
            report.pruned = report.pruned.saturating_sub(to - from + 1);
            report.breaches.push(Breach::Missing { from: *from, to: *to });
        }
        if edge.tree().root() == signed.root {
            (report.checkpoints, report.signed) = (report.checkpoints + 1, signed.size);
        } else {
            report.breaches.push(Breach::Rewritten { after: report.signed, size: signed.size });
        }
        if let Some(more) = earlier.iter().map(|checkpoint| checkpoint.size).max().filter(|size| *size > signed.size) {
            report.breaches.push(Breach::Truncated { have: signed.size, signed: more });
        }
        Ok(report)
    }
}
