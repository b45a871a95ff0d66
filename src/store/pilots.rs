//! Pilots: their histories are the journal's own records, written together with the exceptions that end with them.

use async_trait::async_trait;
use rusqlite::Connection;

use super::{
    Store,
    exceptions::append_all,
    job::Done,
    ledger::{Entry, Ledger},
    load::bytes,
    store::Terms,
};
use crate::{
    domain::{ExceptionId, PilotId},
    evidence::{JournalError, PilotChange, Record, chain},
    exception::{Change, PilotStore, StoreError, StoredPilot},
};

/// Each record of a pilot, with the link of the chain before it.
const PILOTS: &str = "SELECT here.seq, here.payload, here.chain, before.chain FROM journal AS here
    LEFT JOIN journal AS before ON before.seq = here.seq - 1 WHERE here.kind = 'pilot' ORDER BY here.seq";

#[async_trait]
impl PilotStore for Store {
    async fn pilots(&self) -> Result<Vec<StoredPilot>, StoreError> {
        let read = self.read(stored).await.map_err(|why| StoreError::Unavailable(why.0))?;
        read.ok_or_else(|| StoreError::Unavailable("a record of a pilot is not what was written".to_owned()))
    }

    async fn append_pilot(
        &self,
        event: StoredPilot,
        changes: Vec<(ExceptionId, u64, Change)>,
    ) -> Result<(), StoreError> {
        let unavailable = |error: JournalError| StoreError::Unavailable(error.to_string());
        let StoredPilot { pilot, version, at, actor, reason, event } = event;
        let event = serde_json::to_value(&event).map_err(|_| unavailable(JournalError::Unreadable))?;
        let record = Record::Pilot(PilotChange { at, pilot: pilot.clone(), version, actor, reason, event });
        let entry = Entry::of(&record).map_err(unavailable)?;
        let work = move |ledger: &mut Ledger| {
            let (found, expected) = (version_of(&ledger.conn, &pilot)?, version.saturating_sub(1));
            if found != expected {
                return Ok(Done::plain(Err(StoreError::Conflict { expected, found })));
            }
            Ok(Done::plain(append_all(ledger, &changes, Some(&entry))?))
        };
        self.ask(Terms::PATIENT, work).await.map_err(|why| StoreError::Unavailable(why.0))?
    }
}

/// All of them; `None` if one is not what was written.
fn stored(conn: &Connection) -> rusqlite::Result<Option<Vec<StoredPilot>>> {
    let mut query = conn.prepare_cached(PILOTS)?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (seq, payload) = (row.get::<_, i64>(0)?.cast_unsigned(), bytes(row, 1)?);
        let (link, before): ([u8; 32], Option<[u8; 32]>) = (row.get(2)?, row.get(3)?);
        if chain(&before.unwrap_or_default(), seq, &payload) != link {
            return Ok(None);
        }
        let Ok(Record::Pilot(PilotChange { at, pilot, version, actor, reason, event })) =
            serde_json::from_slice(&payload)
        else {
            return Ok(None);
        };
        let Ok(event) = serde_json::from_value(event) else { return Ok(None) };
        all.push(StoredPilot { pilot, version, at, actor, reason, event });
    }
    Ok(Some(all))
}

/// How many events a pilot has.
fn version_of(conn: &Connection, pilot: &PilotId) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM journal WHERE kind = 'pilot' AND json_extract(payload, '$.pilot') = ?1";
    let count: i64 = conn.prepare_cached(sql)?.query_row([pilot.as_str()], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}
