//! The journal's tables with what the writer remembers of them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use rusqlite::{
    Connection, OptionalExtension as _, params,
    types::{ToSqlOutput, ValueRef},
};

use super::{exceptions::Known, log_key::LogKey};
use crate::{
    domain::{Clock, CredentialId, DecisionId, ExceptionId, Freezes, Timestamp},
    evidence::{
        Checkpoint, Head, Hold, JournalError, OldKey, Position, Record, SigningChange, SigningKey, Summary, Tree, leaf,
    },
};

/// A record that is ready to be written.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) summary: Summary,
    pub(super) payload: Vec<u8>,
}

impl Entry {
    pub(super) fn of(record: &Record) -> Result<Self, JournalError> {
        Ok(Self { payload: record.encode()?, summary: record.summary() })
    }
}

/// What the writer knows without reading. Thrown away and read again whenever a transaction fails.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) head: Option<Head>,
    pub(super) tree: Tree,
    /// Milliseconds since 1970: the latest moment that was seen (T087).
    pub(super) latest: i64,
    /// Intents without an outcome.
    pub(super) open: HashMap<DecisionId, u64>,
    pub(super) freezes: Arc<Freezes>,
    pub(super) holds: Arc<Vec<Hold>>,
    pub(super) epoch: u64,
    pub(super) revoked: HashSet<CredentialId>,
    pub(super) known: HashMap<ExceptionId, Known>,
    /// The size that was signed last.
    pub(super) signed: u64,
    /// The key that takes over when the transaction is committed.
    pub(super) next: Option<Next>,
}

/// A key that takes over when the transaction is committed.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) key: Arc<SigningKey>,
    pub(super) change: SigningChange,
    /// What becomes of the private key before it: told after the commit.
    pub(super) old: Arc<OnceLock<OldKey>>,
}

impl Memory {
    pub(super) fn head(&self) -> Head {
        self.head.unwrap_or(Head::EMPTY)
    }
}

/// The journal and all that is written in one transaction with it.
pub(super) struct Ledger {
    pub(super) conn: Connection,
    pub(super) memory: Memory,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) signing: Arc<LogKey>,
    /// The disk is full but for the reserve: no call is admitted, all else is recorded (T100).
    pub(super) tight: bool,
    /// A checkpoint that was signed in a transaction with other work, and is not told yet.
    pub(super) fresh: Option<String>,
    /// The head and the latest moment as the table has them.
    written: (u64, i64),
}

impl Ledger {
    pub(super) fn new(conn: Connection, memory: Memory, clock: Arc<dyn Clock>, signing: Arc<LogKey>) -> Self {
        let written = (memory.head().seq, memory.latest);
        Self { conn, memory, clock, signing, tight: false, fresh: None, written }
    }

    /// Never earlier than what was seen, also before the clock has been raised to it (T087).
    pub(super) fn now(&self) -> Timestamp {
        let seen = Timestamp::from_timestamp_millis(self.memory.latest).filter(|_| self.memory.latest > i64::MIN);
        let now = self.clock.now();
        seen.map_or(now, |seen| now.max(seen))
    }

    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
    }

    /// Ends the transaction; durable when this returns.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        let (head, latest) = (self.memory.head(), self.memory.latest);
        if self.written != (head.seq, latest) {
            let sql = "INSERT INTO head (one, seq, chain, latest) VALUES (1, ?1, ?2, ?3)
                       ON CONFLICT (one) DO UPDATE SET seq = ?1, chain = ?2, latest = ?3";
            self.conn.prepare_cached(sql)?.execute(params![head.seq.cast_signed(), head.chain, latest])?;
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        self.written = (head.seq, latest);
        if let Some(Next { key, change, old }) = self.memory.next.take() {
            old.get_or_init(|| self.signing.finish(key, change));
        }
        Ok(())
    }

    /// Chains a record.
    pub(super) fn append(&mut self, entry: &Entry) -> rusqlite::Result<Position> {
        let Entry { summary, payload } = entry;
        let head = self.memory.head().next(payload);
        let sql =
            "INSERT INTO journal (seq, kind, decision, exception, chain, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.conn.prepare_cached(sql)?.execute(params![
            head.seq.cast_signed(),
            summary.kind,
            summary.decision.as_ref().map(DecisionId::as_str),
            summary.exception.as_ref().map(ExceptionId::as_str),
            head.chain,
            ToSqlOutput::Borrowed(ValueRef::Text(payload))
        ])?;
        self.memory.tree.push(leaf(payload));
        self.memory.head = Some(head);
        self.saw(summary.at);
        if let Some(decision) = &summary.decision {
            match summary.kind {
                "intent" => drop(self.memory.open.insert(decision.clone(), head.seq)),
                "outcome" | "aborted" => drop(self.memory.open.remove(decision)),
                _ => {}
            }
        }
        Ok(Position { seq: head.seq })
    }

    /// Chains a record that the store itself has to tell.
    pub(super) fn tell(&mut self, record: &Record) -> rusqlite::Result<Position> {
        let entry = Entry::of(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.append(&entry)
    }

    /// Remembers the latest moment.
    pub(super) fn saw(&mut self, at: Timestamp) {
        self.memory.latest = self.memory.latest.max(at.timestamp_millis());
    }

    /// Takes one use if the budget has one left; says whether it had (T084).
    pub(super) fn take_use(&self, exception: &ExceptionId, budget: u64) -> rusqlite::Result<bool> {
        let limit = i64::try_from(budget).unwrap_or(i64::MAX);
        let sql = "INSERT INTO uses (exception, used) SELECT ?1, 1 WHERE ?2 > 0
                   ON CONFLICT (exception) DO UPDATE SET used = used + 1 WHERE used < ?2";
        Ok(self.conn.prepare_cached(sql)?.execute(params![exception.as_str(), limit])? == 1)
    }

    /// Gives one use back.
    pub(super) fn give_back(&self, exception: &ExceptionId) -> rusqlite::Result<()> {
        let sql = "UPDATE uses SET used = used - 1 WHERE exception = ?1 AND used > 0";
        self.conn.prepare_cached(sql)?.execute([exception.as_str()]).map(drop)
    }

    /// A number that stands in a table beside the writer's memory.
    pub(super) fn set(&self, name: &str, value: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
        self.conn.prepare_cached(sql)?.execute(params![name, value]).map(drop)
    }

    /// Signs a checkpoint if there is anything new.
    pub(super) fn checkpoint(&mut self) -> rusqlite::Result<Option<String>> {
        if self.memory.head().seq == self.memory.signed {
            return Ok(None);
        }
        self.begin()?;
        let note = self.sign()?;
        self.commit()?;
        Ok(Some(note))
    }

    /// Signs what is there, as a part of the open transaction. Behind a change of keys in the same transaction it is the
    /// next key that signs: the old one opens nothing there.
    pub(super) fn sign(&mut self) -> rusqlite::Result<String> {
        let (head, tree) = (self.memory.head(), &self.memory.tree);
        let present = Arc::clone(&self.signing.state().key);
        let next = self.memory.next.as_ref().filter(|next| head.seq > next.change.seq);
        let key = next.map_or(present, |next| Arc::clone(&next.key));
        let note = Checkpoint { size: tree.size(), root: tree.root() }.sign(&key);
        let floor = self.memory.open.values().min().copied().unwrap_or(head.seq + 1);
        let peaks = tree.peaks().concat();
        let sql = "INSERT INTO checkpoint (size, chain, peaks, floor, note) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.conn.prepare_cached(sql)?.execute(params![
            head.seq.cast_signed(),
            head.chain,
            peaks,
            floor.cast_signed(),
            note
        ])?;
        self.thin_out()?;
        self.memory.signed = head.seq;
        Ok(note)
    }

    /// Keeps the last 256 checkpoints, and of the older ones one for about 4096 records.
    fn thin_out(&self) -> rusqlite::Result<()> {
        let sql = "SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1 OFFSET ?1";
        let mut nth = self.conn.prepare_cached(sql)?;
        let old: Option<i64> = nth.query_row([256], |row| row.get(0)).optional()?;
        let next: Option<i64> = nth.query_row([255], |row| row.get(0)).optional()?;
        if let (Some(old), Some(next)) = (old, next)
            && old / 4096 == next / 4096
        {
            self.conn.prepare_cached("DELETE FROM checkpoint WHERE size = ?1")?.execute([old])?;
        }
        Ok(())
    }
}
