//! The index at many exceptions: exact, ordered, and cheap to change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::TimeDelta;

use super::support::{Room, at, id, pilot, registry, tool};
use crate::{
    domain::{AgentEntry, AgentId, Registry, Standing, Timestamp, limits},
    exception::{Exception, Index, State},
};

/// `count` pilots, `each` for one agent, with their registry.
async fn many(count: usize, each: usize) -> (Index, Vec<Exception>, Timestamp) {
    let room = Room::new();
    let model = room.approved(pilot()).await;
    let mut known: Registry = registry();
    let entry: AgentEntry = known.agents.values().next().unwrap().clone();
    let exceptions: Vec<_> = (0..count)
        .map(|n| {
            let agent = AgentId::from(format!("agent/{}", n / each).as_str());
            known.agents.insert(agent.clone(), entry.clone());
            let mut exception = model.clone();
            exception.id = id(&format!("EX-{n}"));
            let spec = Arc::make_mut(&mut exception.spec);
            spec.id = exception.id.clone();
            spec.subject.agents = [agent].into();
            spec.window.not_after -= TimeDelta::seconds(n as i64);
            exception
        })
        .collect();
    let index = Index::new(Arc::new(ArcSwap::from_pointee(known)));
    index.rebuild(&exceptions);
    (index, exceptions, room.now())
}

#[tokio::test]
async fn candidates_are_exactly_those_of_the_agent_the_earliest_end_first_and_bounded() {
    let (index, exceptions, now) = many(2_000, 10).await;
    assert_eq!(index.len(), 2_000);
    for agent in 0..200 {
        let found = index.candidates(&format!("agent/{agent}").as_str().into(), &tool(), now, false);
        let ids: Vec<_> = found.iter().map(|c| c.grant.exception.clone()).collect();
        let expected: Vec<_> = exceptions[agent * 10..agent * 10 + 10]
            .iter()
            .rev()
            .map(|e| e.id.clone())
            .take(limits::CANDIDATES)
            .collect();
        assert_eq!(ids, expected);
        assert!(found.iter().all(|c| c.standing == Standing::Usable));
    }
    assert!(index.candidates(&"agent/200".into(), &tool(), now, false).is_empty());
}

/// I16
#[tokio::test]
async fn one_change_touches_one_exception_and_is_seen_at_once() {
    let (index, exceptions, now) = many(1_000, 1).await;
    let mut seen = index.changes();
    let mut changed = exceptions[7].clone();
    let live = changed.state.live().unwrap().clone();
    changed.state = State::Ended { how: crate::exception::Ending::Revoked, at: now, live: Some(live) };
    index.replace(&changed);
    assert!(seen.has_changed().unwrap());
    seen.mark_unchanged();
    assert!(index.candidates(&"agent/7".into(), &tool(), now, false).is_empty());
    assert_eq!(index.standing_of(&changed.id, &"agent/7".into(), now, false), None);
    assert_eq!(index.standing_of(&exceptions[8].id, &"agent/8".into(), now, false), Some((1, Standing::Usable)));
    assert_eq!(index.standing_of(&exceptions[8].id, &"agent/7".into(), now, false), None);
    assert_eq!(index.len(), 999);
    for exception in exceptions.iter().filter(|e| e.id != changed.id) {
        index.replace(exception);
    }
    assert_eq!(index.len(), 999);
    index.remove(&exceptions[8].id);
    assert_eq!((index.len(), index.live_of(&"agent/8".into(), now)), (998, 0));
}

#[tokio::test]
async fn the_next_change_is_the_earliest_beginning_lapse_or_end_still_to_come() {
    let (index, _, _) = many(3, 1).await;
    let lapse = at("2026-11-09T00:00:00Z");
    assert_eq!(index.next_change(at("2026-10-01T00:00:00Z")), Some(at("2026-11-01T00:00:00Z")));
    assert_eq!(index.next_change(at("2026-11-01T00:00:00Z")), Some(lapse));
    assert_eq!(index.next_change(lapse), Some(at("2026-11-30T23:59:58Z")));
    assert_eq!(index.next_change(at("2026-12-01T00:00:00Z")), None);
}
