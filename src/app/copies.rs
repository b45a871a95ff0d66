//! Copies of the signed checkpoints, outside of the data folder: written as they come, and held against the store at
//! the start, so that an old copy of the store that was put back revives nothing.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use crate::{
    evidence::Checkpoint,
    store::{Against, Store},
};

/// The file, where the setting names a folder.
const FILE: &str = "postern.checkpoint";
/// Ends the name of the file beside it, which has the newest checkpoint that a quorum of witnesses has cosigned.
const BESIDE: &str = ".witnessed";
/// Bytes of a copy that is read; a checkpoint is far smaller.
const COPY: u64 = 64 << 10;

/// Where the copies stand.
pub(super) struct Copies {
    places: Vec<PathBuf>,
}

impl Copies {
    /// Copies at these paths; a folder gets the file `postern.checkpoint`.
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let place = |path: &PathBuf| if path.is_dir() { path.join(FILE) } else { path.clone() };
        Self { places: paths.iter().map(place).collect() }
    }

    /// Holds the store against every copy. What it says is why the store cannot be trusted with exceptions: it holds
    /// less than was signed, something else, or a copy is no checkpoint of this store.
    pub(super) async fn against(&self, store: &Store) -> Option<String> {
        for place in &self.places {
            let shown = place.display();
            let note = match read(place) {
                Ok(Some(note)) => note,
                Ok(None) => {
                    tracing::warn!(copy = %shown, "there is no copy of a checkpoint yet; the first one is written now");
                    continue;
                }
                Err(error) => return Some(format!("the copy of the checkpoint `{shown}` cannot be read: {error}")),
            };
            match store.against(&note).await {
                Ok(Against::Holds) => {}
                Ok(Against::Behind { have, signed }) => {
                    return Some(format!("the store has {have} records, and `{shown}` has {signed} signed ones"));
                }
                Ok(Against::Forked) => {
                    return Some(format!("the store has other records than those that `{shown}` has signed"));
                }
                Err(error) => return Some(format!("`{shown}` cannot be held against the store: {error}")),
            }
        }
        None
    }

    /// How much the copy that has the least signs, and where it is; none if there are no copies.
    pub(super) async fn least(self: &Arc<Self>) -> Option<(u64, String)> {
        let copies = Arc::clone(self);
        let look = move || {
            let size = |place: &PathBuf| {
                let note = read(place).ok().flatten();
                let signed = note.and_then(|note| Checkpoint::read(&note).ok());
                // A copy that cannot be read holds nothing.
                (signed.map_or(0, |signed| signed.size), place.display().to_string())
            };
            copies.places.iter().map(size).min()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| Some((0, "a copy".to_owned())))
    }

    /// Writes each checkpoint to every place, until the store closes.
    pub(super) async fn keep(self: Arc<Self>, mut checkpoints: watch::Receiver<Option<Arc<str>>>) {
        let mut failing = false;
        loop {
            let note = checkpoints.borrow_and_update().clone();
            if let Some(note) = note {
                failing = self.write(note, failing).await;
            }
            if checkpoints.changed().await.is_err() {
                return;
            }
        }
    }

    /// Writes what a quorum of witnesses has cosigned, beside each copy.
    pub(super) async fn witnessed(self: &Arc<Self>, note: Arc<str>) {
        let copies = Arc::clone(self);
        let beside = |place: &PathBuf| {
            let mut name = place.file_name().unwrap_or_default().to_owned();
            name.push(BESIDE);
            place.with_file_name(name)
        };
        let work = move || {
            let written = copies.places.iter().map(beside).map(|place| write(&place, &note));
            written.filter_map(Result::err).collect::<Vec<_>>()
        };
        for error in tokio::task::spawn_blocking(work).await.unwrap_or_default() {
            tracing::error!(%error, "a checkpoint with its cosignatures could not be copied");
        }
    }

    /// Writes one checkpoint; says whether some place could not be written. Only the first failure is told.
    pub(super) async fn write(self: &Arc<Self>, note: Arc<str>, failing: bool) -> bool {
        let copies = Arc::clone(self);
        let work = move || {
            let written = copies.places.iter().map(|place| write(place, &note).map_err(|error| (place.clone(), error)));
            written.filter_map(Result::err).collect::<Vec<_>>()
        };
        let faults = tokio::task::spawn_blocking(work).await.unwrap_or_default();
        if !failing {
            for (place, error) in &faults {
                tracing::error!(copy = %place.display(), %error, "a checkpoint could not be copied");
            }
        }
        !faults.is_empty()
    }
}

fn read(place: &Path) -> io::Result<Option<String>> {
    match fs::metadata(place) {
        Ok(facts) if facts.len() > COPY => Err(io::Error::other("it is too large to be a checkpoint")),
        Ok(_) => fs::read_to_string(place).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whole or not at all.
fn write(place: &Path, note: &str) -> io::Result<()> {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = place.with_file_name(name);
    let mut file = fs::File::create(&beside)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, place)?;
    if let Some(folder) = place.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
