//! A yes to one call is spent once, by that call, in time.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;

use super::shredding::shred;
use super::support::{House, admit_under, approved, noon, open, patient};
use crate::{
    domain::{CredentialId, Digest, HoldId, PersonId, limits},
    evidence::{HoldAsk, HoldEvent, Record, Under},
    gateway::{Admission as _, AdmissionError, Admit, Charge, Holding},
    identity::{KeyPrincipal, KeyStore as _, issue},
    store::{Answer, HoldError},
};

fn held(n: u128, charge: &Charge, arguments: &[u8]) -> Admit {
    let admit = admit_under(n, charge);
    let ask = HoldAsk {
        action: Digest::of(arguments),
        exception: charge.exception.clone(),
        revision: charge.revision,
        caller: admit.intent.caller.clone(),
        call: admit.intent.call.clone(),
        expires: noon() + TimeDelta::seconds(60),
        page: String::new(),
    };
    let hold =
        Some(Holding { id: HoldId::from_bits(n), ask: Arc::new(ask), answerers: answerers(&["anna"]), again: false });
    Admit { hold, ..admit }
}

fn answerers(people: &[&str]) -> Arc<BTreeSet<PersonId>> {
    Arc::new(people.iter().map(|person| PersonId::from(*person)).collect())
}

fn yes_of(person: &str, credential: u128) -> Answer {
    let credential = CredentialId::from_bits(credential);
    Answer { by: person.into(), credential, methods: vec![], yes: true, reason: "fine".to_owned() }
}

fn waits(result: Result<crate::evidence::Position, AdmissionError>) -> HoldId {
    match result {
        Err(AdmissionError::Held(hold)) => hold.id,
        other => panic!("{other:?}"),
    }
}

/// I9, T085
#[tokio::test]
async fn a_yes_is_spent_once_by_the_call_that_was_asked_about_even_after_a_restart() {
    let house = House::new();
    let charge = approved(&house.store, 50).await;
    let id = waits(house.store.admit(held(1, &charge, b"a")).await);
    assert_eq!(waits(house.store.admit(held(2, &charge, b"a")).await), id, "the same call waits once");
    let yes = |id: HoldId, at| {
        let store = Arc::clone(&house.store);
        async move { store.answer_hold(&id, yes_of("anna", 7), at).await }
    };
    assert_eq!(yes(id.clone(), noon() + TimeDelta::seconds(60)).await.unwrap_err(), HoldError::Unknown, "too late");
    yes(id.clone(), noon()).await.unwrap();
    assert_eq!(yes(id.clone(), noon()).await.unwrap_err(), HoldError::Settled("approved"));
    let other = waits(house.store.admit(held(3, &charge, b"b")).await);
    assert_ne!(other, id, "other arguments wait for themselves");
    let (_temp, dir) = house.after_a_crash();
    let (again, _) = open(&dir, patient()).unwrap();
    let mut racing = tokio::task::JoinSet::new();
    for n in 10..42 {
        let (store, admit) = (Arc::clone(&again), held(n, &charge, b"a"));
        racing.spawn(async move { store.admit(admit).await });
    }
    let results = racing.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let mut left: Vec<HoldId> = results.into_iter().filter(Result::is_err).map(waits).collect();
    left.sort();
    left.dedup();
    assert!(left.len() == 1 && left[0] != id, "the others ask anew, once");
}

/// T085
#[tokio::test]
async fn no_answer_is_a_no_and_what_waits_is_bounded() {
    let house = House::new();
    let charge = approved(&house.store, 50).await;
    let id = waits(house.store.admit(held(1, &charge, b"a")).await);
    assert_eq!(house.store.expire_holds(noon()).await, Ok(vec![]));
    let over = house.store.expire_holds(noon() + TimeDelta::seconds(60)).await.unwrap();
    assert_eq!(over.len(), 1);
    assert!(house.store.holds().borrow().is_empty());
    let mut round = held(2, &charge, b"a");
    if let Some(holding) = &mut round.hold {
        holding.again = true;
    }
    assert!(matches!(house.store.admit(round).await, Err(AdmissionError::NotApproved(_))), "it is not asked anew");
    let gone = house.store.answer_hold(&id, yes_of("anna", 7), noon()).await;
    assert_eq!(gone.unwrap_err(), HoldError::Unknown);
    for n in 0..limits::HOLDS_PER_EXCEPTION {
        waits(house.store.admit(held(100 + n as u128, &charge, &n.to_be_bytes())).await);
    }
    let more = house.store.admit(held(200, &charge, b"one more")).await;
    assert!(matches!(more, Err(AdmissionError::NotApproved(_))), "{more:?}");
    let intents = house.records().await.iter().filter(|record| matches!(record, Record::Intent(_))).count();
    assert_eq!(intents, 0);
}

/// T085
#[tokio::test]
async fn a_yes_of_somebody_who_may_not_answer_any_more_does_not_count() {
    let house = House::new();
    let charge = approved(&house.store, 50).await;
    let id = waits(house.store.admit(held(1, &charge, b"a")).await);
    house.store.answer_hold(&id, yes_of("anna", 7), noon()).await.unwrap();
    let mut later = held(2, &charge, b"a");
    if let Some(holding) = &mut later.hold {
        holding.answerers = answerers(&["bert"]);
    }
    let again = waits(house.store.admit(later.clone()).await);
    assert_ne!(again, id, "people are asked anew");
    assert_eq!(waits(house.store.admit(held(3, &charge, b"a")).await), again, "the yes does not come back");
    house.store.answer_hold(&again, yes_of("bert", 8), noon()).await.unwrap();
    assert!(house.store.admit(Admit { intent: held(4, &charge, b"a").intent, ..later }).await.is_ok());
}

/// T085
#[tokio::test]
async fn a_yes_that_was_given_with_a_key_that_is_revoked_does_not_count() {
    let house = House::new();
    let charge = approved(&house.store, 50).await;
    let id = waits(house.store.admit(held(1, &charge, b"a")).await);
    let person = KeyPrincipal::Person("anna".into());
    let (_, row) = issue(&house.store.keyring().pepper, person, 30, "note", noon()).unwrap();
    house.store.insert(row.clone()).await.unwrap();
    let answer = Answer { credential: row.id.clone(), ..yes_of("anna", 0) };
    house.store.answer_hold(&id, answer, noon()).await.unwrap();
    house.store.revoke(&row.id, noon()).await.unwrap();
    let mut round = held(2, &charge, b"a");
    if let Some(holding) = &mut round.hold {
        holding.again = true;
    }
    let refused = house.store.admit(round).await;
    assert!(matches!(refused, Err(AdmissionError::NotApproved(_))), "{refused:?}");
    let records = house.records().await;
    let void = |record: &&Record| matches!(record, Record::Hold(change) if change.event == HoldEvent::Void);
    assert_eq!(records.iter().filter(void).count(), 1);
    assert!(!records.iter().any(|record| matches!(record, Record::Intent(_))));
}

#[tokio::test]
async fn a_call_whose_arguments_are_shredded_waits_no_more_and_the_agent_asks_anew() {
    let house = House::new();
    let charge = approved(&house.store, 50).await;
    let sealer = &house.store.keyring().sealer;
    let sealed = |n: u128, arguments: &[u8], exception| {
        let admit = held(n, &charge, arguments);
        let key = sealer.key(Under { at: noon(), exception }).unwrap();
        let mut holding = admit.hold.clone().unwrap();
        let ask = Arc::make_mut(&mut holding.ask);
        ask.call.arguments.sealed = key.seal(&admit.intent.decision, arguments).unwrap();
        (Admit { hold: Some(holding), ..admit }, key.id().to_owned())
    };
    let (one, key) = sealed(1, b"a", Some(&charge.exception));
    let gone = waits(house.store.admit(one).await);
    let stays = waits(house.store.admit(sealed(2, b"b", None).0).await);
    house.store.shred(vec![shred(vec![key.clone()])]).await.unwrap();
    sealer.shred(&[key], (noon(), "sonia")).unwrap();
    let open: Vec<HoldId> = house.store.holds().borrow().iter().map(|hold| hold.id.clone()).collect();
    assert_eq!(open, [stays], "who waits for an answer sees it");
    let answer = yes_of("anna", 7);
    assert_eq!(house.store.answer_hold(&gone, answer, noon()).await.unwrap_err(), HoldError::Unknown);
    let void = |record: &&Record| matches!(record, Record::Hold(change) if change.event == HoldEvent::Void);
    assert_eq!(house.records().await.iter().filter(void).count(), 1);
    assert_ne!(waits(house.store.admit(sealed(3, b"a", Some(&charge.exception)).0).await), gone);
}
