//! A yes to one call is spent once, by that call, in time.

use std::sync::Arc;

use chrono::TimeDelta;

use super::support::{House, admit_under, approved, noon, open, patient};
use crate::{
    domain::{Digest, HoldId, limits},
    evidence::{HoldAsk, Record},
    gateway::{Admission as _, AdmissionError, Admit, Charge, Holding},
    store::HoldError,
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
    let hold = Some(Holding { id: HoldId::from_bits(n), ask: Arc::new(ask), again: false });
    Admit { hold, ..admit }
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
        async move { store.answer_hold(&id, true, (&"anna".into(), "fine".to_owned()), at).await }
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
    assert_eq!(house.store.expire_holds(noon()).await, Ok(0));
    assert_eq!(house.store.expire_holds(noon() + TimeDelta::seconds(60)).await, Ok(1));
    assert!(house.store.holds().borrow().is_empty());
    let mut round = held(2, &charge, b"a");
    if let Some(holding) = &mut round.hold {
        holding.again = true;
    }
    assert!(matches!(house.store.admit(round).await, Err(AdmissionError::NotApproved(_))), "it is not asked anew");
    let gone = house.store.answer_hold(&id, true, (&"anna".into(), String::new()), noon()).await;
    assert_eq!(gone.unwrap_err(), HoldError::Unknown);
    for n in 0..limits::HOLDS_PER_EXCEPTION {
        waits(house.store.admit(held(100 + n as u128, &charge, &n.to_be_bytes())).await);
    }
    let more = house.store.admit(held(200, &charge, b"one more")).await;
    assert!(matches!(more, Err(AdmissionError::NotApproved(_))), "{more:?}");
    let intents = house.records().await.iter().filter(|record| matches!(record, Record::Intent(_))).count();
    assert_eq!(intents, 0);
}
