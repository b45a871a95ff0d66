//! Exceptions: their histories, and what admission reads again.

use super::support::{House, admit_under, approved, change, exception_id, meddle, open, patient};
use crate::{
    domain::{PersonId, SuspendReason},
    exception::{Event, ExceptionStore as _, StoreError, fold},
    gateway::{Admission as _, AdmissionError, Charge},
};

#[tokio::test]
async fn a_history_reads_back_and_only_the_expected_version_is_extended() {
    let house = House::new();
    approved(&house.store, 5).await;
    let id = exception_id();
    let stale = house.store.append(&id, 3, change(vec![Event::Activated])).await;
    assert_eq!(stale, Err(StoreError::Conflict { expected: 3, found: 4 }));
    assert_eq!(house.store.append(&id, 4, change(vec![Event::Activated])).await, Ok(5));
    let history = house.store.history(&id).await.unwrap();
    assert_eq!(fold(&history).map(|exception| exception.version), Ok(5));
    assert_eq!(house.store.load(None, 10).await.unwrap(), history);
    assert_eq!(house.store.load(Some(&id), 10).await.unwrap(), []);
}

#[tokio::test]
async fn uses_are_counted_where_they_are_taken() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    assert_eq!(house.store.uses(&charge.exception).await, Ok(0));
    house.store.admit(admit_under(1, &charge)).await.unwrap();
    assert_eq!(house.store.uses(&charge.exception).await, Ok(1));
}

#[tokio::test]
async fn an_exception_that_ended_or_changed_after_the_decision_admits_nothing() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    let id = exception_id();
    let refused = async |charge: &Charge, n| match house.store.admit(admit_under(n, charge)).await {
        Err(AdmissionError::ExceptionChanged(why)) => why,
        other => panic!("{other:?}"),
    };
    let other_revision = Charge { revision: 2, ..charge.clone() };
    assert_eq!(refused(&other_revision, 1).await, "`EX-1` has another revision now");
    let suspended = Event::Suspended { reason: SuspendReason::Manual, by: None };
    house.store.append(&id, 4, change(vec![suspended])).await.unwrap();
    assert_eq!(refused(&charge, 2).await, "`EX-1` is suspended");
    let resumed = Event::Resumed { reason: SuspendReason::Manual, by: None };
    house.store.append(&id, 5, change(vec![resumed])).await.unwrap();
    house.store.admit(admit_under(3, &charge)).await.unwrap();
    house.store.append(&id, 6, change(vec![Event::Revoked { by: PersonId::from("olga") }])).await.unwrap();
    assert_eq!(refused(&charge, 4).await, "`EX-1` has ended");
    let (_temp, dir) = house.after_a_crash();
    let (again, _) = open(&dir, patient()).unwrap();
    assert!(again.admit(admit_under(5, &charge)).await.is_err(), "a restart does not revive it");
    assert!(!house.kinds().await.contains(&"alarm"));
}

#[tokio::test]
async fn a_call_that_was_decided_before_a_trial_of_its_agent_began_is_not_admitted_after() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    let id = exception_id();
    let begun = |agent: &str| Event::TrialBegun {
        percent: 10,
        members: [agent.into()].into(),
        until: super::support::noon() + chrono::TimeDelta::minutes(30),
        by: PersonId::from("olga"),
    };
    house.store.append(&id, 4, change(vec![begun("agent-2")])).await.unwrap();
    house.store.admit(admit_under(1, &charge)).await.expect("it is the trial of another agent");
    house.store.append(&id, 5, change(vec![Event::TrialEnded { by: None }, begun("agent-1")])).await.unwrap();
    let refused = |result| match result {
        Err(AdmissionError::ExceptionChanged(why)) => assert!(why.contains("trial"), "{why}"),
        other => panic!("{other:?}"),
    };
    refused(house.store.admit(admit_under(2, &charge)).await);
    assert_eq!(house.store.uses(&id).await, Ok(1), "nothing is charged");
    let (_temp, dir) = house.after_a_crash();
    let (again, _) = open(&dir, patient()).unwrap();
    refused(again.admit(admit_under(3, &charge)).await);
    again.append(&id, 7, change(vec![Event::TrialEnded { by: None }])).await.unwrap();
    again.admit(admit_under(4, &charge)).await.unwrap();
}

/// T082
#[tokio::test]
async fn an_exception_that_was_edited_in_the_database_admits_nothing_and_raises_an_alarm() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    house.store.admit(admit_under(1, &charge)).await.unwrap();
    let edit = "UPDATE journal SET payload = replace(payload, '\"calls\":5', '\"calls\":9') WHERE seq = 2";
    assert_eq!(meddle(&house.dir, edit), 1);
    let refused = house.store.admit(admit_under(2, &charge)).await;
    assert!(matches!(refused, Err(AdmissionError::ExceptionChanged(_))), "{refused:?}");
    assert_eq!(house.kinds().await.last(), Some(&"alarm"));
}

/// T082
#[tokio::test]
async fn an_exception_that_was_edited_while_the_gateway_was_down_is_named_at_the_start() {
    let edits = [
        "UPDATE journal SET payload = replace(payload, '\"calls\":5', '\"calls\":9') WHERE seq = 2",
        "UPDATE exception_head SET version = 3",
        "UPDATE journal SET exception = NULL WHERE seq = 5",
        "DELETE FROM exception_head",
    ];
    for edit in edits {
        let house = House::new();
        let charge = approved(&house.store, 5).await;
        house.store.close().await;
        let (_temp, dir) = house.after_a_crash();
        assert_eq!(meddle(&dir, edit), 1);
        let (store, recovery) = open(&dir, patient()).unwrap();
        assert_eq!(recovery.changed, [exception_id()], "{edit}");
        let refused = store.admit(admit_under(1, &charge)).await;
        assert!(matches!(refused, Err(AdmissionError::ExceptionChanged(_))), "{edit}: {refused:?}");
    }
}
