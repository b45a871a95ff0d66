//! The bridge of rounds: a server's questions reach a legacy client on the stream of its call, and its answers the
//! server.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::support::{Ask, House, Socket, events};

fn everything() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})
}

fn call(name: &str, session: &str) -> Ask {
    Ask::legacy("tools/call", &json!({"name": name})).in_session(session)
}

async fn begin(name: &str) -> (House, String, Socket) {
    let house = House::open().await;
    let session = house.able_session("agent", "2025-11-25", &everything()).await;
    let socket = house.send(&call(name, &session).text()).await;
    (house, session, socket)
}

async fn say(house: &House, session: &str, question: &Value, result: &Value) -> u16 {
    house.ask(&Ask::said(&question["id"], result).in_session(session)).await.status
}

async fn outcome(socket: &mut Socket) -> Value {
    while !socket.messages().iter().any(|told| told["id"] == 1) {
        assert!(socket.more().await);
    }
    socket.messages().pop().unwrap()
}

#[tokio::test]
async fn a_question_is_asked_on_the_stream_of_the_call_and_the_answer_ends_it() {
    let (house, session, mut socket) = begin("ask").await;
    let question = socket.asked("elicitation/create").await;
    assert_eq!(question["params"]["message"], "?");
    assert!(question["id"].as_str().unwrap().len() == 36, "{question}");
    let answer = json!({"action": "accept", "content": {"a": 1}});
    assert_eq!(say(&house, &session, &question, &answer).await, 202);
    let result = outcome(&mut socket).await["result"].clone();
    assert_eq!(result, json!({"content": [], "structuredContent": {"responses": {"e": answer}, "state": "one"}}));
    assert_eq!(house.journal().len(), 2);
    assert_eq!(say(&house, &session, &question, &answer).await, 400);
}

#[tokio::test]
async fn all_questions_of_a_round_are_asked_at_once_and_answered_in_any_order() {
    let (house, session, mut socket) = begin("ask all").await;
    let roots = socket.asked("roots/list").await;
    let (elicit, sample) = (socket.asked("elicitation/create").await, socket.asked("sampling/createMessage").await);
    assert!(roots.get("params").is_none());
    let sampled = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "t"}});
    assert_eq!(say(&house, &session, &roots, &json!({"roots": []})).await, 202);
    assert_eq!(say(&house, &session, &sample, &sampled).await, 202);
    assert_eq!(say(&house, &session, &elicit, &json!({"action": "decline"})).await, 202);
    let result = outcome(&mut socket).await["result"].clone();
    let responses = json!({"e": {"action": "decline"}, "s": sampled, "r": {"roots": []}});
    assert_eq!(result["structuredContent"]["responses"], responses);
}

#[tokio::test]
async fn a_second_round_carries_the_state_of_the_first() {
    let (house, session, mut socket) = begin("ask twice").await;
    let first = socket.asked("elicitation/create").await;
    say(&house, &session, &first, &json!({"action": "accept"})).await;
    let second = socket.asked("roots/list").await;
    say(&house, &session, &second, &json!({"roots": [{"uri": "file:///x"}]})).await;
    let result = outcome(&mut socket).await["result"].clone();
    let expected = json!({"responses": {"r": {"roots": [{"uri": "file:///x"}]}}, "state": "two"});
    assert_eq!(result["structuredContent"], expected);
}

#[tokio::test]
async fn an_error_cancels_an_elicitation_and_ends_a_call_that_needs_a_sample() {
    let error = |question: &Value| {
        let error = json!({"code": -1, "message": "the user said no"});
        Ask::post(json!({"jsonrpc": "2.0", "id": question["id"], "error": error}).to_string())
    };
    let (house, session, mut socket) = begin("ask").await;
    let question = socket.asked("elicitation/create").await;
    assert_eq!(house.ask(&error(&question).in_session(&session)).await.status, 202);
    let result = outcome(&mut socket).await["result"].clone();
    assert_eq!(result["structuredContent"]["responses"], json!({"e": {"action": "cancel"}}));

    let (house, session, mut socket) = begin("ask all").await;
    let roots = socket.asked("roots/list").await;
    let (elicit, sample) = (socket.asked("elicitation/create").await, socket.asked("sampling/createMessage").await);
    say(&house, &session, &elicit, &json!({"action": "accept"})).await;
    assert_eq!(house.ask(&error(&sample).in_session(&session)).await.status, 202);
    let ended = outcome(&mut socket).await["error"].clone();
    assert_eq!(ended["code"], -32603);
    assert!(ended["message"].as_str().unwrap().contains("the user said no"), "{ended}");
    let taken_back = socket.asked("notifications/cancelled").await;
    assert_eq!(taken_back["params"]["requestId"], roots["id"]);
    assert_eq!(say(&house, &session, &roots, &json!({"roots": []})).await, 400);
    assert_eq!(house.journal().len(), 1);
}

#[tokio::test]
async fn a_client_is_never_asked_for_what_it_did_not_declare_or_has_no_stream_for() {
    let house = House::open().await;
    let some = house.able_session("agent", "2025-11-25", &json!({"elicitation": {}})).await;
    let all = house.able_session("agent", "2025-11-25", &everything()).await;
    let old = house.able_session("agent", "2025-03-26", &everything()).await;
    let json_only = |ask: Ask| ask.without("Accept").with("Accept", "application/json");
    for (ask, required) in [
        (call("ask all", &some), json!({"sampling": {}, "roots": {}})),
        (call("ask url", &some), json!({"elicitation": {"url": {}}})),
        (json_only(call("ask", &all)), json!({"elicitation": {}})),
    ] {
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code()), (200, -32600), "{reply:?}");
        assert_eq!(reply.json()["error"]["data"]["requiredCapabilities"], required);
    }
    let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask"}}]);
    let reply = house.ask(&Ask::post(batch.to_string()).in_session(&old)).await;
    assert_eq!(reply.json()[0]["error"]["code"], -32600);
}

#[tokio::test]
async fn a_call_is_cancelled_while_its_client_is_asked() {
    let (house, session, mut socket) = begin("ask").await;
    let question = socket.asked("elicitation/create").await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(house.ask(&Ask::post(cancel).in_session(&session)).await.status, 202);
    assert_eq!(outcome(&mut socket).await["error"]["code"], -32600);
    assert_eq!(say(&house, &session, &question, &json!({"action": "accept"})).await, 400);
    assert_eq!(house.journal().len(), 1);
}

/// T033
#[tokio::test]
async fn an_answer_from_another_session_or_agent_is_none() {
    let (house, session, mut socket) = begin("ask").await;
    let question = socket.asked("elicitation/create").await;
    let forged = Ask::said(&question["id"], &json!({"action": "accept"}));
    let other = house.able_session("agent", "2025-11-25", &everything()).await;
    assert_eq!(house.ask(&forged.clone().in_session(&other)).await.status, 400);
    assert_eq!(house.ask(&forged.clone().in_session(&session).by("bob")).await.status, 404);
    assert_eq!(house.ask(&Ask::said(&json!(1), &json!({})).in_session(&session)).await.status, 400);
    let nameless = Ask::post(r#"{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#).in_session(&session);
    assert_eq!(house.ask(&nameless).await.status, 400);
    assert_eq!(house.ask(&forged.in_session(&session)).await.status, 202);
    outcome(&mut socket).await;
}

#[tokio::test]
async fn a_server_that_asks_for_ever_is_stopped() {
    let (house, session, mut socket) = begin("ask for ever").await;
    for round in 1..=8 {
        while socket.messages().iter().filter(|told| told["method"] == "elicitation/create").count() < round {
            assert!(socket.more().await);
        }
        let question = socket.messages().pop().unwrap();
        assert_eq!(say(&house, &session, &question, &json!({"action": "accept"})).await, 202);
    }
    let ended = outcome(&mut socket).await;
    assert_eq!(ended["error"]["code"], -32603, "{ended}");
    assert_eq!(house.journal().len(), 9);
}

#[tokio::test]
async fn an_elicitation_by_url_has_an_id_and_is_told_to_be_done_with() {
    let (house, session, mut socket) = begin("ask url").await;
    let question = socket.asked("elicitation/create").await;
    let id = question["params"]["elicitationId"].as_str().unwrap().to_owned();
    assert_eq!(question["params"]["url"], "https://x.test/");
    say(&house, &session, &question, &json!({"action": "accept"})).await;
    outcome(&mut socket).await;
    let told = socket.messages();
    let methods: Vec<_> = told.iter().map(|told| told["method"].as_str()).collect();
    assert_eq!(methods, [Some("elicitation/create"), Some("notifications/elicitation/complete"), None]);
    assert_eq!(told[1]["params"], json!({"elicitationId": id}));
}

#[tokio::test]
async fn a_server_that_asks_for_nothing_but_the_request_gets_it_again() {
    let house = House::open().await;
    let session = house.session("agent", "2025-11-25").await;
    let reply = house.ask(&call("again", &session)).await;
    assert_eq!(reply.json()["result"]["structuredContent"], json!({"responses": null, "state": "go on"}));
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_is_asked_may_come_back_and_answer() {
    let (house, session, mut socket) = begin("ask").await;
    let question = socket.asked("elicitation/create").await;
    let last = socket.ids().pop().unwrap();
    drop(socket);
    assert_eq!(say(&house, &session, &question, &json!({"action": "accept"})).await, 202);
    let mut back = house.send(&Ask::get(&session).with("Last-Event-ID", &last).text()).await;
    assert_eq!(outcome(&mut back).await["result"]["structuredContent"]["state"], "one");
    back.whole().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_answers_ends_its_call() {
    let house = House::open().await;
    let ask = |ask: Ask| {
        let request = ask.request(Full::new(Bytes::from(ask.body.clone())));
        house.endpoint.respond(request, "127.0.0.1:1".parse().unwrap())
    };
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": everything()});
    let answer = ask(Ask::legacy("initialize", &params)).await;
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let before = tokio::time::Instant::now();
    let body = ask(call("ask", &session)).await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(before.elapsed(), crate::domain::limits::INPUT_TIME);
    let told = events(std::str::from_utf8(&body).unwrap());
    assert_eq!(told.last().unwrap()["error"]["code"], -32603);
    assert!(told.iter().any(|told| told["method"] == "notifications/cancelled"));
}

/// T013
#[tokio::test]
async fn an_agent_has_sixteen_requests_wait_for_answers_and_no_more() {
    let house = House::open().await;
    let session = house.able_session("agent", "2025-11-25", &everything()).await;
    let numbered = |n: u32, session: &str| {
        let ask = call("ask", session);
        Ask { body: ask.body.replace(r#""id":1"#, &format!(r#""id":{n}"#)), ..ask }
    };
    let mut open = Vec::new();
    for n in 0..16 {
        let mut socket = house.send(&numbered(n, &session).text()).await;
        socket.until("elicitation/create").await;
        open.push(socket);
    }
    let busy = house.ask(&numbered(16, &session)).await;
    assert_eq!(busy.code(), -32603);
    let other = house.able_session("other", "2025-11-25", &everything()).await;
    house.send(&numbered(1, &other).by("other").text()).await.until("elicitation/create").await;
    let question = open[0].messages().pop().unwrap();
    say(&house, &session, &question, &json!({"action": "accept"})).await;
    open[0].until("\"result\"").await;
    house.send(&numbered(17, &session).text()).await.until("elicitation/create").await;
}

#[tokio::test]
async fn a_house_that_closes_or_a_session_that_ends_waits_for_no_answer() {
    let (house, _, mut socket) = begin("ask").await;
    socket.asked("elicitation/create").await;
    house.endpoint.close_streams();
    assert_eq!(outcome(&mut socket).await["error"]["code"], -32603);

    let (house, session, mut socket) = begin("ask").await;
    socket.asked("elicitation/create").await;
    let end = Ask::post("").to("DELETE /mcp").in_session(&session);
    let cancelled = house.fake.cancelled.lock().unwrap().clone();
    assert!(!cancelled.is_cancelled());
    assert_eq!(house.ask(&end).await.status, 204);
    socket.whole().await;
    assert_eq!(house.journal().len(), 1);
    assert!(cancelled.is_cancelled(), "what waits for the answer is let go");
}
