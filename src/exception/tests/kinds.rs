//! What each kind demands: whose consent, which end, which review, which milestones.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::support::{AGENT, Room, at, break_glass, connector, elevation, exemption, id, needed, person, with};
use crate::{
    domain::{Document, Duty, Registry, Standing, SuspendReason},
    exception::{DeskError, Ending, Exception, Phase, PostReview, Reporter, parse},
};

fn refused(error: DeskError) -> String {
    match error {
        DeskError::Conflict(message) | DeskError::Forbidden(message) => message,
        other => other.to_string(),
    }
}

/// The guardrail gets another owner, or none.
fn owned(room: &Room, owner: Option<&str>) {
    let mut registry = Registry::clone(&room.registry.load());
    registry.soft_rules = owner.map(|owner| ("network".into(), owner.into())).into_iter().collect();
    room.registry.store(Arc::new(registry));
}

#[tokio::test]
async fn an_exemption_stops_with_the_next_decision_when_its_rule_changes_hands() {
    let room = Room::new();
    let exempt = room.approved(exemption()).await;
    assert!(room.usable());
    assert_eq!(room.desk.guardrails().await.unwrap(), []);
    for owner in [Some("dave"), None] {
        owned(&room, owner);
        assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::Drift)), "{owner:?}, before any event");
    }
    owned(&room, Some("dave"));
    let told = room.desk.guardrails().await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].0 == exempt.id && told[0].1.contains("is owned by `dave` now"), "{told:?}");
    assert_eq!(room.desk.guardrails().await.unwrap(), [], "once is enough");
    assert_eq!(room.store.names(&exempt.id).last(), Some(&"suspended"));
    let told = refused(room.desk.resume(&exempt.id, &person("sam"), "looked").await.unwrap_err());
    assert!(told.contains("owned by `dave` now"), "{told}");
    owned(&room, Some("erin"));
    assert!(!room.usable(), "the suspension is on record: somebody clears it");
    room.desk.resume(&exempt.id, &person("sam"), "erin has it again").await.unwrap();
    assert!(room.usable());
}

#[tokio::test]
async fn an_exemption_names_the_owner_of_its_rules_from_submission_to_the_last_approval() {
    let room = Room::new();
    let DeskError::Invalid(found) = room.submit(with(exemption(), "rule_owner", json!("dave"))).await.unwrap_err()
    else {
        panic!()
    };
    assert!(found.to_string().contains("owned by `erin`: write that person"), "{found}");
    let DeskError::Invalid(found) = room.submit(with(exemption(), "rule_ids", json!(["none"]))).await.unwrap_err()
    else {
        panic!()
    };
    assert!(found.to_string().contains("no soft guardrail"), "{found}");
    let asked = room.submit(exemption()).await.unwrap();
    room.yes(&asked, "erin").await.unwrap();
    owned(&room, Some("sam"));
    assert!(matches!(room.yes(&asked, "dave").await.unwrap_err(), DeskError::Invalid(_)));
}

#[tokio::test]
async fn vendor_risk_counts_apart_from_the_two_who_approve() {
    let room = Room::new();
    let asked = room.submit(connector()).await.unwrap();
    room.yes(&asked, "victor").await.unwrap();
    let one = room.yes(&asked, "dave").await.unwrap();
    assert!(one.state.live().is_none(), "vendor risk is none of the two");
    assert!(room.yes(&asked, "sam").await.unwrap().state.live().is_some());
    assert!(room.usable());
    let other = room.submit(with(elevation(), "id", json!("EX-2"))).await.unwrap();
    assert!(refused(room.yes(&other, "victor").await.unwrap_err()).contains("neither"), "of no other kind");
    // One who has both duties stands for one of them.
    let room = Room::new();
    room.person("dave", |entry| {
        entry.duties.insert(Duty::VendorRisk);
    });
    let asked = room.submit(connector()).await.unwrap();
    room.yes(&asked, "sam").await.unwrap();
    assert!(room.yes(&asked, "dave").await.unwrap().state.live().is_none());
    assert!(room.yes(&asked, "erin").await.unwrap().state.live().is_some());
}

#[tokio::test]
async fn an_agent_ends_what_names_it_and_has_begun_and_nothing_else() {
    let room = Room::new();
    let (mine, other) = (AGENT.into(), "agent-2".into());
    room.approved(elevation()).await;
    let later = with(with(elevation(), "id", json!("EX-2")), "not_before", json!("2026-11-02T00:00:00Z"));
    let later = with(with(later, "not_after", json!("2026-11-02T08:00:00Z")), "owner/human", json!("bob"));
    room.approved(with(later, "owner/backup", json!("alice"))).await;
    let glass = with(with(break_glass(), "id", json!("EX-3")), "incident", json!("deployment.finished"));
    room.approved(glass).await;
    for (agent, event) in [(&other, "deployment.finished"), (&mine, "backup.finished")] {
        let done = room.desk.report(Reporter::Agent(agent), event, "").await.unwrap();
        assert!(done.ended.is_empty() && done.rejected.is_empty() && done.refused.is_empty(), "{done:?}");
    }
    let done = room.desk.report(Reporter::Agent(&mine), "deployment.finished", "release 7").await.unwrap();
    assert_eq!(done.ended.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), [id("EX-1")]);
    let last = room.store.rows.lock().unwrap()[&id("EX-1")].last().unwrap().clone();
    assert_eq!((last.actor.as_str(), last.reason.as_str()), (AGENT, "deployment.finished: release 7"));
    for (id, phase) in [(id("EX-2"), Phase::Scheduled), (id("EX-3"), Phase::Active)] {
        assert_eq!(room.desk.show(&id).await.unwrap().phase(room.now()), phase, "{id}");
    }
}

#[tokio::test]
async fn a_report_tells_what_it_may_not_end_beside_what_it_ended() {
    let room = Room::new();
    let registry = {
        let mut registry = Registry::clone(&room.registry.load());
        let carol = registry.people[&"carol".into()].clone();
        registry.people.insert("cora".into(), carol);
        registry
    };
    room.registry.store(Arc::new(registry));
    room.approved(elevation()).await;
    let theirs = with(with(elevation(), "id", json!("EX-2")), "owner", json!({"human": "bob", "team": "crm"}));
    let theirs = room.desk.submit(&Document::of_value(theirs), &person("cora")).await.unwrap();
    room.yes(&theirs, "dave").await.unwrap();
    let done = room.desk.report(Reporter::Person(&person("carol")), "deployment.finished", "").await.unwrap();
    assert_eq!(done.ended.len(), 1);
    assert!(done.refused[0].0 == id("EX-2") && done.refused[0].1.contains("not the owner"), "{:?}", done.refused);
}

#[tokio::test]
async fn closing_an_incident_ends_its_exceptions_rejects_its_requests_and_admits_no_other() {
    let room = Room::new();
    room.approved(break_glass()).await;
    let request = |id: &str| {
        let record = with(with(break_glass(), "id", json!(id)), "owner", json!({"human": "bob", "team": "crm"}));
        with(record, "grant/tools", json!(["list"]))
    };
    let waiting = room.submit(request("EX-2")).await.unwrap();
    let done = room.desk.report(Reporter::Person(&person("sam")), "INC-7", "mended").await.unwrap();
    assert_eq!((done.ended[0].id.as_str(), done.rejected[0].id.as_str()), ("EX-1", "EX-2"));
    let over = room.desk.show(&waiting.id).await.unwrap();
    assert_eq!(over.phase(room.now()), Phase::Ended(Ending::Rejected));
    let told = refused(room.submit(request("EX-3")).await.unwrap_err());
    assert!(told.contains("`INC-7` is closed"), "{told}");
    let next = Room::over(Arc::clone(&room.store));
    next.desk.open().await.unwrap();
    assert!(
        refused(next.submit(request("EX-4")).await.unwrap_err()).contains("is closed"),
        "a restart forgets nothing"
    );
}

/// I18
#[tokio::test]
async fn a_review_is_due_overdue_and_closed_and_the_owner_waits_for_it() {
    let room = Room::new();
    let glass = room.approved(break_glass()).await;
    let stands = async |room: &Room| {
        let exception = room.desk.show(&glass.id).await.unwrap();
        (exception.post_review(room.now()), exception.review_due())
    };
    room.desk.report(Reporter::Person(&person("sam")), "INC-7", "mended").await.unwrap();
    assert_eq!(stands(&room).await, (Some(PostReview::Due), Some(at("2026-11-04T00:00:00Z"))));
    room.pass(TimeDelta::hours(72));
    assert_eq!(stands(&room).await.0, Some(PostReview::Overdue));
    let next = with(with(break_glass(), "id", json!("EX-2")), "incident", json!("INC-8"));
    let next =
        with(with(next, "not_before", json!("2026-11-04T00:00:00Z")), "not_after", json!("2026-11-04T04:00:00Z"));
    assert!(refused(room.submit(next.clone()).await.unwrap_err()).contains("not reviewed yet"));
    room.desk.review(&glass.id, &person("audrey"), "one call, as it should be").await.unwrap();
    assert_eq!(stands(&room).await, (Some(PostReview::Closed), None));
    room.submit(next).await.unwrap();
}

#[tokio::test]
async fn a_sample_of_elevations_is_reviewed_and_nobody_waits_for_it() {
    let mut drawn = 0;
    for turn in 0..60 {
        let room = Room::new();
        let exception = room.approved(elevation()).await;
        room.desk.finish(&exception.id, &person("carol"), "deployment.finished").await.unwrap();
        let over = room.desk.show(&exception.id).await.unwrap();
        if over.post_review(room.now()).is_none() {
            let told = refused(room.desk.review(&over.id, &person("audrey"), "all well").await.unwrap_err());
            assert!(told.contains("no review"), "{told}");
            continue;
        }
        drawn += 1;
        let again = Room::over(Arc::clone(&room.store));
        assert!(again.desk.show(&over.id).await.unwrap().is_review_open(), "whoever reads the history sees the same");
        room.submit(with(elevation(), "id", json!("EX-2"))).await.expect("nobody waits");
        let done: Exception = room.desk.review(&over.id, &person("audrey"), "all well").await.unwrap();
        assert_eq!(done.post_review(room.now()), Some(PostReview::Closed), "{turn}");
    }
    // One of five: outside of this once in ten thousand runs at the most.
    assert!((1..35).contains(&drawn), "{drawn} of 60");
}

#[tokio::test]
async fn an_overdue_milestone_blocks_the_renewal_of_what_lives_and_of_what_is_over() {
    let renewal = || {
        let record = with(with(exemption(), "id", json!("EX-2")), "supersedes", json!("EX-1"));
        let record =
            with(with(record, "not_before", json!("2026-12-31T00:00:00Z")), "not_after", json!("2027-01-30T00:00:00Z"));
        with(record, "exit/milestones", json!([{"name": "last", "due": "2027-01-15"}]))
    };
    let room = Room::new();
    let first = room.approved(exemption()).await;
    for day in ["2026-11-07T00:00:00Z", "2026-11-12T00:00:00Z"] {
        room.turn_to(at(day));
        room.desk.attest(&first.id, &person("alice"), "still").await.unwrap();
    }
    room.desk.tested(&first.id, &person("sam"), needed(&room)).await.unwrap();
    for _ in 0..2 {
        let told = refused(room.submit(renewal()).await.unwrap_err());
        assert!(told.contains("milestone"), "{told}");
        room.desk.tick().await.unwrap();
    }
    let told = refused(room.desk.resume(&first.id, &person("sam"), "so").await.unwrap_err());
    assert!(told.contains("by reporting it as met"), "{told}");
    room.desk.milestone(&first.id, &person("alice"), "half", "order 7").await.unwrap();
    room.submit(renewal()).await.unwrap();
    let room = Room::new();
    room.approved(exemption()).await;
    room.turn_to(at("2027-01-02T00:00:00Z"));
    let told = refused(room.submit(with(renewal(), "not_before", json!("2027-01-02T00:00:00Z"))).await.unwrap_err());
    assert!(told.contains("ended with an overdue milestone"), "{told}");
}

#[tokio::test]
async fn a_renewal_that_begins_ends_what_it_renews() {
    let room = Room::new();
    let first = room.approved(exemption()).await;
    room.turn_to(at("2026-11-05T00:00:00Z"));
    room.desk.tested(&first.id, &person("sam"), needed(&room)).await.unwrap();
    let next = with(with(exemption(), "id", json!("EX-2")), "supersedes", json!("EX-1"));
    let next =
        with(with(next, "not_before", json!("2026-11-08T00:00:00Z")), "not_after", json!("2027-01-30T00:00:00Z"));
    let next = room.approved(next).await;
    room.desk.tick().await.unwrap();
    assert_eq!(room.desk.show(&first.id).await.unwrap().phase(room.now()), Phase::Active);
    room.turn_to(at("2026-11-08T00:00:00Z"));
    room.desk.tick().await.unwrap();
    assert_eq!(room.desk.show(&first.id).await.unwrap().phase(room.now()), Phase::Ended(Ending::Superseded));
    let found = room.candidates();
    assert!(found.len() == 1 && found[0].grant.exception == next.id);
}

#[test]
fn milestones_and_removal_tests_are_held_to_their_kind() {
    let read = |record: Value| parse(&Document::of_value(record)).unwrap_err().to_string();
    let late = json!([{"name": "one", "due": "2027-06-01"}]);
    assert!(read(with(exemption(), "exit/milestones", late)).contains("none is due before the exception ends"));
    let early = json!([{"name": "one", "due": "2026-10-01"}, {"name": "two", "due": "2026-11-20"}]);
    assert!(read(with(exemption(), "exit/milestones", early)).contains("before the exception begins"));
    let seldom = with(exemption(), "removal/shadow_every", json!("P31D"));
    assert!(read(seldom).contains("at least every 30 days"));
}

/// I2, T089
#[tokio::test]
async fn a_second_break_glass_is_told_what_is_left_of_the_four_hours() {
    let room = Room::new();
    let glass = |id: &str, from: &str, to: &str| {
        let record = with(with(break_glass(), "id", json!(id)), "incident", json!(format!("INC-{id}")));
        let record = with(record, "not_before", json!(format!("2026-11-01T{from}:00Z")));
        with(record, "not_after", json!(format!("2026-11-01T{to}:00Z")))
    };
    let first = room.approved(glass("EX-1", "00:00", "02:30")).await;
    room.turn_to(at("2026-11-01T02:30:00Z"));
    room.desk.review(&first.id, &person("audrey"), "all well").await.unwrap();
    let told = refused(room.submit(glass("EX-2", "03:00", "07:00")).await.unwrap_err());
    assert!(told.contains("`EX-1` granted the same tools before"), "{told}");
    assert!(told.contains("no longer than 4 hours within 8 hours; 90 minutes are left of it"), "{told}");
    assert!(told.contains("begin no sooner than 2026-11-01T06:30:00Z"), "{told}");
    room.submit(glass("EX-3", "03:00", "04:30")).await.unwrap();
    room.submit(glass("EX-4", "06:30", "10:30")).await.unwrap();
}
