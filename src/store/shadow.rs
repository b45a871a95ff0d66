//! What would have been decided of a call without its exception, kept beside the journal and not in it.

use rusqlite::params;

use super::{
    Store,
    job::{Done, Unavailable},
    ledger::Ledger,
    store::Terms,
};
use crate::{
    domain::{DecisionId, ExceptionId},
    evidence::JournalError,
};

/// Rows that are kept; older ones are dropped, and their calls count as missing.
const ROWS: i64 = 1_000_000;
/// Rows of one exception that are read: as many calls as one study looks at.
const READ: i64 = 400_000;

/// One call that an exception admitted, judged again after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowRow {
    /// The record of the call.
    pub seq: u64,
    /// The decision.
    pub decision: DecisionId,
    /// The exception that admitted it.
    pub exception: ExceptionId,
    /// Whether it would have been refused without the exception; nothing where that could not be judged.
    pub refused: Option<bool>,
    /// The same under the role that is to take over; nothing where there is none yet.
    pub candidate_refuses: Option<bool>,
    /// In words.
    pub told: String,
}

impl Store {
    /// Keeps these rows, those that are there already as they are, and how far the follower of this name has got.
    ///
    /// # Errors
    /// The store cannot be written now.
    pub async fn keep_shadows(&self, rows: Vec<ShadowRow>, (name, seq): (&str, u64)) -> Result<(), JournalError> {
        let name = name.to_owned();
        let write = move |ledger: &mut Ledger| {
            let sql = "INSERT OR IGNORE INTO shadow (seq, decision, exception, refused, candidate_refuses, told)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let mut insert = ledger.conn.prepare_cached(sql)?;
            for row in &rows {
                let (id, of) = (row.decision.as_str(), row.exception.as_str());
                insert.execute(params![row.seq.cast_signed(), id, of, row.refused, row.candidate_refuses, row.told])?;
            }
            if !rows.is_empty() {
                let sql =
                    "DELETE FROM shadow WHERE seq <= (SELECT seq FROM shadow ORDER BY seq DESC LIMIT 1 OFFSET ?1)";
                ledger.conn.prepare_cached(sql)?.execute([ROWS])?;
            }
            let sql = "INSERT INTO cursor (name, seq) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)";
            ledger.conn.prepare_cached(sql)?.execute(params![name, seq.cast_signed()])?;
            Ok(Done::plain(()))
        };
        self.ask(Terms::PATIENT, write).await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }

    /// The newest rows of this exception.
    ///
    /// # Errors
    /// They cannot be read now.
    pub async fn shadows(&self, exception: &ExceptionId) -> Result<Vec<ShadowRow>, JournalError> {
        let id = exception.clone();
        let read = self.read(move |conn| {
            let sql = "SELECT seq, decision, refused, candidate_refuses, told FROM shadow WHERE exception = ?1
                ORDER BY seq DESC LIMIT ?2";
            let mut query = conn.prepare_cached(sql)?;
            let found = query.query_map(params![id.as_str(), READ], |row| {
                let decision: String = row.get(1)?;
                Ok(decision.parse().ok().map(|decision| {
                    Ok::<_, rusqlite::Error>(ShadowRow {
                        seq: row.get::<_, i64>(0)?.cast_unsigned(),
                        decision,
                        exception: id.clone(),
                        refused: row.get(2)?,
                        candidate_refuses: row.get(3)?,
                        told: row.get(4)?,
                    })
                }))
            })?;
            // A row whose id cannot be read is one that is missing.
            found.filter_map(Result::transpose).map(|row| row?).collect::<rusqlite::Result<Vec<_>>>()
        });
        read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }
}
