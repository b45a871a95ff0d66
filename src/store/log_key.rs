//! The key that signs the log, with the line of those before it: files of the data folder that change in one step with
//! the journal.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rusqlite::Connection;

use super::{
    folder::Folder,
    keyring::{Keyring, KeyringError},
    load,
};
use crate::{
    domain::limits,
    evidence::{KeyLine, OldKey, SigningChange, SigningKey, VerifyingKey},
    exception::{SignError, Signer, Verifier},
};

pub(super) const SIGNING: &str = "signing.key";
pub(super) const PUBLIC: &str = "signing.pub";
/// The name of the log, made from its first key; all keys after it bear it.
const ORIGIN: &str = "origin";
/// The key that is to take over. It is in force once the journal says so.
const NEXT: &str = "signing.next";

/// Changes of keys, each with its place in the journal.
pub(super) type Changes = Vec<(u64, SigningChange)>;

/// The changes of keys that the journal tells.
pub(super) fn changes(conn: &Connection) -> rusqlite::Result<Changes> {
    let sql = "SELECT seq, payload FROM journal WHERE kind = 'signing' ORDER BY seq LIMIT ?1";
    let mut query = conn.prepare(sql)?;
    let most = i64::try_from(limits::SIGNING_KEYS + 1).unwrap_or(i64::MAX);
    let read = query.query_map([most], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), load::bytes(row, 1)?)))?;
    let mut found = Vec::new();
    for row in read {
        let (seq, payload) = row?;
        found.extend(KeyLine::change(&payload).map(|change| (seq, change)));
    }
    Ok(found)
}

/// The key in force, and the line that it ends.
#[derive(Debug)]
pub(super) struct State {
    pub(super) key: Arc<SigningKey>,
    pub(super) line: KeyLine,
}

impl State {
    fn of(key: Arc<SigningKey>, changes: &[(u64, SigningChange)]) -> Self {
        let line = KeyLine::of(std::slice::from_ref(key.verifying()), changes);
        Self { key, line }
    }
}

/// The key that signs checkpoints and approvals.
#[derive(Debug)]
pub struct LogKey {
    folder: Arc<Folder>,
    state: ArcSwap<State>,
}

impl LogKey {
    /// Reads the key, or makes the first one if there is no store yet; what a change of keys left half done is settled.
    pub(super) fn open(folder: &Arc<Folder>, fresh: bool, changes: &Changes) -> Result<Self, KeyringError> {
        let state = ArcSwap::from_pointee(settled(folder, fresh, changes)?);
        Ok(Self { folder: Arc::clone(folder), state })
    }

    /// A new key for a store whose key was lost; written beside, and in force once the journal says so.
    pub(super) fn replacing(
        folder: &Arc<Folder>,
        lost: &VerifyingKey,
        changes: &Changes,
    ) -> Result<Self, KeyringError> {
        let key = prepare(folder, lost.name())?;
        let line = KeyLine::of(std::slice::from_ref(lost), changes);
        Ok(Self { folder: Arc::clone(folder), state: ArcSwap::from_pointee(State { key, line }) })
    }

    /// Reads the files again, as the journal has them.
    pub(super) fn settle(&self, changes: &Changes) -> Result<(), KeyringError> {
        self.state.store(Arc::new(settled(&self.folder, false, changes)?));
        Ok(())
    }

    pub(super) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// A key that is to take over, durable in a file beside the present one; what an earlier change left there, and may be
    /// in force, is put in its place before. `changes` are those of the journal.
    pub(super) fn prepare(
        &self,
        changes: impl FnOnce() -> rusqlite::Result<Changes>,
    ) -> Result<Arc<SigningKey>, KeyringError> {
        if self.folder.guard(NEXT)? {
            self.settle(&changes().map_err(|_| KeyringError::Other)?)?;
        }
        prepare(&self.folder, self.state().key.verifying().name())
    }

    /// The journal has this change: the next key is in force. Says what became of the old one; files that could not be
    /// put in place are settled when the store is opened the next time.
    pub(super) fn finish(&self, next: Arc<SigningKey>, change: SigningChange) -> OldKey {
        let old = place(&self.folder, next.verifying());
        let mut changes: Changes = self.state().line.changes().iter().map(|one| (one.seq, one.clone())).collect();
        changes.push((change.seq, change));
        self.state.store(Arc::new(State::of(next, &changes)));
        old
    }

    /// The key that verifies what is signed now.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        self.state().key.verifying().clone()
    }

    /// The line of keys, as far as the one in force vouches for it.
    #[must_use]
    pub fn line(&self) -> KeyLine {
        self.state().line.clone()
    }
}

impl Signer for LogKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.state().key.sign(message).to_vec())
    }
}

/// What any key of the line signed goes on to hold when another takes over.
impl Verifier for LogKey {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.state().line.verify(message, signature)
    }
}

fn prepare(folder: &Folder, name: &str) -> Result<Arc<SigningKey>, KeyringError> {
    let pkcs8 = SigningKey::generate()?;
    let key = SigningKey::named(pkcs8.expose(), name)?;
    folder.create(NEXT, pkcs8.expose())?;
    Ok(Arc::new(key))
}

/// Puts the next key in the place of the present one; says what became of that.
fn place(folder: &Folder, key: &VerifyingKey) -> OldKey {
    let old = match folder.replace(NEXT, SIGNING) {
        Ok(true) => OldKey::Destroyed,
        Ok(false) => OldKey::Removed,
        Err(error) => {
            tracing::error!(%error, "the new signing key could not be put in place; the next start does it");
            return OldKey::Left;
        }
    };
    if let Err(error) = folder.create(PUBLIC, format!("{key}\n").as_bytes()) {
        tracing::error!(%error, "the public half of the new signing key could not be written; the next start does it");
    }
    old
}

fn settled(folder: &Folder, fresh: bool, changes: &Changes) -> Result<State, KeyringError> {
    let name = name(folder, changes)?;
    let newest = changes.last().map(|(_, change)| &change.new);
    if let (true, Some(name)) = (folder.guard(NEXT)?, &name) {
        match SigningKey::named(&folder.read(NEXT)?, name) {
            Ok(next) if newest == Some(next.verifying()) => drop(folder.replace(NEXT, SIGNING)?),
            Ok(_) => folder.destroy(NEXT)?,
            // A key that never came into force and is overwritten already; nothing needs it.
            Err(_) if in_force(folder, name, newest)? => folder.destroy(NEXT)?,
            Err(_) => return Err(KeyringError::Content(NEXT)),
        }
    }
    if !folder.guard(SIGNING)? {
        if !fresh {
            return Err(KeyringError::Lost);
        }
        folder.create(SIGNING, SigningKey::generate()?.expose())?;
    }
    let pkcs8 = crate::domain::Secret::new(folder.read(SIGNING)?);
    let key = match &name {
        Some(name) => SigningKey::named(pkcs8.expose(), name)?,
        None => SigningKey::read(pkcs8.expose())?,
    };
    if newest.is_some_and(|newest| newest != key.verifying()) {
        return Err(KeyringError::Other);
    }
    public(folder, key.verifying(), changes)?;
    if !folder.guard(ORIGIN)? {
        folder.create(ORIGIN, format!("{}\n", key.verifying().name()).as_bytes())?;
    }
    Ok(State::of(Arc::new(key), changes))
}

/// Whether the key in its place is the one that the journal has.
fn in_force(folder: &Folder, name: &str, newest: Option<&VerifyingKey>) -> Result<bool, KeyringError> {
    if !folder.guard(SIGNING)? {
        return Ok(false);
    }
    let pkcs8 = crate::domain::Secret::new(folder.read(SIGNING)?);
    let key = SigningKey::named(pkcs8.expose(), name);
    Ok(key.is_ok_and(|key| newest.is_none_or(|newest| newest == key.verifying())))
}

/// The name of the log; none if there is no log yet, or one whose first key has the name.
fn name(folder: &Folder, changes: &Changes) -> Result<Option<String>, KeyringError> {
    if folder.guard(ORIGIN)? {
        let text = String::from_utf8(folder.read(ORIGIN)?).map_err(|_| KeyringError::Content(ORIGIN))?;
        return Ok(Some(text.trim_end().to_owned()));
    }
    if folder.guard(PUBLIC)? {
        return Ok(Some(Keyring::public(folder)?.name().to_owned()));
    }
    Ok(changes.last().map(|(_, change)| change.new.name().to_owned()))
}

/// Holds the file with the public key against the key; the one of a key before it is left of a change.
fn public(folder: &Folder, key: &VerifyingKey, changes: &Changes) -> Result<(), KeyringError> {
    let text = format!("{key}\n");
    if folder.guard(PUBLIC)? {
        let found = folder.read(PUBLIC)?;
        if found == text.as_bytes() {
            return Ok(());
        }
        if !changes.iter().any(|(_, change)| format!("{}\n", change.old).as_bytes() == found) {
            return Err(KeyringError::Content(PUBLIC));
        }
    }
    Ok(folder.create(PUBLIC, text.as_bytes())?)
}
