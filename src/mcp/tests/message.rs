//! Messages: what is accepted is what is emitted, and ids are ids.

use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use crate::mcp::{CallParams, IdKey, Limits, Message, ParseError, emit};

fn parse(text: &str) -> Result<Message<'_>, ParseError> {
    Message::parse(text.as_bytes(), Limits::REQUEST)
}

/// T028
#[test]
fn an_id_is_an_integer_or_a_short_string() {
    let id = |id: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        match parse(&text) {
            Ok(Message::Request { id, .. }) => id.key(),
            _ => None,
        }
    };
    assert_eq!(id("1"), Some(IdKey::Number(1)));
    assert_eq!(id(r#""a""#), Some(IdKey::Text("a".into())));
    assert_eq!(id(r#""\u0061""#), id(r#""a""#));
    assert!(id(&format!("\"{}\"", "é".repeat(128))).is_some());
    assert!(id(&format!("\"{}\"", "\\u0061".repeat(128))).is_some());
    for bad in ["null", "1.0", "1e0", "true", "{}", "[]", "9007199254740992"] {
        assert_eq!(id(bad), None, "{bad}");
    }
    assert_eq!(id(&format!("\"{}\"", "a".repeat(129))), None);
    assert_eq!(id(&format!("\"{}\"", "a".repeat(1 << 20))), None);
}

#[test]
fn an_envelope_is_one_kind_of_message_or_none() {
    for bad in [
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":1}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":1}}"#,
    ] {
        assert!(matches!(parse(bad), Err(ParseError::Member(_))), "{bad}");
    }
    assert!(matches!(parse(r#"{"jsonrpc":"2.0","method":"a"}"#), Ok(Message::Notification { .. })));
    assert!(matches!(
        parse(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}"#),
        Ok(Message::Response { id: None, answer: Err(_) })
    ));
}

#[test]
fn unknown_members_of_params_pass_in_order_and_unchanged() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"z":1.50,"name":"a","y":{"b" : 1},"arguments":{"x":1e2}}}"#;
    let Ok(Message::Request { params, .. }) = parse(text) else { panic!("{text}") };
    let call = CallParams::read(&params).unwrap();
    let rest: Vec<_> = call.passthrough.iter().map(|(key, value)| (&**key, value.get())).collect();
    assert_eq!(rest, [("z", "1.50"), ("y", r#"{"b" : 1}"#)]);
    assert_eq!(call.arguments.map(RawValue::get), Some(r#"{"x":1e2}"#));
}

/// T030
#[test]
fn what_meta_says_wrongly_is_left_out() {
    let baggage = "b".repeat(100_000);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","_meta":{{"traceparent":"garbage","baggage":"{baggage}","progressToken":7}}}}}}"#
    );
    let Ok(Message::Request { params, .. }) = parse(&text) else { panic!() };
    let call = CallParams::read(&params).unwrap();
    assert!(call.meta.traceparent.is_none() && call.meta.baggage.is_none());
    assert_eq!(call.meta.progress_token.map(RawValue::get), Some("7"));
}

#[test]
fn errors_name_their_request_or_none() {
    assert_eq!(
        emit::error(None, -32700, "a \"b\"", None),
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"a \"b\""}}"#
    );
}

proptest! {
    #[test]
    fn what_was_accepted_is_what_is_emitted(
        number: i32, method in "[a-z/]{1,12}", keys in prop::collection::btree_map("[a-z\\\\\"é]{1,5}", any::<Option<String>>(), 0..6), pretty: bool,
    ) {
        let params: Value = keys.into_iter().map(|(key, value)| (key, json!(value))).collect::<serde_json::Map<_, _>>().into();
        let value = json!({"jsonrpc": "2.0", "id": number, "method": method, "params": params});
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let Ok(Message::Request { id, method, params }) = parse(&text) else { return Ok(()) };
        let pieces: Vec<_> = params.iter().map(|(key, value)| (key, value.get().as_bytes())).collect();
        let number = match id.key() { Some(IdKey::Number(number)) => u64::try_from(number).ok(), _ => None };
        let Some(number) = number else { return Ok(()) };
        let emitted = emit::request(number, &method, &pieces);
        let mut expected = value;
        if pieces.is_empty() { expected.as_object_mut().unwrap().remove("params"); }
        prop_assert_eq!(serde_json::from_slice::<Value>(&emitted).unwrap(), expected);
        prop_assert!(Message::parse(&emitted, Limits::REQUEST).is_ok());
        prop_assert!(!emit::one_line(emitted).contains(&b'\n'));
    }
}
