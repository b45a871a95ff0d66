//! The strict scan: what two readers could understand differently is refused, and nothing else is.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::mcp::{CallParams, Limits, Message, ParseError, scan};

fn request(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
}

fn fault(text: &str) -> ParseError {
    Message::parse(text.as_bytes(), Limits::REQUEST).expect_err(text)
}

/// T020
#[test]
fn a_key_that_stands_twice_is_refused_at_every_depth() {
    for text in [
        r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned(),
        request(r#"{"name":"fs.read_file","name":"fs.delete_file","arguments":{}}"#),
        request(r#"{"name":"a","arguments":{"x":1,"\u0078":2}}"#),
        request(r#"{"name":"a","arguments":{"x":[{"y":{"z":1,"z":1}}]}}"#),
        request(r#"{"name":"a","n\u0061me":"b"}"#),
    ] {
        assert!(matches!(fault(&text), ParseError::DuplicateKey(_)), "{text}");
    }
    let many: Vec<_> = (0..40).chain([17]).map(|n| format!("\"k{n}\":{n}")).collect();
    assert_eq!(fault(&request(&format!("{{{}}}", many.join(",")))), ParseError::DuplicateKey("k17".to_owned()));
    assert!(scan(br#"{"a":{"x":1},"b":{"x":1},"x":[{"x":1},{"x":1}]}"#, Limits::REQUEST).is_ok());
}

/// T021
#[test]
fn a_key_that_looks_like_a_known_one_is_refused() {
    for params in [r#"{"name":"a","Name":"b"}"#, r#"{"name":"a","argument\u017f":{}}"#, r#"{"name":"a","name ":"b"}"#] {
        assert!(matches!(fault(&request(params)), ParseError::LookAlike(..)), "{params}");
    }
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"Params":{"name":"b"}}"#;
    assert!(matches!(fault(text), ParseError::LookAlike(_, "params")));
    assert!(matches!(fault(r#"{"jsonrpc":"2.0","id":1,"method":"a","x":1}"#), ParseError::UnknownMember(_)));
}

/// T022
#[test]
fn an_array_is_never_a_message() {
    assert_eq!(fault(r#"["tools/call",{"name":"a"}]"#), ParseError::Batch);
    assert_eq!(fault(r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#), ParseError::Batch);
    assert!(matches!(fault(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a"]}"#), ParseError::Member(_)));
    for text in ["", " ", "1", "\"a\"", "null"] {
        assert_eq!(fault(text), ParseError::NotAnObject, "{text}");
    }
}

/// T023
#[test]
fn nesting_ends_at_the_bound_and_costs_nothing_beyond_it() {
    let nested = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth - 1) + "{", "}".repeat(depth));
    assert!(scan(nested(32).as_bytes(), Limits::REQUEST).is_ok());
    assert!(matches!(scan(nested(33).as_bytes(), Limits::REQUEST), Err(ParseError::Depth(_))));
    let bomb = format!(r#"{{"params":{{"arguments":{}"#, "[".repeat(100_000));
    assert!(matches!(scan(bomb.as_bytes(), Limits::REQUEST), Err(ParseError::Depth(at)) if at < 100));
}

/// T026
#[test]
fn a_number_is_one_that_every_reader_agrees_on() {
    let number = |text: &str| scan(format!(r#"{{"n":{text}}}"#).as_bytes(), Limits::REQUEST).map(drop);
    for good in ["0", "-0", "1.0", "0.1234567890123456789", "9007199254740991", "-9007199254740991", "1e3", "1E-400"] {
        assert_eq!(number(good), Ok(()), "{good}");
    }
    for bad in [
        "9007199254740992",
        "-9007199254740992",
        "123456789012345678901234567890",
        "123456789012345678901234567890.5",
        "1e400",
        "9007199254740993e0",
        "90071992547409.93e2",
        "1e20",
    ] {
        assert!(matches!(number(bad), Err(ParseError::Number(_))), "{bad}");
    }
    for bad in ["01", "+1", ".5", "1.", "1e", "--1", "NaN", "Infinity", "0x1", "1_0"] {
        assert!(matches!(number(bad), Err(ParseError::Syntax(_))), "{bad}");
    }
    assert!(scan(br#"{"n":123456789012345678901234567890}"#, Limits::ANSWER).is_ok());
}

/// T027
#[test]
fn text_is_utf8_without_halves_of_pairs_or_control_characters_in_keys() {
    let parse = |bytes: &[u8]| scan(bytes, Limits::REQUEST).map(drop);
    assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(ParseError::NotUtf8));
    assert_eq!(parse("\u{feff}{}".as_bytes()), Err(ParseError::NotAnObject));
    for text in
        [r#"{"a":"\ud800"}"#, r#"{"a":"\ud800\u0041"}"#, r#"{"a":"\udc00"}"#, r#"{"\ud800":1}"#, r#"{"a":"\ud83dx"}"#]
    {
        assert!(matches!(parse(text.as_bytes()), Err(ParseError::Surrogate(_))), "{text}");
    }
    assert!(parse(r#"{"a":"\ud83d\ude00"}"#.as_bytes()).is_ok());
    for text in [r#"{"a\u0000":1}"#, r#"{"\u007f":1}"#, "{\"\u{7f}\":1}", "{\"\u{85}\":1}"] {
        assert!(matches!(parse(text.as_bytes()), Err(ParseError::ControlInKey(_))), "{text}");
    }
    assert!(matches!(parse(b"{\"a\nb\":1}"), Err(ParseError::Syntax(_))));
    assert!(matches!(parse(b"{\"a\":\"b\x00\"}"), Err(ParseError::Syntax(_))));
    let text = request(r#"{"name":"a\u0000"}"#);
    let Ok(Message::Request { params, .. }) = Message::parse(text.as_bytes(), Limits::REQUEST) else {
        panic!("{text}")
    };
    assert!(CallParams::read(&params).is_err());
}

#[test]
fn what_stands_after_the_end_or_breaks_the_grammar_is_refused() {
    assert!(matches!(scan(b"{} {}", Limits::REQUEST), Err(ParseError::Trailing(3))));
    for text in [
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":[1,]}",
        "{\"a\":[}",
        "{\"a\":[1}}",
        "{\"a\":tru}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u00g0\"}",
        "{\"a\":1 2}",
        "{\"a\":[1 2]}",
        "{\"a\":nul",
        "{\"a\":\"",
        "{\"a\":\"\\",
    ] {
        assert!(scan(text.as_bytes(), Limits::REQUEST).is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e15_f64..1e15).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Zé\"\\\\]{0,6}", inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Where a second, equal key could be put into a text of JSON.
fn double_a_key(text: &str, at: usize, escaped: bool) -> Option<String> {
    let opens: Vec<_> = text.match_indices("{\"k").map(|(index, _)| index).collect();
    let open = *opens.get(at % opens.len().max(1))?;
    let end = open + 2 + text.get(open + 2..)?.find('"')?;
    let key = text.get(open + 2..end)?;
    let written =
        if escaped { key.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect() } else { key.to_owned() };
    Some(format!("{}{{\"{written}\":0,{}", text.get(..open)?, text.get(open + 1..)?))
}

proptest! {
    #[test]
    fn whatever_serde_writes_is_accepted(value in any_json()) {
        let text = serde_json::to_string(&json!({ "v": value })).unwrap();
        prop_assert_eq!(scan(text.as_bytes(), Limits::REQUEST), Ok(text.as_str()));
    }

    #[test]
    fn whatever_is_accepted_is_json_to_serde_too(text in "[{}\\[\\]\",:0-9a-ce\\\\u.+ \\-]{0,24}") {
        let text = format!("{{\"a\":{text}}}");
        if scan(text.as_bytes(), Limits::ANSWER).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _judged = scan(&bytes, Limits::REQUEST);
    }

    /// T020
    #[test]
    fn no_duplicate_key_is_ever_accepted(keys in prop::collection::btree_set("k[a-z]{0,3}", 1..30), depth in 0_usize..8, at: usize, escaped: bool) {
        let object: serde_json::Map<_, _> = keys.into_iter().map(|key| (key, json!(1))).collect();
        let text = (0..depth).fold(Value::Object(object), |inner, n| json!({ format!("k{n}"): [inner] })).to_string();
        prop_assert!(scan(text.as_bytes(), Limits::REQUEST).is_ok());
        let doubled = double_a_key(&text, at, escaped).unwrap();
        prop_assert!(matches!(scan(doubled.as_bytes(), Limits::REQUEST), Err(ParseError::DuplicateKey(_))), "{}", doubled);
    }
}
