//! Bodies, ids and pages of bad input.

use axum::body::Body;
use http::{Request, StatusCode};

use super::fake::Api;

/// T163
#[tokio::test]
async fn what_one_may_not_see_answers_as_what_does_not_exist() {
    let api = Api::new();
    assert_eq!(api.ask("GET", "/api/v1/exceptions/EX-1", "olga:own", "").await.status, StatusCode::OK);
    assert_eq!(api.ask("GET", "/api/v1/exceptions/EX-1", "sam:audit", "").await.status, StatusCode::OK);
    let mut answers = Vec::new();
    for path in ["/api/v1/exceptions/EX-1", "/api/v1/exceptions/EX-2", "/api/v1/exceptions/x%2Fy", "/api/v1/none"] {
        let answer = api.ask("GET", path, "bob:own,request", "").await;
        answers.push((answer.status, answer.body));
    }
    let revoke = api.ask("POST", "/api/v1/exceptions/EX-1/revoke", "bob:own", r#"{"reason":"x"}"#).await;
    answers.push((revoke.status, revoke.body));
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == StatusCode::NOT_FOUND), "{answers:?}");
    assert_eq!(api.fake.take(), [""; 0]);
    assert_eq!(api.ask("GET", "/api/v1/exceptions", "bob:own", "").await.body, "[]");
}

/// T164
#[tokio::test]
async fn members_that_a_caller_may_not_set_are_refused() {
    let api = Api::new();
    let cases = [
        ("/api/v1/keys", r#"{"agent":"a","id":"crd_1"}"#),
        ("/api/v1/exceptions/EX-1/revoke", r#"{"reason":"x","status":"approved"}"#),
        ("/api/v1/catalog/approve", r#"{"server":"notes","approved_by":"me"}"#),
        ("/api/v1/freeze", r#"{"reason":"x","by":"you"}"#),
    ];
    for (path, body) in cases {
        let answer = api.ask("POST", path, "olga:own,administer", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", answer.body);
        assert!(answer.body.contains("unknown field"), "{}", answer.body);
    }
    assert_eq!(api.fake.take(), [""; 0]);
}

#[tokio::test]
async fn a_faulty_record_answers_with_every_finding() {
    let api = Api::new();
    let request = Request::post("/api/v1/exceptions")
        .header("host", "postern.test")
        .header("authorization", "Bearer r:request")
        .header("content-type", "application/yaml")
        .body(Body::from("id: EX-1\nfaulty: 1\n"))
        .unwrap();
    let answer = api.send(request).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"error": {"code": "faulty_document", "message": "the document has a fault", "findings":
            [{"file": "", "line": 2, "path": "/faulty", "message": "remove it"}]}})
    );
}

#[tokio::test]
async fn bad_bodies_say_what_to_mend_and_change_nothing() {
    let api = Api::new();
    let cases = [
        ("/api/v1/keys", "{", StatusCode::BAD_REQUEST, "not JSON"),
        ("/api/v1/keys", "{}", StatusCode::BAD_REQUEST, "either `agent` or `person`"),
        ("/api/v1/keys", r#"{"agent":"a","days":91}"#, StatusCode::BAD_REQUEST, "from 1 to 90"),
        ("/api/v1/exceptions/EX-1/approve", "{}", StatusCode::BAD_REQUEST, "give the `digest`"),
        ("/api/v1/exceptions/EX-1/revoke", r#"{"reason":" "}"#, StatusCode::BAD_REQUEST, "give a `reason`"),
        ("/api/v1/freeze", "", StatusCode::BAD_REQUEST, "give a `reason`"),
    ];
    for (path, body, status, text) in cases {
        let answer = api.ask("POST", path, "olga:own,approve,administer", body).await;
        assert_eq!((answer.status, answer.body.contains(text)), (status, true), "{path}: {}", answer.body);
    }
    let large = "x".repeat(crate::domain::limits::BODY + 1);
    let answer = api.ask("POST", "/api/v1/keys", "a:administer", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let form = Request::post("/api/v1/freeze")
        .header("host", "postern.test")
        .header("authorization", "Bearer a:administer")
        .header("content-type", "text/plain")
        .body(Body::from(r#"{"reason":"x"}"#))
        .unwrap();
    assert_eq!(api.send(form).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(api.ask("GET", "/api/v1/evidence?limit=0", "a:audit", "").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(api.fake.take(), [""; 0]);
}

#[tokio::test]
async fn a_report_looks_back_over_the_days_that_are_asked_for_and_no_more_than_a_year() {
    let api = Api::new();
    for (query, days) in [("", 30), ("?days=1", 1), ("?days=366", 366)] {
        let answer = api.ask("GET", &format!("/api/v1/reports/sprawl{query}"), "sam:audit", "").await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["days"], days, "{query}");
    }
    for query in ["?days=0", "?days=367", "?days=x", "?day=1", "?days=1&since=2"] {
        let answer = api.ask("GET", &format!("/api/v1/reports/sprawl{query}"), "sam:audit", "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}
