//! Approved tool definitions, and policy bundles by their digest.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{
    Store,
    job::{Done, Unavailable},
    ledger::Entry,
    load::bytes,
    store::Terms,
};
use crate::{
    catalog::{PinRow, PinStore, PinStoreError},
    domain::{Digest, Timestamp},
    evidence::{CatalogChange, CatalogEvent, JournalError, PolicyEvent, Record},
};

#[async_trait]
impl PinStore for Store {
    async fn load(&self) -> Result<Vec<PinRow>, PinStoreError> {
        let read = self.read(all);
        read.await.map_err(|why| PinStoreError(why.0))
    }

    async fn approve(&self, row: PinRow) -> Result<(), PinStoreError> {
        let record = Record::Catalog(CatalogChange {
            at: row.at,
            event: CatalogEvent::Approved,
            server: row.server.clone(),
            tool: row.tool.clone(),
            digest: row.digest,
            actor: row.approved_by.clone(),
        });
        let entry = Entry::of(&record).map_err(|error| PinStoreError(error.to_string()))?;
        let sql = "INSERT INTO pin (server, tool, digest, definition, approved_by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (server, tool) DO UPDATE SET digest = ?3, definition = ?4, approved_by = ?5, at = ?6";
        let work = self.ask(Terms::PATIENT, move |ledger| {
            ledger.append(&entry)?;
            ledger.conn.prepare_cached(sql)?.execute(params![
                row.server.as_str(),
                row.tool.as_str(),
                row.digest.to_string(),
                row.definition,
                row.approved_by,
                row.at.timestamp_millis()
            ])?;
            Ok(Done::plain(()))
        });
        work.await.map_err(|why| PinStoreError(why.0))
    }
}

/// Every approval.
pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<PinRow>> {
    let sql = "SELECT server, tool, digest, definition, approved_by, at FROM pin ORDER BY server, tool";
    conn.prepare_cached(sql)?.query_map([], pin)?.collect()
}

fn pin(row: &Row<'_>) -> rusqlite::Result<PinRow> {
    Ok(PinRow {
        server: text(row, 0)?,
        tool: text(row, 1)?,
        digest: text(row, 2)?,
        definition: row.get(3)?,
        approved_by: row.get(4)?,
        at: moment(row, 5)?,
    })
}

/// A value whose text form has a rule.
pub(super) fn text<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// A moment, kept as milliseconds since 1970.
pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let at: i64 = row.get(column)?;
    Timestamp::from_timestamp_millis(at).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, at))
}

impl Store {
    /// Keeps a policy bundle (or a definition) under the digest of its bytes, so that a decision can be reproduced.
    ///
    /// # Errors
    /// The store cannot be written now.
    pub async fn put_bundle(&self, content: Vec<u8>) -> Result<Digest, JournalError> {
        let digest = Digest::of(&content);
        let sql = "INSERT INTO bundle (digest, content) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING";
        let work = self.ask(Terms::PATIENT, move |ledger| {
            ledger.conn.prepare_cached(sql)?.execute(params![digest.to_string(), content])?;
            Ok(Done::plain(digest))
        });
        work.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }

    /// The bundle of this digest, if it is kept and is what the digest says.
    ///
    /// # Errors
    /// The store cannot be read now.
    pub async fn get_bundle(&self, digest: Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let sql = "SELECT content FROM bundle WHERE digest = ?1";
        let read =
            self.read(move |conn| conn.query_row(sql, [digest.to_string()], |row| row.get::<_, Vec<u8>>(0)).optional());
        let content = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        Ok(content.filter(|content| Digest::of(content) == digest))
    }

    /// The bundle from which this policy set was compiled: the one that the record of its loading names.
    ///
    /// # Errors
    /// The store cannot be read now.
    pub async fn bundle_of(&self, policy_set: Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let sql = "SELECT payload FROM journal WHERE kind = 'policy' ORDER BY seq DESC";
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            query.query_map([], |row| bytes(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let payloads = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let loaded = payloads.iter().find_map(|payload| match serde_json::from_slice(payload) {
            Ok(Record::Policy(change)) if change.event == PolicyEvent::Loaded && change.digest == policy_set => {
                change.detail.parse().ok()
            }
            Ok(_) | Err(_) => None,
        });
        match loaded {
            Some(digest) => self.get_bundle(digest).await,
            None => Ok(None),
        }
    }
}
