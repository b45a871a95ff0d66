//! Random lives under a clock that goes forwards and backwards: nothing is ever usable that must not be.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{AGENT, Room, at, break_glass, connector, elevation, exemption, person, pilot, registry, with};
use crate::{
    domain::{Document, Duty, Kind, PersonId, Standing, Timestamp},
    exception::{Ceiling, Event, Exception, StoredEvent, fold},
};

#[derive(Debug, Clone)]
enum Step {
    Submit {
        calls: u64,
    },
    Approve {
        by: usize,
    },
    Reject,
    Withdraw,
    Attest,
    /// The owner reports the first or the second milestone of the record.
    Milestone {
        which: usize,
    },
    Suspend,
    Resume,
    Revoke,
    Exhaust,
    Trial(u32),
    Restore,
    Tick,
    Restart,
    /// Minutes, forwards or backwards.
    Pass(i64),
    /// Takes a duty or gives it back.
    Toggle {
        who: usize,
    },
}

const APPROVERS: [&str; 7] = ["dave", "erin", "sam", "alice", "carol", "omar", "victor"];
const TOGGLED: [&str; 5] = ["dave", "sam", "alice", "erin", "victor"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..4_u64).prop_map(|calls| Step::Submit { calls }),
        8 => (0..APPROVERS.len()).prop_map(|by| Step::Approve { by }),
        1 => Just(Step::Reject),
        1 => Just(Step::Withdraw),
        2 => Just(Step::Attest),
        1 => (0..2_usize).prop_map(|which| Step::Milestone { which }),
        2 => Just(Step::Suspend),
        3 => Just(Step::Resume),
        1 => Just(Step::Revoke),
        1 => Just(Step::Exhaust),
        1 => (1..200_u32).prop_map(Step::Trial),
        1 => Just(Step::Restore),
        2 => Just(Step::Tick),
        1 => Just(Step::Restart),
        5 => (1..60_i64).prop_map(Step::Pass),
        4 => (-2_000..4_500_i64).prop_map(Step::Pass),
        1 => (4_500..13_000_i64).prop_map(Step::Pass),
        3 => (0..TOGGLED.len()).prop_map(|who| Step::Toggle { who }),
    ]
}

/// A life that mostly begins with enough approvals, so that there is something to lose.
fn life() -> impl Strategy<Value = Vec<Step>> {
    let yes = |by| Step::Approve { by };
    // Sam and dave for a pilot; erin for her rule; victor for the vendor.
    let begin = vec![Step::Submit { calls: 9 }, yes(2), yes(1), yes(6), yes(0)];
    (prop::bool::weighted(0.8), prop::collection::vec(step(), 1..50)).prop_map(move |(approved, steps)| {
        let begin = if approved { begin.clone() } else { Vec::new() };
        begin.into_iter().chain(steps).collect()
    })
}

fn record() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => Just(pilot()),
        1 => Just(elevation()),
        1 => Just(break_glass()),
        2 => Just(exemption()),
        2 => Just(connector())
    ]
}

/// What a second, plain reading of the events allows at this moment: written without the code under test.
fn may_be_usable(history: &[StoredEvent], now: Timestamp, room: &Room) -> bool {
    let registry = room.registry.load();
    let (mut spec, mut approvers, mut scheduled, mut over) = (None, BTreeMap::new(), None, false);
    let (mut holds, mut attested, mut met, mut trial) = (BTreeMap::new(), None, Vec::new(), None);
    for stored in history {
        match &stored.event {
            Event::Submitted { spec: asked, digest, .. } => {
                spec = Some((asked.clone(), *digest));
                approvers.clear();
                scheduled = None;
            }
            Event::Approved { approval } if spec.as_ref().is_some_and(|(_, digest)| *digest == approval.digest) => {
                let has = |duty| registry.may(&approval.by, duty);
                approvers.insert(approval.by.clone(), (has(Duty::Security), has(Duty::VendorRisk)));
            }
            Event::Scheduled => scheduled = Some(stored.at),
            Event::Suspended { reason, .. } => drop(holds.insert(*reason, ())),
            Event::Resumed { reason, .. } => drop(holds.remove(reason)),
            Event::Attested { .. } => {
                // A clock that was set back does not shorten what the owner's latest word gave.
                attested = attested.max(Some(stored.at));
                holds.remove(&crate::domain::SuspendReason::AttestationLapsed);
            }
            Event::MilestoneMet { name, .. } => met.push(name.clone()),
            Event::Approved { .. } | Event::Activated | Event::Reviewed { .. } | Event::Reminded { .. } => {}
            Event::Analysed { .. } | Event::RemovalTested { .. } => {}
            Event::TrialBegun { members, until, .. } => trial = Some((members.clone(), *until)),
            Event::TrialEnded { .. } => trial = None,
            Event::Rejected { .. } | Event::Withdrawn { .. } | Event::RequestExpired | Event::Revoked { .. } => {
                over = true
            }
            Event::Finished { .. } | Event::Graduated { .. } | Event::Expired | Event::Exhausted => over = true,
        }
    }
    let (Some((spec, _)), Some(scheduled)) = (spec, scheduled) else { return false };
    let eligible = |person: &PersonId| {
        [Duty::Approve, Duty::Security, Duty::VendorRisk].iter().any(|duty| registry.may(person, *duty))
    };
    approvers.retain(|person, _| eligible(person));
    let ceiling = Ceiling::of(spec.kind);
    let forbidden = ["alice", "bob", "carol", "omar"];
    let begin = scheduled.max(spec.window.not_before);
    let lapse = spec
        .attestation
        .map(|a| attested.map_or(begin, |t: Timestamp| t.max(begin)) + a.every.delta() + a.grace.delta());
    let dues =
        [("half", "2026-11-11T00:00:00Z"), ("whole", "2026-12-31T00:00:00Z"), ("check-in", "2026-11-21T00:00:00Z")];
    let waits = |name: &str| {
        let waited_for = matches!(spec.kind, Kind::RuleExemption | Kind::ThirdPartyConnector);
        let steps = spec.exit.iter().flat_map(|exit| &exit.milestones).any(|step| step.name == name);
        waited_for && steps && !met.iter().any(|one| one == name)
    };
    !over
        && !trial.is_some_and(|(members, until)| now < until && members.contains(&AGENT.into()))
        && holds.is_empty()
        && dues.iter().all(|(name, due)| !waits(name) || now < at(due))
        && (spec.kind != Kind::RuleExemption || approvers.contains_key(&PersonId::from("erin")))
        && (spec.kind != Kind::ThirdPartyConnector || approvers.values().any(|(_, vendor_risk)| *vendor_risk))
        && approvers.len() >= ceiling.approvers
        && (!ceiling.security || approvers.values().any(|(security, _)| *security))
        && approvers.keys().all(|person| !forbidden.contains(&person.as_str()))
        && registry.may(&spec.owner.human, Duty::Own)
        && spec.window.not_before <= now
        && now < spec.window.not_after
        && now < spec.window.not_before + ceiling.window
        && lapse.is_none_or(|lapse| now < lapse)
}

async fn act(room: &mut Room, record: &Value, step: Step) {
    let id = record["id"].as_str().unwrap().parse().unwrap();
    let digest = room.desk.show(&id).await.ok().map(|exception: Exception| exception.digest);
    let desk = room.desk.clone();
    // A refusal is an answer like any other here: what matters is what is usable afterwards.
    match step {
        Step::Submit { calls } => drop(room.submit(with(record.clone(), "budget/calls", json!(calls))).await),
        Step::Approve { by } => {
            if let Some(digest) = digest {
                drop(desk.approve(&id, &person(APPROVERS[by]), digest).await);
            }
        }
        Step::Reject => drop(desk.reject(&id, &person("dave"), "no").await),
        Step::Withdraw => drop(desk.withdraw(&id, &person("carol"), "no").await),
        Step::Attest => drop(desk.attest(&id, &person("alice"), "still needed").await),
        Step::Milestone { which } => {
            if let Some(name) = record["exit"]["milestones"][which]["name"].as_str() {
                drop(desk.milestone(&id, &person("alice"), name, "done").await);
            }
        }
        Step::Suspend => drop(desk.suspend(&id, &person("sam"), "look").await),
        Step::Resume => drop(desk.resume(&id, &person("sam"), "looked").await),
        Step::Revoke => drop(desk.revoke(&id, &person("root"), "no").await),
        Step::Exhaust => {
            room.store.used.lock().unwrap().insert(id.clone(), 9);
            drop(desk.exhausted(&id).await);
        }
        Step::Trial(minutes) => drop(desk.begin_trial(&id, &person("sam"), (100, minutes), "try").await),
        Step::Restore => drop(desk.end_trial(&id, &person("sam"), "seen enough").await),
        Step::Tick => drop(desk.tick().await),
        Step::Restart => {
            let next = Room::over(Arc::clone(&room.store));
            next.turn_to(room.now());
            next.registry.store(room.registry.load_full());
            next.desk.open().await.unwrap();
            *room = next;
        }
        Step::Pass(minutes) => room.pass(TimeDelta::minutes(minutes)),
        Step::Toggle { who } => {
            let fresh = registry();
            let duties = fresh.people[&TOGGLED[who].into()].duties.clone();
            room.person(TOGGLED[who], |entry| {
                entry.duties = if entry.duties.is_empty() { duties.clone() } else { Default::default() };
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// T087, I2, I5, I8, I12, I14
    #[test]
    fn nothing_is_usable_without_live_approval_or_after_its_smallest_bound(
        record in record(),
        steps in life(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut room = Room::new();
            let id = record["id"].as_str().unwrap().parse().unwrap();
            let mut seen = at("2026-11-01T00:00:00Z");
            for step in steps {
                let restart = matches!(step, Step::Restart);
                act(&mut room, &record, step).await;
                seen = if restart { room.now() } else { seen.max(room.now()) };
                let history = room.store.rows.lock().unwrap().get(&id).cloned().unwrap_or_default();
                let found = room.candidates();
                if found.iter().any(|candidate| candidate.standing == Standing::Usable) {
                    assert!(may_be_usable(&history, seen, &room), "usable at {seen}: {:?}", names(&history));
                    assert!(found[0].grant.digest == fold(&history).unwrap().digest);
                }
            }
        });
    }

    /// I6
    #[test]
    fn any_change_to_a_kept_history_is_found_or_leaves_nothing_usable(
        victim in 0..5_usize,
        byte in any::<prop::sample::Index>(),
        flip in 1..127_u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let room = Room::new();
            let exception = room.approved(pilot()).await;
            let before = room.candidates()[0].grant.clone();
            let mut history = room.store.rows.lock().unwrap()[&exception.id].clone();
            let victim = victim % history.len();
            let mut bytes = serde_json::to_vec(&history[victim].event).unwrap();
            let at = byte.index(bytes.len());
            bytes[at] ^= flip;
            let Ok(changed) = serde_json::from_slice::<Event>(&bytes) else { return };
            if changed == history[victim].event {
                return;
            }
            history[victim].event = changed;
            room.store.rows.lock().unwrap().insert(exception.id.clone(), history);
            let next = Room::over(Arc::clone(&room.store));
            let opening = next.desk.open().await.unwrap();
            if opening.damaged.is_empty() {
                // Where nothing was found, nothing more than what was approved can be used.
                assert!(next.candidates().iter().all(|candidate| candidate.grant == before));
            } else {
                assert!(next.candidates().is_empty());
            }
        });
    }

    /// I1, I3
    #[test]
    fn no_document_makes_the_reader_fall_and_what_it_accepts_is_whole(
        path in prop::sample::select(vec![
            "id", "kind", "subject/agents", "grant/tools", "grant/args", "rationale", "owner", "not_before", "not_after",
            "budget", "controls", "controls/0/obligation", "attestation/every", "exit", "governance/channel",
        ]),
        value in json_value(),
    ) {
        if let Ok(spec) = crate::exception::parse(&Document::of_value(with(pilot(), path, value))) {
            prop_assert!(!spec.controls.is_empty() && !spec.subject.agents.is_empty() && !spec.access.tools.is_empty());
            prop_assert!(spec.rationale.trim().len() >= 40 && !spec.owner.human.as_str().is_empty());
            prop_assert!(spec.window.not_before < spec.window.not_after);
            prop_assert!(spec.window.not_after - spec.window.not_before <= Ceiling::of(spec.kind).window);
            prop_assert!(spec.subject.agents.iter().all(|agent| !agent.as_str().contains('*')));
        }
    }
}

fn names(history: &[StoredEvent]) -> Vec<(&'static str, Timestamp)> {
    history.iter().map(|stored| (stored.event.name(), stored.at)).collect()
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,50}".prop_map(Value::from),
        "\\PC{0,60}".prop_map(Value::from),
        "2026-1[0-2]-[0-3][0-9]T[0-2][0-9]:00:00Z".prop_map(Value::from),
        "P[0-9]{1,3}[DW]".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,9}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
