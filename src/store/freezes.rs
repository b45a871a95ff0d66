//! The kill switch: what is frozen outlives a restart, and the table alone cannot release anything.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Store,
    job::{Done, Unavailable},
    ledger::Entry,
    load::{LoadError, bytes},
    store::Terms,
};
use crate::{
    domain::{FreezeScope, Freezes, Frozen, limits},
    evidence::{Freeze, JournalError, Position, Record},
};

/// What is frozen by the table or by the last word of the journal: whichever says so.
pub(super) fn load(conn: &Connection) -> Result<Freezes, LoadError> {
    let mut said = Freezes::default();
    let mut query = conn.prepare("SELECT payload FROM journal WHERE kind = 'freeze' ORDER BY seq")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        if let Ok(Record::Freeze(freeze)) = serde_json::from_slice(&bytes(row, 0)?) {
            follow(&mut said, freeze);
        }
    }
    let mut query = conn.prepare("SELECT scope, frozen FROM freeze")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let bad = |_| LoadError::Value("freeze");
        let scope: FreezeScope = serde_json::from_slice(&bytes(row, 0)?).map_err(bad)?;
        let frozen: Frozen = serde_json::from_slice(&bytes(row, 1)?).map_err(bad)?;
        said.add(scope, frozen);
    }
    // What a version without scopes has frozen.
    let sql = "SELECT value FROM setting WHERE name = 'frozen'";
    let old: Option<i64> = conn.query_row(sql, [], |row| row.get(0)).optional()?;
    if old.unwrap_or_default() != 0 {
        let frozen = Frozen { since: chrono::DateTime::UNIX_EPOCH, by: String::new(), reason: String::new() };
        said.add(FreezeScope::All, frozen);
    }
    Ok(said)
}

fn follow(freezes: &mut Freezes, freeze: Freeze) {
    let Freeze { at, frozen, scope, actor, reason } = freeze;
    if frozen {
        freezes.add(scope, Frozen { since: at, by: actor, reason });
    } else {
        freezes.remove(&scope);
    }
}

impl Store {
    /// Freezes a scope, or releases it; from the return on no call that it reaches is admitted while it is frozen
    /// (T093).
    ///
    /// # Errors
    /// The store cannot be written now, or too much is frozen already.
    pub async fn set_frozen(&self, freeze: Freeze) -> Result<Position, JournalError> {
        let entry = Entry::of(&Record::Freeze(freeze.clone()))?;
        let scope = serde_json::to_string(&freeze.scope).map_err(|_| JournalError::Unreadable)?;
        let work = self.ask(Terms::PATIENT, move |ledger| {
            let mut freezes = Freezes::clone(&ledger.memory.freezes);
            let (all, adds) = (freeze.scope.is_all(), freeze.frozen);
            if adds && !all && freezes.len() >= limits::FREEZES {
                let why = "too many scopes are frozen: release some, or freeze the gateway";
                return Ok(Done::plain(Err(JournalError::Unavailable(why.to_owned()))));
            }
            follow(&mut freezes, freeze.clone());
            if all {
                ledger.set("frozen", i64::from(adds))?;
            }
            match freezes.iter().find(|(one, _)| **one == freeze.scope).map(|(_, frozen)| serde_json::to_string(frozen))
            {
                Some(Ok(frozen)) => {
                    let sql = "INSERT INTO freeze (scope, frozen) VALUES (?1, ?2) ON CONFLICT (scope) DO NOTHING";
                    ledger.conn.prepare_cached(sql)?.execute(params![scope, frozen])?;
                }
                Some(Err(_)) => return Ok(Done::plain(Err(JournalError::Unreadable))),
                None => {
                    ledger.conn.prepare_cached("DELETE FROM freeze WHERE scope = ?1")?.execute([&scope])?;
                }
            }
            ledger.memory.freezes = Arc::new(freezes);
            Ok(Done::plain(Ok(ledger.append(&entry)?)))
        });
        work.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?
    }
}
