//! The sealing keys of days and exceptions, each in a file of its own, so that each can be destroyed alone.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
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
    fn overwrite(&self, name: &str) -> Result<(), FolderError> {
        let path = self.0.file(name);
        let io = |source| FolderError::Io { path: path.clone(), source };
        let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut file = OpenOptions::new().write(true).custom_flags(no_link).open(&path).map_err(io)?;
        let length = usize::try_from(file.metadata().map_err(io)?.len()).unwrap_or_default().min(4_096);
        file.write_all(&vec![0; length]).and_then(|()| file.sync_all()).map_err(io)
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
        self.overwrite(&name).and_then(|()| self.0.remove(&name)).map_err(|error| told(&error))
    }
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
        let key = folder.read(&format!("{id}{ENDING}"))?;
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
