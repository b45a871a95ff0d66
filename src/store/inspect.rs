//! Reading evidence: beside a running gateway, or in a folder that nobody uses.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    Store,
    folder::Folder,
    job::Unavailable,
    keyring::Keyring,
    load::{ROW, row},
    log_key,
    open::{DATABASE, OpenError},
    pins, schema,
};
use crate::{
    catalog::PinRow,
    domain::DecisionId,
    evidence::{
        Checkpoint, JournalError, KeyLine, Line, Record, Report, Row, SigningChange, Tree, Verifier, VerifyingKey,
    },
};

/// A journal that is only read.
#[derive(Debug)]
pub struct Inspection {
    conn: Connection,
    key: VerifyingKey,
}

impl Inspection {
    /// Opens the journal in this folder.
    ///
    /// # Errors
    /// There is none, or it is not ours alone.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let folder = Folder::look(dir)?;
        let key = Keyring::public(&folder)?;
        folder.guard(DATABASE)?;
        Ok(Self { conn: schema::reader(&folder.file(DATABASE))?, key })
    }

    /// The key of the folder.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Holds the whole journal against its chain and checkpoints; `others` are checkpoints that left the machine.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn verify(&self, line: &KeyLine, others: &[String]) -> Result<Report, OpenError> {
        Ok(verify(&self.conn, line, others)?)
    }

    /// The changes of the signing key, each with its place.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn changes(&self) -> Result<Vec<(u64, SigningChange)>, OpenError> {
        Ok(log_key::changes(&self.conn)?)
    }

    /// The approved tool definitions.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn pins(&self) -> Result<Vec<PinRow>, OpenError> {
        Ok(pins::all(&self.conn)?)
    }

    /// How far the destination of this name has got; none if it was never told.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn cursor(&self, name: &str) -> Result<Option<u64>, OpenError> {
        let mut query = self.conn.prepare("SELECT seq FROM cursor WHERE name = ?1")?;
        let seq = query.query_row([name], |row| row.get::<_, i64>(0)).optional()?;
        Ok(seq.map(i64::cast_unsigned))
    }

    /// Gives every record from `since` on, and the checkpoints after the record that each of them signs.
    ///
    /// # Errors
    /// It cannot be read, or `each` failed.
    pub fn export(&self, since: u64, mut each: impl FnMut(Line) -> std::io::Result<()>) -> Result<(), OpenError> {
        let transaction = self.conn.unchecked_transaction()?;
        let mut notes = transaction.prepare("SELECT note FROM checkpoint WHERE size = ?1")?;
        let mut query = transaction.prepare(&format!("{ROW} WHERE seq >= ?1 ORDER BY seq"))?;
        let mut rows = query.query([since.cast_signed()])?;
        while let Some(found) = rows.next()? {
            let found = row(found)?;
            let seq = found.seq.cast_signed();
            each(Line::Row(found))?;
            for note in notes.query_map([seq], |row| row.get::<_, String>(0))? {
                each(Line::Checkpoint(note?))?;
            }
        }
        Ok(())
    }
}

fn verify(conn: &Connection, line: &KeyLine, others: &[String]) -> rusqlite::Result<Report> {
    // One snapshot, however long it takes.
    let transaction = conn.unchecked_transaction()?;
    let mut notes: Vec<String> = Vec::new();
    for note in transaction.prepare("SELECT note FROM checkpoint ORDER BY size")?.query_map([], |row| row.get(0))? {
        notes.push(note?);
    }
    let line = line.with(&log_key::changes(&transaction)?);
    let mut verifier = Verifier::new(&line, notes.iter().chain(others).map(String::as_str));
    let mut query = transaction.prepare(&format!("{ROW} ORDER BY seq"))?;
    let mut rows = query.query([])?;
    while let Some(found) = rows.next()? {
        verifier.row(&row(found)?);
    }
    let mut report = verifier.finish();
    let head: Option<i64> = transaction.query_row("SELECT max(seq) FROM head", [], |row| row.get(0))?;
    report.hold_head(head.unwrap_or_default().cast_unsigned());
    Ok(report)
}

/// How a store stands to a checkpoint that left the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// It holds all that was signed.
    Holds,
    /// It holds less than was signed: an old copy was put back, and what was revoked since may look alive.
    Behind {
        /// Records that are there.
        have: u64,
        /// Records that were signed.
        signed: u64,
    },
    /// It holds other records than those that were signed.
    Forked,
}

fn against(conn: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<Against> {
    let transaction = conn.unchecked_transaction()?;
    let have: Option<i64> = transaction.query_row("SELECT max(seq) FROM journal", [], |row| row.get(0))?;
    let have = have.unwrap_or_default().cast_unsigned();
    if have < checkpoint.size {
        return Ok(Against::Behind { have, signed: checkpoint.size });
    }
    let mut tree = Tree::default();
    let mut query = transaction.prepare(&format!("{ROW} WHERE seq <= ?1 ORDER BY seq"))?;
    let mut rows = query.query([checkpoint.size.cast_signed()])?;
    while let Some(found) = rows.next()? {
        tree.push(row(found)?.leaf());
    }
    let same = tree.size() == checkpoint.size && tree.root() == checkpoint.root;
    Ok(if same { Against::Holds } else { Against::Forked })
}

impl Store {
    /// Holds the store against a checkpoint that left the machine; a store that does not hold it must not be
    /// trusted with exceptions.
    ///
    /// # Errors
    /// The note is not a checkpoint of this store's key, or the store cannot be read now.
    pub async fn against(&self, note: &str) -> Result<Against, JournalError> {
        let checkpoint = (self.keyring.signing.state().line.open(note))
            .map_err(|error| JournalError::Unavailable(error.to_string()))?;
        let path = self.folder.file(DATABASE);
        let work = move || {
            let conn = schema::reader(&path).map_err(|error| error.to_string())?;
            against(&conn, &checkpoint).map_err(|error| error.to_string())
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string());
        done.and_then(|found| found).map_err(JournalError::Unavailable)
    }

    /// Holds the whole journal against its chain and checkpoints, on a connection of its own.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn verify(&self) -> Result<Report, JournalError> {
        let (path, key) = (self.folder.file(DATABASE), KeyLine::single(&self.keyring.signing.verifying()));
        let work = move || {
            let conn = schema::reader(&path).map_err(|error| error.to_string())?;
            verify(&conn, &key, &[]).map_err(|error| error.to_string())
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string());
        done.and_then(|report| report).map_err(JournalError::Unavailable)
    }

    /// Records from this sequence number on, at most `limit`.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(&format!("{ROW} WHERE seq >= ?1 ORDER BY seq LIMIT ?2"))?;
            query.query_map([from.cast_signed(), limit], row)?.collect()
        });
        read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }

    /// The records of one decision, in order.
    ///
    /// # Errors
    /// They cannot be read now, or were removed when their time was over.
    pub async fn decision(&self, decision: &DecisionId) -> Result<Vec<(u64, Record)>, JournalError> {
        let decision = decision.clone();
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(&format!("{ROW} WHERE decision = ?1 ORDER BY seq"))?;
            query.query_map([decision.as_str()], row)?.collect::<rusqlite::Result<Vec<Row>>>()
        });
        let rows = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        if let Some(gone) = rows.iter().find_map(Row::pruned) {
            return Err(JournalError::Removed { at: gone.at, by: gone.by });
        }
        rows.into_iter()
            .map(|row| Ok((row.seq, serde_json::from_slice(&row.payload).map_err(|_| JournalError::Unreadable)?)))
            .collect()
    }

    /// The last signed checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<str>> {
        self.signals.checkpoint.borrow().clone()
    }
}
