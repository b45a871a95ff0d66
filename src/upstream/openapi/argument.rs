//! Arguments as text of a request, in which no argument can become anything but the value of its parameter.

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{
    operation::{Location, Operation, Parameter, Piece, Segment, Style},
    road::dots,
};
use crate::domain::limits;

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An argument that cannot be sent. The text is for the agent; it repeats no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the argument `{argument}` {why}; nothing was sent")]
pub(super) struct BadArgument {
    pub(super) argument: String,
    pub(super) why: &'static str,
}

/// What the parameters make of a request.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) cookie: String,
}

pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

/// Places every argument.
pub(super) fn place(
    operation: &Operation,
    arguments: &Map<String, Value>,
    encoded_slashes: bool,
) -> Result<Parts, BadArgument> {
    let mut parts = Parts { path: path(operation, arguments, encoded_slashes)?, ..Parts::default() };
    for parameter in &operation.parameters {
        let bad = |why| BadArgument { argument: parameter.argument.clone(), why };
        let value = arguments.get(&parameter.argument).filter(|value| !value.is_null());
        let Some(value) = value else { continue };
        match parameter.location {
            Location::Path => {}
            Location::Query => pairs(parameter, value).map_err(bad)?.into_iter().for_each(|(name, value)| {
                pair(&mut parts.query, &name, &value);
            }),
            Location::Header => {
                let value = header(parameter.style, value).map_err(bad)?;
                let name = parameter.wire.parse().map_err(|_| bad("has no header to travel in"))?;
                parts.headers.push((name, value));
            }
            Location::Cookie => {
                let value =
                    if parameter.style == Style::Json { value.to_string() } else { text(value).map_err(bad)? };
                let mark = if parts.cookie.is_empty() { "" } else { "; " };
                parts.cookie.extend([mark, &parameter.wire, "=", &encode(&value)]);
            }
        }
    }
    Ok(parts)
}

/// Adds one member to a query or form.
pub(super) fn pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.extend([name, "=", value]);
}

fn path(operation: &Operation, arguments: &Map<String, Value>, encoded_slashes: bool) -> Result<String, BadArgument> {
    let mut path = String::new();
    for Segment(pieces) in &operation.path {
        let mut segment = String::new();
        let mut last = None;
        for piece in pieces {
            match piece {
                Piece::Text(text) => segment.push_str(text),
                Piece::Parameter(wire) => {
                    let mut known = operation.parameters.iter().filter(|one| one.location == Location::Path);
                    let nameless = || BadArgument { argument: wire.clone(), why: "has no place in the path" };
                    let parameter = known.find(|one| one.wire == *wire).ok_or_else(nameless)?;
                    let bad = |why| BadArgument { argument: parameter.argument.clone(), why };
                    let value = arguments.get(&parameter.argument).unwrap_or(&Value::Null);
                    segment.push_str(&stretch(parameter.style, value, encoded_slashes).map_err(bad)?);
                    last = Some(&parameter.argument);
                }
            }
        }
        if let Some(argument) = last
            && dots(&segment)
        {
            return Err(BadArgument { argument: argument.clone(), why: STEP });
        }
        path.push('/');
        path.push_str(&segment);
    }
    Ok(path)
}

const STEP: &str = "would be a step up or down in the path of the API";

/// A value in the path.
fn stretch(style: Style, value: &Value, encoded_slashes: bool) -> Result<String, &'static str> {
    let one = |value: &Value| text(value).and_then(|text| in_path(&text, encoded_slashes));
    let explode = style == Style::Simple { explode: true };
    let list = match (style, value) {
        (Style::Json, _) => return in_path(&value.to_string(), encoded_slashes),
        (_, Value::Array(items)) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        (_, Value::Object(members)) => flat(members, explode, |name| in_path(name, encoded_slashes), one)?,
        _ => vec![one(value)?],
    };
    if list.is_empty() { Err(EMPTY) } else { Ok(list.join(",")) }
}

const EMPTY: &str = "is empty, which would make another path";

/// Text in the path, encoded. What a careless server would decode, even twice, into another path is refused.
fn in_path(text: &str, encoded_slashes: bool) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    for text in [text, &decoded] {
        if text.is_empty() {
            return Err(EMPTY);
        }
        if text.chars().any(char::is_control) {
            return Err("holds a control character, which has no place in a path");
        }
        if !encoded_slashes && text.contains(['/', '\\']) {
            return Err("holds `/` or `\\`, which many servers take for another path");
        }
        if encoded_slashes && text.split(['/', '\\']).any(|step| step.is_empty() || dots(step)) {
            return Err(STEP);
        }
    }
    Ok(encode(text))
}

/// A value of the query as pairs that are encoded already.
fn pairs(parameter: &Parameter, value: &Value) -> Result<Vec<(String, String)>, &'static str> {
    let name = || encode(&parameter.wire);
    let one = |value: &Value| text(value).map(|text| encode(&text));
    let same = |text: &str| Ok(encode(text));
    match (parameter.style, value) {
        (Style::Json, _) => Ok(vec![(name(), encode(&value.to_string()))]),
        (Style::Deep, Value::Object(members)) => {
            let key = |key: &str| encode(&format!("{}[{key}]", parameter.wire));
            let deep = |(member, value): (&String, &Value)| Ok((key(member), one(value)?));
            members.iter().filter(|(_, value)| !value.is_null()).map(deep).collect()
        }
        (Style::Deep, _) => Err("must be an object"),
        (Style::Form { explode: true }, Value::Array(items)) => {
            items.iter().map(|item| Ok((name(), one(item)?))).collect()
        }
        (Style::Form { explode: true }, Value::Object(members)) => {
            if members.keys().any(|member| !parameter.members.contains(member)) {
                return Err("holds a member that the API does not name, which would be another parameter");
            }
            let beside = |(member, value): (&String, &Value)| Ok((encode(member), one(value)?));
            members.iter().filter(|(_, value)| !value.is_null()).map(beside).collect()
        }
        (_, Value::Array(items)) => {
            let mark = if let Style::Delimited(mark) = parameter.style { mark } else { ',' };
            let items = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            if mark != ',' && items.iter().any(|item| item.contains(mark)) {
                return Err("holds the character that stands between its items");
            }
            let mark = if mark == ',' { mark.to_string() } else { encode(&mark.to_string()) };
            let items: Vec<_> = items.iter().map(|item| encode(item)).collect();
            Ok(if items.is_empty() { Vec::new() } else { vec![(name(), items.join(&mark))] })
        }
        (Style::Form { .. }, Value::Object(members)) => {
            let list = flat(members, false, same, one)?;
            Ok(if list.is_empty() { Vec::new() } else { vec![(name(), list.join(","))] })
        }
        (_, Value::Object(_)) => Err("must not be an object"),
        _ => Ok(vec![(name(), one(value)?)]),
    }
}

/// A value of a header. Nothing is encoded there, so whatever could end it or begin another is refused.
fn header(style: Style, value: &Value) -> Result<HeaderValue, &'static str> {
    let one = |value: &Value| text(value).and_then(|text| item(&text));
    let explode = style == Style::Simple { explode: true };
    let whole = match (style, value) {
        (Style::Json, _) => value.to_string(),
        (_, Value::Array(items)) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?.join(","),
        (_, Value::Object(members)) => flat(members, explode, item, one)?.join(","),
        _ => text(value)?,
    };
    let mut fits = whole.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    fits &= whole.trim() == whole && whole.len() <= limits::HEADER_BYTES / 4;
    let value = fits.then(|| HeaderValue::from_str(&whole).ok()).flatten();
    value.ok_or("must be printable ASCII of at most 8 KiB, without spaces around it, to travel in a header")
}

fn item(text: &str) -> Result<String, &'static str> {
    if text.contains([',', '=']) { Err("holds `,` or `=` inside a list for a header") } else { Ok(text.to_owned()) }
}

/// Members as `k,v`, or as `k=v`.
fn flat(
    members: &Map<String, Value>,
    explode: bool,
    key: impl Fn(&str) -> Result<String, &'static str>,
    one: impl Fn(&Value) -> Result<String, &'static str>,
) -> Result<Vec<String>, &'static str> {
    let mark = if explode { "=" } else { "," };
    members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| Ok(format!("{}{mark}{}", key(name)?, one(value)?)))
        .collect()
}

/// A plain value as text. Whole numbers have no fraction.
pub(super) fn text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) if text.contains('\0') => Err("holds the character NUL"),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        }),
        Value::Null => Err("holds null inside a list"),
        Value::Array(_) | Value::Object(_) => Err("holds a list or an object where only plain values fit"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, proptest};
    use serde_json::json;

    use super::{super::road::template, Location, Operation, Parameter, Style, place};

    fn operation() -> Operation {
        let one = |wire: &str, location, style| {
            let (argument, wire) = (location_name(location), wire.to_owned());
            Parameter { argument, wire, location, style, required: false, members: BTreeSet::new() }
        };
        let parameters = vec![
            one("p", Location::Path, Style::Simple { explode: false }),
            one("q", Location::Query, Style::Form { explode: true }),
            one("x-h", Location::Header, Style::Simple { explode: false }),
            one("c", Location::Cookie, Style::Form { explode: true }),
        ];
        let path = template("/a/{p}/z").unwrap();
        Operation { method: http::Method::GET, path, parameters, body: None, digest: None, output: None }
    }

    fn location_name(location: Location) -> String {
        location.name().to_owned()
    }

    proptest! {
        /// T120, T126
        #[test]
        fn whatever_an_argument_holds_it_stays_in_its_place(text in any::<String>(), slashes: bool) {
            let sent = |place_of: &str| {
                let arguments = json!({"path": "p", place_of: text});
                place(&operation(), arguments.as_object().unwrap(), slashes)
            };
            let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
            if let Ok(parts) = sent("path") {
                let inner = parts.path.strip_prefix("/a/").unwrap().strip_suffix("/z").unwrap();
                assert!(!inner.is_empty() && inner.bytes().all(unreserved) && !matches!(inner, "." | ".."), "{inner}");
            }
            if let Ok(parts) = sent("query") {
                assert!(parts.query.strip_prefix("q=").unwrap().bytes().all(unreserved));
            }
            if let Ok(parts) = sent("header") {
                assert!(parts.headers[0].1.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte)));
            }
            if let Ok(parts) = sent("cookie") {
                assert!(parts.cookie.strip_prefix("c=").unwrap().bytes().all(unreserved));
            }
        }
    }
}
