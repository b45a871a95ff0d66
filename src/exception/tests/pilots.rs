//! Pilots: what they demand of their exceptions, and how they end.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use serde_json::json;

use super::support::{AGENT, Room, at, id, person, pilot, pilot_file, set, with};
use crate::{
    domain::{Document, Findings},
    exception::{DeskError, Pilot, PilotPhase, parse_pilot},
};

async fn submitted(room: &Room, file: serde_json::Value) -> Result<Pilot, DeskError> {
    room.desk.submit_pilot(&Document::of_value(file), &person("carol")).await
}

fn faults(error: DeskError) -> Findings {
    let DeskError::Invalid(findings) = error else { panic!("{error}") };
    findings
}

#[test]
fn every_fault_of_a_pilot_is_told_at_once_with_its_line_and_path() {
    let text = "apiVersion: postern/v1\nid: PI-1\ntitle: Notes\nowner: {human: alice}\ncohort: ['role:x']\n\
                not_before: 2026-11-01T00:00:00Z\nnot_after: 2027-11-01T00:00:00Z\nexit: {criteria: done}\n\
                colour: red\nrationale: because\n";
    let document = Document::parse("pilots/PI-1.yaml", text).unwrap();
    let told = parse_pilot(&document).unwrap_err().to_string();
    for part in ["pilots/PI-1.yaml:4", "`team` is missing", "pilots/PI-1.yaml:5", "no principal", "at most 90 days"] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    assert!(
        told.contains("`target_role` is missing") && told.contains("`colour`") && told.contains("/rationale"),
        "{told}"
    );
}

#[tokio::test]
async fn only_people_of_the_registry_set_up_a_pilot_and_its_requester_is_not_its_owner() {
    let room = Room::new();
    let file = pilot_file("PI-2");
    let error = room.desk.submit_pilot(&Document::of_value(file.clone()), &person("dave")).await.unwrap_err();
    assert!(matches!(error, DeskError::Forbidden(_)), "{error}");
    let wrong = with(with(file.clone(), "owner/human", json!("carol")), "cohort", json!([AGENT, "nobody"]));
    let told = faults(submitted(&room, wrong).await.unwrap_err()).to_string();
    assert!(told.contains("cannot own it as well") && told.contains("/cohort/1"), "{told}");
    let pilot = submitted(&room, file.clone()).await.unwrap();
    assert_eq!((pilot.revision, pilot.requester.as_str()), (1, "carol"));
    let again = submitted(&room, file.clone()).await.unwrap_err();
    assert!(again.to_string().contains("unchanged"), "{again}");
    let pilot = submitted(&room, with(file, "title", json!("Another"))).await.unwrap();
    assert_eq!((pilot.revision, pilot.version), (2, 2));
}

#[tokio::test]
async fn an_exception_cannot_go_beyond_its_pilot() {
    let room = Room::new();
    let mut file = pilot_file("PI-2");
    set(&mut file, "cohort", json!([AGENT]));
    set(&mut file, "not_before", json!("2026-11-02T00:00:00Z"));
    set(&mut file, "not_after", json!("2026-11-20T00:00:00Z"));
    submitted(&room, file).await.unwrap();
    let mut record = pilot();
    set(&mut record, "pilot", json!("PI-2"));
    set(&mut record, "subject/agents", json!([AGENT, "agent-2"]));
    set(&mut record, "owner", json!({"human": "bob", "team": "crm"}));
    set(&mut record, "exit/target_role", json!("other"));
    let found = faults(room.submit(record).await.unwrap_err());
    let mut paths: Vec<_> = found.0.iter().map(|finding| finding.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/exit/target_role", "/not_after", "/not_before", "/owner/human", "/subject/agents"], "{found}");
    let unknown = faults(room.submit(with(pilot(), "pilot", json!("PI-9"))).await.unwrap_err());
    assert!(unknown.to_string().contains("submit it first"), "{unknown}");
}

#[tokio::test]
async fn the_state_of_a_pilot_follows_the_clock() {
    let room = Room::new();
    let pilot = room.desk.pilot(&"PI-crm".parse().unwrap()).await.unwrap();
    let phases = ["2026-10-31T00:00:00Z", "2026-11-01T00:00:00Z", "2027-01-29T23:59:59Z", "2027-01-30T00:00:00Z"];
    let phases = phases.map(|moment| pilot.phase(at(moment)));
    assert_eq!(phases, [PilotPhase::Planned, PilotPhase::Active, PilotPhase::Active, PilotPhase::Ended]);
}

/// One act, by whoever may revoke: all that is live ends, or nothing does.
#[tokio::test]
async fn ending_a_pilot_revokes_all_of_its_live_exceptions_or_none() {
    let room = Room::new();
    submitted(&room, pilot_file("PI-2")).await.unwrap();
    for name in ["EX-1", "EX-2"] {
        room.approved(with(with(pilot(), "pilot", json!("PI-2")), "id", json!(name))).await;
    }
    let waiting = room.submit(with(with(pilot(), "pilot", json!("PI-2")), "id", json!("EX-3"))).await.unwrap();
    room.approved(with(pilot(), "id", json!("EX-4"))).await;
    let pi = "PI-2".parse().unwrap();
    let error = room.desk.end_pilot(&pi, &person("carol"), "over").await.unwrap_err();
    assert!(matches!(error, DeskError::Forbidden(_)), "{error}");
    room.store.broken.store(true, Ordering::Relaxed);
    room.desk.end_pilot(&pi, &person("alice"), "over").await.unwrap_err();
    room.store.broken.store(false, Ordering::Relaxed);
    assert_eq!(room.desk.pilot(&pi).await.unwrap().ended, None);
    let ended = room.desk.end_pilot(&pi, &person("alice"), "over").await.unwrap();
    assert_eq!(ended.revoked.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["EX-1", "EX-2"]);
    assert_eq!(ended.pilot.phase(room.now()), PilotPhase::Ended);
    for name in ["EX-1", "EX-2"] {
        assert_eq!(room.store.names(&id(name)).last(), Some(&"revoked"));
        assert!(!room.desk.show(&id(name)).await.unwrap().is_live(room.now()));
    }
    assert_eq!(room.candidates().len(), 1, "the exception of another pilot goes on");
    let error = room.yes(&waiting, "sam").await;
    assert!(error.is_ok(), "a yes of one alone makes nothing live");
    let told = faults(room.yes(&waiting, "dave").await.unwrap_err()).to_string();
    assert!(told.contains("is over"), "{told}");
    let again = room.desk.end_pilot(&pi, &person("alice"), "over").await.unwrap_err();
    assert!(again.to_string().contains("over already"), "{again}");
    room.pass(TimeDelta::days(1));
    assert!(submitted(&room, with(pilot_file("PI-2"), "title", json!("Back"))).await.is_err());
}
