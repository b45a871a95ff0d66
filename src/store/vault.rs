//! The sealing keys of days and exceptions, each in a file of its own, so that each can be destroyed alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use rusqlite::Connection;

use super::{
    folder::{Folder, FolderError},
    keyring::KeyringError,
    load::bytes,
};
use crate::{
    domain::Secret,
    evidence::{Record, Sealer, Vault},
};

/// The folder in the data folder.
const FOLDER: &str = "seal";
const ENDING: &str = ".key";

/// The folder of the keys.
#[derive(Debug)]
struct Files(Folder);

impl Files {
    /// Removes the file, durable, and then overwrites what it held: whenever the process ends, what the folder has is a
    /// whole key or none.
    fn end(&self, name: &str) -> Result<(), FolderError> {
        let path = self.0.file(name);
        let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let file = OpenOptions::new().write(true).custom_flags(no_link).open(&path);
        let mut file = file.map_err(|source| FolderError::Io { path, source })?;
        self.0.remove(name)?;
        if let Err(error) = wipe(&mut file) {
            tracing::warn!(%error, file = name, "a sealing key was removed, and could not be overwritten");
        }
        Ok(())
    }
}

impl Vault for Files {
    fn keep(&self, id: &str, key: &Secret<Vec<u8>>) -> Result<(), String> {
        self.0.create(&format!("{id}{ENDING}"), key.expose()).map_err(|error| told(&error))
    }

    fn destroy(&self, id: &str) -> Result<(), String> {
        let name = format!("{id}{ENDING}");
        if !self.0.guard(&name).map_err(|error| told(&error))? {
            return Ok(());
        }
        self.end(&name).map_err(|error| told(&error))
    }
}

fn wipe(file: &mut File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default().min(4_096);
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

fn told(error: &FolderError) -> String {
    let why = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{why}")
}

/// The sealer with all keys that are there.
pub(super) fn open(folder: &Folder, first: &Secret<Vec<u8>>) -> Result<Sealer, KeyringError> {
    let folder = folder.within(FOLDER)?;
    let path = folder.file(".");
    let io = |source| FolderError::Io { path: path.clone(), source };
    let mut kept = Vec::new();
    for entry in fs::read_dir(&path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) else { continue };
        let file = format!("{id}{ENDING}");
        let key = folder.read(&file)?;
        if !key.is_empty() && key.iter().all(|byte| *byte == 0) {
            tracing::warn!(id, "a sealing key was overwritten and not removed; it is removed now");
            folder.remove(&file)?;
            continue;
        }
        kept.push((id.to_owned(), Secret::new(key)));
    }
    Sealer::with(first, Box::new(Files(folder)), kept).map_err(|_| KeyringError::Content("seal/*.key"))
}

/// Tells the sealer which keys were shredded. A key that is still there, because the process ended in between, is
/// destroyed now.
pub(super) fn follow(conn: &Connection, sealer: &Sealer) -> rusqlite::Result<()> {
    let mut query = conn.prepare("SELECT payload FROM journal WHERE kind = 'shred' ORDER BY seq")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        if let Ok(Record::Shred(shred)) = serde_json::from_slice(&bytes(row, 0)?)
            && let Err(error) = sealer.shred(&shred.keys, (shred.at, &shred.actor))
        {
            tracing::error!(error, "a sealing key that was shredded is still there and cannot be destroyed");
        }
    }
    Ok(())
}
