//! The desk: who may do what, what an approval is for, and what the clock and the registry end.

use std::sync::{Arc, atomic::Ordering};

use chrono::TimeDelta;
use serde_json::json;

use super::support::{AGENT, Room, at, break_glass, elevation, id, needed, person, pilot, tried, with};
use crate::{
    domain::{Document, Duty, Standing, SuspendReason, ToolRef},
    exception::{Approval, DeskError, Ending, Event, Exception, Phase, Reporter, StoreError},
};

macro_rules! refused {
    ($result:expr, $pattern:pat) => {
        match $result.await {
            Err($pattern) => {}
            other => panic!("{}: {other:?}", stringify!($result)),
        }
    };
}

#[tokio::test]
async fn a_pilot_is_unknown_until_two_approve_it_one_of_them_for_security() {
    let room = Room::new();
    let exception = room.submit(pilot()).await.unwrap();
    room.yes(&exception, "dave").await.unwrap();
    room.yes(&exception, "erin").await.unwrap();
    assert!(room.candidates().is_empty());
    let exception = room.yes(&exception, "sam").await.unwrap();
    assert_eq!(exception.phase(room.now()), Phase::Active);
    assert!(room.usable());
    assert_eq!(room.store.names(&exception.id), ["submitted", "approved", "approved", "approved", "scheduled"]);
    let index = room.desk.index();
    assert_eq!(index.revision_of(&exception.id), Some(1));
    assert_eq!(index.tools_of(&AGENT.into(), room.now()).len(), 1);
    room.turn_to(at("2026-11-07T00:00:00Z"));
    room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
    assert!(room.usable());
}

#[tokio::test]
async fn an_elevation_needs_one_and_break_glass_two_and_both_begin_when_their_window_does() {
    let room = Room::new();
    room.turn_to(at("2026-10-31T23:59:50Z"));
    let one = room.submit(elevation()).await.unwrap();
    let one = room.yes(&one, "dave").await.unwrap();
    assert_eq!(one.phase(room.now()), Phase::Scheduled);
    assert!(room.candidates().is_empty());
    room.turn_to(at("2026-11-01T00:00:00Z"));
    assert!(room.usable());
    let two = room.submit(with(break_glass(), "id", json!("EX-2"))).await.unwrap();
    let two = room.yes(&two, "dave").await.unwrap();
    assert_eq!(two.phase(room.now()), Phase::PendingApproval);
    assert_eq!(room.yes(&two, "erin").await.unwrap().phase(room.now()), Phase::Active);
    assert_eq!(room.candidates().len(), 2);
}

/// T081, I5
#[tokio::test]
async fn requester_owner_backup_operator_and_approver_are_different_people() {
    let room = Room::new();
    let record = |owner: &str, backup: &str| {
        Document::of_value(with(with(pilot(), "owner/human", json!(owner)), "owner/backup", json!(backup)))
    };
    for (record, by) in [
        (record("omar", "bob"), "carol"),
        (record("alice", "omar"), "carol"),
        (record("alice", "alice"), "carol"),
        (record("all", "bob"), "all"),
        (record("alice", "all"), "all"),
        (record("alice", "bob"), "omar"),
    ] {
        refused!(room.desk.submit(&record, &person(by)), DeskError::Invalid(_));
    }
    // The credential says everything; people.yaml says that alice may not ask, and that nobody else is there.
    refused!(room.desk.submit(&Document::of_value(pilot()), &person("alice")), DeskError::Forbidden(_));
    refused!(room.desk.submit(&Document::of_value(pilot()), &person("stranger")), DeskError::Forbidden(_));
    refused!(room.submit(with(pilot(), "requester", json!("dave"))), DeskError::Invalid(_));
    let on_behalf = json!({"users": ["ulla"], "required": true});
    let exception = room.submit(with(pilot(), "subject/on_behalf_of", on_behalf)).await.unwrap();
    for by in ["carol", "alice", "bob", "omar", "ulla", "audrey", "root", "stranger"] {
        refused!(room.yes(&exception, by), DeskError::Forbidden(_));
    }
    // Made an approver afterwards, owner and requester still are who they are.
    for by in ["carol", "alice", "bob"] {
        room.person(by, |entry| entry.duties.extend([Duty::Approve]));
        refused!(room.yes(&exception, by), DeskError::Forbidden(_));
    }
}

/// T081
#[tokio::test]
async fn whoever_lost_the_duty_does_not_count_neither_before_nor_after_the_quorum() {
    let room = Room::new();
    let exception = room.submit(pilot()).await.unwrap();
    room.yes(&exception, "sam").await.unwrap();
    room.person("sam", |entry| entry.duties.clear());
    let exception = room.yes(&exception, "dave").await.unwrap();
    assert_eq!(exception.phase(room.now()), Phase::PendingApproval);
    room.person("sam", |entry| entry.duties.extend([Duty::Security]));
    let exception = room.yes(&exception, "erin").await.unwrap();
    assert_eq!(exception.phase(room.now()), Phase::Active);
    assert!(room.usable());
    room.person("sam", |entry| entry.active = false);
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::Drift)));
    room.person("erin", |entry| entry.active = false);
    room.person("sam", |entry| entry.active = true);
    assert!(room.usable(), "dave and sam still suffice");
}

/// T082, I6
#[tokio::test]
async fn an_edit_voids_the_approvals_and_what_is_approved_cannot_be_edited() {
    let room = Room::new();
    let first = room.submit(pilot()).await.unwrap();
    room.yes(&first, "sam").await.unwrap();
    refused!(room.submit(pilot()), DeskError::Conflict(_));
    let wider = with(pilot(), "budget/calls", json!(9999));
    refused!(room.desk.submit(&Document::of_value(wider.clone()), &person("all")), DeskError::Forbidden(_));
    let second = room.submit(wider.clone()).await.unwrap();
    assert_eq!(second.revision, 2);
    refused!(room.yes(&first, "dave"), DeskError::Conflict(_));
    let second = room.yes(&second, "dave").await.unwrap();
    assert_eq!(second.phase(room.now()), Phase::PendingApproval, "the yes of sam was for revision 1");
    room.yes(&second, "sam").await.unwrap();
    assert!(room.usable());
    refused!(room.submit(with(wider, "budget/calls", json!(3))), DeskError::Conflict(_));
}

/// T082
#[tokio::test]
async fn a_row_that_was_changed_in_the_store_is_not_used_and_is_reported() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    let wide = |stored: &mut crate::exception::StoredEvent| {
        if let Event::Submitted { spec, .. } = &mut stored.event {
            spec.budget.calls = 1_000_000;
        }
    };
    room.store.tamper(&exception.id, wide);
    refused!(room.desk.show(&exception.id), DeskError::Damaged { .. });
    assert!(room.candidates().is_empty());
    let next = Room::over(Arc::clone(&room.store));
    let opening = next.desk.open().await.unwrap();
    assert_eq!((opening.exceptions, opening.damaged.len()), (1, 1));
    assert!(next.candidates().is_empty());
    // With the digest mended everywhere, the signatures still tell.
    let mut spec = exception.spec.as_ref().clone();
    spec.budget.calls = 1_000_000;
    room.store.tamper(&exception.id, |stored| {
        if let Event::Submitted { digest, .. } | Event::Approved { approval: Approval { digest, .. } } =
            &mut stored.event
        {
            *digest = spec.digest().unwrap();
        }
    });
    let opening = Room::over(Arc::clone(&room.store)).desk.open().await.unwrap();
    assert!(opening.damaged[0].1.contains("signature"), "{opening:?}");
}

/// T082
#[tokio::test]
async fn a_file_that_was_edited_after_the_approval_suspends_the_exception() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    let file = |calls: u64| Document::of_value(with(pilot(), "budget/calls", json!(calls)));
    assert!(!room.desk.compare(&exception.id, &file(2000)).await.unwrap());
    assert!(room.usable());
    assert!(room.desk.compare(&exception.id, &file(2001)).await.unwrap());
    assert!(!room.desk.compare(&exception.id, &file(2001)).await.unwrap());
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::Drift)));
    room.desk.resume(&exception.id, &person("sam"), "the file was put back").await.unwrap();
    assert!(room.usable());
}

/// T083
#[tokio::test]
async fn an_approval_counts_once_and_fits_no_other_exception_or_revision() {
    let room = Room::new();
    let first = room.submit(pilot()).await.unwrap();
    room.yes(&first, "sam").await.unwrap();
    refused!(room.yes(&first, "sam"), DeskError::Conflict(_));
    let other = room.submit(with(pilot(), "id", json!("EX-2"))).await.unwrap();
    refused!(room.desk.approve(&other.id, &person("dave"), first.digest), DeskError::Conflict(_));
    // Copied in the store to the other exception: first as it is, then with the ids mended.
    let approval = room.store.rows.lock().unwrap()[&first.id][1].clone();
    let copy = |mend: bool| {
        let mut copy = approval.clone();
        copy.exception = other.id.clone();
        if let (true, Event::Approved { approval }) = (mend, &mut copy.event) {
            approval.exception = other.id.clone();
            approval.digest = other.digest;
        }
        room.store.rows.lock().unwrap().get_mut(&other.id).unwrap().truncate(1);
        room.store.rows.lock().unwrap().get_mut(&other.id).unwrap().push(copy);
    };
    copy(false);
    refused!(room.desk.show(&other.id), DeskError::Damaged { .. });
    copy(true);
    room.desk.show(&other.id).await.unwrap();
    refused!(room.yes(&other, "dave"), DeskError::Damaged { .. });
    assert!(room.candidates().is_empty());
}

#[tokio::test]
async fn a_request_that_nobody_decides_ends_after_a_day_or_a_quarter_of_an_hour() {
    let room = Room::new();
    for (record, minutes) in
        [(with(pilot(), "id", json!("EX-p")), 24 * 60), (with(break_glass(), "id", json!("EX-b")), 15)]
    {
        room.turn_to(at("2026-11-01T00:00:00Z"));
        let exception = room.submit(record).await.unwrap();
        room.pass(TimeDelta::minutes(minutes) - TimeDelta::milliseconds(1));
        room.yes(&exception, "dave").await.unwrap();
        room.pass(TimeDelta::milliseconds(1));
        refused!(room.yes(&exception, "sam"), DeskError::Conflict(_));
        room.desk.tick().await.unwrap();
        let exception = room.desk.show(&exception.id).await.unwrap();
        assert_eq!(exception.phase(room.now()), Phase::Ended(Ending::RequestExpired));
        refused!(
            room.desk.submit(&Document::of_value(with(pilot(), "id", json!(exception.id.as_str()))), &person("carol")),
            DeskError::Conflict(_)
        );
    }
}

/// I8
#[tokio::test]
async fn a_lapsed_attestation_suspends_at_decision_time_and_only_the_owner_mends_it() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    room.turn_to(at("2026-11-08T23:59:59.999Z"));
    assert!(room.usable());
    room.pass(TimeDelta::milliseconds(1));
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::AttestationLapsed)));
    refused!(room.desk.resume(&exception.id, &person("sam"), "go on"), DeskError::Conflict(_));
    refused!(room.desk.attest(&exception.id, &person("sam"), "still needed"), DeskError::Forbidden(_));
    room.desk.tick().await.unwrap();
    room.desk.tick().await.unwrap();
    let names = ["submitted", "approved", "approved", "scheduled", "suspended"];
    assert_eq!(room.store.names(&exception.id), names);
    refused!(room.desk.resume(&exception.id, &person("sam"), "go on"), DeskError::Conflict(_));
    room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
    assert!(room.usable());
    room.pass(TimeDelta::days(8));
    assert!(!room.usable());
}

#[tokio::test]
async fn stewards_suspend_and_resume_but_whoever_benefits_does_not_resume() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    let id = &exception.id;
    for by in ["carol", "audrey", "stranger"] {
        refused!(room.desk.suspend(id, &person(by), "x"), DeskError::Forbidden(_));
        refused!(room.desk.revoke(id, &person(by), "x"), DeskError::Forbidden(_));
    }
    for by in ["alice", "bob", "dave", "sam", "root"] {
        room.desk.suspend(id, &person(by), "a look").await.unwrap();
        assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::Manual)));
        refused!(room.desk.resume(id, &person("omar"), "x"), DeskError::Forbidden(_));
        refused!(room.desk.resume(id, &person("carol"), "x"), DeskError::Forbidden(_));
        room.desk.resume(id, &person(by), "looked").await.unwrap();
        assert!(room.usable());
    }
    room.desk.suspend(id, &person("sam"), "odd calls").await.unwrap();
    refused!(room.desk.resume(id, &person("alice"), "x"), DeskError::Forbidden(_));
    room.desk.hold(id, SuspendReason::ControlUnhealthy, "trace.full").await.unwrap();
    room.desk.resume(id, &person("dave"), "seen").await.unwrap();
    assert_eq!(
        room.standing(),
        Some(Standing::Suspended(SuspendReason::ControlUnhealthy)),
        "only the control clears it"
    );
    refused!(room.desk.resume(id, &person("dave"), "seen"), DeskError::Conflict(_));
    assert!(room.desk.needs().iter().all(|need| need.held && need.owner.as_str() == "alice"));
    room.desk.suspend(id, &person("sam"), "odd calls").await.unwrap();
    assert!(room.desk.release(id, SuspendReason::ControlUnhealthy, "works").await.unwrap());
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::Manual)), "a person's suspension stays");
    room.desk.resume(id, &person("dave"), "seen").await.unwrap();
    assert!(room.usable() && room.desk.needs().iter().all(|need| !need.held));
}

/// I14
#[tokio::test]
async fn what_is_over_stays_over_and_is_kept() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    let id = &exception.id;
    room.desk.revoke(id, &person("root"), "incident").await.unwrap();
    assert!(room.candidates().is_empty());
    assert_eq!(room.desk.index().revision_of(id), None);
    refused!(room.desk.resume(id, &person("sam"), "x"), DeskError::Conflict(_));
    refused!(room.desk.attest(id, &person("alice"), "still needed"), DeskError::Conflict(_));
    refused!(room.yes(&exception, "dave"), DeskError::Conflict(_));
    refused!(room.submit(pilot()), DeskError::Conflict(_));
    let renewal = with(with(pilot(), "id", json!("EX-2")), "supersedes", json!("EX-1"));
    refused!(room.submit(renewal), DeskError::Conflict(_));
    let next = Room::over(Arc::clone(&room.store));
    next.desk.open().await.unwrap();
    assert!(next.candidates().is_empty());
    assert_eq!(next.desk.list(None, 10).await.unwrap()[0].phase(next.now()), Phase::Ended(Ending::Revoked));
}

/// T087, I12
#[tokio::test]
async fn a_clock_that_goes_back_revives_nothing() {
    let room = Room::new();
    room.approved(elevation()).await;
    room.turn_to(at("2026-11-01T08:00:00Z"));
    assert!(room.candidates().is_empty());
    room.pass(TimeDelta::hours(-1));
    assert!(room.candidates().is_empty());
    let early = Room::new();
    early.approved(elevation()).await;
    let suspect = early.desk.index().candidates(&AGENT.into(), &super::support::tool(), early.now(), true);
    assert_ne!(suspect[0].standing, Standing::Usable);
    assert!(early.usable());
    early.turn_to(at("2036-11-01T00:00:00Z"));
    assert!(early.candidates().is_empty());
    early.desk.tick().await.unwrap();
    assert_eq!(early.store.names(&id("EX-1")).last(), Some(&"expired"));
}

/// T089, I2
#[tokio::test]
async fn renewals_are_counted_and_their_sum_is_bounded_and_none_is_renewed_twice() {
    let room = Room::new();
    let days = [
        ("2026-11-01", "2026-12-01"),
        ("2026-12-01", "2026-12-31"),
        ("2026-12-31", "2027-01-30"),
        ("2027-01-30", "2027-01-31"),
    ];
    for (n, (from, to)) in days.iter().enumerate() {
        room.turn_to(at(&format!("{from}T00:00:00Z")));
        let mut record = with(pilot(), "id", json!(format!("EX-{n}")));
        for (member, day) in [("not_before", from), ("not_after", to)] {
            record = with(record, member, json!(format!("{day}T00:00:00Z")));
        }
        if n > 0 {
            record = with(record, "supersedes", json!(format!("EX-{}", n - 1)));
        }
        if n == 3 {
            // Its pilot is over by then; the count holds without one, too.
            record.as_object_mut().unwrap().remove("pilot");
            refused!(room.submit(record), DeskError::Conflict(_));
            break;
        }
        let exception = room.approved(record.clone()).await;
        if n > 0 {
            refused!(room.submit(with(record, "id", json!("EX-fork"))), DeskError::Conflict(_));
        }
        for week in [6, 12, 18, 24, 29] {
            room.turn_to(at(&format!("{from}T00:00:00Z")) + TimeDelta::days(week));
            room.desk.attest(&exception.id, &person("alice"), "still needed").await.unwrap();
        }
        room.desk.tested(&exception.id, &person("sam"), needed(&room)).await.unwrap();
        tried(&room, &exception.id).await;
    }
    refused!(
        room.submit(with(with(elevation(), "id", json!("EX-e")), "supersedes", json!("EX-0"))),
        DeskError::Invalid(_)
    );
}

/// T089
#[tokio::test]
async fn an_agent_has_at_most_five_live_exceptions() {
    let room = Room::new();
    let sixth = room.submit(with(pilot(), "id", json!("EX-6"))).await.unwrap();
    room.yes(&sixth, "dave").await.unwrap();
    for n in 1..=5 {
        room.approved(with(pilot(), "id", json!(format!("EX-{n}")))).await;
    }
    refused!(room.yes(&sixth, "sam"), DeskError::Conflict(_));
    refused!(room.submit(with(pilot(), "id", json!("EX-7"))), DeskError::Conflict(_));
    room.desk.revoke(&id("EX-1"), &person("alice"), "done").await.unwrap();
    room.yes(&sixth, "sam").await.unwrap();
}

/// T090
#[tokio::test]
async fn an_owner_who_left_suspends_the_exception_with_the_next_decision() {
    let room = Room::new();
    room.approved(pilot()).await;
    room.person("alice", |entry| entry.active = false);
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::OwnerIneligible)));
    room.person("alice", |entry| entry.active = true);
    assert!(room.usable());
    let index = room.desk.index();
    for (agent, server, name) in [("agent-2", "crm", "export"), (AGENT, "crm", "import"), (AGENT, "crm2", "export")] {
        let other = crate::domain::ToolRef { server: server.parse().unwrap(), tool: name.parse().unwrap() };
        assert!(index.candidates(&agent.into(), &other, room.now(), false).is_empty());
    }
}

/// T092, I18
#[tokio::test]
async fn break_glass_waits_for_the_review_of_the_last_one() {
    let room = Room::new();
    let first = room.approved(break_glass()).await;
    let second = with(break_glass(), "id", json!("EX-2"));
    refused!(room.submit(second.clone()), DeskError::Conflict(_));
    refused!(room.desk.review(&first.id, &person("audrey"), "all well"), DeskError::Conflict(_));
    room.desk.revoke(&first.id, &person("alice"), "incident closed").await.unwrap();
    refused!(room.submit(second.clone()), DeskError::Conflict(_));
    let next = Room::over(Arc::clone(&room.store));
    next.desk.open().await.unwrap();
    refused!(next.submit(second.clone()), DeskError::Conflict(_));
    refused!(next.desk.review(&first.id, &person("sam"), " "), DeskError::Conflict(_));
    for by in ["alice", "carol", "omar", "dave"] {
        refused!(next.desk.review(&first.id, &person(by), "all well"), DeskError::Forbidden(_));
    }
    let reviewed = next.desk.review(&first.id, &person("audrey"), "all well").await.unwrap();
    assert_eq!((reviewed.review_due(), reviewed.is_review_open()), (None, false));
    next.submit(second).await.unwrap();
}

#[tokio::test]
async fn an_elevation_ends_with_its_event_and_a_spent_budget_ends_it_visibly() {
    let room = Room::new();
    let one = room.approved(elevation()).await;
    refused!(room.desk.finish(&one.id, &person("carol"), "other"), DeskError::Conflict(_));
    refused!(room.desk.finish(&one.id, &person("audrey"), "deployment.finished"), DeskError::Forbidden(_));
    room.desk.report(Reporter::Person(&person("carol")), "deployment.finished", "it is out").await.unwrap();
    assert_eq!(room.store.rows.lock().unwrap()[&one.id].last().unwrap().reason, "deployment.finished: it is out");
    assert!(room.candidates().is_empty());
    let two = room.approved(with(elevation(), "id", json!("EX-2"))).await;
    assert!(!room.desk.exhausted(&two.id).await.unwrap());
    room.store.used.lock().unwrap().insert(two.id.clone(), 2000);
    assert!(room.desk.exhausted(&two.id).await.unwrap());
    assert_eq!(room.standing(), Some(Standing::Exhausted));
    room.turn_to(at("2026-11-01T08:00:00Z"));
    assert!(room.candidates().is_empty());
    room.desk.tick().await.unwrap();
    assert!(room.desk.index().is_empty());
}

/// T035, T085
#[tokio::test]
async fn what_an_exception_paid_for_goes_on_when_its_budget_is_spent_and_not_when_anything_else_ends_it() {
    let spent = async |id: &str| {
        let room = Room::new();
        let exception = room.approved(with(elevation(), "id", json!(id))).await;
        room.store.used.lock().unwrap().insert(exception.id.clone(), 2000);
        assert!(room.desk.exhausted(&exception.id).await.unwrap());
        assert_eq!(room.standing(), Some(Standing::Exhausted));
        (room, exception)
    };
    let paid = |room: &Room, exception: &Exception, revision, suspect| {
        let tool = exception.spec.access.tools.keys().next().unwrap().clone();
        let tool = ToolRef { server: exception.spec.access.server.clone(), tool };
        let agent = exception.spec.subject.agents.iter().next().unwrap();
        let found = room.desk.index().paid((&exception.id, revision), (agent, &tool), room.now(), suspect);
        found.map(|candidate| candidate.standing)
    };
    let (room, one) = spent("EX-1").await;
    assert_eq!(paid(&room, &one, 1, false), Some(Standing::Usable));
    assert_eq!(paid(&room, &one, 2, false), None);
    assert!(matches!(paid(&room, &one, 1, true), Some(Standing::Suspended(_))));
    room.person("alice", |entry| entry.duties.clear());
    assert!(matches!(paid(&room, &one, 1, false), Some(Standing::Suspended(_))));
    let (room, one) = spent("EX-1").await;
    refused!(room.desk.revoke(&one.id, &person("audrey"), "no"), DeskError::Forbidden(_));
    let revoked = room.desk.revoke(&one.id, &person("root"), "no").await.unwrap();
    assert_eq!(revoked.phase(room.now()), Phase::Ended(Ending::Revoked));
    assert_eq!(paid(&room, &one, 1, false), None);
    refused!(room.desk.revoke(&one.id, &person("root"), "no"), DeskError::Conflict(_));
    let (room, one) = spent("EX-1").await;
    room.turn_to(one.spec.window.not_after);
    assert_eq!(paid(&room, &one, 1, false), None);
    refused!(room.desk.revoke(&one.id, &person("root"), "no"), DeskError::Conflict(_));
}

#[tokio::test]
async fn a_change_whose_fate_is_unknown_ends_the_use_until_the_store_answers() {
    let room = Room::new();
    let exception = room.approved(pilot()).await;
    room.store.broken.store(true, Ordering::Relaxed);
    refused!(room.desk.revoke(&exception.id, &person("root"), "x"), DeskError::Store(StoreError::Unavailable(_)));
    assert!(room.usable(), "it was read before anything was appended, so nothing changed");
    refused!(room.desk.open(), DeskError::Store(_));
    room.store.broken.store(false, Ordering::Relaxed);
    room.desk.open().await.unwrap();
    assert!(room.usable());
    room.desk.index().suspend_all(Some(SuspendReason::StoreBehind));
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::StoreBehind)));
}

#[tokio::test]
async fn of_many_approvals_at_once_the_caps_and_the_quorum_hold() {
    let room = Arc::new(Room::new());
    let mut submitted = Vec::new();
    for n in 0..8 {
        submitted.push(room.submit(with(elevation(), "id", json!(format!("EX-{n}")))).await.unwrap());
    }
    let mut tasks = tokio::task::JoinSet::new();
    for exception in submitted {
        for by in ["dave", "erin", "sam"] {
            let (room, exception) = (Arc::clone(&room), exception.clone());
            tasks.spawn(async move { room.yes(&exception, by).await.is_ok() });
        }
    }
    let yes = tasks.join_all().await.into_iter().filter(|yes| *yes).count();
    assert_eq!((yes, room.candidates().len()), (5, 5));
}
