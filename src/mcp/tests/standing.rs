//! What stands between requests: whose it is, on what it stands, and how it ends.

use serde_json::json;

use super::support::{Ask, House};

fn subscribe(session: &str, uri: &str) -> Ask {
    Ask::legacy("resources/subscribe", &json!({"uri": uri})).in_session(session)
}

/// T033
#[tokio::test]
async fn a_session_for_one_person_does_not_exist_for_another() {
    let house = House::open().await;
    let session = house.session("agent for alice", "2025-11-25").await;
    let ping = || Ask::legacy("ping", &json!({})).in_session(&session);
    for other in ["agent for bob", "agent", "bob for alice"] {
        assert_eq!(house.ask(&ping().by(other)).await.status, 404, "{other}");
        assert_eq!(house.ask(&Ask::get(&session).by(other)).await.status, 404, "{other}");
        let end = Ask::post("").to("DELETE /mcp").by(other).in_session(&session);
        assert_eq!(house.ask(&end).await.status, 404, "{other}");
    }
    assert_eq!(house.ask(&ping().by("agent for alice;newer")).await.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_subscribes_may_subscribe_again() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let ask = subscribe(&session, "slow:x");
    let socket = house.send(&ask.text()).await;
    house.noted(r#"listen ["slow:x"]"#).await;
    drop(socket);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    house.fake.go.notify_one();
    assert_eq!(house.ask(&ask).await.json()["result"], json!({}));
    assert_eq!(house.journal().len(), 2);
}

/// T040
#[tokio::test]
async fn a_stream_stands_on_what_its_reader_showed_and_subscriptions_on_what_the_session_showed_last() {
    let house = House::open().await;
    let session = house.session("agent;1", "2025-11-25").await;
    let mut stream = house.send(&Ask::get(&session).by("agent;2").text()).await;
    stream.until("id: 0:0").await;
    assert_eq!(house.ask(&subscribe(&session, "file:///x").by("agent;3")).await.status, 200);
    let shown = |index: usize| {
        let proof = house.fake.proofs.lock().unwrap()[index].clone();
        (proof.headers()["authorization"].to_str().unwrap().to_owned(), proof.is_renewed())
    };
    assert_eq!(shown(0), ("Bearer agent;2".to_owned(), false));
    assert_eq!(shown(1), ("Bearer agent;3".to_owned(), true));
    let mut next = house.send(&Ask::get(&session).by("agent;4").text()).await;
    next.until("id: 0:0").await;
    assert_eq!((shown(0).0, shown(1).0), ("Bearer agent;4".to_owned(), "Bearer agent;4".to_owned()));
    assert_eq!(house.ask(&Ask::get(&session).by("agent;5").with("Last-Event-ID", "0:9")).await.status, 400);
    assert_eq!(shown(0).0, "Bearer agent;4");
    assert!(!format!("{:?}", house.fake.proofs).contains("agent"));
}

/// T040
#[tokio::test]
async fn what_the_gateway_ends_ends_at_once_for_the_client() {
    let house = House::open().await;
    let listen = Ask::modern("subscriptions/listen", &json!({"notifications": {"toolsListChanged": true}}));
    let mut modern = house.send(&listen.text()).await;
    modern.until("acknowledged").await;
    let session = house.session("agent", "2025-11-25").await;
    let mut legacy = house.send(&Ask::get(&session).text()).await;
    legacy.until("id: 0:0").await;
    assert_eq!(house.ask(&subscribe(&session, "file:///x")).await.status, 200);
    house.fake.over.cancel();
    let told = modern.until("resultType").await;
    assert!(told.contains(r#""resultType":"complete""#), "{told}");
    modern.whole().await;
    legacy.whole().await;
    // The session may subscribe again.
    let of_it = || house.journal().iter().filter(|line| line.contains("file:///x")).count();
    let again = async {
        while of_it() < 2 {
            assert_eq!(house.ask(&subscribe(&session, "file:///x")).await.status, 200);
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), again).await.expect("the old one is still there");
}
