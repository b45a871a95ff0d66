//! Replay: what changes, from what to what, and how complete that is.

use std::sync::Mutex;

use async_trait::async_trait;
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::house::{
    AGENT, EXPORT, NO_DROP, READ, at, export, hidden, noon, record, recorded, set, set_of, spec, timeline, world,
};
use crate::{
    analysis::{
        Begin, Filter, Page, ReadError, RecordedCall, RecordedCalls, Replay, Replayed, Simulation, Study as _,
        Unjudged, World, walk,
    },
    domain::{Digest, Timestamp},
};

fn since() -> Timestamp {
    at("2026-10-01T00:00:00Z")
}

fn replay(now: World, then: World, calls: &[RecordedCall]) -> Replayed {
    let mut replay = Replay::new(now, then, since());
    calls.iter().for_each(|call| replay.take(call));
    replay.finish()
}

fn calls() -> Vec<RecordedCall> {
    let set = set(&[READ, NO_DROP]);
    vec![
        export(&set, 1, noon(), "eu", 100),
        export(&set, 2, noon(), "us", 400),
        export(&set, 3, noon(), "asia", 100),
        recorded(&set, 4, noon(), (AGENT, "crm/read"), &json!({"id": "7"})),
        recorded(&set, 5, noon(), (AGENT, "crm/drop"), &json!({})),
    ]
}

fn told(replayed: &Replayed) -> Vec<String> {
    let mut told: Vec<_> = replayed
        .changes
        .iter()
        .map(|change| format!("{} {} {} -> {} x{}", change.agent, change.tool, change.from, change.to, change.count))
        .collect();
    told.sort();
    told
}

#[test]
fn without_an_exception_what_it_admitted_is_refused_and_nothing_else_changes() {
    let now = world(&[READ, NO_DROP]);
    let gone = now.clone().without("EX-1".parse().unwrap());
    let replayed = replay(now, gone, &calls());
    assert_eq!(
        told(&replayed),
        [
            "pilot-7 crm/export allow (exception EX-1) -> deny (no_grant) x2",
            "pilot-7 crm/export deny (scope_mismatch EX-1) -> deny (no_grant) x1",
        ]
    );
    assert_eq!((replayed.lost, replayed.gained, replayed.unchanged, replayed.drifted), (2, 0, 2, 0));
    let examples: Vec<_> = replayed.changes[0].examples.iter().map(ToString::to_string).collect();
    assert_eq!(examples.len(), 2, "{examples:?}");
    assert_eq!(replayed.completeness.percent, 100);
}

#[test]
fn other_policies_change_what_they_speak_of() {
    let now = world(&[READ, NO_DROP]);
    let simulation = Simulation { policies: Some(set(&[READ, EXPORT])), ..Simulation::default() };
    let mut replay = simulation.replay(&now, since());
    calls().iter().for_each(|call| replay.take(call));
    assert_eq!(
        told(&replay.finish()),
        [
            "pilot-7 crm/drop deny (hard_guardrail) -> deny (no_grant) x1",
            "pilot-7 crm/export allow (exception EX-1) -> allow (rbac) x1",
            "pilot-7 crm/export deny (scope_mismatch EX-1) -> allow (rbac) x1",
        ]
    );
}

#[test]
fn an_exception_that_is_not_in_force_is_tried_on_calls_before_its_window() {
    let mut record = record();
    record["id"] = json!("EX-2");
    record["grant"]["args"] = json!({"region": {"in": ["asia"]}});
    record["not_before"] = json!("2027-01-01T00:00:00Z");
    record["not_after"] = json!("2027-01-20T00:00:00Z");
    let grant = spec(record).grant(1, Digest::of(b"2"));
    let simulation = Simulation { grant: Some(grant), ..Simulation::default() };
    let mut replay = simulation.replay(&world(&[READ, NO_DROP]), since());
    calls().iter().for_each(|call| replay.take(call));
    let replayed = replay.finish();
    assert_eq!(told(&replayed), ["pilot-7 crm/export deny (scope_mismatch EX-1) -> allow (exception EX-2) x1"]);
    assert_eq!((replayed.gained, replayed.lost), (1, 0));
}

#[test]
fn exceptions_count_at_the_moment_of_the_call_and_not_now() {
    let set = set(&[READ]);
    let moments = [
        ("2026-11-01T06:00:00Z", "deny (no_grant)"),
        ("2026-11-01T09:00:00Z", "allow (exception EX-1)"),
        ("2026-11-19T09:00:00Z", "allow (exception EX-1)"),
        ("2026-11-21T09:00:00Z", "deny (no_grant)"),
    ];
    for (n, (moment, expected)) in moments.into_iter().enumerate() {
        let call = export(&set, n as u128, at(moment), "eu", 10);
        assert_eq!(super::super::Stand::from(&call.verdict).to_string(), expected, "{moment}");
    }
}

#[test]
fn roles_that_the_other_registry_gives_or_takes_are_given_and_taken() {
    let now = world(&[READ]);
    let agents = "agents:\n  pilot-7: {owner: alice, operator: omar, channel: board, roles: []}\n";
    let then = now.clone().under(set_of(agents, &[READ]));
    let call = recorded(now.set(), 1, noon(), (AGENT, "crm/read"), &json!({}));
    assert_eq!(told(&replay(now, then, &[call])), ["pilot-7 crm/read allow (rbac) -> deny (no_grant) x1"]);
}

#[test]
fn what_cannot_be_judged_is_counted_with_why() {
    let now = world(&[READ]);
    let set = set(&[READ]);
    let mut calls = vec![export(&set, 1, noon(), "eu", 1), hidden(2, "crm/drop"), hidden(3, "crm/drop")];
    for (n, why) in [(4, Unjudged::NotKept), (5, Unjudged::Beside), (6, Unjudged::Aside)] {
        calls.push(RecordedCall { arguments: Err(why), ..export(&set, n, noon(), "eu", 1) });
    }
    let whole = replay(now.clone(), now, &calls).completeness;
    assert_eq!((whole.recorded, whole.judged, whole.aside, whole.percent), (6, 1, 1, 20));
    assert_eq!(
        serde_json::to_value(&whole.not_judged).unwrap(),
        json!({"arguments_not_kept": 1, "members_beside_arguments_not_kept": 1, "tool_was_hidden": 2})
    );
    assert!(!whole.is_whole());
}

#[test]
fn sealed_arguments_of_another_key_do_not_count_as_judged() {
    use crate::{domain::Secret, evidence::Sealer};
    let set = set(&[READ]);
    let call = export(&set, 1, noon(), "eu", 1);
    let record = super::house::intent_of(&call);
    let other = Sealer::new(&Secret::new(vec![8; 32])).unwrap();
    let call = RecordedCall::of(record, &other, |_| None).unwrap();
    assert_eq!(call.arguments.unwrap_err(), Unjudged::Sealed);
}

/// Pages of two, and a note of what was asked for.
struct Pages {
    calls: Vec<RecordedCall>,
    asked: Mutex<Vec<u64>>,
}

#[async_trait]
impl RecordedCalls for Pages {
    async fn begin(&self, _: Timestamp, _: &Filter) -> Result<Begin, ReadError> {
        Ok(Begin { seq: 0, truncated: true })
    }

    async fn page(&self, from: u64, filter: &Filter) -> Result<Page, ReadError> {
        self.asked.lock().unwrap().push(from);
        let wanted = |call: &&RecordedCall| filter.takes(call.agent(), &call.tool, &call.verdict);
        let calls = self.calls.iter().skip(from as usize).take(2).filter(wanted).cloned().collect();
        let next = from + 2;
        Ok(Page { calls, next: (next < self.calls.len() as u64).then_some(next) })
    }
}

#[tokio::test]
async fn a_walk_shows_every_wanted_call_once_page_by_page() {
    let now = world(&[READ, NO_DROP]);
    let gone = now.clone().without("EX-1".parse().unwrap());
    let pages = Pages { calls: calls(), asked: Mutex::default() };
    let filter = Filter { refused: true, ..Filter::default() };
    let replayed = walk(&pages, since(), &filter, Replay::new(now, gone, since())).await.unwrap().finish();
    assert_eq!(*pages.asked.lock().unwrap(), [0, 2, 4]);
    assert_eq!((replayed.completeness.recorded, replayed.completeness.truncated), (2, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn replaying_under_the_same_policies_changes_nothing(
        asked in prop::collection::vec((0_i64..30 * 24, prop::sample::select(vec!["eu", "us", "asia"]), -5_i64..600, 0_u8..4), 1..40)
    ) {
        let files = [READ, NO_DROP, EXPORT];
        let set = set(&files);
        let calls: Vec<_> = asked.into_iter().zip(1_u128..).map(|((hours, region, rows, which), n)| {
            let when = at("2026-11-01T00:30:00Z") + TimeDelta::hours(hours);
            match which {
                0 => recorded(&set, n, when, (AGENT, "crm/read"), &json!({})),
                1 => recorded(&set, n, when, ("pilot-8", "crm/drop"), &json!({})),
                _ => export(&set, n, when, region, rows),
            }
        }).collect();
        let now = World::new(set.clone(), timeline());
        let replayed = replay(now.clone(), now.under(set.clone()), &calls);
        prop_assert_eq!(replayed.changes.len(), 0);
        prop_assert_eq!((replayed.drifted, replayed.lost, replayed.gained), (0, 0, 0));
        prop_assert_eq!(replayed.unchanged, calls.len() as u64);
        prop_assert!(replayed.completeness.percent == 100 && replayed.completeness.is_whole());
    }
}
