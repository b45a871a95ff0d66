//! Arguments against the schema.

use serde_json::{Value, json, value::RawValue};

use super::{arc, read_file, with_schema};
use crate::catalog::{ArgumentError, ToolCall};

fn check(text: &str) -> Result<ToolCall, ArgumentError> {
    let raw = RawValue::from_string(text.to_owned()).unwrap();
    ToolCall::check(arc(&read_file()), Some(&raw), Vec::new())
}

#[test]
fn what_was_checked_is_what_is_sent_byte_for_byte() {
    let text = r#"{ "path" : "/safe/\u0061", "lines": 1.0 }"#;
    let call = check(text).unwrap();
    assert_eq!(call.arguments().get(), text);
    assert_eq!(call.value()["path"], "/safe/a");
    assert_eq!(call.digest(), crate::domain::Digest::of(text.as_bytes()));
    let member = || vec![(Box::from("x"), RawValue::from_string("1".to_owned()).unwrap())];
    let raw = RawValue::from_string(text.to_owned()).unwrap();
    let with_member = ToolCall::check(arc(&read_file()), Some(&raw), member()).unwrap();
    assert_ne!(with_member.digest(), call.digest());
}

/// T026
#[test]
fn numbers_and_keys_that_readers_disagree_on_are_refused() {
    for bad in [
        r#"{"path":"a","lines":123456789012345678901234567890}"#,
        r#"{"path":"a","lines":9007199254740993}"#,
        r#"{"path":"a","more":{"deep":[-9007199254740993]}}"#,
    ] {
        let error = check(bad).unwrap_err();
        assert!(matches!(error, ArgumentError::UnsafeInteger(_)), "{error}");
    }
    for bad in [r#"{"path":"a","path":"b"}"#, r#"{"path":"a","p\u0061th":"b"}"#] {
        assert!(matches!(check(bad), Err(ArgumentError::Unreadable(_))), "{bad}");
    }
    let huge = serde_json::from_str::<&RawValue>(r#"{"path":"a","lines":1e400}"#).unwrap();
    assert!(matches!(ToolCall::check(arc(&read_file()), Some(huge), Vec::new()), Err(ArgumentError::Unreadable(_))));
    for bad in ["[]", "1", "null", "\"path\""] {
        assert_eq!(check(bad).unwrap_err(), ArgumentError::NotAnObject);
    }
}

#[test]
fn a_refusal_names_every_place_and_repeats_no_value() {
    let text = check(r#"{"path":["my secret"],"lines":"my secret"}"#).unwrap_err().to_string();
    assert!(text.contains("at `/path`: ") && text.contains("at `/lines`: ") && text.contains("integer"), "{text}");
    assert!(!text.contains("my secret"), "{text}");
    let missing = ToolCall::check(arc(&read_file()), None, Vec::new()).unwrap_err().to_string();
    assert_eq!(missing, "the arguments do not fit the tool's input schema: \"path\" is a required property");
    let wide = json!({"properties": (0..50).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect::<serde_json::Map<String, Value>>()});
    let raw =
        super::raw(&json!((0..50).map(|n| (format!("p{n}"), json!(n))).collect::<serde_json::Map<String, Value>>()));
    let error = ToolCall::check(with_schema(&wide).unwrap().into(), Some(&raw), Vec::new()).unwrap_err().to_string();
    assert!(error.ends_with("; and 45 more") && error.len() < 1500, "{error}");
}

/// T070
#[test]
fn arguments_that_the_schema_does_not_declare_are_named() {
    let call = check(r#"{"path":"/safe/a","Path":"/etc/shadow","path ":1}"#).unwrap();
    assert_eq!(call.undeclared().collect::<Vec<_>>(), ["Path", "path "]);
    assert_eq!(check(r#"{"path":"/safe/a"}"#).unwrap().undeclared().count(), 0);
}

/// T038: patterns of a server's schema run on an engine that never goes back.
#[test]
fn a_pattern_made_to_run_for_ever_comes_to_an_answer() {
    let schema = json!({"type": "object", "properties": {"word": {"type": "string", "pattern": "^(a+)+$"}}});
    let tool = std::sync::Arc::new(with_schema(&schema).unwrap());
    let raw = |text: &str| serde_json::value::to_raw_value(&json!({"word": text})).unwrap();
    let long = "a".repeat(50_000);
    assert!(ToolCall::check(tool.clone(), Some(&raw(&long)), Vec::new()).is_ok());
    let fault = ToolCall::check(tool, Some(&raw(&format!("{long}!"))), Vec::new()).unwrap_err().to_string();
    assert!(fault.contains("at `/word`"), "{fault}");
}
