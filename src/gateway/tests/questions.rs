//! What tool servers ask within tasks is judged wherever it shows.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{json, value::RawValue};

use super::support::House;
use crate::{
    domain::{Method, ServerName, Subject, ToolRef},
    gateway::{
        Gateway, Purpose,
        names::Task,
        topic::{Kind, Topic},
    },
    mcp::{
        Capabilities,
        server::{Event, Scope},
    },
};

/// Whoever may see the tool `s/job` may ask for its tasks; forms and one host are permitted, nothing else.
const ROLE: &str = r#"@id("ask") permit (principal in Role::"user", action == Action::"elicit", resource == Server::"s");
@id("page") permit (principal in Role::"user", action == Action::"elicit_url", resource == Server::"s")
when { context.input.host == "login.example.org" };
@id("all") permit (principal in Role::"user", action in Action::"call", resource in Server::"s");"#;

const FORM: &str = r#""inputRequests":{"q":{"method":"elicitation/create","params":{"message":"m"}}}"#;

/// What a server may say of a task, and whether a client that can do everything is told of it.
const SAID: [(&str, bool); 12] = [
    (r#""status":"working""#, true),
    (r#""inputRequests":{}"#, true),
    (FORM, true),
    (
        r#""inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"url","url":"https://login.example.org/"}}}"#,
        true,
    ),
    (
        r#""inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"url","url":"https://evil.example/"}}}"#,
        false,
    ),
    (
        r#""inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"\u0075rl","url":"https://evil.example/"}}}"#,
        false,
    ),
    (r#""inputRequests":{"q":{"method":"elicitation/create","params":{"mode":5}}}"#, false),
    (r#""inputRequests":{"q":{"method":"sampling/createMessage","params":{}}}"#, false),
    (r#""\u0069nputRequests":{"q":{"method":"sampling/createMessage","params":{}}}"#, false),
    (r#""result":{"\u0069nputRequests":{"q":{"method":"roots/list"}}}"#, false),
    (r#""inputRequests":{"q":{"method":"tools/call"}}"#, false),
    (r#""inputRequests":null"#, false),
];

fn able(text: &str) -> Capabilities {
    Capabilities::read(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
}

fn server() -> ServerName {
    "s".parse().unwrap()
}

fn task(said: &str) -> Bytes {
    format!(r#"{{"taskId":"own",{said}}}"#).into()
}

fn topic(gateway: &Gateway, subject: &Subject) -> Topic {
    let tool = ToolRef { server: server(), tool: "job".parse().unwrap() };
    let own = serde_json::to_vec(&Task { tool, id: "own".to_owned() }).unwrap();
    let handle = gateway.seals().seal(Purpose::Task, subject, &[], &own).unwrap();
    gateway.topic(subject, &Scope::All, Kind::Task, &handle).unwrap()
}

/// T036
#[tokio::test]
async fn news_of_a_task_ask_only_what_may_be_asked() {
    let house = House::under(ROLE);
    let subject = house.subject().await;
    let topic = topic(&house.gateway, &subject);
    let all = able(r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#);
    let told = |capabilities: &Capabilities, said| {
        house.gateway.news((&subject, capabilities), &Scope::All, &topic, &task(said))
    };
    for (said, shown) in SAID {
        assert_eq!(matches!(told(&all, said), Some(Event::Task(_))), shown, "{said}");
    }
    for unable in ["{}", r#"{"elicitation":{"url":{}}}"#] {
        assert!(told(&able(unable), FORM).is_none(), "{unable}");
    }
    assert!(told(&able(r#"{"elicitation":{}}"#), FORM).is_some());
}

/// T036
#[tokio::test]
async fn an_answer_about_a_task_asks_only_what_may_be_asked() {
    let house = House::under(ROLE);
    let subject = house.subject().await;
    let all = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;
    let seen = |able_to: &str, said: &str| {
        let mut request = House::request(Method::GetTask, "known");
        request.capabilities = Arc::new(able(able_to));
        let visit = house.gateway.visit(Arc::clone(&subject), &request);
        house.gateway.task_result(&visit, &server(), &request, task(said))
    };
    for (said, shown) in SAID {
        assert_eq!(seen(all, said).is_ok(), shown, "{said}");
    }
    assert!(seen("{}", FORM).is_err());
    let named: serde_json::Value = serde_json::from_slice(&seen(all, FORM).unwrap()).unwrap();
    assert_eq!(named["taskId"], json!("known"));
}

/// T036
#[tokio::test]
async fn a_server_learns_of_the_modes_of_elicitation_that_it_may_use() {
    let both = r#"{"elicitation":{"form":{},"url":{}},"sampling":{}}"#;
    let (form, page) = ROLE.split_once(";\n").map(|(form, _)| (format!("{form};"), ROLE.replace(form, ""))).unwrap();
    let page = page.trim_start_matches(";").to_owned();
    for (role, told) in [
        (ROLE.to_owned(), r#"{"elicitation":{"form":{},"url":{}}}"#),
        (form, r#"{"elicitation":{"form":{}}}"#),
        (page, r#"{"elicitation":{"url":{}}}"#),
        (r#"@id("none") permit (principal in Role::"other", action == Action::"elicit", resource);"#.to_owned(), "{}"),
    ] {
        let house = House::under(&role);
        let mut request = House::request(Method::CallTool, "s__job");
        request.capabilities = Arc::new(able(both));
        let visit = house.gateway.visit(house.subject().await, &request);
        let seen = house.gateway.capabilities(&visit, &server(), (&visit.capabilities, true));
        assert_eq!(String::from_utf8(seen.json()).unwrap(), told, "{role}");
    }
}
