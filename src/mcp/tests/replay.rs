//! Streams of a legacy session: ids that are ours, and the way back after a connection broke.

use serde_json::json;

use crate::mcp::server::Event;

use super::support::{Ask, House, events};
use crate::mcp::List;

fn told(name: &str, session: &str) -> Ask {
    Ask::legacy("tools/call", &json!({"name": name, "_meta": {"progressToken": 1}})).in_session(session)
}

/// T032
#[tokio::test]
async fn a_stream_begins_with_an_id_and_every_event_has_the_next() {
    let house = House::open().await;
    for (version, first) in [("2025-11-25", vec!["1:0"]), ("2025-06-18", vec![]), ("2024-11-05", vec![])] {
        let session = house.session("agent", version).await;
        let mut socket = house.send(&told("progress", &session).text()).await;
        let seen = socket.until("\"result\"").await;
        let ids: Vec<_> = first.iter().copied().chain(["1:1", "1:2", "1:3"]).collect();
        assert_eq!(socket.ids(), ids, "{version}");
        assert_eq!(seen.contains("id: 1:0\nretry: 1000\ndata: \n\n"), !first.is_empty());
        assert_eq!(socket.messages().len(), 3);
    }
}

#[tokio::test]
async fn a_call_whose_connection_broke_goes_on_and_its_answer_is_replayed() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let mut socket = house.send(&told("told slow", &session).text()).await;
    socket.until("id: 1:2\n").await;
    drop(socket);
    // Another stream of the same session is not replayed.
    house.ask(&Ask::legacy("tools/call", &json!({"name": "log"})).in_session(&session)).await;
    let mut back = house.send(&Ask::get(&session).with("Last-Event-ID", "1:1").text()).await;
    back.until("id: 1:2\n").await;
    house.fake.go.notify_one();
    let whole = back.whole().await;
    let messages = events(&whole.body.replace("\r\n", "\n"));
    assert_eq!(messages.len(), 2, "{whole:?}");
    assert_eq!(messages[1]["result"], json!({"content": []}));
    // What has ended is replayed as long as it is kept, as often as it is asked for.
    let again = house.ask(&Ask::get(&session).with("Last-Event-ID", "1:2")).await;
    assert_eq!(events(&again.body).len(), 1, "{again:?}");
    assert!(!again.body.contains("retry"));
}

#[tokio::test]
async fn an_event_that_was_never_sent_is_not_gone_on_from() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    house.send(&told("progress", &session).text()).await.until("\"result\"").await;
    for id in ["1:9", "7:1", "1", "x:y", "1:-1", "+1:1", "", "1:1:1"] {
        assert_eq!(house.ask(&Ask::get(&session).with("Last-Event-ID", id)).await.status, 400, "{id}");
    }
    let other = house.session("agent", "2025-11-25").await;
    assert_eq!(house.ask(&Ask::get(&other).with("Last-Event-ID", "1:1")).await.status, 400);
    assert_eq!(house.ask(&Ask::get(&session).by("bob").with("Last-Event-ID", "1:1")).await.status, 404);
}

#[tokio::test]
async fn the_standing_stream_waits_for_its_client() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let mut first = house.send(&Ask::get(&session).text()).await;
    first.until("id: 0:0\n").await;
    house.tell(Event::Changed(List::Tools));
    first.until("id: 0:1\n").await;
    // A second connection takes the place of the first.
    let mut second = house.send(&Ask::get(&session).text()).await;
    second.until("id: 0:1\nretry").await;
    first.whole().await;
    house.tell(Event::Changed(List::Prompts));
    second.until("prompts/list_changed").await;
    drop(second);
    house.tell(Event::Changed(List::Resources));
    let mut third = house.send(&Ask::get(&session).with("Last-Event-ID", "0:1").text()).await;
    third.until("resources/list_changed").await;
    let methods: Vec<_> = third.messages().iter().map(|told| told["method"].clone()).collect();
    assert_eq!(methods, ["notifications/prompts/list_changed", "notifications/resources/list_changed"]);
    let listens = house.journal().iter().filter(|line| line.starts_with("listen")).count();
    assert_eq!(listens, 1);
}

#[tokio::test]
async fn a_house_that_closes_says_when_to_come_back() {
    let house = House::open().await;
    let session = house.session("agent", "2025-06-18").await;
    let mut stream = house.send(&Ask::get(&session).text()).await;
    stream.until(": keep-alive").await;
    house.endpoint.close_streams();
    assert!(stream.whole().await.body.contains("retry: 1000\n\n"));
}
