//! Removes the payloads of traffic whose time is over; the leaf hashes stay, and a record says what was removed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rusqlite::{
    Connection, OptionalExtension as _, params,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    Store,
    calls::moment,
    job::{Done, Unavailable},
    ledger::Ledger,
    load::bytes,
    store::Terms,
};
use crate::{
    domain::Timestamp,
    evidence::{Checkpoint, JournalError, Pruned, Record, Retention, Runs},
};

/// Records of one bundle of the tiles: what is removed ends where a bundle does.
const BUNDLE: u64 = 256;
/// Records that are looked at in one transaction, so that no call waits for long.
const WINDOW: u64 = 2 * BUNDLE;
/// The kinds of [`crate::evidence::TRAFFIC`].
const KINDS: &str = "('aborted', 'denial', 'inquiry', 'intent', 'listing', 'outcome', 'subscription')";

/// What may be removed.
#[derive(Debug, Clone)]
pub struct Prune {
    /// Records that are older than this.
    pub before: Timestamp,
    /// Days that records of traffic are kept.
    pub days: u32,
    /// The checkpoint under which they must stand.
    pub checkpoint: String,
    /// The last record that all who read the journal have read.
    pub floor: u64,
    /// Who asks for it.
    pub actor: String,
}

/// What was removed until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Up to this record all traffic is removed.
    pub through: u64,
    /// When that was said.
    pub at: Timestamp,
    /// The record that says so.
    pub by: u64,
}

/// A record whose time is over.
struct Old {
    seq: u64,
    payload: Vec<u8>,
    kind: String,
    at: Timestamp,
}

impl Store {
    /// Removes the next records of traffic, at most 512, in one transaction with the record that says so and
    /// with a checkpoint over it. Nothing, if there are none left that may go.
    ///
    /// # Errors
    /// The checkpoint is none of this journal, or the store cannot be written now.
    pub async fn prune(&self, asked: Prune) -> Result<Option<Retention>, JournalError> {
        let signals = Arc::clone(&self.signals);
        let work = move |ledger: &mut Ledger| {
            let done = prune(ledger, &asked)?;
            // Here, and not with the answer: whoever asked may not wait for it. If nothing is kept, a log is emptied
            // that need not be.
            if matches!(done, Ok(Some(_))) {
                signals.scrub.store(true, Ordering::Release);
            }
            Ok(Done::plain(done))
        };
        let done = self.ask(Terms::PATIENT, work).await.map_err(unavailable)?;
        done.map_err(|why| JournalError::Unavailable(why.to_owned()))
    }

    /// Whether nothing of what was removed stands in the write-ahead log any more.
    #[must_use]
    pub fn is_scrubbed(&self) -> bool {
        !self.signals.scrub.load(Ordering::Acquire)
    }

    /// What was removed until now; none if nothing was.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn gone(&self) -> Result<Option<Gone>, JournalError> {
        self.read(gone).await.map_err(unavailable)
    }

    /// How many records of traffic there are behind `gone` and up to this one.
    ///
    /// # Errors
    /// They cannot be counted now.
    pub async fn traffic(&self, behind: u64, through: u64) -> Result<u64, JournalError> {
        let read = move |conn: &Connection| {
            let sql = format!("SELECT count(*) FROM journal WHERE seq > ?1 AND seq <= ?2 AND kind IN {KINDS}");
            let place = params![behind.cast_signed(), through.cast_signed()];
            conn.query_row(&sql, place, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        self.read(read).await.map_err(unavailable)
    }
}

fn unavailable(Unavailable(why): Unavailable) -> JournalError {
    JournalError::Unavailable(why)
}

/// The last word on what was removed.
pub(super) fn gone(conn: &Connection) -> rusqlite::Result<Option<Gone>> {
    let sql = "SELECT seq, payload FROM journal WHERE kind = 'retention' ORDER BY seq DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), bytes(row, 1)?));
    let found = conn.prepare_cached(sql)?.query_row([], read).optional()?;
    Ok(found.and_then(|(by, payload)| match serde_json::from_slice(&payload) {
        Ok(Record::Retention(said)) => Some(Gone { through: said.through, at: said.at, by }),
        Ok(_) | Err(_) => None,
    }))
}

/// Carries the write-ahead log over and empties it; `false` if a reader is in the way.
pub(super) fn empty_log(conn: &Connection) -> rusqlite::Result<bool> {
    conn.busy_timeout(Duration::from_millis(20))?;
    let busy: rusqlite::Result<i64> = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    conn.busy_timeout(Duration::from_millis(500))?;
    Ok(busy? == 0)
}

type Asked<T> = Result<T, &'static str>;

fn prune(ledger: &mut Ledger, asked: &Prune) -> rusqlite::Result<Asked<Option<Retention>>> {
    if ledger.tight {
        return Ok(Err("the disk is full; nothing is removed that would have to be recorded"));
    }
    let signed = match signed(ledger, asked)? {
        Ok(signed) => signed,
        Err(why) => return Ok(Err(why)),
    };
    let open = ledger.memory.open.values().min().map_or(u64::MAX, |open| open.saturating_sub(1));
    let floor = asked.floor.min(signed).min(open);
    let Some(from) = first(ledger, floor / BUNDLE * BUNDLE)? else { return Ok(Ok(None)) };
    let last = (floor / BUNDLE * BUNDLE).min(from - 1 + WINDOW);
    let (through, old) = old(ledger, asked, (from, last, floor))?;
    if old.is_empty() {
        return Ok(Ok(None));
    }
    let mut runs = Runs::default();
    old.iter().for_each(|old| runs.push(old.seq));
    let said = Retention {
        at: ledger.now(),
        actor: asked.actor.clone(),
        from,
        through,
        count: u64::try_from(old.len()).unwrap_or(u64::MAX),
        rows: runs.as_slice().to_vec(),
        days: asked.days,
        checkpoint: asked.checkpoint.clone(),
    };
    let by = ledger.tell(&Record::Retention(said.clone()))?.seq;
    remove(ledger, &old, (from, through, by))?;
    // No copy of the database holds what was removed without a signature over the record that says so.
    ledger.fresh = Some(ledger.sign()?);
    Ok(Ok(Some(said)))
}

/// How much the checkpoint signed, if it is one of this journal's.
fn signed(ledger: &Ledger, asked: &Prune) -> rusqlite::Result<Asked<u64>> {
    let Ok(checkpoint) = ledger.signing.line().open(&asked.checkpoint) else {
        return Ok(Err("the checkpoint is not signed by this store; nothing is removed"));
    };
    let sql = "SELECT note FROM checkpoint WHERE size = ?1";
    let note = ledger
        .conn
        .prepare_cached(sql)?
        .query_row([checkpoint.size.cast_signed()], |row| row.get::<_, String>(0))
        .optional()?;
    if note.and_then(|note| Checkpoint::read(&note).ok()).is_some_and(|ours| ours == checkpoint) {
        return Ok(Ok(checkpoint.size));
    }
    Ok(Err("the checkpoint is none of the newest of this store: the tiles are far behind; nothing is removed"))
}

/// The beginning of the bundle of the first record of traffic that is still there.
fn first(ledger: &Ledger, last: u64) -> rusqlite::Result<Option<u64>> {
    let gone = gone(&ledger.conn)?.map_or(0, |gone| gone.through);
    let sql = format!("SELECT seq FROM journal WHERE seq > ?1 AND seq <= ?2 AND kind IN {KINDS} ORDER BY seq LIMIT 1");
    let mut query = ledger.conn.prepare_cached(&sql)?;
    let found = query.query_row(params![gone.cast_signed(), last.cast_signed()], |row| row.get::<_, i64>(0));
    Ok(found.optional()?.map(|seq| (seq.cast_unsigned() - 1) / BUNDLE * BUNDLE + 1))
}

/// Records of traffic from the first to the last of these that may go, and where the last bundle of them ends. It stops
/// at the first record that is young, and at one whose decision is told on behind the floor.
fn old(ledger: &Ledger, asked: &Prune, (from, last, floor): (u64, u64, u64)) -> rusqlite::Result<(u64, Vec<Old>)> {
    let sql = format!(
        "SELECT seq, payload, kind, kind IN {KINDS}, decision IS NOT NULL AND EXISTS (
             SELECT 1 FROM journal AS later WHERE later.decision = here.decision AND later.seq > ?3
         ) FROM journal AS here WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq"
    );
    let mut query = ledger.conn.prepare_cached(&sql)?;
    let mut rows = query.query(params![from.cast_signed(), last.cast_signed(), floor.cast_signed()])?;
    let (mut found, mut through) = (Vec::new(), last);
    while let Some(row) = rows.next()? {
        let (seq, payload) = (row.get::<_, i64>(0)?.cast_unsigned(), bytes(row, 1)?);
        let (traffic, goes_on): (bool, bool) = (row.get(3)?, row.get(4)?);
        let at = moment(&payload).filter(|at| *at < asked.before && !(traffic && goes_on));
        let Some(at) = at else {
            through = (seq - 1) / BUNDLE * BUNDLE;
            break;
        };
        if traffic && Pruned::read(&payload).is_none() {
            found.push(Old { seq, payload, kind: row.get(2)?, at });
        }
    }
    found.retain(|old| old.seq <= through);
    Ok((through, found))
}

fn remove(ledger: &Ledger, old: &[Old], (from, through, by): (u64, u64, u64)) -> rusqlite::Result<()> {
    let mut update = ledger.conn.prepare_cached("UPDATE journal SET payload = ?2 WHERE seq = ?1")?;
    for old in old {
        let hash = Pruned::of(&old.payload, &old.kind, old.at, by)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        update.execute(params![old.seq.cast_signed(), ToSqlOutput::Borrowed(ValueRef::Text(&hash))])?;
    }
    let sql = "DELETE FROM shadow WHERE seq >= ?1 AND seq <= ?2";
    ledger.conn.prepare_cached(sql)?.execute(params![from.cast_signed(), through.cast_signed()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::TRAFFIC;

    #[test]
    fn what_goes_is_what_the_evidence_calls_traffic() {
        assert_eq!(KINDS, format!("({})", TRAFFIC.map(|kind| format!("'{kind}'")).join(", ")));
    }
}
