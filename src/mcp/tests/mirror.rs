//! Arguments in headers: which annotations are allowed, and that header and argument agree.

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json, value::to_raw_value};

use crate::mcp::{HeaderFault, Mirrored, Mirrors};

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {"type": "object", "properties": {"count": {"type": "integer", "x-mcp-header": "Count"}}},
        "dry": {"type": "boolean", "x-mcp-header": "dry"},
        "x-mcp-header": {"type": "string", "default": {"x-mcp-header": ""}}
    }})
}

fn mirrored(pairs: &[(&'static str, &str)]) -> Mirrored {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    Mirrored::of(&headers)
}

/// T006
#[test]
fn a_header_that_repeats_an_argument_agrees_with_it() {
    let mirrors = Mirrors::of(&schema()).unwrap();
    let arguments = to_raw_value(&json!({"region": "us", "deep": {"count": 42}, "dry": null})).unwrap();
    let check = |pairs: &[(&'static str, &str)]| mirrored(pairs).check(&mirrors, Some(&arguments));
    assert_eq!(check(&[("mcp-param-region", "us"), ("mcp-param-count", "42"), ("mcp-param-other", "x")]), Ok(()));
    assert_eq!(check(&[("mcp-param-region", "=?base64?dXM=?="), ("mcp-param-count", "42.0")]), Ok(()));
    let mismatch = |name: &str| Err(HeaderFault::Mismatch(name.to_owned()));
    assert_eq!(check(&[("mcp-param-region", "eu"), ("mcp-param-count", "42")]), mismatch("mcp-param-region"));
    assert_eq!(check(&[("mcp-param-region", "US"), ("mcp-param-count", "42")]), mismatch("mcp-param-region"));
    assert_eq!(
        check(&[("mcp-param-region", "us"), ("mcp-param-count", "42"), ("mcp-param-dry", "true")]),
        mismatch("mcp-param-dry")
    );
    assert_eq!(check(&[("mcp-param-count", "42")]), Err(HeaderFault::Missing("mcp-param-region".to_owned())));
    assert_eq!(
        check(&[("mcp-param-region", "us"), ("mcp-param-region", "eu")]),
        Err(HeaderFault::Twice("mcp-param-region".to_owned()))
    );
    assert_eq!(
        check(&[("mcp-param-region", "=?base64?*?=")]),
        Err(HeaderFault::Malformed("mcp-param-region".to_owned()))
    );
    assert_eq!(Mirrored::default().check(&mirrors, None), Ok(()));
}

#[test]
fn headers_that_we_send_are_headers_that_we_would_accept() {
    let mirrors = Mirrors::of(&schema()).unwrap();
    for region in ["us", "", " x", "é\r\nX-Evil: 1"] {
        let arguments = to_raw_value(&json!({"region": region, "deep": {"count": -3}, "dry": false})).unwrap();
        let headers: HeaderMap = mirrors.headers(Some(&arguments)).into_iter().collect();
        assert_eq!(headers.len(), 3);
        assert_eq!(Mirrored::of(&headers).check(&mirrors, Some(&arguments)), Ok(()), "{region:?}");
    }
}

#[test]
fn an_annotation_that_the_protocol_forbids_is_found() {
    let string = |name: &str| json!({"type": "string", "x-mcp-header": name});
    for schema in [
        json!({"properties": {"a": string("")}}),
        json!({"properties": {"a": string("a b")}}),
        json!({"properties": {"a": string("a\r\nb")}}),
        json!({"properties": {"a": {"type": "string", "x-mcp-header": 1}}}),
        json!({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}),
        json!({"properties": {"a": {"type": "object", "x-mcp-header": "A"}}}),
        json!({"properties": {"a": {"x-mcp-header": "A"}}}),
        json!({"properties": {"a": string("X"), "b": string("x")}}),
        json!({"properties": {"a": {"type": "array", "items": string("A")}}}),
        json!({"properties": {"a": {"oneOf": [string("A")]}}}),
        json!({"$defs": {"a": string("A")}}),
        json!({"type": "string", "x-mcp-header": "A"}),
    ] {
        assert!(Mirrors::of(&schema).is_err(), "{schema}");
    }
    assert!(Mirrors::of(&json!({"properties": {"x-mcp-header": {"type": "string"}}})).unwrap().is_empty());
}
