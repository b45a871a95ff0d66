//! What is asked of a witness, what of its answers counts, and what a person is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::{
    departure::{note, standing},
    support::noon,
};
use crate::{
    delivery::{Accusation, AskWitness, Cosigned, Growth, Parcel, Refusal, Standing, Witness, WitnessReply, Witnesses},
    domain::{Clock, Timestamp},
    evidence::{Journal, JournalError, Position, Record, cosigner::Signer},
    telemetry::Telemetry,
};

const NAME: &str = "witness.example/w1";

#[derive(Default)]
struct Desk {
    asked: Mutex<Vec<String>>,
    answers: Mutex<VecDeque<(u16, String)>>,
}

struct Way(Arc<Desk>);

#[async_trait]
impl AskWitness for Way {
    async fn add_checkpoint(&self, body: String) -> Result<WitnessReply, String> {
        self.0.asked.lock().unwrap().push(body);
        let next = self.0.answers.lock().unwrap().pop_front();
        next.map(|(status, body)| WitnessReply { status, body }).ok_or_else(|| "it cannot be reached".to_owned())
    }
}

struct Proofs;

#[async_trait]
impl Growth for Proofs {
    async fn between(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, String> {
        Ok(if from == to { Vec::new() } else { vec![[u8::try_from(from).unwrap(); 32]] })
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        noon()
    }
}

#[derive(Default)]
struct Shelf(Mutex<Vec<Record>>);

#[async_trait]
impl Journal for Shelf {
    async fn append(&self, record: Record) -> Result<Position, JournalError> {
        self.0.lock().unwrap().push(record);
        Ok(Position { seq: 1 })
    }
}

struct Room {
    desk: Arc<Desk>,
    signer: Signer,
    witness: Arc<Witness>,
    standing: Arc<Standing>,
    telemetry: Telemetry,
}

impl Room {
    fn new() -> Self {
        let (desk, signer) = (Arc::new(Desk::default()), Signer::new(NAME));
        let (standing, telemetry) = standing("witness:one");
        let key = signer.key(4).parse().unwrap();
        let witness = Arc::new(Witness::new(key, Box::new(Way(Arc::clone(&desk))), Arc::clone(&standing)));
        Self { desk, signer, witness, standing, telemetry }
    }

    fn answer(&self, answers: &[(u16, String)]) {
        self.desk.answers.lock().unwrap().extend(answers.iter().cloned());
    }

    fn line(&self, parcel: &Parcel, off: i64) -> (u16, String) {
        (200, self.signer.line(&parcel.note, u64::try_from(noon().timestamp() + off).unwrap()))
    }

    /// Asks; gives the refusal, and the first line and number of hashes of each question.
    async fn ask(&self, parcel: &Parcel) -> (Option<Refusal>, Vec<(String, usize)>) {
        let refusal = self.witness.cosign(parcel, &Proofs, noon()).await.err();
        let asked: Vec<String> = self.desk.asked.lock().unwrap().drain(..).collect();
        let said = |body: String| {
            let (head, note) = body.split_once("\n\n").unwrap();
            assert_eq!(note, &*parcel.note);
            (head.lines().next().unwrap().to_owned(), head.lines().count() - 1)
        };
        (refusal, asked.into_iter().map(said).collect())
    }
}

fn parcel(size: u64) -> Parcel {
    Parcel::new(&note(size)).unwrap()
}

#[tokio::test]
async fn a_witness_that_knows_another_size_is_asked_again_from_there() {
    let room = Room::new();
    let (first, second) = (parcel(9), parcel(12));
    room.answer(&[(409, "5\n".to_owned()), room.line(&first, 0)]);
    let (refusal, asked) = room.ask(&first).await;
    assert_eq!((refusal, asked), (None, vec![("old 0".to_owned(), 0), ("old 5".to_owned(), 1)]));
    assert_eq!(room.ask(&first).await, (None, Vec::new()), "what it gave is kept");
    room.answer(&[room.line(&second, 1)]);
    assert_eq!(room.ask(&second).await, (None, vec![("old 9".to_owned(), 1)]));
    assert_eq!(room.standing.stood().taken, 12);
}

/// T104
#[tokio::test]
async fn a_witness_that_has_seen_another_log_is_heard() {
    for (answers, what) in [
        (vec![(409, "50\n".to_owned())], Accusation::Behind),
        (vec![(409, "9\n".to_owned()), (409, "9\n".to_owned())], Accusation::Forked),
        (vec![(409, "5\n".to_owned()), (422, String::new())], Accusation::Forked),
    ] {
        let room = Room::new();
        room.answer(&answers);
        let (refusal, _) = room.ask(&parcel(9)).await;
        assert!(matches!(refusal, Some(Refusal::Against(found, _)) if found == what), "{refusal:?}");
        assert!(room.standing.stood().trouble.is_some());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_cosignature_of_this_checkpoint_and_time_does_not_count() {
    let (room, stranger, ours) = (Room::new(), Signer::new("witness.example/w2"), parcel(9));
    let turned = room.signer.line(&parcel(8).note, 1_790_000_000);
    let foreign = stranger.line(&ours.note, 1_790_000_000);
    for answer in [turned, foreign, String::new(), room.line(&ours, 301).1, room.line(&ours, -301).1] {
        let room = Room { witness: remade(&room), ..Room::new() }.with(&room, (200, answer.clone()));
        let (refusal, _) = room.ask(&ours).await;
        assert!(matches!(refusal, Some(Refusal::Against(Accusation::Faulty, _))), "{answer} {refusal:?}");
    }
    for status in [400, 403, 404, 429, 500] {
        let room = Room::new();
        room.answer(&[(status, String::new())]);
        assert!(matches!(room.ask(&ours).await.0, Some(Refusal::Later(_))), "{status}");
    }
}

fn remade(room: &Room) -> Arc<Witness> {
    let key = room.signer.key(4).parse().unwrap();
    Arc::new(Witness::new(key, Box::new(Way(Arc::clone(&room.desk))), Arc::clone(&room.standing)))
}

impl Room {
    /// The same witness, about whom nothing is remembered, with this answer.
    fn with(self, like: &Self, answer: (u16, String)) -> Self {
        like.answer(&[answer]);
        Self { desk: Arc::clone(&like.desk), ..self }
    }
}

#[tokio::test]
async fn a_quorum_is_counted_and_an_accusation_is_told_once() {
    let (good, bad) = (Room::new(), Room::new());
    let (all, _telemetry) = standing("witnesses");
    let members = vec![Arc::clone(&good.witness), Arc::clone(&bad.witness)];
    let witnesses = Witnesses::new(members, 1, Arc::clone(&all));
    let (shelf, growth): (Arc<Shelf>, Arc<dyn Growth>) = (Arc::default(), Arc::new(Proofs));
    let (journal, clock): (Arc<dyn Journal>, Arc<dyn Clock>) = (shelf.clone(), Arc::new(Noon));
    let first = parcel(9);
    good.answer(&[good.line(&first, 0)]);
    bad.answer(&[(409, "70\n".to_owned())]);
    let Cosigned { note, found, quorum, whole } = witnesses.cosign(&first, &growth, &clock, &journal).await;
    assert_eq!((found, quorum, whole), (1, true, false));
    assert_eq!(note, format!("{}{}", first.note, good.line(&first, 0).1));
    assert_eq!(all.stood().taken, 9);
    let told = || {
        let records = shelf.0.lock().unwrap();
        let alarms = records.iter().filter_map(|record| if let Record::Alarm(a) = record { Some(a) } else { None });
        alarms.map(|alarm| alarm.detail.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(), ["`witness:one`: it has cosigned 70 records of this log, which has 9"]);
    tokio::time::sleep(std::time::Duration::from_millis(1_400)).await;
    bad.answer(&[(409, "71\n".to_owned())]);
    let again = witnesses.cosign(&first, &growth, &clock, &journal).await;
    assert_eq!((again.found, told().len()), (1, 1), "the cosignature is kept, and the accusation not repeated");
    let text = bad.telemetry.metrics_text().unwrap();
    assert!(text.contains(r#"postern_checkpoint_failures_total{to="witness:one"} 2"#), "{text}");
}
