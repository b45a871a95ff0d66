//! A walk along the table of routes.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use axum::body::Body;
use http::{Method, Request, StatusCode};

use super::fake::Api;
use crate::{
    api::{Access, ROUTES, Route},
    domain::Duty,
    evidence::Surface,
};

const ALL: [Duty; 7] =
    [Duty::Own, Duty::Request, Duty::Approve, Duty::Security, Duty::VendorRisk, Duty::Audit, Duty::Administer];

/// Questions that need a body, and change nothing.
const ONLY_ASKS: [&str; 7] = [
    "/api/v1/simulate",
    "/api/v1/can",
    "/api/v1/graduate",
    "/api/v1/exceptions/drafts",
    "/access/v1/search/subject",
    "/access/v1/search/resource",
    "/access/v1/search/action",
];
const QUESTION: &str =
    r#""subject":{"type":"agent","id":"a"},"action":{"name":"tools/call"},"resource":{"type":"tool","id":"s/t"}"#;

fn word(duty: Duty) -> String {
    serde_json::to_value(duty).unwrap().as_str().unwrap().to_owned()
}

fn path(route: &Route) -> String {
    let id = if route.path.contains("/keys/") {
        "crd_9"
    } else if route.path.contains("/decisions/") {
        "dec_9"
    } else if route.path.contains("/pilots/") {
        "PI-1"
    } else if route.path.contains("/holds/") {
        "hold_1"
    } else {
        "EX-1"
    };
    let id = if route.path.starts_with("/log/") { "0" } else { id };
    route.path.replace("{id}", id).replace("{*tile}", "000")
}

fn body(route: &Route) -> String {
    let word = route.path.rsplit('/').next().unwrap();
    match (route.method.as_str(), word) {
        ("POST", "keys") => r#"{"agent":"a"}"#.to_owned(),
        ("POST", "exceptions" | "pilots") => r#"{"id":"EX-1"}"#.to_owned(),
        ("POST", "events") => r#"{"event":"deployment.finished","reason":"done"}"#.to_owned(),
        ("POST", "milestone") => r#"{"milestone":"one","reason":"done"}"#.to_owned(),
        ("POST", "drafts") => r#"{"decision":"dec_1"}"#.to_owned(),
        ("POST", "evaluation" | "evaluations" | "subject" | "resource" | "action") => format!("{{{QUESTION}}}"),
        ("POST", "requests") => {
            format!(r#"{{{QUESTION},"denial":{{"evaluation_id":"dec_1","expires_at":"2026-11-24T00:00:00Z"}}}}"#)
        }
        ("POST", "approve") if route.path.contains("catalog") => r#"{"server":"notes"}"#.to_owned(),
        ("POST", "approve") if route.path.contains("holds") => r#"{"reason":"because"}"#.to_owned(),
        ("POST", "approve") => format!(r#"{{"digest":"{}"}}"#, crate::domain::Digest::of(b"spec")),
        ("POST", "shred") => r#"{"exception":"EX-1","reason":"because"}"#.to_owned(),
        ("POST", "retry") => r#"{"webhook":"chat"}"#.to_owned(),
        ("POST", "prune") => r#"{"dry_run":false}"#.to_owned(),
        ("POST", "simulate") => r#"{"without":"EX-1"}"#.to_owned(),
        ("POST", "can") => r#"{"agent":"a","tool":"t"}"#.to_owned(),
        ("POST", "report") => r#"{"days":7}"#.to_owned(),
        ("POST", "trial") => r#"{"percent":10,"minutes":5,"reason":"because"}"#.to_owned(),
        ("POST", "graduate") if !route.path.contains("exceptions") => r#"{"exception":"EX-1","role":"r"}"#.to_owned(),
        ("POST", "reload" | "links") | ("GET" | "DELETE", _) => String::new(),
        (_, _) => r#"{"reason":"because"}"#.to_owned(),
    }
}

/// S1: every route × nobody, a person without duty, and each duty alone.
#[tokio::test]
async fn every_route_admits_exactly_those_whom_the_table_names() {
    let api = Api::new();
    for route in ROUTES {
        let (method, path, body) = (route.method.as_str(), path(route), body(route));
        let nobody = api.ask(method, &path, "", &body).await;
        assert_eq!(nobody.status == StatusCode::UNAUTHORIZED, route.access != Access::Open, "{method} {path}");
        assert_eq!(nobody.headers.contains_key("www-authenticate"), route.access != Access::Open);
        let none = api.ask(method, &path, "olga:", &body).await;
        let refused = matches!(route.access, Access::Duty(_));
        assert_eq!(none.status == StatusCode::FORBIDDEN, refused, "{method} {path}");
        if refused {
            assert_eq!(api.fake.take(), [""; 0], "{method} {path}");
        }
        for duty in ALL {
            let answer = api.ask(method, &path, &format!("olga:{}", word(duty)), &body).await;
            let admitted = match route.access {
                Access::Open | Access::Person | Access::Caller => true,
                Access::Duty(duties) => duties.contains(&duty),
            };
            assert_eq!(
                answer.status != StatusCode::FORBIDDEN,
                admitted,
                "{method} {path} as {duty:?}: {}",
                answer.body
            );
        }
        api.fake.take();
    }
}

/// T109
#[tokio::test]
async fn every_route_that_changes_something_names_its_record_and_asks_for_it_once() {
    let api = Api::new();
    let everything: Vec<_> = ALL.into_iter().map(word).collect();
    let who = format!("olga:{}", everything.join(","));
    for route in ROUTES {
        let changes = route.method != Method::GET && !ONLY_ASKS.contains(&route.path);
        assert_eq!(route.record.is_some(), changes, "{} {}", route.method, route.path);
        let answer = api.ask(route.method.as_str(), &path(route), &who, &body(route)).await;
        let journal = api.fake.take();
        match route.record {
            Some(kind) => {
                assert!(answer.status.is_success(), "{} {}: {}", route.method, route.path, answer.body);
                assert_eq!(journal.len(), 1, "{} {}", route.method, route.path);
                assert!(journal[0].starts_with(kind), "{journal:?}");
            }
            None => assert_eq!(journal, [""; 0], "{} {}", route.method, route.path),
        }
    }
}

/// T110
#[tokio::test]
async fn every_route_that_reads_evidence_asks_for_its_record_first_and_answers_nothing_without_one() {
    let reads = BTreeMap::from([
        ("/api/v1/decisions", Surface::Decisions),
        ("/api/v1/decisions/{id}", Surface::Decisions),
        ("/events", Surface::Events),
        ("/api/v1/evidence", Surface::Evidence),
        ("/log/tile/entries/{*tile}", Surface::Entries),
        ("/api/v1/reports/register", Surface::Reports),
        ("/api/v1/reports/sprawl", Surface::Reports),
        ("/api/v1/simulate", Surface::Studies),
        ("/api/v1/graduate", Surface::Studies),
        ("/api/v1/removal/proposals", Surface::Studies),
        ("/api/v1/exceptions/drafts", Surface::Arguments),
        ("/api/v1/holds", Surface::Holds),
        ("/api/v1/holds/{id}", Surface::Holds),
        ("/api/v1/alerts/dead", Surface::Alerts),
    ]);
    let api = Api::new();
    let who = format!("olga:{}", ALL.into_iter().map(word).collect::<Vec<_>>().join(","));
    let mut found = BTreeMap::new();
    for route in ROUTES {
        let (method, path, body) = (route.method.as_str(), path(route), body(route));
        let nobody = api.ask(method, &path, "olga:", &body).await;
        let refused = nobody.status == StatusCode::FORBIDDEN;
        api.fake.unwritable.store(true, Ordering::Relaxed);
        let closed = api.ask(method, &path, &who, &body).await;
        api.fake.unwritable.store(false, Ordering::Relaxed);
        let before = api.fake.reads.lock().unwrap().split_off(0);
        api.ask(method, &path, &who, &body).await;
        let read = api.fake.reads.lock().unwrap().split_off(0);
        let unavailable = closed.body.contains("audit_unavailable");
        assert_eq!(unavailable, !read.is_empty(), "{method} {path}: {}", closed.body);
        assert!(!refused || before.is_empty(), "{method} {path}: who may not read has read nothing");
        if let [one] = read.as_slice() {
            assert_eq!(closed.status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
            assert_eq!(route.record, None, "{method} {path} leaves a record of its own");
            found.insert(route.path, one.surface);
        }
    }
    assert_eq!(found, reads);
}

/// T110
#[tokio::test]
async fn the_record_of_a_read_says_what_was_asked_for() {
    let api = Api::new();
    let looked = async |method, path, body| {
        api.ask(method, path, "ann:audit,request,security", body).await;
        let read = api.fake.reads.lock().unwrap().pop().unwrap();
        let id = |id: Option<String>| id.unwrap_or_default();
        let (exception, decision) = (read.exception.map(|it| it.to_string()), read.decision.map(|it| it.to_string()));
        format!("{}|{}|{}|{}", id(exception), id(decision), read.what, id(read.count.map(|count| count.to_string())))
    };
    for (method, path, body, told) in [
        ("GET", "/api/v1/decisions", "", "|||100"),
        ("GET", "/api/v1/decisions/dec_9", "", "|dec_9||1"),
        ("GET", "/api/v1/evidence?from=7&limit=30", "", "||from 7|30"),
        ("GET", "/events?exception=EX-1&agent=a&from=3", "", "EX-1||agent a, from 3|"),
        ("GET", "/log/tile/entries/000", "", "||tile/entries/000|"),
        ("POST", "/api/v1/exceptions/drafts", r#"{"decision":"dec_1"}"#, "|dec_1||1"),
        ("POST", "/api/v1/simulate", r#"{"without":"EX-1"}"#, "EX-1||simulate|"),
    ] {
        assert_eq!(looked(method, path, body).await, told, "{method} {path}");
    }
}

/// T162
#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let api = Api::new();
    let unknown = Route { path: "/nothing", ..ROUTES[0].clone() };
    for route in ROUTES.iter().chain([&unknown]) {
        let answer = api.ask(route.method.as_str(), &path(route), "", "").await;
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'"));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
    }
}

/// T001
#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_before_anything_is_asked() {
    let api = Api::new();
    let cases = [
        (vec![("host", "evil.test")], StatusCode::FORBIDDEN),
        (vec![("host", "postern.test"), ("host", "postern.test")], StatusCode::BAD_REQUEST),
        (vec![], StatusCode::BAD_REQUEST),
        (vec![("host", "postern.test"), ("origin", "http://evil.test")], StatusCode::FORBIDDEN),
        (vec![("host", "postern.test"), ("origin", "null")], StatusCode::FORBIDDEN),
        (vec![("host", "postern.test"), ("origin", "null"), ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (vec![("host", "postern.test"), ("origin", "null"), ("sec-fetch-site", "same-origin")], StatusCode::CREATED),
        (vec![("host", "postern.test"), ("origin", "http://postern.test")], StatusCode::CREATED),
    ];
    for (headers, status) in cases {
        let mut request =
            Request::builder().method("POST").uri("/api/v1/keys").header("authorization", "Bearer a:administer");
        request = request.header("content-type", "application/json");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = api.send(request.body(Body::from(r#"{"agent":"a"}"#)).unwrap()).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(api.fake.take().len(), usize::from(status == StatusCode::CREATED));
    }
}
