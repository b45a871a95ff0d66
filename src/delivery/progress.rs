//! How far a destination has got, for whoever asks: written by its follower, read without waiting.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::watch;

use crate::{
    domain::{Lease, Timestamp},
    monitoring::Probe,
};

/// What a destination lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Lag {
    /// Records that are durable and not acknowledged.
    pub records: u64,
    /// Seconds since the oldest of them was written; 0 if there is none.
    pub seconds: u64,
}

/// How far one destination has got.
#[derive(Debug)]
pub struct Progress {
    name: String,
    durable: watch::Receiver<u64>,
    acknowledged: AtomicU64,
    /// Milliseconds of the oldest record that is not acknowledged; 0 if none is known.
    oldest: AtomicI64,
    lease: Arc<Lease>,
    trouble: Mutex<Option<String>>,
    /// When it was last well, or began.
    well: Mutex<Instant>,
}

impl Progress {
    pub(super) fn new(name: String, durable: watch::Receiver<u64>, lease: Arc<Lease>) -> Self {
        let (acknowledged, oldest) = (AtomicU64::new(0), AtomicI64::new(0));
        Self { name, durable, acknowledged, oldest, lease, trouble: Mutex::new(None), well: Mutex::new(Instant::now()) }
    }

    /// The destination's name, which is that of its cursor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sequence number of the last record that was acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// What is not acknowledged at this moment.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Lag {
        let records = self.durable.borrow().saturating_sub(self.acknowledged());
        let oldest = Timestamp::from_timestamp_millis(self.oldest.load(Ordering::Acquire));
        let waiting = oldest.filter(|at| records > 0 && at.timestamp_millis() != 0);
        let age = waiting.and_then(|at| (now - at).to_std().ok()).unwrap_or(Duration::ZERO);
        Lag { records, seconds: age.as_secs() }
    }

    /// The lease: it holds while the destination acknowledges and its backlog is small.
    #[must_use]
    pub const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// How long ago it was last well: it acknowledged all that there was, or there was nothing.
    #[must_use]
    pub fn silent(&self) -> Duration {
        self.well.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// What went wrong last, while it goes wrong.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything up to this record is acknowledged.
    pub(super) fn reached(&self, seq: u64) {
        self.oldest.store(0, Ordering::Release);
        self.acknowledged.fetch_max(seq, Ordering::AcqRel);
        self.lease.set_backlog(self.durable.borrow().saturating_sub(seq));
    }

    /// The next record to be acknowledged is of this moment.
    pub(super) fn next_is_of(&self, at: Option<Timestamp>) {
        self.oldest.store(at.map_or(0, |at| at.timestamp_millis()), Ordering::Release);
        self.lease.set_backlog(self.durable.borrow().saturating_sub(self.acknowledged()));
    }

    pub(super) fn well(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.well.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.lease.acknowledge();
    }

    pub(super) fn ill(&self, why: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.lease.fail();
    }
}

impl Probe for Progress {
    fn health(&self) -> Result<(), String> {
        if self.lease.holds() {
            return Ok(());
        }
        let name = &self.name;
        Err(match self.trouble() {
            Some(why) => format!("`{name}` takes no records: {why}"),
            None => format!("`{name}` has not acknowledged records within its lease"),
        })
    }
}
