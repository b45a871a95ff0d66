//! Removal tests, trials and graduation.

use chrono::TimeDelta;
use serde_json::json;

use super::support::{AGENT, Room, at, id, needed, person, pilot, tool, tried, with};
use crate::{
    domain::{Document, Standing, SuspendReason},
    exception::{DeskError, Ending, Lived, Phase, RemovalTest, TestResult, fold},
};

fn two_agents() -> serde_json::Value {
    with(pilot(), "subject/agents", json!([AGENT, "agent-2"]))
}

fn standing(room: &Room, agent: &str) -> Option<Standing> {
    let found = room.desk.index().candidates(&agent.into(), &tool(), room.now(), false);
    found.first().map(|candidate| candidate.standing)
}

#[tokio::test]
async fn a_trial_takes_it_from_a_part_of_its_agents_and_gives_it_back_by_the_clock() {
    let room = Room::new();
    let exception = room.approved(two_agents()).await;
    let tried = room.desk.begin_trial(&exception.id, &person("sam"), (50, 30), "who notices?").await.unwrap();
    let members = tried.trial.unwrap().members;
    assert_eq!(members.len(), 1);
    let (member, other) = if members.contains(&AGENT.into()) { (AGENT, "agent-2") } else { ("agent-2", AGENT) };
    assert_eq!(standing(&room, member), Some(Standing::Suspended(SuspendReason::RemovalTrial)));
    assert_eq!(standing(&room, other), Some(Standing::Usable));
    assert!(matches!(
        room.desk.begin_trial(&exception.id, &person("sam"), (50, 30), "again").await,
        Err(DeskError::Conflict(_))
    ));
    room.pass(TimeDelta::minutes(30));
    assert_eq!(standing(&room, member), Some(Standing::Usable), "restored without a job");
    room.desk.tick().await.unwrap();
    assert_eq!(room.store.names(&exception.id).last(), Some(&"trial_ended"));
    let history = room.desk.history(&exception.id).await.unwrap();
    assert!(fold(&history).unwrap().trial.is_none());
    let life = Lived::of(&history).unwrap();
    let then = room.now() - TimeDelta::minutes(10);
    let seen = life.candidate(&member.into(), &tool(), then, &room.registry.load()).unwrap();
    assert_eq!(seen.standing, Standing::Suspended(SuspendReason::RemovalTrial));
}

#[tokio::test]
async fn a_trial_is_for_stewards_within_bounds_and_can_be_ended() {
    let room = Room::new();
    let exception = room.approved(two_agents()).await;
    let id = &exception.id;
    assert!(matches!(room.desk.begin_trial(id, &person("carol"), (10, 30), "x").await, Err(DeskError::Forbidden(_))));
    for bad in [(0, 30), (101, 30), (10, 0), (10, 24 * 60 + 1)] {
        assert!(matches!(room.desk.begin_trial(id, &person("sam"), bad, "x").await, Err(DeskError::Conflict(_))));
    }
    room.desk.begin_trial(id, &person("alice"), (100, 60), "all of them").await.unwrap();
    assert!(!room.usable());
    room.desk.end_trial(id, &person("alice"), "enough").await.unwrap();
    assert!(room.usable());
    assert!(matches!(room.desk.end_trial(id, &person("alice"), "again").await, Err(DeskError::Conflict(_))));
}

#[tokio::test]
async fn a_renewal_needs_a_fresh_removal_test_that_shows_the_need_and_a_word_that_is_not_due() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    let mut renewal = with(with(pilot(), "id", json!("EX-2")), "supersedes", json!("EX-1"));
    renewal = with(renewal, "not_before", json!("2026-12-01T00:00:00Z"));
    renewal = with(renewal, "not_after", json!("2026-12-20T00:00:00Z"));
    let refused = async |part: &str| match room.submit(renewal.clone()).await {
        Err(DeskError::Conflict(why)) => assert!(why.contains(part), "{why}"),
        other => panic!("{other:?}"),
    };
    refused("nobody tried").await;
    for (result, part) in [(TestResult::Unneeded, "nothing breaks"), (TestResult::Incomplete, "per cent")] {
        let test = RemovalTest { result, ..needed(&room) };
        room.desk.tested(&exception.id, &person("audrey"), test).await.unwrap();
        refused(part).await;
    }
    room.desk.tested(&exception.id, &person("sam"), needed(&room)).await.unwrap();
    room.turn_to(at("2026-11-07T00:00:00Z"));
    room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
    room.turn_to(at("2026-11-09T00:00:00Z"));
    refused("too old").await;
    room.desk.tested(&exception.id, &person("sam"), needed(&room)).await.unwrap();
    room.turn_to(at("2026-11-14T06:00:00Z"));
    refused("is due").await;
    room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
    refused("had none").await;
    room.desk.begin_trial(&exception.id, &person("sam"), (5, 30), "who notices?").await.unwrap();
    refused("under way").await;
    room.desk.end_trial(&exception.id, &person("sam"), "seen enough").await.unwrap();
    refused("its plan says 10").await;
    tried(&room, &exception.id).await;
    room.submit(renewal.clone()).await.unwrap();
}

#[tokio::test]
async fn a_graduated_exception_is_over_for_ever() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    assert!(matches!(room.desk.graduate(&exception.id, &person("dave"), "x").await, Err(DeskError::Forbidden(_))));
    let over = room.desk.graduate(&exception.id, &person("alice"), "the role is merged").await.unwrap();
    assert_eq!(over.phase(room.now()), Phase::Ended(Ending::Graduated));
    assert!(room.candidates().is_empty());
    assert!(room.desk.begin_trial(&id("EX-1"), &person("sam"), (10, 5), "x").await.is_err());
}

#[tokio::test]
async fn an_analysis_is_kept_with_its_revision_and_an_edited_one_is_found() {
    let room = Room::new();
    let document = Document::of_value(pilot());
    let found = json!({"would_pass": 3});
    let exception = room.desk.submit_analysed(&document, &person("carol"), Some(found.clone())).await.unwrap();
    assert_eq!(exception.analysis.as_deref(), Some(&found));
    assert_eq!(room.store.names(&exception.id), ["submitted", "analysed"]);
    let next = room.submit(with(pilot(), "budget/calls", json!(7))).await.unwrap();
    assert_eq!(next.analysis, None, "a new revision has an analysis of its own");
    room.store.tamper(&exception.id, |stored| {
        if let crate::exception::Event::Analysed { analysis, .. } = &mut stored.event {
            **analysis = json!({"would_pass": 0});
        }
    });
    assert!(matches!(room.desk.show(&exception.id).await, Err(DeskError::Damaged { .. })));
}

#[tokio::test]
async fn what_lies_idle_is_proposed_for_removal_once_and_again_only_after_another_use() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    let begun = room.now();
    assert!(!room.desk.propose(&exception.id, None).await.unwrap(), "it was just approved");
    let used = begun + TimeDelta::days(2);
    room.turn_to(begun + TimeDelta::days(6));
    room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
    room.desk.tested_by_plan(&exception.id, needed(&room)).await.unwrap();
    assert!(!room.desk.propose(&exception.id, Some(used)).await.unwrap(), "calls would break");
    let test = RemovalTest { result: TestResult::Unneeded, ..needed(&room) };
    let tested = room.desk.tested_by_plan(&exception.id, test).await.unwrap();
    assert_eq!(tested.test_due(room.now()), Some(room.now() + TimeDelta::days(7)));
    assert!(room.desk.propose(&exception.id, Some(used)).await.unwrap());
    assert!(!room.desk.propose(&exception.id, Some(used)).await.unwrap(), "once");
    assert_eq!(room.store.names(&exception.id).last(), Some(&"reminded"));
    room.pass(TimeDelta::days(1));
    assert!(!room.desk.propose(&exception.id, Some(room.now())).await.unwrap(), "it was used since its test");
    for day in [12, 18, 24] {
        room.turn_to(begun + TimeDelta::days(day));
        room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
    }
    let last = Some(begun + TimeDelta::days(8));
    let found = room.desk.show(&exception.id).await.unwrap().unneeded(last, room.now()).expect("idle for 15 days");
    assert!(found.why.contains("not used since"), "{}", found.why);
    assert!(room.desk.propose(&exception.id, last).await.unwrap());
}
