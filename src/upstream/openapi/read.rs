//! The text of a document, JSON or YAML, as a value; within bounds, and read alike by everybody.

use std::collections::BTreeMap;

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
/// Too large, no JSON or YAML, a key that stands twice, too deep; in YAML also tags.
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

/// A collection that is not closed yet, with the number of its anchor.
enum Open {
    Sequence(Vec<Value>, usize),
    /// In a mapping also the key whose value comes next.
    Mapping(Map<String, Value>, Option<String>, usize),
}

/// A document that is being read.
struct Reader {
    open: Vec<Open>,
    whole: Option<Value>,
    /// Values that an alias may repeat, with their size as JSON and their depth.
    anchors: BTreeMap<usize, (Value, usize, usize)>,
    /// Bytes that aliases may still add.
    left: usize,
}

fn yaml(text: &str) -> Result<Value, Faulty> {
    let mut reader = Reader { open: Vec::new(), whole: None, anchors: BTreeMap::new(), left: DOCUMENT };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        reader.take(event).map_err(|message| (span.start.line(), message))?;
    }
    Ok(reader.whole.unwrap_or_default())
}

impl Reader {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::SequenceStart(anchor, None) => self.open.push(Open::Sequence(Vec::new(), anchor)),
            Event::MappingStart(anchor, None) => self.open.push(Open::Mapping(Map::new(), None, anchor)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Sequence(items, anchor)) => self.done(Value::Array(items), anchor)?,
                Some(Open::Mapping(map, _, anchor)) => self.done(Value::Object(map), anchor)?,
                None => {}
            },
            Event::Scalar(text, style, anchor, None) => {
                if let Some(Open::Mapping(map, key @ None, _)) = self.open.last_mut() {
                    if text == "<<" {
                        return Err("`<<` is not read here; write the members out".to_owned());
                    }
                    if map.contains_key(text.as_ref()) {
                        return Err(format!("the key `{}` stands twice", text.escape_debug()));
                    }
                    *key = Some(text.into_owned());
                    return Ok(());
                }
                let scalar = Scalar::parse_from_cow_and_metadata(text, style, None);
                let value = scalar.and_then(|scalar| plain(&scalar)).ok_or("not a value that JSON has")?;
                self.done(value, anchor)?;
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).ok_or("an alias stands within what it repeats")?;
                let (value, size, depth) = known.clone();
                let fits = self.left.checked_sub(size).filter(|_| self.open.len() + depth <= DEPTH);
                self.left = fits.ok_or("aliases make the document too large or too deep; write the values out")?;
                self.done(value, 0)?;
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err("tags are not read here; take them out".to_owned());
            }
            Event::DocumentStart(_) if self.whole.is_some() => {
                return Err("the file holds more than one document; keep one".to_owned());
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        if self.open.len() > DEPTH { Err(format!("nested deeper than {DEPTH} levels")) } else { Ok(()) }
    }

    /// A value is complete: it goes to where it belongs.
    fn done(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            let (size, depth) = (value.to_string().len(), depth(&value));
            // What is kept counts too: anchors within anchors would keep the same again and again.
            self.left = self.left.checked_sub(size).ok_or("anchors make the document too large")?;
            self.anchors.insert(anchor, (value.clone(), size, depth));
        }
        match self.open.last_mut() {
            Some(Open::Sequence(items, _)) => items.push(value),
            Some(Open::Mapping(map, key, _)) => {
                map.insert(key.take().ok_or("a key must be text")?, value);
            }
            None => self.whole = Some(value),
        }
        Ok(())
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
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
