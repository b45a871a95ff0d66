//! Follows the journal for one destination: wakes, reads, hands over, and notes what was acknowledged.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{backoff::Backoff, progress::Progress};
use crate::{
    domain::{Lease, Timestamp},
    evidence::{Feed, JournalError, Row},
};

/// Where records go.
#[async_trait]
pub trait Sink: Send {
    /// Takes records in their order. All of them are acknowledged when this is `Ok`.
    ///
    /// A batch may come again, whole or from any record on: after a setback, and after a crash.
    ///
    /// # Errors
    /// Not all of them are acknowledged; the rest comes again after a pause.
    async fn take(&mut self, rows: &[Row]) -> Result<Taken, Setback>;

    /// Asked now and then while there is nothing to hand over: whether the destination is still there.
    ///
    /// # Errors
    /// It is not.
    async fn alive(&mut self) -> Result<(), Setback> {
        Ok(())
    }
}

/// What became of a batch that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Something of it went out: how far that was is made durable at once.
    Sent,
    /// Nothing of it concerned the destination: it may be read again after a crash.
    Passed,
}

/// A batch was not acknowledged, or only its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// The last record that was acknowledged nevertheless.
    pub through: Option<u64>,
    /// What went wrong, in one clause.
    pub why: String,
    /// How long the destination asked to be left alone.
    pub wait: Option<Duration>,
}

impl Setback {
    /// Nothing was acknowledged.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { through: None, why: why.into(), wait: None }
    }
}

/// Where a destination begins that has no cursor yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the first record.
    First,
    /// With what is written from now on.
    Now,
}

/// How a destination is served.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Where it begins.
    pub begin: Begin,
    /// Records at once.
    pub batch: u32,
    /// What is waited for more records after the first woke it, so that a burst is read at once.
    pub gather: Duration,
    /// The first pause after a setback; the next ones double.
    pub first_pause: Duration,
    /// The longest pause; what a destination asks for itself may be ten times as long.
    pub longest_pause: Duration,
    /// How long the lease holds after an acknowledgement.
    pub lease: Duration,
    /// Records that may wait while the lease holds.
    pub backlog: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            begin: Begin::Now,
            batch: 128,
            gather: Duration::from_millis(20),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            lease: Duration::from_secs(2),
            backlog: 10_000,
        }
    }
}

/// Between two notes of a cursor that moved past records of no concern.
const NOTE: Duration = Duration::from_secs(1);

/// Carries the records of a feed to a sink, at least once each and in their order.
pub struct Follower<S> {
    feed: Arc<dyn Feed>,
    sink: S,
    pace: Pace,
    backoff: Backoff,
    progress: Arc<Progress>,
    /// How far the durable cursor is, and when it was written.
    noted: (u64, Instant),
}

impl<S> fmt::Debug for Follower<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl<S: Sink> Follower<S> {
    /// A follower whose cursor has this name. Nothing happens until it runs.
    #[must_use]
    pub fn new(feed: Arc<dyn Feed>, name: impl Into<String>, sink: S, pace: Pace) -> Self {
        let lease = Arc::new(Lease::new(pace.lease, pace.backlog));
        let progress = Arc::new(Progress::new(name.into(), feed.durable(), lease));
        let backoff = Backoff::new(pace.first_pause, pace.longest_pause);
        Self { feed, sink, pace, backoff, progress, noted: (0, Instant::now()) }
    }

    /// How far it has got, for probes, metrics and people.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Follows until it is told to stop or the feed ends. What is being handed over then is given up, and comes again
    /// at the next start.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = self.follow() => {}
        }
        let reached = self.progress.acknowledged();
        if reached > self.noted.0 {
            // What is not noted is read again.
            let _note = self.feed.advance(self.progress.name(), reached).await;
        }
    }

    async fn follow(&mut self) {
        let mut durable = self.feed.durable();
        while let Err(error) = self.begin(&durable).await {
            self.setback(Setback::new(error.to_string())).await;
        }
        loop {
            let head = *durable.borrow_and_update();
            if head <= self.progress.acknowledged() {
                tokio::select! {
                    changed = durable.changed() => {
                        if changed.is_err() { return }
                        sleep(self.pace.gather).await;
                    }
                    () = self.idle() => {}
                }
                continue;
            }
            if let Err(setback) = self.step().await {
                self.setback(setback).await;
            }
        }
    }

    /// Where to begin is durable before anything is handed over: what is written from then on cannot be passed over.
    async fn begin(&mut self, durable: &watch::Receiver<u64>) -> Result<(), JournalError> {
        let begin = match self.feed.cursor(self.progress.name()).await? {
            Some(seq) => seq,
            None => {
                let begin = if self.pace.begin == Begin::First { 0 } else { *durable.borrow() };
                self.feed.advance(self.progress.name(), begin).await?;
                begin
            }
        };
        self.noted = (begin, Instant::now());
        self.progress.reached(begin);
        Ok(())
    }

    /// One batch.
    async fn step(&mut self) -> Result<(), Setback> {
        let behind = self.progress.acknowledged();
        let read = self.feed.after(behind, self.pace.batch).await;
        let rows = read.map_err(|error| Setback::new(error.to_string()))?;
        let Some(last) = rows.last().map(|row| row.seq) else {
            sleep(self.pace.gather).await;
            return Ok(());
        };
        self.progress.next_is_of(rows.first().and_then(moment));
        let (through, noted, failed) = match self.sink.take(&rows).await {
            Ok(taken) => (Some(last), taken == Taken::Sent, None),
            Err(setback) => (setback.through.map(|seq| seq.min(last)), true, Some(setback)),
        };
        if let Some(seq) = through.filter(|seq| *seq > behind) {
            self.progress.reached(seq);
            let due = noted || self.noted.1.elapsed() >= NOTE;
            if due {
                let noted = self.feed.advance(self.progress.name(), seq).await;
                noted.map_err(|error| Setback::new(error.to_string()))?;
                self.noted = (seq, Instant::now());
            }
            self.progress.next_is_of(rows.iter().find(|row| row.seq > seq).and_then(moment));
            self.backoff.worked();
        }
        if let Some(setback) = failed {
            return Err(setback);
        }
        self.backoff.worked();
        self.progress.well();
        Ok(())
    }

    /// Keeps the lease while there is nothing to do.
    async fn idle(&mut self) {
        match self.sink.alive().await {
            Ok(()) => self.progress.well(),
            Err(setback) => return self.setback(setback).await,
        }
        let reached = self.progress.acknowledged();
        let due = reached > self.noted.0 && self.noted.1.elapsed() >= NOTE;
        if due && self.feed.advance(self.progress.name(), reached).await.is_ok() {
            self.noted = (reached, Instant::now());
        }
        sleep(self.pace.lease / 3).await;
    }

    async fn setback(&mut self, setback: Setback) {
        let pause = self.backoff.pause();
        let asked = setback.wait.unwrap_or_default().min(self.pace.longest_pause.saturating_mul(10));
        let until = Instant::now() + pause.max(asked);
        tracing::debug!(destination = self.progress.name(), why = setback.why, "records wait");
        self.progress.ill(setback.why);
        sleep_until(until).await;
    }
}

/// When a record was written.
fn moment(row: &Row) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct When {
        at: Timestamp,
    }
    serde_json::from_slice::<When>(&row.payload).ok().map(|when| when.at)
}

/// Returns when it is time to stop; never, if whoever could say so is gone without a word.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
