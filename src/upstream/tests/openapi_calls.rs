//! Calls to an API: what an argument can and cannot do to a request, and what an answer becomes.

use std::{sync::Mutex, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    openapi_support::{Behind, Came, one, reply},
    peer::Reply,
    support::{answered, dispatch, failed, text},
};
use crate::{
    domain::{Secret, limits},
    upstream::{CallEnd, Dispatch, FailureKind},
};

fn path_parameter() -> Value {
    one(&json!([{"name": "id", "in": "path", "required": true, "schema": {}}]))
}

#[tokio::test]
async fn an_argument_in_the_path_stays_one_segment() {
    let api = Behind::quiet(&path_parameter()).await;
    for (argument, target) in [
        (json!("7"), "/base/a/7"),
        (json!(7), "/base/a/7"),
        (json!(7.0), "/base/a/7"),
        (json!("a b?c#d&e=f;g"), "/base/a/a%20b%3Fc%23d%26e%3Df%3Bg"),
        (json!("http://evil.example@x".replace('/', "")), "/base/a/http%3Aevil.example%40x"),
        (json!("Zürich"), "/base/a/Z%C3%BCrich"),
        (json!("..."), "/base/a/..."),
        (json!(["a", "b"]), "/base/a/a,b"),
        (json!({"k": "v"}), "/base/a/k,v"),
    ] {
        assert_eq!(api.target(json!({"id": argument})).await, target);
    }
}

/// T120
#[tokio::test]
async fn an_argument_never_becomes_another_path() {
    let api = Behind::quiet(&path_parameter()).await;
    for argument in [
        "",
        ".",
        "..",
        "a/b",
        "../admin",
        "a\\b",
        "/",
        "%2e%2e",
        "%2E.",
        "a%2fb",
        "a%5Cb",
        "a\0b",
        "a\r\nb",
        "a\nb",
        "\u{7f}",
        "%00",
        "%0d%0aX-A:%20b",
    ] {
        let said = api.unsent(json!({"id": argument})).await;
        assert!(said.starts_with("the argument `id` ") && said.ends_with("nothing was sent"), "{said}");
    }
    for argument in [json!(null), json!([]), json!([".."]), json!(["a", "/"]), json!([["a"]]), json!({"..": "/"})] {
        api.unsent(json!({"id": argument})).await;
    }
    let two = json!({"openapi": "3.1.0", "paths": {"/a/{x}{y}/b": {"get": {"operationId": "op", "parameters": [
        {"name": "x", "in": "path", "required": true, "schema": {}}, {"name": "y", "in": "path", "required": true, "schema": {}}
    ]}}}});
    let api = Behind::quiet(&two).await;
    api.unsent(json!({"x": ".", "y": "."})).await;
    assert_eq!(api.target(json!({"x": ".", "y": "a"})).await, "/base/a/.a/b");
}

#[tokio::test]
async fn slashes_travel_encoded_only_where_the_operator_says_so() {
    let api = Behind::start(
        path_parameter(),
        |_| reply(200, "application/json", "{}"),
        |api| {
            api.encoded_slashes = true;
        },
    );
    let api = api.await;
    assert_eq!(api.target(json!({"id": "group/project"})).await, "/base/a/group%2Fproject");
    for argument in ["a/../b", "..", "/a", "a//b", "a/%2e%2e/b", "a\0/b"] {
        api.unsent(json!({"id": argument})).await;
    }
}

#[tokio::test]
async fn every_style_of_the_query_is_written_as_the_specification_says() {
    let list = json!({"type": "array", "items": {}});
    let object = json!({"type": "object", "properties": {"r": {}, "g": {}}});
    for (parameter, argument, target) in [
        (json!({"schema": list}), json!([1, "b&c", true]), "q=1&q=b%26c&q=true"),
        (json!({"schema": list, "explode": false}), json!([1, "b,c"]), "q=1,b%2Cc"),
        (json!({"schema": list, "style": "spaceDelimited", "explode": false}), json!([1, 2]), "q=1%202"),
        (json!({"schema": list, "style": "pipeDelimited", "explode": false}), json!([1, 2]), "q=1%7C2"),
        (json!({"schema": list, "style": "pipeDelimited", "explode": true}), json!([1, 2]), "q=1&q=2"),
        (json!({"schema": object}), json!({"r": 1, "g": 2}), "g=2&r=1"),
        (json!({"schema": object, "explode": false}), json!({"r": 1, "g": 2}), "q=g,2,r,1"),
        (json!({"schema": object, "style": "deepObject"}), json!({"r": 1, "x]&y": 2}), "q%5Br%5D=1&q%5Bx%5D%26y%5D=2"),
        (json!({"content": {"application/json": {"schema": object}}}), json!({"r": [1]}), "q=%7B%22r%22%3A%5B1%5D%7D"),
        (json!({"schema": {}, "allowReserved": true}), json!("a&b=c#d\r\n"), "q=a%26b%3Dc%23d%0D%0A"),
    ] {
        let mut parameter = parameter;
        (parameter["name"], parameter["in"]) = (json!("q"), json!("query"));
        let api = Behind::quiet(&one(&json!([parameter]))).await;
        let sent = api.target(json!({"q": argument})).await;
        let sorted = |query: &str| {
            let mut pairs: Vec<_> = query.split('&').map(str::to_owned).collect();
            pairs.sort();
            pairs
        };
        let query = sent.strip_prefix("/base/a?").unwrap();
        let same = query == target || (query.contains('&') && sorted(query) == sorted(target)) || query == "q=r,1,g,2";
        assert!(same, "{parameter}: {query}, not {target}");
        assert_eq!(api.target(json!({})).await, "/base/a");
    }
}

/// T126
#[tokio::test]
async fn an_argument_never_becomes_another_parameter_or_stands_in_for_a_credential() {
    let object = json!({"type": "object", "properties": {"r": {}}});
    let parameters = json!([
        {"name": "q", "in": "query", "schema": object},
        {"name": "api_key", "in": "query", "required": true, "schema": {"type": "string"}},
        {"name": "X-Token", "in": "header", "required": true, "schema": {"type": "string"}},
        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
        {"name": "X-Note", "in": "header", "schema": {}},
        {"name": "c", "in": "cookie", "schema": {}}
    ]);
    let api = Behind::start(
        &one(&parameters),
        |_| reply(200, "application/json", "{}"),
        |api| {
            api.headers = [("x-token".to_owned(), Secret::new("header-secret".to_owned()))].into();
            api.query = [("api_key".to_owned(), Secret::new("a b&c".to_owned()))].into();
        },
    )
    .await;
    let schema = api.definition("op")["inputSchema"].clone();
    let names: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["q", "X-Note", "c"]);
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&Value::Null, &json!(false)));
    assert!(api.unsent(json!({"q": {"api_key": "mine"}})).await.contains("does not name"));
    let target = api.target(json!({"q": {"r": "1&api_key=2"}, "X-Note": "hello there", "c": "a; b=c\r\n"})).await;
    assert_eq!(target, "/base/a?r=1%26api_key%3D2&api_key=a%20b%26c");
    let came = api.peer.last();
    assert_eq!(came.header("x-token"), Some("header-secret"));
    assert_eq!(came.header("x-note"), Some("hello there"));
    assert_eq!(came.header("cookie"), Some("c=a%3B%20b%3Dc%0D%0A"));
    assert_eq!(came.header("host"), Some(api.peer.address.to_string().as_str()));
    for note in ["a\r\nX-Token: b", "a\nb", "a\0b", "é", " a", "a\u{7f}"] {
        assert!(api.unsent(json!({"X-Note": note})).await.ends_with("nothing was sent"), "{note:?}");
    }
    assert!(api.unsent(json!({"X-Note": ["a,b"]})).await.contains("inside a list"));
    assert!(api.unsent(json!({"X-Note": "a".repeat(9_000)})).await.contains("8 KiB"));
    assert!(api.unsent(json!({"q": {"r": "a".repeat(20_000)}})).await.contains("too long"));
}

#[tokio::test]
async fn bodies_travel_as_json_byte_for_byte_or_as_a_form() {
    let body = |kind: &str| {
        json!({"openapi": "3.1.0", "paths": {"/a": {"post": {"operationId": "op", "requestBody": {
            "required": true, "content": {kind: {"schema": {"type": "object"}}}}}}}})
    };
    let api = Behind::quiet(&body("application/merge-patch+json")).await;
    api.target(json!({"body": {"z": 1.50, "a": ["\r\n", null]}})).await;
    let came = api.peer.last();
    assert_eq!((came.method.as_str(), came.header("content-type")), ("POST", Some("application/merge-patch+json")));
    assert_eq!(serde_json::from_str::<Value>(&came.body).unwrap(), json!({"z": 1.5, "a": ["\r\n", null]}));
    let api = Behind::quiet(&body("application/x-www-form-urlencoded")).await;
    api.target(json!({"body": {"a": "1&b=2", "list": [1, 2], "deep": {"k": [1]}, "none": null}})).await;
    let mut pairs: Vec<_> = api.peer.last().body.split('&').map(str::to_owned).collect();
    pairs.sort();
    assert_eq!(pairs, ["a=1%26b%3D2", "deep=%7B%22k%22%3A%5B1%5D%7D", "list=1", "list=2"]);
    assert_eq!(api.peer.last().header("content-type"), Some("application/x-www-form-urlencoded"));
}

/// The answer of an API that always answers this.
async fn answer(status: u16, kind: &'static str, body: &'static [u8]) -> CallEnd {
    let api = Behind::start(
        one(&json!([])),
        move |_: &Came| reply(status, kind, body),
        |api| {
            api.response = 64 << 10;
            api.secrets = vec![Secret::new("Bearer s3cret-key".to_owned())];
        },
    );
    api.await.send("op", json!({})).await
}

#[tokio::test]
async fn an_answer_becomes_a_result_by_its_type() {
    let end = answer(200, "application/json; charset=utf-8", b"{\"n\":\n1.50}").await;
    assert_eq!(text(end), "{\"n\":\n1.50}");
    let CallEnd::Answered { result, is_error: false, .. } =
        answer(200, "application/vnd.x+json", b"{\"n\":1.50}").await
    else {
        panic!("no answer")
    };
    assert!(std::str::from_utf8(&result).unwrap().contains(r#""structuredContent":{"n":1.50}"#));
    assert!(answered(answer(200, "application/json", b"[1]").await).get("structuredContent").is_none());
    assert!(answered(answer(200, "application/json", b"{\"a\":1,\"a\":2}").await).get("structuredContent").is_none());
    assert_eq!(text(answer(200, "text/csv", b"a,b\n1,2\n").await), "a,b\n1,2\n");
    assert_eq!(
        text(answer(200, "application/zip", b"PK\x03\x04").await),
        "4 bytes of application/zip, which is not shown"
    );
    let image = answered(answer(200, "image/png", b"\x89PNG").await);
    assert_eq!(image["content"][0], json!({"type": "image", "mimeType": "image/png", "data": "iVBORw=="}));
    assert_eq!(text(answer(204, "", b"").await), "http status 204 No Content; the answer has no body");
}

#[tokio::test]
async fn an_error_of_the_api_is_an_error_of_the_tool_with_its_text() {
    let end = answer(404, "application/json", b"{\"detail\":\"no such pet\"}").await;
    assert!(matches!(end, CallEnd::Answered { is_error: true, .. }));
    assert_eq!(text(end), "The API answered with http status 404 Not Found.\n\n{\"detail\":\"no such pet\"}");
    let long: &'static [u8] = Box::leak(vec![b'x'; 40 << 10].into_boxed_slice());
    let said = text(answer(500, "text/plain", long).await);
    assert!(said.len() < 17 << 10 && said.ends_with('…'));
    let endless: &'static [u8] = Box::leak(vec![b'x'; 80 << 10].into_boxed_slice());
    assert_eq!(
        text(answer(500, "text/plain", endless).await),
        "The API answered with http status 500 Internal Server Error."
    );
}

/// T031, T122
#[tokio::test]
async fn what_is_too_large_compressed_or_elsewhere_is_no_answer() {
    let endless: &'static [u8] = Box::leak(vec![b'x'; 80 << 10].into_boxed_slice());
    assert_eq!(failed(answer(200, "text/plain", endless).await), (FailureKind::TooLarge, true));
    let api = Behind::start(
        one(&json!([])),
        |_| reply(302, "text/plain", "x").with("location", "http://169.254.169.254/"),
        |_| {},
    );
    let api = api.await;
    assert_eq!(failed(api.send("op", json!({})).await), (FailureKind::Redirected, true));
    assert_eq!(api.peer.journal().len(), 1);
    let api =
        Behind::start(one(&json!([])), |_| reply(200, "text/plain", "x").with("content-encoding", "gzip"), |_| {});
    assert_eq!(failed(api.await.send("op", json!({})).await), (FailureKind::Garbage, true));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_or_when_the_caller_stops_it_and_carries_the_trace() {
    let open = Mutex::new(Vec::new());
    let api = Behind::start(
        one(&json!([])),
        move |_| {
            let (reply, stream) = Reply::open();
            open.lock().unwrap().push(stream);
            reply
        },
        |_| {},
    );
    let api = api.await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let soon = Instant::now() + Duration::from_millis(100);
    let going = Dispatch { deadline: soon, traceparent: Some(trace.to_owned()), ..dispatch() };
    assert!(matches!(api.upstreams.send(api.call("op", &json!({})), going).await, CallEnd::TimedOut));
    assert_eq!(api.peer.last().header("traceparent"), Some(trace));
    let cancelled = CancellationToken::new();
    let going = Dispatch { cancelled: cancelled.clone(), ..dispatch() };
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancelled.cancel();
    };
    let (end, ()) = tokio::join!(api.upstreams.send(api.call("op", &json!({})), going), stop);
    assert!(matches!(end, CallEnd::Cancelled));
}

/// T126
#[tokio::test]
async fn an_api_that_echoes_does_not_hand_out_the_credential() {
    for (status, body) in [
        (200, &b"{\"authorization\": \"Bearer s3cret-key\"}"[..]),
        (500, b"{\"raw\": \"key=s3cret-key&x=Bearer%20s3cret-key\"}"),
    ] {
        let end = answer(status, "application/json", body).await;
        let CallEnd::Answered { result, .. } = end else { panic!("no answer") };
        let result = String::from_utf8(result.to_vec()).unwrap();
        assert!(!result.contains("s3cret") && result.contains("[credential]"), "{result}");
    }
    // The largest response fits a result as text and as an object.
    const { assert!(limits::ANSWER > 3 * (2_048 << 10)) };
}

#[tokio::test]
async fn an_answer_that_breaks_the_promised_schema_is_an_error_that_says_so() {
    let document = json!({"openapi": "3.0.3", "paths": {"/a": {"get": {"operationId": "op", "responses": {
        "200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/N"}}}},
        "404": {"description": ""}
    }}}}, "components": {"schemas": {"N": {"type": "object", "required": ["n"], "properties": {
        "n": {"type": "integer", "nullable": true}, "w": {"type": "string", "writeOnly": true}}}}}});
    for (body, error) in [(r#"{"n":null}"#, false), (r#"{"n":"x"}"#, true), ("[]", true), ("", true)] {
        let api = Behind::start(&document, move |_| reply(200, "application/json", body), |_| {}).await;
        let schema = &api.definition("op")["outputSchema"];
        assert_eq!(
            schema,
            &json!({"type": "object", "required": ["n"], "properties": {"n": {"type": ["integer", "null"]}}})
        );
        let end = api.send("op", json!({})).await;
        let CallEnd::Answered { result, is_error, .. } = end else { panic!("{end:?}") };
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!((is_error, result.get("structuredContent").is_some()), (error, !error), "{result}");
    }
}
