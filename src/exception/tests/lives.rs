//! Random lives of all kinds under a clock that goes forwards and backwards: nothing is ever usable that must not be.

use std::{cell::Cell, collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::support::{
    AGENT, Room, at, break_glass, connector, elevation, exemption, person, pilot, registry, tool, with,
};
use crate::{
    domain::{Candidate, Digest, Duty, Kind, PersonId, Registry, Standing, Timestamp, ToolRef},
    exception::{Ceiling, Event, Reporter, StoredEvent},
};

/// Lives of each kind; ten thousand together.
const LIVES: u32 = 2_000;

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
    /// Its agent reports that the deployment is finished.
    Event,
    CloseIncident,
    /// The guardrail gets another owner.
    Guardrail {
        owner: usize,
    },
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
        1 => Just(Step::Event),
        1 => Just(Step::CloseIncident),
        1 => (0..3_usize).prop_map(|owner| Step::Guardrail { owner }),
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
            Event::Finished { .. } | Event::Graduated { .. } | Event::Superseded { .. } => over = true,
            Event::Expired | Event::Exhausted => over = true,
        }
    }
    let (Some((spec, _)), Some(scheduled)) = (spec, scheduled) else { return false };
    let vendor: Vec<_> =
        approvers.iter().filter(|(_, (_, vendor_risk))| *vendor_risk).map(|(person, _)| person.clone()).collect();
    let eligible = |person: &PersonId| registry.may(person, Duty::Approve) || registry.may(person, Duty::Security);
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
    let erin = PersonId::from("erin");
    let consents = approvers.contains_key(&erin) && registry.soft_rules.get("network") == Some(&erin);
    let beside = |one: &PersonId| approvers.keys().filter(|other| *other != one).count() >= 2;
    let enough = match spec.kind {
        Kind::ThirdPartyConnector => vendor.iter().any(beside),
        Kind::TemporaryElevation => !approvers.is_empty(),
        Kind::Pilot | Kind::BreakGlass | Kind::RuleExemption => approvers.len() >= 2,
    };
    !over
        && !trial.is_some_and(|(members, until)| now < until && members.contains(&AGENT.into()))
        && holds.is_empty()
        && dues.iter().all(|(name, due)| !waits(name) || now < at(due))
        && (spec.kind != Kind::RuleExemption || consents)
        && enough
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
    let desk = room.desk.clone();
    // A refusal is an answer like any other here: what matters is what is usable afterwards.
    match step {
        Step::Submit { calls } => drop(room.submit(with(record.clone(), "budget/calls", json!(calls))).await),
        Step::Approve { by } => {
            let asked = room.store.rows.lock().unwrap().get(&id).and_then(|history| submitted(history));
            if let Some(digest) = asked {
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
        Step::Event => {
            drop(desk.report(Reporter::Agent(&AGENT.into()), "deployment.finished", "done").await);
        }
        Step::CloseIncident => drop(desk.report(Reporter::Person(&person("root")), "INC-7", "over").await),
        Step::Guardrail { owner } => {
            let mut registry = Registry::clone(&room.registry.load());
            registry.soft_rules.insert("network".into(), ["dave", "erin", "platform"][owner].into());
            room.registry.store(Arc::new(registry));
            drop(desk.guardrails().await);
        }
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

/// The digest of what was submitted last.
fn submitted(history: &[StoredEvent]) -> Option<Digest> {
    history.iter().rev().find_map(|stored| match &stored.event {
        Event::Submitted { digest, .. } => Some(*digest),
        _ => None,
    })
}

/// What another agent gets, and what this one gets of other tools and servers.
fn elsewhere(room: &Room) -> Vec<Candidate> {
    let other = |server: &str, tool: &str| ToolRef { server: server.parse().unwrap(), tool: tool.parse().unwrap() };
    let asks = [("agent-2", tool()), (AGENT, other("crm", "import")), (AGENT, other("crm-2", "export"))];
    let index = room.desk.index();
    asks.iter().flat_map(|(agent, tool)| index.candidates(&(*agent).into(), tool, room.now(), false)).collect()
}

/// Lives of one record, until one is usable where it must not be. Something must have been usable now and then, so
/// that nobody shows something about nothing.
fn lives(record: &Value) {
    let mut runner = TestRunner::new(ProptestConfig { cases: LIVES, ..ProptestConfig::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let usable = Cell::new(0_u32);
    let run = runner.run(&life(), |steps| {
        usable.set(usable.get() + runtime.block_on(live(record, steps)));
        Ok(())
    });
    run.unwrap();
    assert!(usable.get() > LIVES, "{} of {LIVES}", usable.get());
}

async fn live(record: &Value, steps: Vec<Step>) -> u32 {
    let mut room = Room::new();
    let id = record["id"].as_str().unwrap().parse().unwrap();
    let mut seen = at("2026-11-01T00:00:00Z");
    let mut usable = 0;
    for step in steps {
        let restart = matches!(step, Step::Restart);
        act(&mut room, record, step).await;
        seen = if restart { room.now() } else { seen.max(room.now()) };
        let found = room.candidates();
        if found.is_empty() {
            continue;
        }
        assert!(elsewhere(&room).is_empty(), "wider than its scope");
        if found.iter().any(|candidate| candidate.standing == Standing::Usable) {
            let rows = room.store.rows.lock().unwrap();
            assert!(may_be_usable(&rows[&id], seen, &room), "usable at {seen}: {:?}", names(&rows[&id]));
            assert_eq!(Some(found[0].grant.digest), submitted(&rows[&id]));
            usable += 1;
        }
    }
    usable
}

fn names(history: &[StoredEvent]) -> Vec<(&'static str, Timestamp)> {
    history.iter().map(|stored| (stored.event.name(), stored.at)).collect()
}

/// T087, I2, I5, I8, I12, I14: of ten thousand lives, two thousand of each kind, none is usable without live approval,
/// after the smallest of its bounds, or wider than its scope.
#[test]
fn a_temporary_elevation_is_never_usable_beyond_what_was_approved() {
    lives(&elevation());
}

/// The same of a rule exemption, whose guardrail changes hands as well.
#[test]
fn a_rule_exemption_is_never_usable_beyond_what_was_approved() {
    lives(&exemption());
}

/// The same of a pilot.
#[test]
fn a_pilot_is_never_usable_beyond_what_was_approved() {
    lives(&pilot());
}

/// The same of a break-glass exception, I18.
#[test]
fn a_break_glass_exception_is_never_usable_beyond_what_was_approved() {
    lives(&break_glass());
}

/// The same of a third-party connector.
#[test]
fn a_third_party_connector_is_never_usable_beyond_what_was_approved() {
    lives(&connector());
}
