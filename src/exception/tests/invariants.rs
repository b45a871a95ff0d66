//! Invariants that no other file of these tests holds.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::json;

use super::support::{AGENT, Room, break_glass, elevation, id, person, pilot, set, with};
use crate::{
    domain::{AgentEntry, Assurance, CredentialKind, Document, Duty, GroupEntry, Obligation, Registry, SignIn},
    exception::{DeskError, parse},
};

/// I13: at the request, again with the last approval, and at each decision.
#[tokio::test]
async fn the_channel_of_an_exception_is_the_one_through_which_its_agents_were_let_in() {
    let room = Room::new();
    let error = room.submit(with(pilot(), "governance", json!({"channel": "corridor"}))).await.unwrap_err();
    let DeskError::Invalid(findings) = error else { panic!("{error}") };
    assert_eq!(findings.0.first().map(|finding| finding.path.as_str()), Some("/governance/channel"), "{findings}");
    let exception = room.submit(pilot()).await.unwrap();
    room.yes(&exception, "sam").await.unwrap();
    let mut registry = Registry::clone(&room.registry.load());
    registry.agents.entry(AGENT.into()).and_modify(|entry: &mut AgentEntry| entry.channel = "other".to_owned());
    room.registry.store(Arc::new(registry.clone()));
    assert!(matches!(room.yes(&exception, "dave").await, Err(DeskError::Invalid(_))));
    assert!(!room.usable());
    let same = |channel: &str| {
        let mut registry = registry.clone();
        registry.agents.entry(AGENT.into()).and_modify(|entry: &mut AgentEntry| entry.channel = channel.to_owned());
        room.registry.store(Arc::new(registry));
    };
    same(&exception.spec.channel);
    room.yes(&exception, "dave").await.unwrap();
    assert!(room.usable());
    same("other");
    assert!(!room.usable(), "its agent was let in anew, through another channel");
}

/// T081, I5, I6: of 32 racing approvals by twelve people exactly as many count as are needed, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_racing_approvals_exactly_those_that_are_needed_count() {
    for record in [pilot(), break_glass(), elevation()] {
        let room = Arc::new(Room::new());
        let mut registry = Registry::clone(&room.registry.load());
        for n in 0..12 {
            let entry = registry.people[&"sam".into()].clone();
            registry.people.insert(format!("approver-{n}").as_str().into(), entry);
        }
        room.registry.store(Arc::new(registry));
        let exception = room.submit(record).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..32 {
            let (room, exception) = (Arc::clone(&room), exception.clone());
            tasks.spawn(async move { room.yes(&exception, &format!("approver-{}", n % 12)).await.is_ok() });
        }
        let counted = tasks.join_all().await.into_iter().filter(|yes| *yes).count();
        let events = room.store.names(&exception.id);
        let of = |name: &str| events.iter().filter(|event| **event == name).count();
        let needed = if exception.spec.ends_on.is_some() { 1 } else { 2 };
        assert_eq!((counted, of("approved"), of("scheduled")), (needed, needed, 1), "{events:?}");
    }
}

/// A member of a group acts with what the group gives while the token says so, and approves nothing by it.
#[tokio::test]
async fn a_group_lets_its_members_ask_and_nothing_that_must_hold_later() {
    let room = Room::new();
    let mut member = person("nina");
    member.credential.kind = CredentialKind::Jwt;
    let document = Document::of_value(with(pilot(), "id", json!("EX-7")));
    assert!(matches!(room.desk.submit(&document, &member).await, Err(DeskError::Forbidden(_))), "no such group");
    let mut registry = Registry::clone(&room.registry.load());
    let all = [Duty::Request, Duty::Approve, Duty::Security, Duty::Own];
    registry.groups = BTreeMap::from([("askers".into(), GroupEntry { duties: all.into(), ..GroupEntry::default() })]);
    room.registry.store(Arc::new(registry));
    let exception = room.desk.submit(&document, &member).await.unwrap();
    assert_eq!(exception.requester.as_str(), "nina");
    let other = room.submit(pilot()).await.unwrap();
    let error = room.desk.approve(&id("EX-1"), &member, other.digest).await.unwrap_err();
    assert!(matches!(error, DeskError::Forbidden(_)), "{error}");
}

/// GOVERNANCE, section 2: a second factor on approval, where it is demanded.
#[tokio::test]
async fn where_a_second_factor_is_demanded_a_key_approves_nothing_and_a_token_says_its_own() {
    let room = Room::new();
    let strong = |method: &str| SignIn { methods: [method.to_owned()].into(), ..SignIn::default() };
    room.desk.demand(Assurance { methods: vec!["mfa".into(), "hwk".into()], ..Assurance::default() });
    let exception = room.submit(pilot()).await.unwrap();
    let (id, digest) = (&exception.id, exception.digest);
    let mut sam = person("sam");
    assert!(matches!(room.desk.approve(id, &sam, digest).await, Err(DeskError::TooWeak(_))), "a key");
    sam.sign_in = Some(strong("pwd"));
    assert!(matches!(room.desk.approve(id, &sam, digest).await, Err(DeskError::TooWeak(_))), "a password");
    sam.sign_in = Some(strong("hwk"));
    room.desk.approve(id, &sam, digest).await.unwrap();
    assert!(matches!(room.yes(&exception, "dave").await, Err(DeskError::TooWeak(_))), "each approver alone");
    assert!(!room.usable());
    let dave = crate::domain::Person { sign_in: Some(strong("mfa")), ..person("dave") };
    let live = room.desk.approve(id, &dave, digest).await.unwrap();
    let approvals = &live.state.live().expect("two people approved it").approvals;
    let said: Vec<_> = approvals.iter().map(|approval| approval.methods.join(" ")).collect();
    assert_eq!(said, ["hwk", "mfa"], "what they signed in with is part of what is signed");
    assert!(room.usable());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// I7, I9: whatever a record demands, the duty to record first, the budget and the pin are there, each once.
    #[test]
    fn no_record_is_free_of_the_duties_of_every_exception(calls in 1_u64..10_000, kind in 0_usize..3) {
        let mut record = [pilot(), elevation(), break_glass()][kind].clone();
        set(&mut record, "budget", json!({"calls": calls}));
        let duties = parse(&Document::of_value(record)).unwrap().obligations();
        for duty in [Obligation::AuditWriteAhead, Obligation::BudgetReserve, Obligation::DescriptorPin] {
            prop_assert_eq!(duties.iter().filter(|one| one.id() == duty.id()).count(), 1);
        }
    }
}
