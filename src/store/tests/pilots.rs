//! Pilots: written together with the exceptions that end with them, and read as they were written.

use serde_json::json;

use super::support::{House, admit_under, approved, change, exception_id, meddle, noon, open, patient};
use crate::{
    domain::Document,
    evidence::Record,
    exception::{Event, ExceptionStore as _, Pilot, PilotEvent, PilotStore as _, StoreError, StoredPilot, parse_pilot},
    gateway::Admission as _,
};

fn submitted() -> StoredPilot {
    let file = json!({
        "apiVersion": "postern/v1", "id": "PI-1", "title": "Notes", "owner": {"human": "olga", "team": "notes"},
        "cohort": ["agent-1"], "not_before": "2026-11-01T00:00:00Z", "not_after": "2026-12-01T00:00:00Z",
        "exit": {"target_role": "notes", "criteria": "done"}, "rationale": "It shows what the role for notes has to cover."
    });
    let mut spec = parse_pilot(&Document::of_value(file)).unwrap();
    spec.requester = Some("rita".into());
    let digest = spec.digest().unwrap();
    let event = PilotEvent::Submitted { revision: 1, spec: Box::new(spec), digest, by: "rita".into() };
    stored(1, event)
}

fn ended() -> StoredPilot {
    stored(2, PilotEvent::Ended { by: "olga".into(), revoked: [exception_id()].into() })
}

fn stored(version: u64, event: PilotEvent) -> StoredPilot {
    let (pilot, actor) = ("PI-1".parse().unwrap(), "rita".to_owned());
    StoredPilot { pilot, version, at: noon(), actor, reason: String::new(), event }
}

/// I16
#[tokio::test]
async fn a_pilot_ends_with_its_exceptions_or_nothing_is_written() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    let id = exception_id();
    house.store.append_pilot(submitted(), vec![]).await.unwrap();
    let again = house.store.append_pilot(submitted(), vec![]).await;
    assert_eq!(again, Err(StoreError::Conflict { expected: 0, found: 1 }));
    let before = house.kinds().await;
    let revoked = || change(vec![Event::Revoked { by: "olga".into() }]);
    let stale = house.store.append_pilot(ended(), vec![(id.clone(), 3, revoked())]).await;
    assert_eq!(stale, Err(StoreError::Conflict { expected: 3, found: 4 }));
    assert_eq!(house.kinds().await, before, "nothing of it is kept");
    house.store.admit(admit_under(1, &charge)).await.unwrap();
    house.store.append_pilot(ended(), vec![(id.clone(), 4, revoked())]).await.unwrap();
    assert!(house.store.admit(admit_under(2, &charge)).await.is_err(), "seen by the next admission");
    let (_temp, dir) = house.after_a_crash();
    let (again, _) = open(&dir, patient()).unwrap();
    let pilot = Pilot::fold(&again.pilots().await.unwrap()).unwrap();
    assert_eq!((pilot.version, pilot.ended.map(|end| end.by)), (2, Some("olga".into())));
}

/// T082
#[tokio::test]
async fn a_pilot_that_was_edited_in_the_database_is_not_read() {
    let house = House::new();
    house.store.append_pilot(submitted(), vec![]).await.unwrap();
    let edit = "UPDATE journal SET payload = replace(payload, 'agent-1', 'agent-2') WHERE kind = 'pilot'";
    assert_eq!(meddle(&house.dir, edit), 1);
    assert!(matches!(house.store.pilots().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_step_names_the_digest_of_what_it_is_about_and_what_came_since_is_counted() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    house.store.admit(admit_under(1, &charge)).await.unwrap();
    house.store.append(&exception_id(), 4, change(vec![Event::Attested { by: "olga".into() }])).await.unwrap();
    house.store.admit(admit_under(2, &charge)).await.unwrap();
    house.store.admit(admit_under(3, &charge)).await.unwrap();
    let counted = |version| house.store.since(&charge.exception, version);
    assert_eq!(counted(4).await.unwrap().calls, 3);
    assert_eq!(counted(5).await.unwrap().calls, 2);
    assert_eq!(counted(9).await.unwrap().calls, 0);
    let records = house.records().await;
    let digests =
        records.iter().filter_map(|record| if let Record::Lifecycle(step) = record { step.digest } else { None });
    assert_eq!(digests.collect::<Vec<_>>(), [charge.digest; 2], "scheduled and attested; the others carry it inside");
}
