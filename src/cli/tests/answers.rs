//! Refusals of the gateway as a person reads them.

use http::StatusCode;

use crate::cli::{client::refusal, run::tell, screen::Format};

fn told(status: StatusCode, body: &str, format: Format) -> (u8, String) {
    let failure = refusal(status, body.as_bytes());
    let mut out = Vec::new();
    tell(&failure, format, &mut out).unwrap();
    (failure.code(), String::from_utf8(out).unwrap())
}

#[test]
fn every_finding_is_told_with_its_place() {
    let body = r#"{"error":{"code":"faulty_document","message":"2 faults","findings":[
        {"file":"","line":4,"path":"/owner","message":"is missing"},
        {"file":"roles/a.cedar","line":2,"path":"","message":"unknown action \u001b[2J"}]}}"#;
    let (code, text) = told(StatusCode::UNPROCESSABLE_ENTITY, body, Format::Table);
    assert_eq!(code, 2);
    assert_eq!(
        text,
        "/owner: is missing\nroles/a.cedar:2: unknown action \\u{1b}[2J\npostern: 2 faults; nothing was changed\n"
    );
    let (_, json) = told(StatusCode::UNPROCESSABLE_ENTITY, body, Format::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["error"]["findings"][0]["path"], "/owner");
}

#[test]
fn the_status_decides_the_exit_code() {
    let body = r#"{"error":{"code":"x","message":"because","findings":[]}}"#;
    for (status, code) in [(400, 2), (401, 1), (403, 1), (404, 1), (409, 1), (413, 2), (422, 2), (500, 1), (503, 1)] {
        let (exit, text) = told(StatusCode::from_u16(status).unwrap(), body, Format::Table);
        assert_eq!(exit, code, "{status}");
        assert!(text.starts_with("postern: because"), "{text}");
    }
    assert_eq!(told(StatusCode::BAD_GATEWAY, "<html>", Format::Table).1, "postern: Bad Gateway\n");
}
