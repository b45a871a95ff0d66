//! What the sink of a webhook promises.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::support::{Paper, noon};
use crate::{
    delivery::{Book, Entry, Ground, Hook, Post, Receiver, Reply, Signer, Sink as _, Wanted, Webhook},
    domain::{Clock, ExceptionId, PersonId, Secret, Timestamp},
    evidence::{Delivery, DeliveryEvent, Index, Journal, JournalError, Position, Record, Row},
};

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

struct Known;

#[async_trait]
impl Book for Known {
    async fn entry(&self, _: &ExceptionId) -> Result<Entry, String> {
        Ok(Entry { owner: Some(PersonId::from("olga")), backup: None, calls: Some(2) })
    }
    async fn charged_before(&self, _: &ExceptionId, _: u64) -> Result<u64, JournalError> {
        Ok(0)
    }
}

#[derive(Default)]
struct Desk {
    answers: Mutex<VecDeque<Result<Reply, String>>>,
    got: Mutex<Vec<(String, Value)>>,
}

struct Way(Arc<Desk>);

#[async_trait]
impl Post for Way {
    async fn post(&self, headers: [(&'static str, String); 4], body: Vec<u8>) -> Result<Reply, String> {
        let id = headers.into_iter().find(|(name, _)| *name == "webhook-id").unwrap().1;
        self.0.got.lock().unwrap().push((id, serde_json::from_slice(&body).unwrap()));
        self.0.answers.lock().unwrap().pop_front().unwrap_or(Ok(Reply { status: 204, retry_after: None }))
    }
}

struct Made {
    webhook: Webhook,
    desk: Arc<Desk>,
    shelf: Arc<Shelf>,
    hook: Arc<Hook>,
}

fn made(wanted: Wanted) -> Made {
    let (desk, shelf) = (Arc::new(Desk::default()), Arc::new(Shelf::default()));
    let hook = Arc::new(Hook::new("chat", wanted, &[]));
    let signer = Signer::new(&Secret::new("0123456789abcdef01234567".to_owned())).unwrap();
    let ground = Ground {
        feed: Paper::new(),
        journal: shelf.clone(),
        book: Arc::new(Known),
        clock: Arc::new(Noon),
        source: "https://gateway.test".into(),
    };
    let receiver = Receiver { post: Box::new(Way(Arc::clone(&desk))), signer, attempts: 3 };
    Made { webhook: Webhook::new(Arc::clone(&hook), receiver, ground), desk, shelf, hook }
}

fn row(seq: u64, record: Value) -> Row {
    let kind = record["kind"].as_str().unwrap().to_owned();
    let exception = (kind == "intent").then(|| "EX-1".to_owned());
    let index = Some(Index { kind, decision: None, exception });
    Row { seq, chain: [0; 32], payload: record.to_string().into_bytes(), index }
}

fn used(seq: u64) -> Row {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    row(
        seq,
        json!({"kind": "intent", "decision": format!("dec_{seq:032x}"), "at": noon(),
            "caller": {"agent": "agent-1", "roles": [], "credential": "crd_1", "protocol": "2026-07-28",
                "trace": "0af7651916cd43dd8448eb211c80319c"},
            "call": {"server": "fs", "tool": "read", "exposed": "fs__read", "definition": digest,
                "arguments": {"digest": digest}},
            "verdict": {"effect": "allow", "basis": "exception", "reason": "granted", "determining": [],
                "policy_set": digest, "exception": "EX-1", "revision": 1, "pilot": null, "controls": [],
                "passed_over": [], "advisories": []}}),
    )
}

fn status(status: u16) -> Result<Reply, String> {
    Ok(Reply { status, retry_after: None })
}

fn ids(desk: &Desk) -> Vec<String> {
    desk.got.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
}

#[tokio::test]
async fn a_use_is_told_with_the_first_use_and_the_shares_of_the_budget_that_it_spends() {
    let mut made = made(Wanted::all());
    made.webhook.take(&[used(7), used(9)]).await.unwrap();
    assert_eq!(ids(&made.desk), ["7", "7-first", "7-budget-50", "9", "9-budget-80", "9-budget-100"]);
    let event = made.desk.got.lock().unwrap()[0].1.clone();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "dev.postern.exception.used.v1");
    assert_eq!((&event["subject"], &event["traceid"]), (&json!("EX-1"), &json!("0af7651916cd43dd8448eb211c80319c")));
    assert_eq!(event["data"]["facts"]["uses"], 1);
}

#[tokio::test]
async fn what_a_receiver_refuses_is_tried_again_and_then_laid_aside_without_holding_up_the_rest() {
    let wanted = Wanted { kinds: ["exception.used"].into(), owners: [PersonId::from("olga")].into() };
    let mut made = made(wanted);
    made.desk.answers.lock().unwrap().extend([status(204), status(400), status(400), status(400)]);
    let rows = [used(1), used(2), used(3)];
    let setback = made.webhook.take(&rows).await.unwrap_err();
    assert_eq!(setback.through, Some(1), "what was taken is not sent again");
    assert!(made.webhook.take(&rows[1..]).await.is_err());
    made.webhook.take(&rows[1..]).await.unwrap();
    assert_eq!(ids(&made.desk), ["1", "2", "2", "2", "3"]);
    let dead = made.hook.dead();
    assert_eq!((dead.len(), dead[0].id.as_str(), dead[0].attempts), (1, "2", 3));
    assert!(made.hook.owes(&"EX-1".parse().unwrap()));
    let noted = made.shelf.0.lock().unwrap().clone();
    assert!(matches!(&noted[..], [Record::Delivery(Delivery { event: DeliveryEvent::Dead, record: 2, .. })]));
}

#[tokio::test]
async fn a_receiver_that_cannot_be_reached_loses_nothing_however_long_it_takes() {
    let mut made = made(Wanted { kinds: ["exception.used"].into(), owners: [].into() });
    for _ in 0..20 {
        made.desk.answers.lock().unwrap().push_back(Err("it cannot be reached".to_owned()));
        assert!(made.webhook.take(&[used(1)]).await.is_err());
    }
    let later = Ok(Reply { status: 503, retry_after: Some("7".to_owned()) });
    made.desk.answers.lock().unwrap().push_back(later);
    let setback = made.webhook.take(&[used(1)]).await.unwrap_err();
    assert_eq!(setback.wait.map(|wait| wait.as_secs()), Some(7));
    made.webhook.take(&[used(1)]).await.unwrap();
    assert!(made.hook.dead().is_empty());
}

#[tokio::test]
async fn only_what_is_wanted_is_told_and_break_glass_always() {
    let mut made = made(Wanted { kinds: ["control.lost"].into(), owners: [].into() });
    let mut glass: Value = serde_json::from_slice(&used(1).payload).unwrap();
    glass["verdict"]["basis"] = json!("break_glass");
    let alarm = json!({"kind": "alarm", "at": noon(), "about": "control_unhealthy", "detail": "no traces"});
    let other = json!({"kind": "alarm", "at": noon(), "about": "clock_suspect", "detail": "backwards"});
    made.webhook.take(&[row(1, glass), row(2, alarm), row(3, other), used(4)]).await.unwrap();
    assert_eq!(ids(&made.desk), ["1-break-glass", "2"]);
}

#[tokio::test]
async fn two_receivers_that_refuse_everything_do_not_feed_each_other() {
    let mut made = made(Wanted::all());
    let dead = |alert: &str| {
        json!({"kind": "delivery", "at": noon(), "event": "dead", "destination": "other", "record": 1, "id": "1",
            "alert": alert, "attempts": 3, "actor": "postern"})
    };
    made.webhook.take(&[row(1, dead("exception.used")), row(2, dead("delivery.dead"))]).await.unwrap();
    assert_eq!(ids(&made.desk), ["1"]);
}
