//! The same grant again, without saying so.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::support::{Room, at, elevation, id, needed, person, pilot, tried, with};
use crate::exception::DeskError;

fn lasting(record: Value, id: &str, from: &str, to: &str) -> Value {
    let mut record = with(record, "id", json!(id));
    record.as_object_mut().unwrap().remove("pilot");
    with(with(record, "not_before", json!(from)), "not_after", json!(to))
}

fn refused(error: DeskError) -> String {
    let DeskError::Conflict(message) = error else { panic!("{error}") };
    message
}

/// T089, I2
#[tokio::test]
async fn a_renewal_that_does_not_say_so_is_refused() {
    let room = Room::new();
    let first = room.approved(lasting(pilot(), "EX-1", "2026-11-01T00:00:00Z", "2026-11-08T00:00:00Z")).await;
    let next = |id| lasting(pilot(), id, "2026-11-07T00:00:00Z", "2026-11-20T00:00:00Z");
    let told = refused(room.submit(next("EX-2")).await.unwrap_err());
    assert!(told.contains("goes on with `EX-1`"), "{told}");
    room.desk.tested(&first.id, &person("sam"), needed(&room)).await.unwrap();
    tried(&room, &first.id).await;
    room.submit(with(next("EX-3"), "supersedes", json!("EX-1"))).await.unwrap();
    let other =
        with(with(next("EX-4"), "grant/tools", json!(["list"])), "owner", json!({"human": "bob", "team": "crm"}));
    room.submit(other).await.expect("another owner's other tool is no renewal");
    room.desk.suspend(&first.id, &person("sam"), "look").await.unwrap();
    let told = refused(room.submit(next("EX-5")).await.unwrap_err());
    assert!(told.contains("suspended"), "{told}");
    room.desk.revoke(&id("EX-1"), &person("sam"), "stop").await.unwrap();
    room.submit(next("EX-6")).await.expect("after a revocation a new case is a new case");
}

/// T089, I2
#[tokio::test]
async fn a_renewal_approved_beside_the_first_does_not_pass_either() {
    let room = Room::new();
    let record = |id, to| lasting(pilot(), id, "2026-11-01T00:00:00Z", to);
    let second = room.submit(record("EX-2", "2026-11-20T00:00:00Z")).await.unwrap();
    room.approved(record("EX-1", "2026-11-08T00:00:00Z")).await;
    room.yes(&second, "sam").await.unwrap();
    assert!(refused(room.yes(&second, "dave").await.unwrap_err()).contains("EX-1"));
}

/// T089, I2
#[tokio::test]
async fn what_was_granted_before_counts_against_the_longest_life_of_the_kind() {
    let room = Room::new();
    let hours = |id, from: &str, to: &str| {
        lasting(elevation(), id, &format!("2026-11-01T{from}:00:00Z"), &format!("2026-11-01T{to}:00:00Z"))
    };
    for (id, from, to) in [("EX-1", "00", "03"), ("EX-2", "03", "06")] {
        room.turn_to(at(&format!("2026-11-01T{from}:00:00Z")));
        room.approved(hours(id, from, to)).await;
    }
    room.turn_to(at("2026-11-01T06:00:00Z"));
    let told = refused(room.submit(hours("EX-3", "06", "10")).await.unwrap_err());
    assert!(told.contains("no longer than 8 hours within 16 hours; 2 hours are left"), "{told}");
    room.submit(hours("EX-4", "06", "08")).await.unwrap();
    room.pass(TimeDelta::days(2));
    let later = lasting(elevation(), "EX-5", "2026-11-03T06:00:00Z", "2026-11-03T14:00:00Z");
    room.submit(later).await.expect("what is long over does not count");
}
