//! The journal as something to follow, and how far each destination has got.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use tokio::sync::watch;

use super::{
    Store,
    job::{Done, Unavailable},
    load::{ROW, row},
    store::Terms,
};
use crate::evidence::{Feed, JournalError, Row};

#[async_trait]
impl Feed for Store {
    async fn after(&self, seq: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        let read = move |conn: &rusqlite::Connection| {
            let mut query = conn.prepare_cached(&format!("{ROW} WHERE seq > ?1 ORDER BY seq LIMIT ?2"))?;
            query.query_map(params![seq.cast_signed(), limit], row)?.collect()
        };
        self.read(read).await.map_err(unavailable)
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.head()
    }

    async fn cursor(&self, name: &str) -> Result<Option<u64>, JournalError> {
        let name = name.to_owned();
        let read = move |conn: &rusqlite::Connection| {
            let mut query = conn.prepare_cached("SELECT seq FROM cursor WHERE name = ?1")?;
            query.query_row([name], |row| row.get::<_, i64>(0)).optional()
        };
        Ok(self.read(read).await.map_err(unavailable)?.map(i64::cast_unsigned))
    }

    async fn advance(&self, name: &str, seq: u64) -> Result<(), JournalError> {
        let name = name.to_owned();
        let write = move |ledger: &mut super::ledger::Ledger| {
            let sql = "INSERT INTO cursor (name, seq) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)";
            ledger.conn.prepare_cached(sql)?.execute(params![name, seq.cast_signed()])?;
            Ok(Done::plain(()))
        };
        self.ask(Terms::PATIENT, write).await.map_err(unavailable)
    }
}

fn unavailable(Unavailable(why): Unavailable) -> JournalError {
    JournalError::Unavailable(why)
}
