//! Reads the tables at the start, and refuses a journal that is not what was written.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, params};

use super::{exceptions, freezes, holds, keys, ledger::Memory};
use crate::{
    domain::{CredentialId, DecisionId, ExceptionId},
    evidence::{Breach, Checkpoint, Head, Index, KeyLine, Record, Row, Tree, chain, leaf},
};

/// The tables cannot be read, or are not what was written.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// SQLite.
    #[error("the database cannot be read")]
    Sqlite(#[from] rusqlite::Error),
    /// The journal is not what was written.
    #[error(
        "the journal is not what was written: {0}; run `postern evidence verify`, and restore the folder from a backup"
    )]
    Broken(Breach),
    /// A value that cannot stand where it stands.
    #[error("the table `{0}` holds a value that the gateway did not write")]
    Value(&'static str),
}

/// What was read, and what had to be mended.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) memory: Memory,
    /// Exceptions whose use counter was not what the journal says; it is mended by the caller.
    pub(super) recounted: Vec<(ExceptionId, i64)>,
    /// Exceptions whose stored events are not those of the journal.
    pub(super) changed: Vec<ExceptionId>,
    /// Keys whose row is not what the journal says; they are revoked by the caller.
    pub(super) keys: Vec<CredentialId>,
}

pub(super) const ROW: &str = "SELECT seq, chain, payload, kind, decision, exception FROM journal";

pub(super) fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        chain: row.get(1)?,
        payload: bytes(row, 2)?,
        index: Some(Index { kind: row.get(3)?, decision: row.get(4)?, exception: row.get(5)? }),
    })
}

/// The bytes of a text, whatever they are.
pub(super) fn bytes(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(column)?.as_bytes()?.to_vec())
}

pub(super) fn load(conn: &Connection, line: &KeyLine) -> Result<Loaded, LoadError> {
    let mut memory = Memory::default();
    let floor = last_checkpoint(conn, line, &mut memory)?;
    tail(conn, &mut memory)?;
    table_of_head(conn, &mut memory)?;
    open_intents(conn, &mut memory, floor)?;
    settings(conn, &mut memory)?;
    memory.freezes = Arc::new(freezes::load(conn)?);
    holds::load(conn, &mut memory)?;
    let recounted = recount(conn)?;
    let changed = exceptions::load(conn, &mut memory)?;
    let (keys, revoked) = keys::load(conn)?;
    memory.revoked.extend(revoked);
    Ok(Loaded { memory, recounted, changed, keys })
}

/// The last signed state; says from where intents may be open.
fn last_checkpoint(conn: &Connection, line: &KeyLine, memory: &mut Memory) -> Result<u64, LoadError> {
    let sql = "SELECT size, chain, peaks, floor, note FROM checkpoint ORDER BY size DESC LIMIT 1";
    type Stored = (i64, [u8; 32], Vec<u8>, i64, String);
    let read = |row: &SqlRow<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let Some((size, link, peaks, floor, note)) = conn.query_row(sql, [], read).optional()? else { return Ok(1) };
    let (size, link, peaks, floor, note): Stored = (size, link, peaks, floor, note);
    let size = size.cast_unsigned();
    let bad = |why: String| LoadError::Broken(Breach::Checkpoint { index: 0, why });
    let signed = line.open(&note).map_err(|error| bad(error.to_string()))?;
    let peaks = peaks.as_chunks::<32>().0.to_vec();
    let tree = Tree::restore(size, peaks).ok_or(LoadError::Value("checkpoint"))?;
    if signed != (Checkpoint { size, root: tree.root() }) {
        return Err(bad("it is not what was signed".to_owned()));
    }
    let last: Option<[u8; 32]> = conn
        .query_row("SELECT chain FROM journal WHERE seq = ?1", [size.cast_signed()], |row| row.get(0))
        .optional()?;
    match last {
        Some(found) if found == link => {}
        Some(_) => return Err(LoadError::Broken(Breach::Changed { seq: size })),
        None => {
            let have: Option<i64> = conn.query_row("SELECT max(seq) FROM journal", [], |row| row.get(0))?;
            let have = have.unwrap_or_default().cast_unsigned();
            return Err(LoadError::Broken(Breach::Truncated { have, signed: size }));
        }
    }
    memory.tree = tree;
    memory.head = Some(Head { seq: size, chain: link });
    memory.signed = size;
    Ok(floor.cast_unsigned())
}

/// Follows the chain from the last checkpoint to the end.
fn tail(conn: &Connection, memory: &mut Memory) -> Result<(), LoadError> {
    let mut head = memory.head();
    let mut query = conn.prepare(&format!("{ROW} WHERE seq > ?1 ORDER BY seq"))?;
    let mut rows = query.query([head.seq.cast_signed()])?;
    while let Some(found) = rows.next()? {
        let found = row(found)?;
        if found.seq != head.seq + 1 {
            return Err(LoadError::Broken(Breach::Missing { from: head.seq + 1, to: found.seq - 1 }));
        }
        if chain(&head.chain, found.seq, &found.payload) != found.chain {
            return Err(LoadError::Broken(Breach::Changed { seq: found.seq }));
        }
        memory.tree.push(leaf(&found.payload));
        head = Head { seq: found.seq, chain: found.chain };
    }
    memory.head = Some(head);
    Ok(())
}

fn table_of_head(conn: &Connection, memory: &mut Memory) -> Result<(), LoadError> {
    let read = |row: &SqlRow<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, i64>(2)?));
    let stored = conn.query_row("SELECT seq, chain, latest FROM head", [], read).optional()?;
    let (seq, link, latest) = stored.unwrap_or((0, Head::EMPTY.chain, i64::MIN));
    let (seq, head) = (seq.cast_unsigned(), memory.head());
    if seq > head.seq {
        return Err(LoadError::Broken(Breach::Missing { from: head.seq + 1, to: seq }));
    }
    if seq < head.seq || link != head.chain {
        return Err(LoadError::Broken(Breach::Changed { seq: seq + u64::from(seq < head.seq) }));
    }
    memory.latest = latest;
    Ok(())
}

fn open_intents(conn: &Connection, memory: &mut Memory, floor: u64) -> Result<(), LoadError> {
    let sql = "SELECT seq, kind, decision, CASE kind WHEN 'recovered' THEN payload END FROM journal
               WHERE seq >= ?1 AND kind IN ('intent', 'outcome', 'aborted', 'recovered') ORDER BY seq";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([floor.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        if kind == "recovered" {
            let payload = bytes(row, 3)?;
            if let Ok(Record::Recovered(recovered)) = serde_json::from_slice(&payload) {
                for decision in &recovered.unknown {
                    memory.open.remove(decision);
                }
            }
            continue;
        }
        let decision: String = row.get(2)?;
        let decision: DecisionId = decision.parse().map_err(|_| LoadError::Value("journal"))?;
        if kind == "intent" {
            memory.open.insert(decision, row.get::<_, i64>(0)?.cast_unsigned());
        } else {
            memory.open.remove(&decision);
        }
    }
    Ok(())
}

fn settings(conn: &Connection, memory: &mut Memory) -> Result<(), LoadError> {
    let read = |name: &str| {
        conn.query_row("SELECT value FROM setting WHERE name = ?1", params![name], |row| row.get::<_, i64>(0))
            .optional()
    };
    memory.epoch = read("epoch")?.unwrap_or_default().cast_unsigned();
    Ok(())
}

/// Counters that are not what the journal says: intents that an exception admitted, less those given back.
fn recount(conn: &Connection) -> Result<Vec<(ExceptionId, i64)>, LoadError> {
    let sql = "WITH said (exception, used) AS (
                   SELECT exception, sum(kind = 'intent') - sum(kind = 'aborted') FROM journal
                   WHERE exception IS NOT NULL AND kind IN ('intent', 'aborted') GROUP BY exception)
               SELECT coalesce(said.exception, uses.exception), coalesce(said.used, 0)
               FROM said FULL JOIN uses ON uses.exception = said.exception
               WHERE coalesce(said.used, 0) <> coalesce(uses.used, 0)";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: ExceptionId = row.get::<_, String>(0)?.parse().map_err(|_| LoadError::Value("uses"))?;
        found.push((id, row.get(1)?));
    }
    Ok(found)
}
