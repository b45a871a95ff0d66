//! Every request has an answer, whatever breaks.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::script::{End, Play, Reply, event};
use crate::{
    cli::stdio::{gateway::Gateway, pipes::Line},
    domain::Secret,
};

fn request(id: i64, name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}})
}

/// T031, T032
#[tokio::test]
async fn a_request_whose_answer_does_not_come_gets_an_error_that_says_why() {
    let mut play = Play::start(|seen| match seen.json["params"]["name"].as_str().unwrap() {
        "torn" => Reply::events(": begun\n\n", End::Torn),
        "short" => Reply::events(": begun\n\n", End::Proper),
        "other" => Reply::json(200, &json!({"jsonrpc": "2.0", "id": 99, "result": {}})),
        "html" => Reply::empty(502).with("content-type", "text/html"),
        "refused" => Reply::json(401, &json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "no such key"}})),
        "moved" => Reply::empty(307).with("location", "http://127.0.0.1:1/"),
        "taken" => Reply::empty(202),
        "garbage" => Reply::events(
            &("data: {nonsense\n\n".to_owned() + &event(&json!({"jsonrpc": "2.0", "id": 8, "result": {}}))),
            End::Never,
        ),
        _ => Reply::events(&format!("data: {}", "x".repeat(9 << 20)), End::Never),
    })
    .await;
    let told = [
        ("torn", "broke before the answer"),
        ("short", "broke before the answer"),
        ("other", "is not MCP"),
        ("html", "HTTP status 502"),
        ("refused", "no such key; give `postern stdio` a key"),
        ("moved", "HTTP status 307"),
        ("taken", "is not MCP"),
    ];
    for (id, (name, why)) in (1..).zip(told) {
        let error = play.ask(request(id, name)).await;
        assert_eq!(error["id"], id);
        assert!(error["error"]["message"].as_str().unwrap().contains(why), "{name}: {error}");
    }
    assert_eq!(play.ask(request(8, "garbage")).await["result"], json!({}));
    let error = play.ask(request(9, "long")).await;
    assert!(error["error"]["message"].as_str().unwrap().contains("longer than"), "{error}");
}

#[tokio::test]
async fn a_line_that_is_no_message_is_answered_with_its_id_where_that_can_be_read() {
    let mut play = Play::start(|_| Reply::empty(500)).await;
    for (line, id, code) in [
        ("{nonsense", json!(null), -32700),
        ("[1", json!(null), -32700),
        ("true", json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}"#, json!(7), -32600),
        (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"b"}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":"x","result":5}"#, json!(null), -32600),
    ] {
        play.line(line).await;
        let error = play.hear().await;
        assert_eq!((&error["id"], &error["error"]["code"]), (&id, &json!(code)), "{line}: {error}");
    }
    play.lines.as_ref().unwrap().send(Line::TooLong).await.unwrap();
    assert_eq!(play.hear().await["error"]["code"], -32600);
    assert!(play.seen().is_empty());
}

#[tokio::test]
async fn an_id_that_is_in_use_is_refused_and_so_are_too_many_requests() {
    let mut play = Play::start(|_| Reply::events(": begun\n\n", End::Never)).await;
    play.say(request(0, "a")).await;
    assert!(play.ask(request(0, "b")).await["error"]["message"].as_str().unwrap().contains("this id"));
    for id in 1..256 {
        play.say(request(id, "a")).await;
    }
    assert!(play.ask(request(256, "a")).await["error"]["message"].as_str().unwrap().contains("256 requests"));
}

#[tokio::test]
async fn what_is_in_flight_is_finished_when_the_input_ends_and_cut_short_by_a_signal() {
    let script = |seen: &super::script::Seen| match seen.json["params"]["name"].as_str() {
        Some("soon") => seen.result(json!({})).after(Duration::from_millis(400)),
        _ => Reply::events(": begun\n\n", End::Never),
    };
    let play = Play::start(script).await;
    play.say(request(1, "soon")).await;
    let (rest, _) = play.end().await;
    assert_eq!(rest, [json!({"jsonrpc": "2.0", "id": 1, "result": {}})]);
    let play = Play::start(script).await;
    play.say(request(1, "never")).await;
    play.until(|play| !play.seen().is_empty()).await;
    let begun = Instant::now();
    play.stop.cancel();
    let (rest, _) = play.end().await;
    assert!(rest[0]["error"]["message"].as_str().unwrap().contains("told to stop"), "{rest:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told_with_exit_code_3() {
    let gateway = Gateway::new("http://127.0.0.1:9/mcp".parse().unwrap(), &Secret::new("pst_k".to_owned())).unwrap();
    let failure = gateway.greet().await.unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("is `postern serve` running?"), "{failure}");
    // Without TLS a key does not travel to an address that anybody may own.
    let gateway = Gateway::new("http://192.0.2.1/mcp".parse().unwrap(), &Secret::new("pst_k".to_owned())).unwrap();
    assert!(gateway.greet().await.unwrap_err().to_string().contains("use https://"));
}
