//! `response.redact`: takes what the classes match out of a result, or says that it cannot be searched.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Map, Value};

use super::detect::Detector;

/// Bytes of a result that is searched; a larger one is withheld.
pub const SEARCHED: usize = 1 << 20;
/// JSON within texts of JSON that is followed.
const NESTED: usize = 3;

/// The classes that one call is searched for, and what was found.
pub(super) struct Search<'a> {
    classes: Vec<(&'a str, &'a Detector)>,
    found: BTreeMap<String, u64>,
}

impl<'a> Search<'a> {
    /// A search for these classes.
    pub(super) fn new(classes: Vec<(&'a str, &'a Detector)>) -> Self {
        Self { classes, found: BTreeMap::new() }
    }

    /// The result without what the classes match: in every text, name and number, also in JSON that stands in a text.
    /// It is written anew, so what leaves is what was searched.
    ///
    /// # Errors
    /// It is too large, no JSON, or has content that cannot be searched.
    pub(super) fn redact(mut self, result: &[u8]) -> Result<(Vec<u8>, BTreeMap<String, u64>), String> {
        if result.len() > SEARCHED {
            return Err(format!("the result has {} bytes; at most {SEARCHED} are searched", result.len()));
        }
        let mut value: Value =
            serde_json::from_slice(result).map_err(|_| "the result is not JSON that can be searched".to_owned())?;
        self.walk(&mut value, NESTED)?;
        let bytes = serde_json::to_vec(&value).map_err(|_| "the result cannot be written again".to_owned())?;
        Ok((bytes, self.found))
    }

    fn walk(&mut self, value: &mut Value, nested: usize) -> Result<(), String> {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Some(without) = self.text(&number.to_string()) {
                    *value = Value::String(without);
                }
            }
            Value::String(text) => {
                if let Some(without) = self.string(text, nested)? {
                    *text = without;
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.walk(item, nested)?;
                }
            }
            Value::Object(map) => {
                opaque(map)?;
                for (_, inner) in map.iter_mut() {
                    self.walk(inner, nested)?;
                }
                self.names(map);
            }
        }
        Ok(())
    }

    /// A text, and the JSON in it, whose escapes would hide what it says.
    fn string(&mut self, text: &str, nested: usize) -> Result<Option<String>, String> {
        let mut written = None;
        if text.trim_start().starts_with(['{', '[', '"'])
            && let Ok(before) = serde_json::from_str::<Value>(text)
        {
            let depth = nested.checked_sub(1).ok_or("JSON stands in a text of JSON too deep to be searched")?;
            let mut after = before.clone();
            self.walk(&mut after, depth)?;
            if after != before {
                written = Some(serde_json::to_string(&after).map_err(|_| "the result cannot be written again")?);
            }
        }
        let again = self.text(written.as_deref().unwrap_or(text));
        Ok(again.or(written))
    }

    /// The text without what the classes match; nothing if they match nothing.
    fn text(&mut self, text: &str) -> Option<String> {
        let mut hits: Vec<(Range<usize>, &str)> = Vec::new();
        for (name, detector) in &self.classes {
            hits.extend(detector.find(text).into_iter().map(|range| (range, *name)));
        }
        hits.sort_by(|(a, left), (b, right)| (a.start, b.end, left).cmp(&(b.start, a.end, right)));
        let (mut without, mut from) = (String::new(), 0);
        for (range, name) in &hits {
            if range.start >= from {
                without.push_str(text.get(from..range.start)?);
                without.push_str("[redacted:");
                without.push_str(name);
                without.push(']');
                *self.found.entry((*name).to_owned()).or_default() += 1;
            }
            from = from.max(range.end);
        }
        (!hits.is_empty()).then(|| without + text.get(from..).unwrap_or_default())
    }

    fn names(&mut self, map: &mut Map<String, Value>) {
        let renamed: Vec<_> = map.keys().filter_map(|name| Some((name.clone(), self.text(name)?))).collect();
        for (name, without) in renamed {
            let Some(value) = map.remove(&name) else { continue };
            let mut unique = without.clone();
            let mut number = 1;
            while map.contains_key(&unique) {
                number += 1;
                unique = format!("{without}#{number}");
            }
            map.insert(unique, value);
        }
    }
}

/// Pictures, sounds and files are bytes in which no class can be seen.
fn opaque(map: &Map<String, Value>) -> Result<(), String> {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    if matches!(kind, "image" | "audio") && map.contains_key("data") || map.get("blob").is_some_and(Value::is_string) {
        return Err("the result has content that is no text, which cannot be searched".to_owned());
    }
    Ok(())
}
