//! Schemas of a document as JSON Schema 2020-12 that stands alone: references lead into `$defs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

use super::document::{Dialect, Document, Part, Unfit, dangling, escape, target};
use crate::domain::limits;

/// Which way the data goes: members that only travel the other way are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the API: no `readOnly` members.
    Request,
    /// From the API: no `writeOnly` members.
    Response,
}

/// Keywords whose value is data, carried as they are.
const DATA: [&str; 27] = [
    "$comment",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "title",
    "type",
    "uniqueItems",
];
/// Keywords whose value is a schema.
const ONE: [&str; 11] = [
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a map of schemas.
const MAP: [&str; 3] = ["dependentSchemas", "patternProperties", "properties"];
/// Keywords that move the base of references or need a running validator.
const MOVERS: [&str; 6] = ["$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef"];

/// Translates the schemas of one tool, and gathers what they refer to.
pub(super) struct Schemas<'a> {
    document: &'a Document,
    way: Way,
    names: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    waiting: VecDeque<(String, String)>,
    defs: Map<String, Value>,
    /// Bytes that may still be written, about.
    left: usize,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Document, way: Way) -> Self {
        Self {
            document,
            way,
            names: BTreeMap::new(),
            taken: BTreeSet::new(),
            waiting: VecDeque::new(),
            defs: Map::new(),
            left: limits::SCHEMA,
        }
    }

    /// One schema.
    ///
    /// # Errors
    /// A reference that leads out of the document or nowhere, a keyword that moves references, or too much.
    pub(super) fn translate(&mut self, part: &Part<'_>) -> Result<Value, Unfit> {
        if let Value::Bool(all) = part.value {
            return Ok(Value::Bool(*all));
        }
        let from = part.value.as_object().ok_or_else(|| Unfit::new(&part.at, "a schema must be an object"))?;
        if let Some(mover) = MOVERS.iter().find(|key| from.contains_key(**key)) {
            return Err(Unfit::new(&part.at, format!("`{mover}` is not read; use `$ref: \"#/…\"`")));
        }
        let mut to = Map::new();
        if let Some(reference) = from.get("$ref") {
            to.insert("$ref".to_owned(), self.refer(reference, &part.at)?);
            if self.document.dialect == Dialect::V30 {
                return Ok(Value::Object(to));
            }
        }
        for (key, value) in from {
            self.keyword(key, value, part, &mut to)?;
        }
        examples(from, &mut to);
        self.one_way(part, &mut to)?;
        if self.document.dialect == Dialect::V30 {
            return Ok(modern(from, to));
        }
        Ok(Value::Object(to))
    }

    /// The schema that `schema` and everything it refers to make together.
    ///
    /// # Errors
    /// As [`Schemas::translate`], in what it refers to.
    pub(super) fn finish(mut self, schema: Map<String, Value>) -> Result<Map<String, Value>, Unfit> {
        let document = self.document;
        while let Some((pointer, name)) = self.waiting.pop_front() {
            let value = document.at(&pointer).ok_or_else(|| dangling(&pointer, &pointer))?;
            let translated = self.translate(&Part { at: pointer, value })?;
            self.defs.insert(name, translated);
        }
        let mut schema = schema;
        if !self.defs.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(self.defs));
        }
        Ok(schema)
    }

    fn keyword(&mut self, key: &str, value: &Value, part: &Part<'_>, to: &mut Map<String, Value>) -> Result<(), Unfit> {
        let at = format!("{}/{}", part.at, escape(key));
        let made = if MAP.contains(&key) {
            self.map(value, &at)?
        } else if LIST.contains(&key) || (key == "items" && value.is_array()) {
            self.list(value, &at)?
        } else if ONE.contains(&key) {
            self.translate(&Part { at: at.clone(), value })?
        } else if DATA.contains(&key) {
            self.spend(value.to_string().len(), &at)?;
            value.clone()
        } else {
            return Ok(());
        };
        self.spend(key.len() + 4, &at)?;
        to.insert(key.to_owned(), made);
        Ok(())
    }

    fn map(&mut self, value: &Value, at: &str) -> Result<Value, Unfit> {
        let map = value.as_object().ok_or_else(|| Unfit::new(at, "must be an object of schemas"))?;
        let mut out = Map::new();
        for (name, value) in map {
            self.spend(name.len() + 4, at)?;
            let inner = self.translate(&Part { at: format!("{at}/{}", escape(name)), value })?;
            out.insert(name.clone(), inner);
        }
        Ok(Value::Object(out))
    }

    fn list(&mut self, value: &Value, at: &str) -> Result<Value, Unfit> {
        let items = value.as_array().ok_or_else(|| Unfit::new(at, "must be a list of schemas"))?;
        let mut out = Vec::new();
        for (index, value) in items.iter().enumerate() {
            out.push(self.translate(&Part { at: format!("{at}/{index}"), value })?);
        }
        Ok(Value::Array(out))
    }

    /// Takes out members that only travel the other way, and demands of every member that is required.
    fn one_way(&self, part: &Part<'_>, to: &mut Map<String, Value>) -> Result<(), Unfit> {
        let other = if self.way == Way::Request { "readOnly" } else { "writeOnly" };
        let mut gone = BTreeSet::new();
        if let Some(Value::Object(properties)) = part.value.get("properties") {
            for (name, value) in properties {
                let at = format!("{}/properties/{}", part.at, escape(name));
                let whole = self.document.follow(Part { at, value })?;
                if [value, whole.value].iter().any(|schema| schema.get(other) == Some(&Value::Bool(true))) {
                    gone.insert(name.as_str());
                }
            }
        }
        if let Some(Value::Object(properties)) = to.get_mut("properties") {
            properties.retain(|name, _| !gone.contains(name.as_str()));
        }
        if let Some(Value::Array(required)) = part.value.get("required") {
            let kept: Vec<_> = required
                .iter()
                .filter(|name| !name.as_str().is_some_and(|name| gone.contains(name)))
                .cloned()
                .collect();
            if !kept.is_empty() {
                to.insert("required".to_owned(), Value::Array(kept));
            }
        }
        Ok(())
    }

    fn refer(&mut self, reference: &Value, at: &str) -> Result<Value, Unfit> {
        let pointer = target(reference, at)?;
        if self.document.at(&pointer).is_none() {
            return Err(dangling(at, &pointer));
        }
        let name = match self.names.get(&pointer) {
            Some(name) => name.clone(),
            None => self.name(&pointer),
        };
        self.spend(name.len() + 20, at)?;
        Ok(Value::String(format!("#/$defs/{name}")))
    }

    /// A name under `$defs` for what stands at the pointer.
    fn name(&mut self, pointer: &str) -> String {
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
        let plain: String = last.chars().take(80).map(safe).collect();
        let mut name = plain.clone();
        let mut count = 1_usize;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{plain}.{count}");
        }
        self.names.insert(pointer.to_owned(), name.clone());
        self.waiting.push_back((pointer.to_owned(), name.clone()));
        name
    }

    fn spend(&mut self, bytes: usize, at: &str) -> Result<(), Unfit> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            Unfit::new(at, format!("the tool's schema would be larger than {} KiB", limits::SCHEMA >> 10))
        })?;
        Ok(())
    }
}

/// Keeps examples that are one plain value: others are long, and may hold what looks like a reference.
fn examples(from: &Map<String, Value>, to: &mut Map<String, Value>) {
    let plain = |value: &&Value| matches!(value, Value::String(text) if text.len() <= 200) || value.is_number();
    let several = from.get("examples").and_then(Value::as_array).into_iter().flatten();
    let kept: Vec<Value> = from.get("example").into_iter().chain(several).filter(plain).take(3).cloned().collect();
    if !kept.is_empty() {
        to.insert("examples".to_owned(), Value::Array(kept));
    }
}

/// What 3.0 says in its own way, said in the way of 2020-12.
fn modern(from: &Map<String, Value>, to: Map<String, Value>) -> Value {
    let mut to = to;
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match from.get(flag) {
            Some(Value::Bool(true)) => match to.remove(bound) {
                Some(value) => drop(to.insert(flag.to_owned(), value)),
                None => drop(to.remove(flag)),
            },
            Some(Value::Bool(false)) => drop(to.remove(flag)),
            _ => {}
        }
    }
    if from.get("nullable") != Some(&Value::Bool(true)) {
        return Value::Object(to);
    }
    match to.get("type").cloned() {
        Some(Value::String(kind)) => {
            to.insert("type".to_owned(), json!([kind, "null"]));
            Value::Object(to)
        }
        None if LIST.iter().any(|key| to.contains_key(*key)) => json!({"anyOf": [Value::Object(to), {"type": "null"}]}),
        _ => Value::Object(to),
    }
}
