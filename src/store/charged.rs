//! What alerts want to know of the journal: how often an exception was charged, and what could not be delivered.

use rusqlite::params;

use super::{Store, job::Unavailable, load::bytes};
use crate::{
    domain::ExceptionId,
    evidence::{Delivery, JournalError, Record},
};

impl Store {
    /// How many calls were charged to this exception by the records before this one, those given back taken off.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn charged_before(&self, exception: &ExceptionId, seq: u64) -> Result<u64, JournalError> {
        let id = exception.clone();
        let sql = "SELECT count(*) FROM journal WHERE exception = ?1 AND kind = ?2 AND seq < ?3";
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            let mut of =
                |kind| query.query_row(params![id.as_str(), kind, seq.cast_signed()], |row| row.get::<_, i64>(0));
            Ok((of("intent")?, of("aborted")?))
        });
        let (made, back) = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        Ok(made.saturating_sub(back).max(0).cast_unsigned())
    }

    /// The newest records of deliveries that did not go as they should, at most `limit`, oldest first.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>, JournalError> {
        let sql = "SELECT payload FROM journal WHERE kind = 'delivery' ORDER BY seq DESC LIMIT ?1";
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            query.query_map([limit], |row| bytes(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let rows = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let read = rows.iter().rev().filter_map(|row| match serde_json::from_slice(row) {
            Ok(Record::Delivery(delivery)) => Some(delivery),
            Ok(_) | Err(_) => None,
        });
        Ok(read.collect())
    }
}
