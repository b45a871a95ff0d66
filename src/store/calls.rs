//! Records of calls, found by when they were made.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};

use super::{Store, job::Unavailable, load::bytes};
use crate::{
    domain::{ExceptionId, Timestamp},
    evidence::{Alarm, JournalError, PolicyChange, PolicyEvent, Pruned, Record},
};

impl Store {
    /// Records of calls from this sequence number on: at most `limit` rows of the journal are looked at. Gives those of
    /// calls with their numbers, and where to go on.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn calls(&self, from: u64, limit: u64) -> Result<(Vec<(u64, Vec<u8>)>, Option<u64>), JournalError> {
        let until = from.saturating_add(limit);
        let head = *self.head().borrow();
        let read = self.read(move |conn| {
            let sql = "SELECT seq, payload FROM journal
                       WHERE seq >= ?1 AND seq < ?2 AND kind IN ('intent', 'denial') ORDER BY seq";
            let mut query = conn.prepare_cached(sql)?;
            let found = query.query_map(params![from.cast_signed(), until.cast_signed()], |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), bytes(row, 1)?))
            })?;
            found.collect::<rusqlite::Result<Vec<_>>>()
        });
        let rows = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        Ok((rows, (until <= head).then_some(until)))
    }

    /// Records of calls that were charged to one of these exceptions or refused under it, at most `limit`, and where to
    /// go on. Later rounds of a call, which charge nothing, are not among them.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn calls_of(
        &self,
        exceptions: &BTreeSet<ExceptionId>,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<(u64, Vec<u8>)>, Option<u64>), JournalError> {
        let ids = listed(exceptions);
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.read(move |conn| {
            let sql = "SELECT seq, payload FROM journal WHERE exception IN (SELECT value FROM json_each(?1))
                       AND kind IN ('intent', 'denial') AND seq >= ?2 ORDER BY seq LIMIT ?3";
            let mut query = conn.prepare_cached(sql)?;
            let found = query.query_map(params![ids, from.cast_signed(), rows], |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), bytes(row, 1)?))
            })?;
            found.collect::<rusqlite::Result<Vec<_>>>()
        });
        let rows = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let next = rows.last().filter(|_| rows.len() >= limit).map(|(seq, _)| seq + 1);
        Ok((rows, next))
    }

    /// The record behind the newest `count` of these exceptions' calls, if there are more.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn floor_of(&self, exceptions: &BTreeSet<ExceptionId>, count: u64) -> Result<Option<u64>, JournalError> {
        let ids = listed(exceptions);
        let sql = "SELECT seq FROM journal WHERE exception IN (SELECT value FROM json_each(?1))
                   AND kind IN ('intent', 'denial') ORDER BY seq DESC LIMIT 1 OFFSET ?2";
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            query.query_row(params![ids, count.cast_signed()], |row| row.get::<_, i64>(0)).optional()
        });
        let found = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        Ok(found.map(|seq| seq.cast_unsigned() + 1))
    }

    /// The first record that is about as old as this moment; records of one moment do not stand in strict order, so a
    /// reader looks at the time of each.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn first_since(&self, moment: Timestamp) -> Result<u64, JournalError> {
        let (mut low, mut high) = (1, *self.head().borrow() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.time_of(middle).await? {
                Some(at) if at < moment => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    async fn time_of(&self, seq: u64) -> Result<Option<Timestamp>, JournalError> {
        let sql = "SELECT payload FROM journal WHERE seq = ?1";
        let read = self
            .read(move |conn| conn.prepare_cached(sql)?.query_row([seq.cast_signed()], |row| bytes(row, 0)).optional());
        let payload = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        Ok(payload.and_then(|payload| moment(&payload)))
    }

    /// The policy sets that were in force since this moment, newest first, at most so many.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn policies(&self, since: Timestamp, limit: usize) -> Result<Vec<PolicyChange>, JournalError> {
        let sql = "SELECT payload FROM journal WHERE kind = 'policy' ORDER BY seq DESC LIMIT ?1";
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            query.query_map([rows], |row| bytes(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let payloads = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let mut found = Vec::new();
        for payload in payloads {
            let Ok(Record::Policy(change)) = serde_json::from_slice(&payload) else { continue };
            let first = change.at < since;
            found.extend((change.event == PolicyEvent::Loaded).then_some(change));
            // The one that was in force when the time began.
            if first && found.last().is_some_and(|change| change.at < since) {
                break;
            }
        }
        Ok(found)
    }

    /// The newest alarms, the newest first.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn alarms(&self, limit: usize) -> Result<Vec<Alarm>, JournalError> {
        let sql = "SELECT payload FROM journal WHERE kind = 'alarm' ORDER BY seq DESC LIMIT ?1";
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            query.query_map([rows], |row| bytes(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let payloads = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let alarm = |payload: Vec<u8>| match serde_json::from_slice(&payload) {
            Ok(Record::Alarm(alarm)) => Some(alarm),
            Ok(_) | Err(_) => None,
        };
        Ok(payloads.into_iter().filter_map(alarm).collect())
    }

    /// When the last call was charged to this exception.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn last_use(&self, exception: &ExceptionId) -> Result<Option<Timestamp>, JournalError> {
        let id = exception.clone();
        let sql = "SELECT payload FROM journal WHERE exception = ?1 AND kind = 'intent' ORDER BY seq DESC LIMIT 1";
        let read = self.read(move |conn| conn.query_row(sql, [id.as_str()], |row| bytes(row, 0)).optional());
        let payload = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        Ok(payload.and_then(|payload| moment(&payload)))
    }
}

/// When a record was made; what stands in the place of one that was removed says it too.
pub(super) fn moment(payload: &[u8]) -> Option<Timestamp> {
    match Pruned::read(payload) {
        Some(pruned) => Some(pruned.at),
        None => serde_json::from_slice::<Record>(payload).ok().map(|record| record.summary().at),
    }
}

/// The ids as a JSON array, which SQLite reads as a table.
fn listed(exceptions: &BTreeSet<ExceptionId>) -> String {
    serde_json::to_string(exceptions).unwrap_or_else(|_| "[]".to_owned())
}
