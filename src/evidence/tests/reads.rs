//! Who reads evidence is on record (T110).

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{
    domain::{DecisionId, Timestamp, limits},
    evidence::{Journal, JournalError, Position, Read, Readers, Record, Surface},
};

#[derive(Default)]
struct Paper {
    records: Mutex<Vec<Read>>,
    full: AtomicBool,
}

#[async_trait]
impl Journal for Paper {
    async fn append(&self, record: Record) -> Result<Position, JournalError> {
        // Others get a turn before it is durable.
        tokio::task::yield_now().await;
        if self.full.load(Ordering::Relaxed) {
            return Err(JournalError::Unavailable("the disk is full".to_owned()));
        }
        let Record::Read(read) = record else { panic!("{record:?}") };
        let mut records = self.records.lock().unwrap();
        records.push(read);
        Ok(Position { seq: records.len() as u64 })
    }
}

fn read(second: i64, by: &str, surface: Surface) -> Read {
    Read {
        at: Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap(),
        by: Some(by.into()),
        surface,
        exception: None,
        decision: None,
        what: String::new(),
        count: None,
        more: 0,
    }
}

/// T110
#[tokio::test]
async fn the_first_read_of_a_minute_is_on_record_and_the_next_record_counts_those_between() {
    let (paper, readers) = (Paper::default(), Readers::default());
    for second in [0, 1, 59, 60, 61, 150] {
        readers.note(&paper, read(second, "ana", Surface::Decisions)).await.unwrap();
    }
    readers.note(&paper, read(2, "ana", Surface::Events)).await.unwrap();
    readers.note(&paper, read(2, "bo", Surface::Decisions)).await.unwrap();
    // A clock that goes back hides no read.
    readers.note(&paper, read(3, "ana", Surface::Decisions)).await.unwrap();
    let records = paper.records.lock().unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|read| (read.at.timestamp() - 1_800_000_000, read.by.as_ref().unwrap().as_str(), read.surface, read.more))
        .collect();
    let decisions = Surface::Decisions;
    let expected = [
        (0, "ana", decisions, 0),
        (60, "ana", decisions, 2),
        (150, "ana", decisions, 1),
        (2, "ana", Surface::Events, 0),
        (2, "bo", decisions, 0),
        (3, "ana", decisions, 0),
    ];
    assert_eq!(told, expected);
}

/// T110
#[tokio::test]
async fn a_read_that_cannot_be_put_on_record_is_refused_and_so_is_the_next() {
    let (paper, readers) = (Paper::default(), Readers::default());
    paper.full.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(readers.note(&paper, read(0, "ana", Surface::Evidence)).await.is_err());
    }
    paper.full.store(false, Ordering::Relaxed);
    readers.note(&paper, read(1, "ana", Surface::Evidence)).await.unwrap();
    assert_eq!(paper.records.lock().unwrap().len(), 1);
}

/// T110
#[tokio::test]
async fn of_many_reads_at_the_same_moment_none_is_answered_before_the_one_record_of_them_is_durable() {
    let (paper, readers) = (Arc::new(Paper::default()), Arc::new(Readers::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (paper, readers) = (Arc::clone(&paper), Arc::clone(&readers));
        tasks.spawn(async move {
            readers.note(paper.as_ref(), read(0, "ana", Surface::Entries)).await.unwrap();
            assert_eq!(paper.records.lock().unwrap().len(), 1);
        });
    }
    assert_eq!(tasks.join_all().await.len(), 32);
}

/// T110
#[tokio::test]
async fn more_readers_than_are_remembered_are_on_record_all_the_same() {
    let (paper, readers) = (Paper::default(), Readers::default());
    for round in 0..2 {
        for number in 0..limits::READERS + 10 {
            readers.note(&paper, read(round, &format!("p{number}"), Surface::Holds)).await.unwrap();
        }
    }
    // The last ten found no seat: each of their reads has a record.
    assert_eq!(paper.records.lock().unwrap().len(), limits::READERS + 20);
    // A minute later the seats are free again.
    for second in [60, 61] {
        readers.note(&paper, read(second, "new", Surface::Holds)).await.unwrap();
    }
    assert_eq!(paper.records.lock().unwrap().len(), limits::READERS + 21);
}

#[tokio::test]
async fn each_decision_that_is_opened_has_a_record_of_its_own() {
    let (paper, readers) = (Paper::default(), Readers::default());
    let open = |second, n| Read { decision: Some(DecisionId::from_bits(n)), ..read(second, "ana", Surface::Decisions) };
    for read in [open(0, 1), open(1, 2), open(2, 1), open(3, 3)] {
        readers.note(&paper, read).await.unwrap();
    }
    let named: Vec<_> = paper.records.lock().unwrap().iter().map(|read| read.decision.clone()).collect();
    assert_eq!(named, [1, 2, 3].map(|n| Some(DecisionId::from_bits(n))));
}
