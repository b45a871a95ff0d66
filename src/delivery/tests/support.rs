//! A journal in memory, and a destination that does what it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    delivery::{Setback, Sink, Taken},
    domain::Timestamp,
    evidence::{Feed, JournalError, Row},
};

pub const NOON: i64 = 1_790_000_000_000;

pub fn noon() -> Timestamp {
    Timestamp::from_timestamp_millis(NOON).unwrap()
}

/// A journal that can be filled, and fail.
#[derive(Debug)]
pub struct Paper {
    rows: Mutex<Vec<Row>>,
    pub cursors: Mutex<BTreeMap<String, u64>>,
    head: watch::Sender<u64>,
    pub broken: Mutex<bool>,
    pub notes: Mutex<u64>,
    /// What is behind this record cannot be read.
    pub fails_behind: Mutex<Option<u64>>,
}

impl Paper {
    pub fn new() -> Arc<Self> {
        let (head, _) = watch::channel(0);
        let (rows, cursors) = (Mutex::default(), Mutex::default());
        Arc::new(Self {
            rows,
            cursors,
            head,
            broken: Mutex::new(false),
            notes: Mutex::new(0),
            fails_behind: Mutex::default(),
        })
    }

    pub fn write(&self, payloads: &[&str]) {
        let mut rows = self.rows.lock().unwrap();
        for payload in payloads {
            let seq = rows.len() as u64 + 1;
            rows.push(Row { seq, chain: [0; 32], payload: payload.as_bytes().to_vec(), index: None });
        }
        let head = rows.len() as u64;
        drop(rows);
        self.head.send_replace(head);
    }

    pub fn count(&self, records: u64) {
        for _ in 0..records {
            self.write(&[r#"{"kind":"stop","at":"2026-09-21T14:13:20Z"}"#]);
        }
    }

    pub fn noted(&self, name: &str) -> Option<u64> {
        self.cursors.lock().unwrap().get(name).copied()
    }
}

#[async_trait]
impl Feed for Paper {
    async fn after(&self, seq: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        if *self.broken.lock().unwrap() || self.fails_behind.lock().unwrap().is_some_and(|behind| seq >= behind) {
            return Err(JournalError::Unavailable("the disk is gone".to_owned()));
        }
        let rows = self.rows.lock().unwrap();
        Ok(rows.iter().filter(|row| row.seq > seq).take(limit as usize).cloned().collect())
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    async fn cursor(&self, name: &str) -> Result<Option<u64>, JournalError> {
        Ok(self.noted(name))
    }

    async fn advance(&self, name: &str, seq: u64) -> Result<(), JournalError> {
        *self.notes.lock().unwrap() += 1;
        let mut cursors = self.cursors.lock().unwrap();
        let at = cursors.entry(name.to_owned()).or_default();
        *at = (*at).max(seq);
        Ok(())
    }
}

/// What a destination answers next, and what it was given.
#[derive(Debug, Default)]
pub struct Script {
    pub answers: Mutex<VecDeque<Result<Taken, Setback>>>,
    pub seen: Mutex<Vec<Vec<u64>>>,
    pub gone: Mutex<bool>,
}

#[derive(Clone)]
pub struct Puppet(pub Arc<Script>);

#[async_trait]
impl Sink for Puppet {
    async fn take(&mut self, rows: &[Row]) -> Result<Taken, Setback> {
        self.0.seen.lock().unwrap().push(rows.iter().map(|row| row.seq).collect());
        self.0.answers.lock().unwrap().pop_front().unwrap_or(Ok(Taken::Sent))
    }

    async fn alive(&mut self) -> Result<(), Setback> {
        if *self.0.gone.lock().unwrap() { Err(Setback::new("it is gone")) } else { Ok(()) }
    }
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
