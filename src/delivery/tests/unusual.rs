//! What is unusual becomes an alarm on record: not lost where the journal fails, and neither lost nor told twice by a
//! restart.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::support::{Paper, noon};
use crate::{
    delivery::{Lookout, Sink as _},
    domain::{Basis, Clock, Digest, Reason, Timestamp, Verdict},
    evidence::{AlarmKind, Caller, Denial, Feed as _, Journal, JournalError, Position, Record, Row},
    monitoring::Unusual,
};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        noon()
    }
}

/// The journal as the lookout writes it: into the feed that it reads, unless it is told to fail.
struct Pen {
    paper: Arc<Paper>,
    failures: Mutex<u32>,
}

#[async_trait]
impl Journal for Pen {
    async fn append(&self, record: Record) -> Result<Position, JournalError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(JournalError::Unavailable("the disk is full".to_owned()));
        }
        self.paper.write(&[&String::from_utf8(record.encode().unwrap()).unwrap()]);
        Ok(Position { seq: 1 })
    }
}

struct House {
    paper: Arc<Paper>,
    pen: Arc<Pen>,
}

impl House {
    fn new() -> Self {
        let paper = Paper::new();
        let pen = Arc::new(Pen { paper: Arc::clone(&paper), failures: Mutex::new(0) });
        Self { paper, pen }
    }

    /// A lookout as after a start.
    fn lookout(&self) -> Lookout {
        let unusual = Unusual { refusals: 3, ..Unusual::default() };
        let (feed, journal) = (Arc::clone(&self.paper), Arc::clone(&self.pen));
        Lookout::new(unusual, feed, journal, Arc::new(Noon), Box::new(|_| None))
    }

    fn refuse(&self, times: u32) {
        for _ in 0..times {
            let caller = Caller {
                agent: "worker".into(),
                roles: Arc::default(),
                on_behalf_of: None,
                on_behalf_of_roles: None,
                credential: "crd_1".parse().unwrap(),
                protocol: "2026-07-28".to_owned(),
                session: None,
                trace: None,
                parent: None,
                taints: Arc::default(),
            };
            let denial = Record::Denial(Denial {
                decision: format!("dec_{}", self.count() + 1).parse().unwrap(),
                at: noon(),
                caller,
                asked: "notes__drop".to_owned(),
                call: None,
                verdict: Verdict::refusal(Basis::DefaultDeny, Reason::NoGrant, Vec::new(), Digest::of(b"")),
                detail: None,
            });
            self.write(&denial);
        }
    }

    fn write(&self, record: &Record) {
        self.paper.write(&[&String::from_utf8(record.encode().unwrap()).unwrap()]);
    }

    fn count(&self) -> u64 {
        *self.paper.durable().borrow()
    }

    async fn rows(&self, after: u64) -> Vec<Row> {
        self.paper.after(after, 1_000).await.unwrap()
    }

    /// The decisions that alarms are about.
    async fn alarms(&self) -> Vec<String> {
        let records = self.rows(0).await.into_iter().map(|row| serde_json::from_slice(&row.payload).unwrap());
        let alarms = records.filter_map(|record| if let Record::Alarm(alarm) = record { Some(alarm) } else { None });
        alarms
            .map(|alarm| {
                assert_eq!(alarm.about, AlarmKind::Anomaly);
                assert!(alarm.detail.starts_with("refusals: "), "{alarm:?}");
                alarm.decision.unwrap().to_string()
            })
            .collect()
    }
}

#[tokio::test]
async fn an_alarm_that_cannot_be_written_is_owed_until_it_is() {
    let house = House::new();
    house.refuse(4);
    let mut lookout = house.lookout();
    *house.pen.failures.lock().unwrap() = 2;
    for _ in 0..2 {
        let setback = lookout.take(&house.rows(0).await).await.unwrap_err();
        assert_eq!(setback.through, Some(2), "the refusal that is an alarm is not acknowledged");
        assert!(house.alarms().await.is_empty());
    }
    lookout.take(&house.rows(2).await).await.unwrap();
    assert_eq!(house.alarms().await, ["dec_3"]);
    lookout.take(&house.rows(4).await).await.unwrap();
    assert_eq!(house.alarms().await, ["dec_3"], "once");
}

#[tokio::test]
async fn a_restart_swallows_no_alarm_that_is_not_on_record() {
    let house = House::new();
    house.refuse(3);
    // The gateway was killed before the alarm was written, and after the third refusal was acknowledged by nobody.
    house.refuse(1);
    let mut lookout = house.lookout();
    lookout.take(&house.rows(3).await).await.unwrap();
    assert_eq!(house.alarms().await, ["dec_4"]);
}

#[tokio::test]
async fn a_restart_does_not_tell_again_what_is_on_record() {
    let house = House::new();
    house.refuse(3);
    house.lookout().take(&house.rows(0).await).await.unwrap();
    assert_eq!(house.alarms().await, ["dec_3"]);
    house.refuse(1);
    // The cursor was noted behind the alarm, before it, and not at all.
    for noted in [4, 2, 0] {
        house.lookout().take(&house.rows(noted).await).await.unwrap();
        assert_eq!(house.alarms().await, ["dec_3"], "read from {noted} on");
    }
}

#[tokio::test]
async fn what_could_not_be_read_at_the_start_is_not_counted_twice() {
    let house = House::new();
    house.refuse(1);
    house.paper.count(1_200);
    house.refuse(1);
    let mut lookout = house.lookout();
    let rows = house.rows(house.count() - 1).await;
    for _ in 0..3 {
        *house.paper.fails_behind.lock().unwrap() = Some(600);
        assert!(lookout.take(&rows).await.is_err());
    }
    *house.paper.fails_behind.lock().unwrap() = None;
    lookout.take(&rows).await.unwrap();
    assert!(house.alarms().await.is_empty(), "two refusals are not three");
}
