//! Subscriptions that stand while the world changes. The clock stands still and jumps to the next thing to do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::support::House;
use crate::{
    gateway::{standing::Standing, topic::Kind},
    mcp::{
        Filter, List,
        server::{Event, Listening, Proof, Scope},
    },
};

/// What is told within an hour; none if nothing is.
async fn told(events: &mut mpsc::Receiver<Event>) -> Option<Option<Event>> {
    timeout(Duration::from_secs(3_600), events.recv()).await.ok()
}

const TOOLS: Option<Option<Event>> = Some(Some(Event::Changed(List::Tools)));
const ENDED: Option<Option<Event>> = Some(None);
const NOTHING: Option<Option<Event>> = None;

#[tokio::test(start_paused = true)]
async fn a_change_while_a_subscription_opens_is_told() {
    let house = Arc::new(House::open());
    house.durable(false);
    let opening = Arc::clone(&house);
    let opening = tokio::spawn(async move { opening.listen().await.unwrap() });
    sleep(Duration::from_secs(1)).await;
    house.change();
    house.durable(true);
    let mut listening = opening.await.unwrap();
    assert_eq!(told(&mut listening.events).await, TOOLS);
    assert_eq!(told(&mut listening.events).await, NOTHING);
}

/// T040
#[tokio::test(start_paused = true)]
async fn a_revoked_key_and_an_agent_that_is_dismissed_end_their_subscriptions() {
    for revoked in [true, false] {
        let house = House::open();
        let Listening { mut events, .. } = house.listen().await.unwrap();
        assert_eq!(told(&mut events).await, NOTHING);
        if revoked {
            house.revoke().await
        } else {
            house.dismiss()
        }
        assert_eq!(timeout(Duration::from_secs(1), events.recv()).await, Ok(None));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(house.recorded(), 2, "the opening and the end are on record");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_outlasts_a_store_that_is_away_and_tells_nothing_meanwhile() {
    let house = House::open();
    let Listening { mut events, .. } = house.listen().await.unwrap();
    house.broken(true);
    house.change();
    assert_eq!(told(&mut events).await, NOTHING);
    house.broken(false);
    assert_eq!(told(&mut events).await, TOOLS);
}

/// T150
#[tokio::test(start_paused = true)]
async fn a_subscription_that_stands_takes_nothing_of_the_rate_of_its_agent() {
    let house = House::open();
    let Listening { mut events, .. } = house.listen().await.unwrap();
    let worker = &house.subject().await.agent;
    assert!(house.gateway.parts.rates.take(worker).is_ok());
    assert!(house.gateway.parts.rates.take(worker).is_err());
    house.change();
    assert_eq!(told(&mut events).await, TOOLS);
    assert_eq!(told(&mut events).await, NOTHING);
}

/// T093
#[tokio::test(start_paused = true)]
async fn a_freeze_holds_back_what_changes_until_it_is_over() {
    let house = House::open();
    let Listening { mut events, .. } = house.listen().await.unwrap();
    house.freeze(true);
    house.change();
    assert_eq!(told(&mut events).await, NOTHING);
    assert!(house.listen().await.unwrap_err().message.contains("frozen"));
    house.freeze(false);
    assert_eq!(told(&mut events).await, TOOLS);
}

/// A resource that is followed, with the end at which its server tells.
async fn followed(house: &House, proof: Proof) -> (mpsc::Sender<Bytes>, mpsc::Receiver<Event>) {
    let subject = house.subject().await;
    let topic = house.gateway.topic(&subject, &Scope::All, Kind::Resource, "s+file:///docs/a").unwrap();
    let standing = Arc::new(Standing {
        gateway: Arc::clone(&house.gateway),
        opener: subject,
        capabilities: Arc::default(),
        proof,
        scope: Scope::All,
        decision: "dec_00000000000000000000000000000000".parse().unwrap(),
        origin: House::origin(),
        granted: Filter::default(),
    });
    let (server, news) = mpsc::channel(8);
    let (sender, events) = mpsc::channel(8);
    tokio::spawn(standing.follow(Arc::new(topic), news, sender));
    (server, events)
}

fn update(uri: &str) -> Bytes {
    json!({"uri": uri, "title": "t", "text": "the text"}).to_string().into()
}

async fn uri(events: &mut mpsc::Receiver<Event>) -> Value {
    match told(events).await {
        Some(Some(Event::Updated(params))) => serde_json::from_slice(&params).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// T065
#[tokio::test(start_paused = true)]
async fn news_are_judged_by_the_uri_that_is_told_and_hold_nothing_else() {
    let house = House::open();
    let (server, mut events) = followed(&house, Proof::of(&house.headers)).await;
    for foreign in ["file:///etc/passwd", "file:///docs/a/../../etc/passwd", "/docs/a", ""] {
        server.send(update(foreign)).await.unwrap();
    }
    server.send(Bytes::from_static(b"[]")).await.unwrap();
    server.send(update("file:///docs/a/b")).await.unwrap();
    assert_eq!(uri(&mut events).await, json!({"uri": "s+file:///docs/a/b"}));
    assert_eq!(told(&mut events).await, NOTHING);
}

/// T065
#[tokio::test(start_paused = true)]
async fn an_agent_without_its_role_is_told_nothing_even_before_anybody_says_that_something_changed() {
    let house = House::open();
    let (server, mut events) = followed(&house, Proof::of(&house.headers)).await;
    server.send(update("file:///docs/a")).await.unwrap();
    assert_eq!(uri(&mut events).await["uri"], "s+file:///docs/a");
    house.roles(&["other"]);
    server.send(update("file:///docs/a")).await.unwrap();
    assert_eq!(told(&mut events).await, NOTHING);
    house.roles(&["user"]);
    server.send(update("file:///docs/a")).await.unwrap();
    assert_eq!(uri(&mut events).await["uri"], "s+file:///docs/a");
    house.revoke().await;
    let _gone = server.send(update("file:///docs/a")).await;
    assert_eq!(told(&mut events).await, ENDED);
}
