//! Another key for the log: by a running gateway, which hands over, and in a folder whose key was lost.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

use super::{
    Store,
    folder::Folder,
    job::{Done, Unavailable},
    keyring::{Keyring, KeyringError},
    ledger::{Ledger, Next},
    load,
    log_key::{self, LogKey, PUBLIC, SIGNING},
    open::{DATABASE, OpenError},
    schema,
    store::Terms,
};
use crate::{
    domain::{Clock, limits},
    evidence::{JournalError, KeyLine, OldKey, Record, SigningChange, SigningKey, VerifyingKey, What},
};

/// The signing key was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The record that says so.
    pub seq: u64,
    /// The key until here.
    pub old: VerifyingKey,
    /// What became of its private half.
    pub old_key: OldKey,
    /// The key from here on.
    pub new: VerifyingKey,
    /// The checkpoint that covers the record.
    pub checkpoint: String,
}

impl Store {
    /// Puts a new signing key in the place of the present one. Record and checkpoint are one transaction; when this
    /// returns, everything is signed by the new key, and the answer says whether the old one is destroyed.
    ///
    /// # Errors
    /// The store cannot be written now, or the key was changed too often.
    pub async fn rotate(&self, actor: String, reason: String) -> Result<Rotation, JournalError> {
        let fate = Arc::new(OnceLock::new());
        let told = Arc::clone(&fate);
        let work = self.ask(Terms::PATIENT, move |ledger| Ok(Done::plain(rotate(ledger, (actor, reason), told)?)));
        let done = work.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let done = done.map_err(JournalError::Unavailable)?;
        Ok(Rotation { old_key: fate.get().copied().unwrap_or(OldKey::Left), ..done })
    }
}

fn rotate(
    ledger: &mut Ledger,
    (actor, reason): (String, String),
    fate: Arc<OnceLock<OldKey>>,
) -> rusqlite::Result<Result<Rotation, String>> {
    let present = ledger.signing.state();
    if ledger.memory.next.is_some() {
        return Ok(Err("the signing key is being changed already".to_owned()));
    }
    if present.line.changes().len() >= limits::SIGNING_KEYS {
        return Ok(Err(format!("the signing key was changed {} times; no more changes fit", limits::SIGNING_KEYS)));
    }
    let next = match ledger.signing.prepare(|| log_key::changes(&ledger.conn)) {
        Ok(next) => next,
        Err(error) => return Ok(Err(format!("no new signing key can be made: {}", chain(&error)))),
    };
    let what = What { at: ledger.now(), seq: ledger.memory.head().seq + 1, actor, reason };
    let Some(change) = SigningChange::handover(what, &present.key, &next) else {
        return Ok(Err("the change of the signing key has no canonical form".to_owned()));
    };
    let done = tell(ledger, (next, fate), change)?;
    ledger.fresh = Some(done.checkpoint.clone());
    Ok(Ok(done))
}

/// Writes the record, and under it the checkpoint of the key that may still sign there.
fn tell(
    ledger: &mut Ledger,
    (key, fate): (Arc<SigningKey>, Arc<OnceLock<OldKey>>),
    change: SigningChange,
) -> rusqlite::Result<Rotation> {
    let (old, new) = (change.old.clone(), change.new.clone());
    let seq = ledger.tell(&Record::Signing(change.clone()))?.seq;
    let checkpoint = ledger.sign()?;
    ledger.memory.next = Some(Next { key, change, old: fate });
    Ok(Rotation { seq, old, old_key: OldKey::Left, new, checkpoint })
}

/// Makes a new signing key for the store in this folder, which no gateway uses and whose key was lost. The record that
/// says so bears no signature of the old key, and whoever verifies is told.
///
/// # Errors
/// The folder is in use or not ours alone, the key is there, or the journal is not what was written.
pub fn replace_lost_key(
    dir: &Path,
    clock: Arc<dyn Clock>,
    actor: String,
    reason: String,
) -> Result<Rotation, OpenError> {
    let look = Folder::look(dir)?;
    if !look.guard(DATABASE)? {
        return Err(KeyringError::Missing(DATABASE).into());
    }
    let folder = Arc::new(Folder::take(dir)?);
    let conn = schema::writer(&folder.file(DATABASE))?;
    let changes = log_key::changes(&conn)?;
    match LogKey::open(&folder, false, &changes) {
        Ok(_) => return Err(KeyringError::Kept.into()),
        Err(KeyringError::Lost) => {}
        Err(error) => return Err(error.into()),
    }
    // A record alone does not say which key was ours: whoever can write the database could have put it there.
    let lost = Keyring::public(&folder)?;
    if changes.last().is_some_and(|(_, change)| change.new != lost) {
        return Err(KeyringError::Content(PUBLIC).into());
    }
    let loaded = load::load(&conn, &KeyLine::of(std::slice::from_ref(&lost), &changes))?;
    if changes.len() >= limits::SIGNING_KEYS {
        return Err(KeyringError::Content(SIGNING).into());
    }
    let signing = Arc::new(LogKey::replacing(&folder, &lost, &changes)?);
    let next = Arc::clone(&signing.state().key);
    let mut ledger = Ledger::new(conn, loaded.memory, clock, signing);
    let what = What { at: ledger.now(), seq: ledger.memory.head().seq + 1, actor, reason };
    let change = SigningChange::lost(what, &lost, &next).ok_or(KeyringError::Random)?;
    ledger.begin()?;
    let done = tell(&mut ledger, (next, Arc::default()), change)?;
    ledger.commit()?;
    Ok(Rotation { old_key: OldKey::Lost, ..done })
}

fn chain(error: &dyn std::error::Error) -> String {
    let inner = error.source().map(|inner| format!(": {}", chain(inner))).unwrap_or_default();
    format!("{error}{inner}")
}
