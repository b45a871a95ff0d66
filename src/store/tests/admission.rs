//! Admission: one transaction decides, once.

use std::sync::Arc;

use super::support::{House, admit, admit_under, approved, meddle, noon, outcome, patient};
use crate::{
    domain::{DecisionId, Digest, FreezeScope},
    evidence::{Aborted, Freeze, Inquiry, PolicyChange, PolicyEvent, Record},
    gateway::{Admission as _, AdmissionError, AdmitInquiry},
    store::{Durability, Settings},
};

/// T084, I9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_fifty_admits_exactly_fifty_of_320_that_race() {
    let house = House::new();
    let charge = approved(&house.store, 50).await;
    let tasks: Vec<_> = (1..=320)
        .map(|n| {
            let (store, admit) = (Arc::clone(&house.store), admit_under(n, &charge));
            tokio::spawn(async move { store.admit(admit).await })
        })
        .collect();
    let (mut admitted, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => admitted += 1,
            Err(AdmissionError::Exhausted) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((admitted, refused), (50, 270));
    assert_eq!(house.kinds().await.iter().filter(|kind| **kind == "intent").count(), 50);
    let named = |record: &Record| matches!(record, Record::Intent(intent) if intent.verdict.exception.is_some());
    assert_eq!(house.records().await.iter().filter(|record| named(record)).count(), 50, "one each, and each named");
}

/// T093
#[tokio::test]
async fn nothing_is_admitted_while_the_gateway_is_frozen() {
    let house = House::new();
    let mut frozen = house.store.frozen();
    let freeze = |frozen| Freeze {
        at: noon(),
        frozen,
        scope: FreezeScope::All,
        actor: "anna".to_owned(),
        reason: "drill".to_owned(),
    };
    house.store.set_frozen(freeze(true)).await.unwrap();
    assert!(frozen.borrow_and_update().has(&FreezeScope::All));
    assert_eq!(house.store.admit(admit(1)).await, Err(AdmissionError::Frozen));
    let (_temp, dir) = house.after_a_crash();
    let (again, _) = super::support::open(&dir, patient()).unwrap();
    assert_eq!(again.admit(admit(1)).await, Err(AdmissionError::Frozen), "a restart does not release it");
    house.store.set_frozen(freeze(false)).await.unwrap();
    house.store.admit(admit(2)).await.unwrap();
    assert_eq!(house.kinds().await, ["start", "freeze", "freeze", "intent"]);
}

#[tokio::test]
async fn a_call_that_was_decided_under_other_policies_is_stale() {
    let house = House::new();
    let loaded = PolicyChange {
        at: noon(),
        event: PolicyEvent::Loaded,
        digest: Digest::of(b"set"),
        epoch: 7,
        actor: "anna".to_owned(),
        detail: String::new(),
    };
    house.store.policy(loaded.clone()).await.unwrap();
    house.store.policy(PolicyChange { event: PolicyEvent::Refused, epoch: 9, ..loaded }).await.unwrap();
    assert_eq!(house.store.admit(admit(1)).await, Err(AdmissionError::Stale));
    let now = crate::gateway::Admit { epoch: 7, ..admit(2) };
    house.store.admit(now).await.unwrap();
}

/// T085, T093
#[tokio::test]
async fn an_inquiry_is_recorded_only_if_nothing_was_taken_back_since_it_was_judged() {
    let house = House::new();
    let inquiry = |n: u128, epoch| {
        let intent = admit(n).intent;
        let inquiry = Inquiry {
            decision: intent.decision,
            at: noon(),
            caller: intent.caller,
            method: "resources/read".to_owned(),
            server: "fs".parse().unwrap(),
            target: "file:///a".to_owned(),
            params: Digest::of(b"").into(),
            verdict: intent.verdict,
        };
        AdmitInquiry { inquiry, credential: admit(n).credential, epoch }
    };
    let epoch = admit(1).epoch;
    house.store.admit_inquiry(inquiry(1, epoch)).await.unwrap();
    assert_eq!(house.store.admit_inquiry(inquiry(2, epoch + 1)).await, Err(AdmissionError::Stale));
    let freeze = |frozen| Freeze {
        at: noon(),
        frozen,
        scope: FreezeScope::All,
        actor: "anna".to_owned(),
        reason: "drill".to_owned(),
    };
    house.store.set_frozen(freeze(true)).await.unwrap();
    assert_eq!(house.store.admit_inquiry(inquiry(3, epoch)).await, Err(AdmissionError::Frozen));
    house.store.set_frozen(freeze(false)).await.unwrap();
    house.store.admit_inquiry(inquiry(4, epoch)).await.unwrap();
    assert_eq!(house.kinds().await, ["start", "inquiry", "freeze", "freeze", "inquiry"]);
}

#[tokio::test]
async fn the_sources_of_a_policy_set_are_found_by_its_digest() {
    let house = House::new();
    let bundle = house.store.put_bundle(b"sources".to_vec()).await.unwrap();
    let loaded = PolicyChange {
        at: noon(),
        event: PolicyEvent::Loaded,
        digest: Digest::of(b"set"),
        epoch: 1,
        actor: "anna".to_owned(),
        detail: bundle.to_string(),
    };
    house.store.policy(loaded).await.unwrap();
    assert_eq!(house.store.bundle_of(Digest::of(b"set")).await, Ok(Some(b"sources".to_vec())));
    assert_eq!(house.store.bundle_of(Digest::of(b"other")).await, Ok(None));
}

/// I9, I15
#[tokio::test]
async fn a_charge_must_be_for_the_exception_that_the_verdict_names() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    let unpaid = crate::gateway::Admit { charge: None, ..admit_under(1, &charge) };
    assert!(matches!(house.store.admit(unpaid).await, Err(AdmissionError::ExceptionChanged(_))));
}

/// T103: a call whose caller is gone before it could act on the answer did not leave.
#[tokio::test]
async fn an_intent_whose_caller_is_gone_is_marked_as_aborted_and_its_budget_given_back() {
    let house = House::new();
    let charge = approved(&house.store, 1).await;
    let mut head = house.store.head();
    let before = *head.borrow_and_update();
    {
        let admission = house.store.admit(admit_under(1, &charge));
        tokio::pin!(admission);
        tokio::select! {
            biased;
            _ = &mut admission => panic!("the answer cannot be there yet"),
            () = std::future::ready(()) => {}
        }
        head.wait_for(|seq| *seq > before).await.unwrap();
        // Give the writer the time to answer; whether it did or not, the mark must come.
    }
    head.wait_for(|seq| *seq > before + 1).await.unwrap();
    let Some(Record::Aborted(Aborted { record, decision, refunded, .. })) = house.records().await.pop() else {
        panic!("the last record must be the mark");
    };
    assert_eq!((record, decision, refunded), (before + 1, DecisionId::from_bits(1), Some(charge.exception.clone())));
    house.store.admit(admit_under(2, &charge)).await.unwrap();
    assert!(house.store.verify().await.unwrap().holds());
}

/// A commit that takes longer than the bound: the call is refused and the record says that it did not leave.
#[tokio::test]
async fn a_late_commit_is_refused_and_marked_as_aborted() {
    let house = House::with(Settings { commit_timeout: std::time::Duration::from_millis(40), ..Settings::default() });
    let slow = "CREATE TRIGGER slow AFTER INSERT ON journal WHEN new.kind = 'intent' BEGIN
                SELECT sum(n) FROM (WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count LIMIT 3000000)
                SELECT n FROM count); END";
    meddle(&house.dir, slow);
    let mut head = house.store.head();
    let before = *head.borrow_and_update();
    assert!(matches!(house.store.admit(admit(1)).await, Err(AdmissionError::Unavailable(_))));
    head.wait_for(|seq| *seq >= before + 2).await.unwrap();
    assert_eq!(house.kinds().await[usize::try_from(before).unwrap()..], ["intent", "aborted"]);
    assert!(house.store.verify().await.unwrap().open.is_empty());
}

#[tokio::test]
async fn relaxed_durability_still_records_every_call() {
    let house = House::with(Settings { durability: Durability::Exceptions, ..patient() });
    for n in 1..=5 {
        house.store.admit(admit(n)).await.unwrap();
        house.store.record(outcome(n)).await.unwrap();
    }
    let report = house.store.verify().await.unwrap();
    assert!(report.holds() && report.records == 11 && report.open.is_empty(), "{report:?}");
}

/// T106
#[tokio::test]
async fn arguments_stand_nowhere_in_the_folder_in_clear() {
    let house = House::new();
    let mut call = admit(1);
    let decision = call.intent.decision.clone();
    let sealer = &house.store.keyring().sealer;
    call.intent.call.arguments.sealed = sealer.seal(&decision, br#"{"token":"canary-4711"}"#).unwrap();
    house.store.admit(call).await.unwrap();
    for entry in std::fs::read_dir(&house.dir).unwrap() {
        let path = entry.unwrap().path();
        let content = if path.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
        assert!(!content.windows(11).any(|window| window == b"canary-4711"));
    }
    let records = house.store.decision(&decision).await.unwrap();
    let [(_, Record::Intent(intent))] = records.as_slice() else { panic!("{records:?}") };
    let sealed = intent.call.arguments.sealed.as_ref().unwrap();
    assert_eq!(sealer.open(&decision, sealed).unwrap(), br#"{"token":"canary-4711"}"#);
}

/// T093
#[tokio::test]
async fn a_frozen_agent_server_or_exception_is_not_admitted_and_a_restart_or_a_lost_row_releases_none() {
    let house = House::new();
    let intent = admit(1).intent;
    let freeze =
        |frozen, scope| Freeze { at: noon(), frozen, scope, actor: "anna".to_owned(), reason: "drill".to_owned() };
    for scope in [FreezeScope::Agent(intent.caller.agent.clone()), FreezeScope::Server(intent.call.server.clone())] {
        house.store.set_frozen(freeze(true, scope.clone())).await.unwrap();
        assert_eq!(house.store.admit(admit(1)).await, Err(AdmissionError::Frozen), "{scope}");
        let (_temp, dir) = house.after_a_crash();
        rusqlite::Connection::open(dir.join("postern.db")).unwrap().execute("DELETE FROM freeze", []).unwrap();
        let (again, _) = super::support::open(&dir, patient()).unwrap();
        assert_eq!(again.admit(admit(1)).await, Err(AdmissionError::Frozen), "{scope}: a lost row");
        house.store.set_frozen(freeze(false, scope)).await.unwrap();
    }
    house.store.set_frozen(freeze(true, FreezeScope::Agent("another".into()))).await.unwrap();
    house.store.set_frozen(freeze(true, FreezeScope::Exception("EX-OTHER".parse().unwrap()))).await.unwrap();
    house.store.admit(admit(1)).await.unwrap();
}
