//! What the journal holds about an exception since one of its own events.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, job::Unavailable, load::bytes};
use crate::{
    domain::ExceptionId,
    evidence::{Alarm, JournalError, PolicyChange, PolicyEvent, Record},
};

/// Alarms that are read at once.
const MOST: i64 = 1_000;

/// What happened since then.
#[derive(Debug, Default)]
pub struct Since {
    /// Calls that it admitted.
    pub calls: u64,
    /// Calls that were refused though it was looked at.
    pub denials: u64,
    /// The policies that were in force then.
    pub before: Option<PolicyChange>,
    /// Alarms, at most 1,000.
    pub alarms: Vec<Alarm>,
}

impl Store {
    /// What the journal holds about this exception behind the event of this version; nothing if there is no such
    /// event.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn since(&self, exception: &ExceptionId, version: u64) -> Result<Since, JournalError> {
        let exception = exception.clone();
        let read = self.read(move |conn| since(conn, &exception, version));
        read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }
}

fn since(conn: &Connection, exception: &ExceptionId, version: u64) -> rusqlite::Result<Since> {
    let mut found = Since::default();
    let sql = "SELECT seq FROM journal WHERE exception = ?1 AND kind = 'lifecycle' ORDER BY seq LIMIT 1 OFFSET ?2";
    let place = params![exception.as_str(), version.saturating_sub(1).cast_signed()];
    let Some(seq) = conn.prepare_cached(sql)?.query_row(place, |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(found);
    };
    let sql = "SELECT count(*) FROM journal WHERE exception = ?1 AND kind = ?2 AND seq > ?3";
    let mut count = conn.prepare_cached(sql)?;
    let mut of = |kind| count.query_row(params![exception.as_str(), kind, seq], |row| row.get::<_, i64>(0));
    found.calls = of("intent")?.cast_unsigned();
    found.denials = of("denial")?.cast_unsigned();
    let mut query =
        conn.prepare_cached("SELECT payload FROM journal WHERE kind = 'policy' AND seq <= ?1 ORDER BY seq DESC")?;
    let mut rows = query.query([seq])?;
    while let Some(row) = rows.next()? {
        if let Ok(Record::Policy(change)) = serde_json::from_slice(&bytes(row, 0)?)
            && change.event == PolicyEvent::Loaded
        {
            found.before = Some(change);
            break;
        }
    }
    let sql = "SELECT payload FROM journal WHERE kind = 'alarm' AND seq > ?1 ORDER BY seq LIMIT ?2";
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query(params![seq, MOST])?;
    while let Some(row) = rows.next()? {
        if let Ok(Record::Alarm(alarm)) = serde_json::from_slice(&bytes(row, 0)?) {
            found.alarms.push(alarm);
        }
    }
    Ok(found)
}
