//! Legacy clients: the session, its standing stream, and what breaks.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use serde_json::{Value, json};

use super::script::{End, Play, Reply, Seen, event};

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

fn request(id: i64, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method})
}

fn told(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": method})
}

/// What every gateway does, in a session of this name.
fn usual(seen: &Seen, session: &str) -> Option<Reply> {
    match seen.method() {
        "initialize" => {
            let result = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "g", "version": "1"}});
            Some(seen.result(result).with("mcp-session-id", session))
        }
        method if method.starts_with("notifications/") => Some(Reply::empty(202)),
        _ if seen.verb == Method::DELETE => Some(Reply::empty(204)),
        _ => None,
    }
}

async fn greet(play: &mut Play) {
    assert_eq!(play.ask(initialize()).await["result"]["protocolVersion"], "2025-06-18");
    play.say(told("notifications/initialized")).await;
}

#[tokio::test]
async fn every_message_of_a_session_names_it_and_its_revision_and_the_session_ends_with_the_input() {
    let mut play = Play::start(|seen| {
        usual(seen, "s-1").unwrap_or_else(|| match seen.verb {
            Method::GET => Reply::events(&event(&told("notifications/tools/list_changed")), End::Never),
            _ if seen.method().is_empty() => Reply::empty(202),
            _ => {
                let asks = json!({"jsonrpc": "2.0", "id": "g1", "method": "elicitation/create", "params": {}});
                let answer = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {}});
                Reply::events(&(event(&asks) + &event(&answer)), End::Proper)
            }
        })
    })
    .await;
    greet(&mut play).await;
    assert_eq!(play.hear().await["method"], "notifications/tools/list_changed");
    assert_eq!(play.ask(request(1, "tools/call")).await["method"], "elicitation/create");
    assert_eq!(play.hear().await["id"], 1);
    play.say(json!({"jsonrpc": "2.0", "id": "g1", "result": {"action": "decline"}})).await;
    play.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    let (rest, seen) = play.end().await;
    assert_eq!(rest, Vec::<Value>::new());
    let (first, others) = seen.split_first().unwrap();
    assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), (None, None));
    for seen in others {
        let headers = (seen.header("mcp-session-id"), seen.header("mcp-protocol-version"));
        assert_eq!(headers, (Some("s-1"), Some("2025-06-18")), "{seen:?}");
        assert_eq!(seen.header("mcp-method"), None);
    }
    assert!(seen.iter().any(|seen| seen.json["result"]["action"] == "decline"));
    assert!(seen.iter().any(|seen| seen.method() == "notifications/cancelled"));
    assert_eq!(seen.last().unwrap().verb, Method::DELETE);
}

#[tokio::test]
async fn a_session_that_the_gateway_no_longer_knows_is_opened_anew_and_the_request_sent_once_more() {
    let opened = AtomicUsize::new(0);
    let mut play = Play::start(move |seen| {
        if seen.method() == "initialize" {
            opened.fetch_add(1, Ordering::SeqCst);
        }
        let now = format!("s-{}", opened.load(Ordering::SeqCst));
        match seen.header("mcp-session-id") {
            Some("s-1") if seen.method() == "tools/list" || seen.verb == Method::DELETE => Reply::empty(404),
            _ if seen.verb == Method::GET => Reply::empty(405),
            _ => usual(seen, &now).unwrap_or_else(|| seen.result(json!({"in": now}))),
        }
    })
    .await;
    greet(&mut play).await;
    assert_eq!(play.ask(request(1, "ping")).await["result"]["in"], "s-1");
    for id in 2..4 {
        play.say(request(id, "tools/list")).await;
    }
    for _ in 2..4 {
        assert_eq!(play.hear().await["result"]["in"], "s-2");
    }
    assert_eq!(play.seen_of("initialize").len(), 2, "two requests open one session");
    assert_eq!(play.seen_of("notifications/initialized").len(), 2);
    let (rest, seen) = play.end().await;
    assert!(rest.is_empty(), "the client sees nothing of it: {rest:?}");
    assert_eq!(seen.last().unwrap().header("mcp-session-id"), Some("s-2"));
}

#[tokio::test]
async fn a_stream_that_ends_before_its_answer_goes_on_where_it_stood() {
    let polls = AtomicUsize::new(0);
    let mut play = Play::start(move |seen| {
        usual(seen, "s").unwrap_or_else(|| {
            let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"late": true}});
            match (seen.verb.as_str(), seen.header("last-event-id")) {
                ("POST", _) => Reply::events("id: e-0\nretry: 10\ndata:\n\n", End::Proper),
                ("GET", None) => Reply::empty(405),
                ("GET", Some("e-0")) if polls.fetch_add(1, Ordering::SeqCst) == 0 => Reply::empty(503),
                ("GET", Some("e-0")) => Reply::events("id: e-1\nretry: 10\ndata:\n\n", End::Torn),
                _ => Reply::events(&event(&answer), End::Never),
            }
        })
    })
    .await;
    greet(&mut play).await;
    assert_eq!(play.ask(request(1, "tools/call")).await["result"]["late"], true);
    let asked: Vec<_> = play.seen().iter().filter_map(|seen| seen.header("last-event-id").map(str::to_owned)).collect();
    assert_eq!(asked, ["e-0", "e-0", "e-1"]);
    assert_eq!(play.seen_of("tools/call").len(), 1, "a call is not sent twice");
}

#[tokio::test]
async fn the_standing_stream_goes_on_after_its_last_event() {
    let gets = Mutex::new(0);
    let mut play = Play::start(move |seen| {
        usual(seen, "s").unwrap_or_else(|| {
            let mut gets = gets.lock().unwrap();
            *gets += 1;
            let text = event(&json!({"jsonrpc": "2.0", "method": "notifications/n", "params": {"n": *gets}}));
            let end = if *gets == 1 { End::Torn } else { End::Never };
            Reply::events(&format!("id: e-{gets}\nretry: 10\n{text}"), end)
        })
    })
    .await;
    greet(&mut play).await;
    assert_eq!(play.hear().await["params"]["n"], 1);
    assert_eq!(play.hear().await["params"]["n"], 2);
    let last: Vec<_> = play
        .seen()
        .iter()
        .filter(|seen| seen.verb == Method::GET)
        .map(|seen| seen.header("last-event-id").map(str::to_owned))
        .collect();
    assert_eq!(last, [None, Some("e-1".to_owned())]);
}

#[tokio::test]
async fn a_batch_goes_through_whole_and_comes_back_whole() {
    let mut play = Play::start(|seen| {
        usual(seen, "s").unwrap_or_else(|| match seen.json.as_array() {
            Some(batch) if batch.len() == 2 => Reply::json(
                200,
                &json!([
                    {"jsonrpc": "2.0", "id": 2, "result": {}}, {"jsonrpc": "2.0", "id": 1, "result": {}},
                ]),
            ),
            Some(_) => Reply::json(400, &json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "no batches"}})),
            None => Reply::empty(405),
        })
    })
    .await;
    greet(&mut play).await;
    let answers = play.ask(json!([request(1, "ping"), request(2, "ping")])).await;
    assert_eq!(answers.as_array().unwrap().len(), 2);
    play.say(json!([request(3, "ping"), request(4, "ping"), told("notifications/x")])).await;
    let mut ids = [play.hear().await, play.hear().await].map(|error| {
        assert_eq!(error["error"]["message"], "no batches");
        error["id"].as_i64().unwrap()
    });
    ids.sort_unstable();
    assert_eq!(ids, [3, 4], "each request is told");
}

#[tokio::test]
async fn a_client_whose_session_was_opened_anew_is_told_that_its_lists_may_have_changed() {
    let opened = AtomicUsize::new(0);
    let mut play = Play::start(move |seen| match (seen.verb.as_str(), seen.header("mcp-session-id")) {
        ("GET", Some("s-1")) if opened.load(Ordering::SeqCst) == 1 => Reply::empty(404),
        ("GET", _) => Reply::events(": here\n\n", End::Never),
        _ if seen.method() == "initialize" => {
            let now = opened.fetch_add(1, Ordering::SeqCst) + 1;
            let capabilities = json!({"tools": {"listChanged": true}, "prompts": {"listChanged": false}});
            let result = json!({"protocolVersion": "2025-06-18", "capabilities": capabilities});
            seen.result(result).with("mcp-session-id", &format!("s-{now}"))
        }
        _ => usual(seen, "").unwrap(),
    })
    .await;
    greet(&mut play).await;
    assert_eq!(play.hear().await["method"], "notifications/tools/list_changed");
    play.silent().await;
    assert_eq!(play.seen_of("initialize").len(), 2);
}
