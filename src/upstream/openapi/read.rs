//! The text of a document, JSON or YAML, as a value; within bounds, and read alike by everybody.

use saphyr::Scalar;
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Number, Value};

use crate::{
    domain::Findings,
    mcp::{Limits, scan},
};

/// Bytes of a document.
pub(super) const DOCUMENT: usize = 16 << 20;
/// Nesting of a document; a schema within it is held to a tighter bound later.
const DEPTH: usize = 96;

/// Reads a document.
///
/// # Errors
/// Too large, no JSON or YAML, a key that stands twice, too deep; in YAML also tags and aliases.
pub(super) fn value(file: &str, bytes: &[u8]) -> Result<Value, Findings> {
    if bytes.len() > DOCUMENT {
        let message = format!("the document is larger than {} MiB; take out what no tool needs", DOCUMENT >> 20);
        return Err(Findings::one(file, 0, "", message));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        return json(bytes).map_err(|message| Findings::one(file, 0, "", message));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Findings::one(file, 0, "", "the document is not UTF-8"))?;
    yaml(text).map_err(|(line, message)| Findings::one(file, line, "", message))
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    let bounds = Limits { depth: DEPTH, safe_numbers: false, batch: false };
    let text = scan(bytes, bounds).map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

type Faulty = (usize, String);

/// A collection that is not closed yet, and in a mapping the key whose value comes next.
enum Open {
    Sequence(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

fn yaml(text: &str) -> Result<Value, Faulty> {
    let mut open: Vec<Open> = Vec::new();
    let mut whole = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        let line = span.start.line();
        let done = match event {
            Event::SequenceStart(_, None) => {
                open.push(Open::Sequence(Vec::new()));
                None
            }
            Event::MappingStart(_, None) => {
                open.push(Open::Mapping(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|closed| match closed {
                Open::Sequence(items) => Value::Array(items),
                Open::Mapping(map, _) => Value::Object(map),
            }),
            Event::Scalar(text, style, _, None) => {
                if let Some(Open::Mapping(map, key @ None)) = open.last_mut() {
                    if map.contains_key(text.as_ref()) {
                        return Err((line, format!("the key `{}` stands twice", text.escape_debug())));
                    }
                    *key = Some(text.into_owned());
                    continue;
                }
                let scalar = Scalar::parse_from_cow_and_metadata(text, style, None);
                Some(scalar.and_then(|scalar| plain(&scalar)).ok_or((line, "not a value that JSON has".to_owned()))?)
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                return Err((line, "tags and aliases are not read here; write the value out".to_owned()));
            }
            Event::DocumentStart(_) if whole.is_some() => {
                return Err((line, "the file holds more than one document; keep one".to_owned()));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                None
            }
        };
        if open.len() > DEPTH {
            return Err((line, format!("nested deeper than {DEPTH} levels")));
        }
        if let Some(value) = done {
            match open.last_mut() {
                Some(Open::Sequence(items)) => items.push(value),
                Some(Open::Mapping(map, key)) => {
                    let key = key.take().ok_or((line, "a key must be text".to_owned()))?;
                    map.insert(key, value);
                }
                None => whole = Some(value),
            }
        }
    }
    Ok(whole.unwrap_or_default())
}

fn plain(scalar: &Scalar<'_>) -> Option<Value> {
    match scalar {
        Scalar::Null => Some(Value::Null),
        Scalar::Boolean(value) => Some(Value::Bool(*value)),
        Scalar::Integer(value) => Some(Value::Number((*value).into())),
        Scalar::FloatingPoint(value) => Number::from_f64(value.into_inner()).map(Value::Number),
        Scalar::String(value) => Some(Value::String(value.to_string())),
    }
}
