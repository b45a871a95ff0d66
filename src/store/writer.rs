//! The one thread that writes: many pieces of work share one commit.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use super::{
    folder::Folder,
    job::{Job, Late, Mark, Overdue, Unavailable, abort},
    ledger::Ledger,
    load::{self, LoadError},
    log_key::{self, LogKey},
    open::{self, OpenError},
    prune, schema,
};
use crate::{
    domain::{Clock, DecisionId, Freezes, Lease},
    evidence::{AlarmKind, Hold, Record, Stop},
    telemetry::Metrics,
};

/// Pieces of work in one commit.
const BATCH: usize = 512;
/// Records between two signed checkpoints, at most; there is one each second in any case.
const RECORDS: u64 = 4_096;
const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(250);
/// Between writes that prove, while nothing else is written, that the store can be written.
const BEAT: Duration = Duration::from_secs(5);
/// Records after which the write-ahead log is carried over.
const LOG: u64 = 2_000;

pub(super) enum Message {
    Work(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// What others can see of the writer.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) lease: Arc<Lease>,
    pub(super) frozen: watch::Sender<Arc<Freezes>>,
    pub(super) holds: watch::Sender<Arc<Vec<Hold>>>,
    pub(super) checkpoint: watch::Sender<Option<Arc<str>>>,
    pub(super) head: watch::Sender<u64>,
    /// Takes what the writer measures, once somebody wants it.
    pub(super) meter: OnceLock<Arc<Metrics>>,
    /// Pieces of work that wait.
    pub(super) waiting: AtomicUsize,
    /// The write-ahead log still holds what was removed; it is to be emptied.
    pub(super) scrub: AtomicBool,
}

/// What the writer needs to open the tables again.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) folder: Arc<Folder>,
    pub(super) reserve: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) signing: Arc<LogKey>,
}

impl Place {
    /// Opens the tables and reads them.
    pub(super) fn open(&self) -> Result<(Ledger, load::Loaded), OpenError> {
        let conn = schema::writer(&self.path)?;
        // Carried over and synced anew: after a failed sync the log cannot be trusted to be on disk (T101).
        let carried: i64 = conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|error| OpenError::from(LoadError::from(error)))?;
        if carried != 0 {
            return Err(OpenError::Busy);
        }
        self.signing.settle(&log_key::changes(&conn)?)?;
        let mut loaded = load::load(&conn, &self.signing.state().line)?;
        let memory = std::mem::take(&mut loaded.memory);
        Ok((Ledger::new(conn, memory, Arc::clone(&self.clock), Arc::clone(&self.signing)), loaded))
    }
}

/// What the writer knows of a store that cannot be written.
struct Down {
    why: Unavailable,
    retry: Instant,
    wait: Duration,
    /// The last record before the transaction that failed.
    head: u64,
    /// Calls of that transaction that went on all the same (`durability: exceptions`).
    gone_on: HashSet<DecisionId>,
    full: bool,
}

enum Health {
    Up(Box<Ledger>),
    Down(Box<Down>),
}

pub(super) struct Writer {
    place: Place,
    signals: Arc<Signals>,
    queue: Receiver<Message>,
    health: Health,
    last_checkpoint: Instant,
    last_write: Instant,
    last_scrub: Option<Instant>,
    /// The record up to which the write-ahead log was carried over.
    carried: u64,
}

impl Writer {
    pub(super) fn new(place: Place, ledger: Ledger, signals: Arc<Signals>, queue: Receiver<Message>) -> Self {
        let (carried, now) = (ledger.memory.head().seq, Instant::now());
        let health = Health::Up(Box::new(ledger));
        Self { place, signals, queue, health, last_checkpoint: now, last_write: now, last_scrub: None, carried }
    }

    /// Works until it is told to stop or nobody is left to ask.
    pub(super) fn run(mut self) {
        loop {
            let mut batch = Vec::new();
            let mut stop = None;
            match self.queue.recv_timeout(TICK) {
                Ok(Message::Work(job)) => batch.push(job),
                Ok(Message::Stop(reply)) => stop = Some(reply),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
            while stop.is_none() && batch.len() < BATCH {
                match self.queue.try_recv() {
                    Ok(Message::Work(job)) => batch.push(job),
                    Ok(Message::Stop(reply)) => stop = Some(reply),
                    Err(_) => break,
                }
            }
            self.signals.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            self.mend();
            self.write(batch);
            self.care();
            self.scrub();
            if let Some(reply) = stop {
                self.stop();
                let _ = reply.send(());
                return;
            }
        }
    }

    /// One transaction for all of it, then the answers; records that came too late are marked in the next.
    fn write(&mut self, mut batch: Vec<Box<dyn Job>>) {
        while !batch.is_empty() {
            let ledger = match &mut self.health {
                Health::Up(ledger) => ledger,
                Health::Down(down) => {
                    let why = down.why.clone();
                    return batch.into_iter().for_each(|job| job.refuse(&why));
                }
            };
            let (before, begun) = (ledger.memory.head().seq, Instant::now());
            if let Err(error) = transaction(ledger, &mut batch) {
                let gone_on = batch.iter().filter_map(|job| job.gone_on()).collect();
                let why = self.fall(before, gone_on, &error);
                return batch.into_iter().for_each(|job| job.refuse(&why));
            }
            self.last_write = Instant::now();
            acknowledge(&self.signals, ledger);
            publish(&self.signals, ledger);
            if let Some(note) = ledger.fresh.take() {
                self.signals.checkpoint.send_replace(Some(note.into()));
            }
            if let Some(meter) = self.signals.meter.get() {
                let head = ledger.memory.head().seq;
                let records = usize::try_from(head.saturating_sub(before)).unwrap_or(usize::MAX);
                meter.audit().committed(records, begun.elapsed(), head);
            }
            batch = batch.into_iter().filter_map(|job| job.answer()).map(|late| Box::new(Mark(late)) as _).collect();
        }
    }

    /// What is due beside the answers: signed checkpoints, the log, a proof of life.
    fn care(&mut self) {
        let Health::Up(ledger) = &mut self.health else { return };
        let head = ledger.memory.head().seq;
        let due = self.last_checkpoint.elapsed() >= SECOND || head.saturating_sub(ledger.memory.signed) >= RECORDS;
        let result = if due {
            self.last_checkpoint = Instant::now();
            ledger.tight = ledger.tight && !self.place.folder.reserve(self.place.reserve);
            upkeep(ledger, &self.signals, self.last_write.elapsed() >= BEAT)
        } else if head.saturating_sub(self.carried) >= LOG {
            self.carried = head;
            // A reader may hold part of it back; that part is carried the next time.
            ledger.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(false))
        } else {
            Ok(false)
        };
        match result {
            Ok(wrote) => {
                if wrote {
                    self.last_write = Instant::now();
                }
                acknowledge(&self.signals, ledger);
            }
            Err(error) => drop(self.fall(head, HashSet::new(), &error)),
        }
    }

    /// Empties the write-ahead log once something was removed. A reader may be in the way: then a second later.
    fn scrub(&mut self) {
        let waited = self.last_scrub.is_none_or(|last| last.elapsed() >= SECOND);
        let Health::Up(ledger) = &mut self.health else { return };
        if !waited || !self.signals.scrub.load(Ordering::Acquire) {
            return;
        }
        self.last_scrub = Some(Instant::now());
        let head = ledger.memory.head().seq;
        match prune::empty_log(&ledger.conn) {
            Ok(true) => {
                self.carried = head;
                self.signals.scrub.store(false, Ordering::Release);
            }
            Ok(false) => {}
            Err(error) => drop(self.fall(head, HashSet::new(), &error)),
        }
    }

    /// The transaction failed: nothing that is in memory can be trusted, nor the connection (T101).
    fn fall(&mut self, head: u64, gone_on: HashSet<DecisionId>, error: &rusqlite::Error) -> Unavailable {
        tracing::error!(%error, "the store cannot be written; calls are refused until it can");
        self.signals.lease.fail();
        if let Some(meter) = self.signals.meter.get() {
            meter.audit().write_failed();
        }
        let why = Unavailable(error.to_string());
        let tight = matches!(&self.health, Health::Up(ledger) if ledger.tight);
        let full = tight || error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        if full && !tight {
            self.place.folder.release();
        }
        let wait = Duration::from_millis(10);
        let retry = Instant::now() + wait;
        self.health = Health::Down(Box::new(Down { why: why.clone(), retry, wait, head, gone_on, full }));
        why
    }

    /// Tries to open the store again.
    fn mend(&mut self) {
        let Health::Down(down) = &mut self.health else { return };
        if Instant::now() < down.retry {
            return;
        }
        match reopen(&self.place, down) {
            Ok(mut ledger) => {
                tracing::warn!(full = down.full, "the store can be written again");
                ledger.tight = down.full;
                publish(&self.signals, &ledger);
                acknowledge(&self.signals, &ledger);
                self.health = Health::Up(Box::new(ledger));
                self.last_write = Instant::now();
            }
            Err(error) => {
                down.wait = (down.wait * 2).min(SECOND);
                down.retry = Instant::now() + down.wait;
                down.why = Unavailable(error);
                self.signals.lease.fail();
            }
        }
    }

    fn stop(&mut self) {
        let Health::Up(ledger) = &mut self.health else { return };
        let stop = Record::Stop(Stop { at: ledger.now() });
        let result = ledger.begin().and_then(|()| ledger.tell(&stop)).and_then(|_| ledger.commit());
        let result = result.and_then(|()| ledger.checkpoint());
        match result {
            Ok(Some(note)) => drop(self.signals.checkpoint.send_replace(Some(note.into()))),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the end of the gateway could not be recorded"),
        }
    }
}

fn transaction(ledger: &mut Ledger, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    ledger.begin()?;
    for job in batch {
        job.apply(ledger)?;
    }
    ledger.commit()
}

/// A disk that is full but for the reserve is no healthy store.
fn acknowledge(signals: &Signals, ledger: &Ledger) {
    if ledger.tight {
        signals.lease.fail();
    } else {
        signals.lease.acknowledge();
    }
}

fn publish(signals: &Signals, ledger: &Ledger) {
    let frozen = Arc::clone(&ledger.memory.freezes);
    signals.frozen.send_if_modified(|now| std::mem::replace(now, Arc::clone(&frozen)) != frozen);
    let holds = Arc::clone(&ledger.memory.holds);
    signals.holds.send_if_modified(|now| !Arc::ptr_eq(&std::mem::replace(now, Arc::clone(&holds)), &holds));
    signals.head.send_replace(ledger.memory.head().seq);
}

fn upkeep(ledger: &mut Ledger, signals: &Signals, beat: bool) -> rusqlite::Result<bool> {
    let mut wrote = false;
    if let Some(note) = ledger.checkpoint()? {
        signals.checkpoint.send_replace(Some(note.into()));
        wrote = true;
    } else if beat {
        let now = ledger.now();
        ledger.begin()?;
        ledger.saw(now);
        ledger.commit()?;
        wrote = true;
    }
    Ok(wrote)
}

/// Opens again; what the failed transaction left behind after all is marked as aborted, for its callers were refused.
fn reopen(place: &Place, down: &Down) -> Result<Ledger, String> {
    let (mut ledger, loaded) = place.open().map_err(|error| chain_of(&error))?;
    let left = left_behind(&ledger, down).map_err(|error| error.to_string())?;
    let mut write = || -> rusqlite::Result<()> {
        ledger.begin()?;
        open::mend(&mut ledger, &loaded)?;
        for overdue in &left {
            abort(&mut ledger, overdue)?;
        }
        open::alarm(&mut ledger, AlarmKind::StoreFailed, None, down.why.0.chars().take(500).collect())?;
        ledger.commit()
    };
    write().map_err(|error| error.to_string())?;
    Ok(ledger)
}

fn left_behind(ledger: &Ledger, down: &Down) -> rusqlite::Result<Vec<Overdue>> {
    let mut query = ledger.conn.prepare(&format!("{} WHERE seq > ?1 ORDER BY seq", load::ROW))?;
    let rows = query.query_map([down.head.cast_signed()], load::row)?;
    let mut left = Vec::new();
    for row in rows {
        let row = row?;
        match serde_json::from_slice(&row.payload) {
            Ok(Record::Intent(intent)) if !down.gone_on.contains(&intent.decision) => {
                let late = Late { refund: intent.charged().cloned(), decision: intent.decision };
                left.push(Overdue { late, record: row.seq });
            }
            Ok(Record::Outcome(outcome)) => {
                left.push(Overdue { late: Late { decision: outcome.decision, refund: None }, record: row.seq });
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(left)
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
