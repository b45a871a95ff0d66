//! Budgets of owners and channels.

use serde_json::json;

use super::support::{Room, at, id, person, pilot, with};
use crate::exception::{DeskError, SprawlBudget};

fn numbered(n: u32) -> serde_json::Value {
    with(pilot(), "id", json!(format!("EX-{n}")))
}

/// I17
#[tokio::test]
async fn an_owner_has_no_more_live_exceptions_than_the_budget() {
    let room = Room::new();
    room.desk.limit(SprawlBudget { per_owner: 2, per_channel: 50 });
    let waiting = room.submit(numbered(3)).await.unwrap();
    room.yes(&waiting, "sam").await.unwrap();
    for n in [1, 2] {
        room.approved(numbered(n)).await;
    }
    let (live, _) = room.desk.sprawl(&waiting.spec);
    assert_eq!((live.of_owner, live.of_channel), (2, 2));
    assert!(matches!(room.submit(numbered(4)).await, Err(DeskError::Conflict(_))));
    assert!(matches!(room.yes(&waiting, "dave").await, Err(DeskError::Conflict(_))), "nor by a late approval");
    room.desk.revoke(&id("EX-1"), &person("sam"), "room").await.unwrap();
    room.yes(&waiting, "dave").await.unwrap();
    let next = Room::over(room.store.clone());
    next.desk.limit(SprawlBudget { per_owner: 2, per_channel: 50 });
    next.desk.open().await.unwrap();
    assert!(matches!(next.submit(numbered(5)).await, Err(DeskError::Conflict(_))), "after a restart as well");
    next.turn_to(at("2026-12-02T00:00:00Z"));
    let mut later = numbered(5);
    later = with(later, "not_before", json!("2026-12-02T00:00:00Z"));
    later = with(later, "not_after", json!("2026-12-20T00:00:00Z"));
    // Another tool, since the same grant would have to say that it goes on.
    later = with(later, "grant/tools", json!(["list"]));
    next.submit(later).await.unwrap();
}

/// I17
#[tokio::test]
async fn a_channel_has_no_more_live_exceptions_than_the_budget() {
    let room = Room::new();
    room.desk.limit(SprawlBudget { per_owner: 50, per_channel: 1 });
    room.approved(numbered(1)).await;
    match room.submit(numbered(2)).await {
        Err(DeskError::Conflict(why)) => assert!(why.contains("channel"), "{why}"),
        other => panic!("{other:?}"),
    }
}
