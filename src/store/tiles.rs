//! The journal as tiles in a folder that anybody can copy and check (C2SP tlog-tiles).

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::domain::limits;
use crate::evidence::{
    Checkpoint, Head, KeyLine, Row, chain,
    tiles::{Edge, Place, TILE, TileName, entries, entry, width},
};

/// The newest checkpoint that the tiles of a folder hold.
pub const NEWEST: &str = "checkpoint";
/// The changes of the signing key, one record a line: they outlive their bundles.
pub(super) const LINE: &str = "line";
/// Earlier states of a tile that is not full which are kept for whoever reads beside the writer.
const STATES: usize = 8;
/// Bytes of the largest file of a folder: a bundle of the largest entries.
const FILE: u64 = 256 * (2 + 65_535);

/// The tiles cannot be read or written, or the journal is not what its checkpoint signed.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// Reading or writing failed.
    #[error("`{path}` cannot be used: {source}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record is not the one that follows.
    #[error("record {0} does not follow from the record before it")]
    Chain(u64),
    /// A tile that a proof needs is not there.
    #[error("the tile `{0}` is missing or has another size")]
    Missing(String),
    /// The tiles and the checkpoint have different roots.
    #[error("the checkpoint of {0} records has another root than the tiles; run `postern evidence verify`")]
    Root(u64),
}

/// A folder of tiles.
#[derive(Debug, Clone)]
pub struct TileFolder {
    dir: PathBuf,
}

impl TileFolder {
    /// The tiles in this folder.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The newest checkpoint; none if nothing was written yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn checkpoint(&self) -> Result<Option<String>, TilesError> {
        self.note(NEWEST)
    }

    pub(super) fn note(&self, name: &str) -> Result<Option<String>, TilesError> {
        let text = self.read_file(name)?;
        let path = self.dir.join(name);
        let text = text.map(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8")));
        text.transpose().map_err(|source| TilesError::Io { path, source })
    }

    /// A tile; the full one serves for any part of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &TileName) -> Result<Option<Vec<u8>>, TilesError> {
        if let Some(bytes) = self.read_file(&name.path())? {
            return Ok(Some(bytes));
        }
        if name.width == TILE {
            return Ok(None);
        }
        let Some(mut bytes) = self.read_file(&name.full_path())? else { return Ok(None) };
        match name.place {
            Place::Hashes(_) => bytes.truncate(32 * name.width),
            Place::Entries => {
                let first = entries(&bytes).map(|found| found.iter().take(name.width).map(|e| e.len() + 2).sum());
                bytes.truncate(first.unwrap_or_default());
            }
        }
        Ok(Some(bytes))
    }

    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, TilesError> {
        let path = self.dir.join(path);
        let read = || {
            let facts = fs::symlink_metadata(&path)?;
            if !facts.is_file() || facts.len() > FILE {
                return Err(io::Error::other("it is no file of tiles"));
            }
            fs::read(&path)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(TilesError::Io { path, source }),
        }
    }

    /// Whole or not at all, and on disk when this returns.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TilesError> {
        let path = self.dir.join(path);
        let write = || {
            let folder = path.parent().unwrap_or(&self.dir);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(".new");
            let beside = path.with_file_name(name);
            let mut file = fs::File::create(&beside)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|source| TilesError::Io { path: path.clone(), source })
    }

    /// The records of changes of the signing key, each with its number.
    pub(super) fn line(&self) -> Result<Vec<(u64, Vec<u8>)>, TilesError> {
        let text = self.read_file(LINE)?.unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(limits::SIGNING_KEYS);
        let read = |line: &[u8]| KeyLine::change(line).map(|change| (change.seq, line.to_vec()));
        let found: Option<Vec<_>> = lines.map(read).collect();
        let source = || io::Error::other("a line is no change of the signing key");
        found.ok_or_else(|| TilesError::Io { path: self.dir.join(LINE), source: source() })
    }

    /// Keeps a change of the signing key; what stands there from this place on is of another history.
    fn changed(&self, seq: u64, record: &[u8]) -> Result<(), TilesError> {
        let mut line = self.line().unwrap_or_default();
        line.retain(|(earlier, _)| *earlier < seq);
        let kept = line.iter().map(|(_, record)| record.as_slice()).chain([record]);
        self.write(LINE, &kept.flat_map(|record| [record, b"\n"]).collect::<Vec<_>>().concat())
    }

    /// Removes the states of this tile that are older than the last few.
    fn tidy(&self, name: &TileName, all: bool) {
        let folder = self.dir.join(format!("{}.p", name.full_path()));
        if all {
            // What cannot be removed is only in the way of nobody.
            let _ = fs::remove_dir_all(folder);
            return;
        }
        let Ok(found) = fs::read_dir(&folder) else { return };
        let mut states: Vec<usize> = found.flatten().filter_map(|f| f.file_name().to_str()?.parse().ok()).collect();
        states.sort_unstable();
        let older = states.len().saturating_sub(STATES);
        for state in states.into_iter().take(older) {
            let _ = fs::remove_file(folder.join(state.to_string()));
        }
    }

    /// Removes these bundles of entries, because the journal keeps less than everything in them; their hashes stay, and so
    /// do changes of the signing key, in a file of their own.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn forget(&self, bundles: impl IntoIterator<Item = u64>) -> Result<(), TilesError> {
        for index in bundles {
            let name = TileName { place: Place::Entries, index, width: TILE };
            self.tidy(&name, true);
            let path = self.dir.join(name.path());
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(TilesError::Io { path, source }),
            }
        }
        Ok(())
    }
}

/// Writes the tiles of a journal as it grows.
#[derive(Debug)]
pub struct TileWriter {
    folder: TileFolder,
    edge: Edge,
    head: Option<Head>,
    /// Entries of the bundle that is not full; none once one of them is not there any more.
    bundle: Option<Vec<u8>>,
}

impl TileWriter {
    /// Goes on where the folder ends; begins anew where what is there is not whole.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn resume(dir: &Path) -> Result<Self, TilesError> {
        let folder = TileFolder::new(dir);
        let size = folder.checkpoint()?.and_then(|note| Checkpoint::read(&note).ok());
        let found = size.and_then(|signed| {
            let edge = Edge::restore(signed.size, |name| folder.read(name).ok().flatten())?;
            (edge.tree().root() == signed.root).then_some(edge)
        });
        let Some(edge) = found else {
            return Ok(Self { folder, edge: Edge::default(), head: Some(Head::EMPTY), bundle: Some(Vec::new()) });
        };
        let last = edge.size() / 256;
        let width = width(edge.size(), last);
        let bundle = match width {
            0 => Some(Vec::new()),
            _ => folder.read(&TileName { place: Place::Entries, index: last, width })?,
        };
        Ok(Self { folder, edge, head: None, bundle })
    }

    /// How many records the tiles hold.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The record that it must be given first to go on: the last one that it has, whose chain value it takes over.
    #[must_use]
    pub const fn wants(&self) -> u64 {
        match self.head {
            Some(head) => head.seq + 1,
            None => self.edge.size(),
        }
    }

    /// Takes the next record; tiles that it fills are on disk when this returns.
    ///
    /// # Errors
    /// It is not the record that follows, or a tile cannot be written.
    pub fn take(&mut self, row: &Row) -> Result<(), TilesError> {
        let next = Head { seq: row.seq, chain: row.chain };
        let Some(head) = self.head else {
            // The last record that the tiles hold already.
            return if row.seq == self.edge.size() {
                self.head = Some(next);
                Ok(())
            } else {
                Err(TilesError::Chain(row.seq))
            };
        };
        let pruned = row.pruned().is_some();
        if row.seq != head.seq + 1 || (!pruned && chain(&head.chain, row.seq, &row.payload) != row.chain) {
            return Err(TilesError::Chain(row.seq));
        }
        if KeyLine::change(&row.payload).is_some_and(|change| change.seq == row.seq) {
            self.folder.changed(row.seq, &row.payload)?;
        }
        let index = self.edge.size() / 256;
        if self.edge.size().is_multiple_of(256) {
            self.bundle = Some(Vec::new());
        }
        match (entry(&row.payload).filter(|_| !pruned), &mut self.bundle) {
            (Some(packed), Some(bundle)) => bundle.extend(packed),
            _ => self.bundle = None,
        }
        for (name, tile) in self.edge.push(row.leaf()) {
            self.folder.write(&name.path(), &tile)?;
            self.folder.tidy(&name, true);
        }
        if self.edge.size().is_multiple_of(256) {
            let name = TileName { place: Place::Entries, index, width: TILE };
            if let Some(bundle) = &self.bundle {
                self.folder.write(&name.path(), bundle)?;
            }
            self.folder.tidy(&name, true);
        }
        self.head = Some(next);
        Ok(())
    }

    /// Writes the tiles that are not full, and then the checkpoint over all that was taken.
    ///
    /// # Errors
    /// The checkpoint is of something else, or a tile cannot be written.
    pub fn publish(&self, note: &str, signed: &Checkpoint) -> Result<(), TilesError> {
        self.lay(signed)?;
        self.folder.write(NEWEST, note.as_bytes())
    }

    /// Writes the tiles that are not full under this checkpoint, which is not published yet.
    ///
    /// # Errors
    /// The checkpoint is of something else, or a tile cannot be written.
    pub fn lay(&self, signed: &Checkpoint) -> Result<(), TilesError> {
        if signed.size != self.edge.size() || signed.root != self.edge.tree().root() {
            return Err(TilesError::Root(signed.size));
        }
        let mut partial = self.edge.partial();
        let index = self.edge.size() / 256;
        let width = width(self.edge.size(), index);
        if let Some(bundle) = self.bundle.as_ref().filter(|_| width > 0) {
            partial.push((TileName { place: Place::Entries, index, width }, bundle.clone()));
        }
        for (name, tile) in &partial {
            self.folder.write(&name.path(), tile)?;
            self.folder.tidy(name, false);
        }
        Ok(())
    }
}
