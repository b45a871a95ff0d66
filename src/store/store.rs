//! The store as the rooms hold it: asks the writer, waits a bounded time, and reads beside it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{SyncSender, TrySendError},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{
    folder::Folder,
    job::{Asked, Done, Gate, Late, Mark, Overdue, Unavailable},
    keyring::Keyring,
    ledger::Ledger,
    open::Settings,
    writer::{Message, Signals},
};
use crate::domain::{Freezes, Lease};
use crate::{evidence::JournalError, telemetry::Metrics};

/// For work that no call waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// SQLite behind the ports of the rooms.
#[derive(Debug)]
pub struct Store {
    pub(super) queue: SyncSender<Message>,
    pub(super) settings: Settings,
    pub(super) signals: Arc<Signals>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) reader: Arc<Mutex<Connection>>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) folder: Arc<Folder>,
}

/// How work is asked for.
pub(super) struct Terms {
    pub(super) limit: Duration,
    pub(super) late: Option<Late>,
    pub(super) early: bool,
}

impl Terms {
    pub(super) const PATIENT: Self = Self { limit: PATIENCE, late: None, early: false };
}

impl Store {
    /// The gateway's own keys.
    #[must_use]
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Healthy while commits succeed: the control `audit.write_ahead`.
    #[must_use]
    pub fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.signals.lease)
    }

    /// What is frozen; calls in flight end when something is added.
    #[must_use]
    pub fn frozen(&self) -> watch::Receiver<Arc<Freezes>> {
        self.signals.frozen.subscribe()
    }

    /// The signed checkpoints, to be sent off the machine.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.signals.checkpoint.subscribe()
    }

    /// The sequence number of the last durable record.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<u64> {
        self.signals.head.subscribe()
    }

    /// Records the end, signs a last checkpoint, and ends the writer.
    pub async fn close(&self) {
        let (reply, done) = oneshot::channel();
        let mut message = Message::Stop(reply);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            message = back;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // An error means that the writer has ended already.
        let _ = done.await;
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// Asks the writer and waits. Who stops waiting, by time or by being dropped, is never left with a record
    /// that looks as if it had been acted on: the gate decides once, and the record is marked.
    pub(super) async fn ask<T, F>(&self, terms: Terms, work: F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger) -> rusqlite::Result<Done<T>> + Send + 'static,
    {
        let (reply, mut answer) = oneshot::channel();
        let gate = Arc::new(Gate::default());
        let Terms { limit, late, early } = terms;
        let job = Asked {
            work: Some(work),
            done: None,
            reply: Some(reply),
            gate: Arc::clone(&gate),
            late: late.clone(),
            early,
        };
        self.send(Message::Work(Box::new(job))).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable("too many records wait to be written".to_owned()),
            TrySendError::Disconnected(_) => Unavailable("the store is closed".to_owned()),
        })?;
        let mut waiting = Waiting { store: self, gate, late, over: false };
        let answer = tokio::time::timeout(limit, &mut answer).await;
        match answer {
            Ok(Ok(result)) => waiting.take(result),
            Ok(Err(_)) => Err(Unavailable("the store is closed".to_owned())),
            Err(_) => Err(Unavailable(format!("the commit took longer than {} ms", limit.as_millis()))),
        }
    }

    /// Counted before it is sent, so that the count is never less than what waits.
    fn send(&self, work: Message) -> Result<(), TrySendError<Message>> {
        self.signals.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(work).inspect_err(|_| {
            self.signals.waiting.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// From now on the writer tells these metrics of its commits.
    pub fn measure(&self, metrics: &Arc<Metrics>) {
        // Whoever was first stays.
        let _set = self.signals.meter.set(Arc::clone(metrics));
    }

    /// Pieces of work that wait for the writer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.signals.waiting.load(Ordering::Relaxed)
    }

    /// How far each destination has got, by name.
    ///
    /// # Errors
    /// The store cannot be read now.
    pub async fn cursors(&self) -> Result<Vec<(String, u64)>, JournalError> {
        let read = |conn: &Connection| {
            let mut query = conn.prepare_cached("SELECT name, seq FROM cursor ORDER BY name LIMIT 100")?;
            query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?.collect()
        };
        self.read(read).await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }

    /// Bytes that are free on the disk of the store.
    #[must_use]
    pub fn disk_free(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.folder.file(".")).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Reads beside the writer.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let reader = Arc::clone(&self.reader);
        let read = move || {
            let conn = reader.lock().map_err(|_| Unavailable("a reader ended badly".to_owned()))?;
            work(&conn).map_err(|error| Unavailable(error.to_string()))
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Unavailable("a reader ended badly".to_owned()))?
    }
}

struct Waiting<'a> {
    store: &'a Store,
    gate: Arc<Gate>,
    late: Option<Late>,
    over: bool,
}

impl Waiting<'_> {
    fn take<T>(&mut self, result: Result<T, Unavailable>) -> Result<T, Unavailable> {
        self.over = self.gate.take();
        if self.over { result } else { Err(Unavailable("the answer came too late".to_owned())) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if let Some(record) = self.gate.give_up()
            && let Some(late) = self.late.take()
        {
            // If the queue is full, the intent stays open and is named at the next start.
            let mark = Message::Work(Box::new(Mark(Overdue { late, record })));
            let _ = self.store.send(mark);
        }
    }
}
