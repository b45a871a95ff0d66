//! Owners who leave, and people who are told before something is due.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde_json::json;

use super::support::{Room, at, elevation, id, person, pilot, with};
use crate::{
    domain::{Standing, SuspendReason},
    exception::{Deadline, Event, Notice, Notices},
};

#[derive(Default)]
struct Heard(Mutex<Vec<Notice>>);

impl Notices for Heard {
    fn tell(&self, notice: &Notice) {
        self.0.lock().unwrap().push(notice.clone());
    }
}

fn told(room: &Room, exception: &str) -> Vec<(Deadline, i64)> {
    let rows = room.store.rows.lock().unwrap();
    let events = rows[&id(exception)].iter().map(|stored| stored.event.clone());
    events
        .filter_map(|e| if let Event::Reminded { of, ahead_s, .. } = e { Some((of, ahead_s)) } else { None })
        .collect()
}

/// T090: the suspension does not wait for this, but it stands in the evidence.
#[tokio::test]
async fn an_owner_who_leaves_suspends_by_an_event_and_coming_back_is_one_too() {
    let room = Room::new();
    let heard = Arc::new(Heard::default());
    room.desk.notify(heard.clone());
    room.approved(pilot()).await;
    assert_eq!(room.desk.owners().await.unwrap(), 0);
    room.person("alice", |entry| entry.active = false);
    assert_eq!(room.standing(), Some(Standing::Suspended(SuspendReason::OwnerIneligible)), "before any event");
    assert_eq!(room.desk.owners().await.unwrap(), 1);
    assert_eq!(room.desk.owners().await.unwrap(), 0, "once is enough");
    assert_eq!(room.store.names(&id("EX-1")).last(), Some(&"suspended"));
    assert_eq!(heard.0.lock().unwrap()[..], [Notice::OwnerGone { exception: id("EX-1"), owner: "alice".into() }]);
    room.desk.resume(&id("EX-1"), &person("sam"), "go on").await.expect_err("the owner is still gone");
    room.person("alice", |entry| entry.active = true);
    assert_eq!(room.desk.owners().await.unwrap(), 1);
    assert_eq!(room.store.names(&id("EX-1")).last(), Some(&"resumed"));
    assert!(room.usable());
}

#[tokio::test]
async fn people_are_told_in_time_once_for_each_lead_that_fits_the_length() {
    let room = Room::new();
    let heard = Arc::new(Heard::default());
    room.desk.notify(heard.clone());
    room.approved(pilot()).await;
    room.approved(with(elevation(), "id", json!("EX-2"))).await;
    let mut next = room.desk.tick().await.unwrap();
    for _ in 0..60 {
        let Some(moment) = next.filter(|moment| *moment < at("2026-12-01T00:00:00Z")) else { break };
        room.turn_to(moment.max(room.now() + TimeDelta::seconds(1)));
        next = room.desk.tick().await.unwrap();
        let word = room.desk.show(&id("EX-1")).await.unwrap().state.live().map(|live| live.attested);
        if word.is_some_and(|word| room.now() - word >= TimeDelta::hours(7 * 24 - 1)) {
            room.desk.attest(&id("EX-1"), &person("alice"), "still needed").await.unwrap();
            next = room.desk.tick().await.unwrap();
        }
    }
    let (day, hour) = (86_400, 3_600);
    let pilot = told(&room, "EX-1");
    let expiry: Vec<_> = pilot.iter().filter(|(of, _)| *of == Deadline::Expiry).map(|(_, ahead)| *ahead).collect();
    assert_eq!(expiry, [7 * day, day, hour], "T-7d, T-24h, T-1h");
    let word: Vec<_> = pilot.iter().filter(|(of, _)| *of == Deadline::Attestation).map(|(_, ahead)| *ahead).collect();
    assert_eq!(word[..4], [day, hour, day, hour], "a week is too short for T-7d");
    assert_eq!(told(&room, "EX-2"), [(Deadline::Expiry, hour)], "eight hours have room for T-1h alone");
    assert_eq!(heard.0.lock().unwrap().len(), pilot.len() + 1);
}

#[tokio::test]
async fn a_gateway_that_was_down_tells_the_nearest_lead_alone() {
    let room = Room::new();
    room.approved(pilot()).await;
    room.turn_to(at("2026-11-07T23:30:00Z"));
    room.desk.tick().await.unwrap();
    assert_eq!(told(&room, "EX-1"), [(Deadline::Attestation, 3_600)]);
    let exception = room.desk.show(&id("EX-1")).await.unwrap();
    assert_eq!(exception.due(room.now()), Some((Deadline::Attestation, at("2026-11-08T00:00:00Z"))));
    assert_eq!(exception.due(at("2026-11-02T00:00:00Z")), None);
}
