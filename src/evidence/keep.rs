//! Which arguments of which tools are kept in clear, sealed, or not at all.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::ToolRef;

/// Bytes of a value that is kept in clear; a longer one stays sealed.
const CLEAR: usize = 256;
/// What `omitted` of a record says where all is left out that no list names.
const REST: &str = "*";
/// Words of an argument's name that say that it holds a secret.
const SECRET: [&str; 14] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "secret",
    "token",
    "pwd",
];

/// What becomes of arguments that no list of a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rest {
    /// They are sealed.
    #[default]
    Sealed,
    /// Only the digest of all arguments knows of them.
    Omitted,
}

/// What is kept of the arguments of some tools. Places are JSON pointers (RFC 6901); of two lists, no place stands
/// under a place of the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeepRule {
    /// `server/tool`; either may be, or end with, `*`.
    pub tools: String,
    /// Kept in clear, and sealed with the others.
    pub clear: Vec<String>,
    /// Kept sealed.
    pub sealed: Vec<String>,
    /// Kept nowhere.
    pub omitted: Vec<String>,
    /// What becomes of all others.
    pub rest: Rest,
}

impl KeepRule {
    /// Whether this is a pattern for tools: two parts, of which each may be, or end with, `*`.
    #[must_use]
    pub fn is_pattern(text: &str) -> bool {
        text.split_once('/').is_some_and(|(server, tool)| {
            let fits = |part: &str| {
                let stem = part.strip_suffix('*').unwrap_or(part);
                !part.is_empty() && !stem.contains(['*', ' ']) && !stem.contains(char::is_control)
            };
            fits(server) && fits(tool) && !server.contains('/')
        })
    }

    /// Whether this is a place within arguments: a JSON pointer that is not empty.
    #[must_use]
    pub fn is_place(text: &str) -> bool {
        let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        text.starts_with('/') && text.len() > 1 && text.len() <= CLEAR && escapes
    }

    /// Whether the last name of this place is that of a secret; such a place is never kept in clear.
    #[must_use]
    pub fn is_secret(place: &str) -> bool {
        let name = place.rsplit('/').next().unwrap_or_default();
        let mut words: Vec<String> = vec![String::new()];
        let mut before = ' ';
        for c in name.chars() {
            if !c.is_alphanumeric() || before.is_lowercase() && c.is_uppercase() {
                words.push(String::new());
            }
            if c.is_alphanumeric()
                && let Some(word) = words.last_mut()
            {
                word.extend(c.to_lowercase());
            }
            before = c;
        }
        let whole = words.concat();
        let secret = |word: &str| SECRET.contains(&word.strip_suffix('s').unwrap_or(word)) || SECRET.contains(&word);
        words.iter().any(|word| secret(word))
            || secret(&whole)
            || ["apikey", "password", "secret", "token", "privatekey", "accesskey"].iter().any(|k| whole.contains(k))
    }

    fn fits(&self, tool: &ToolRef) -> bool {
        let fits = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
            Some(stem) => name.starts_with(stem),
            None => pattern == name,
        };
        let (server, name) = self.tools.split_once('/').unwrap_or_default();
        fits(server, tool.server.as_str()) && fits(name, tool.tool.as_str())
    }
}

/// What is kept of one call's arguments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// What is sealed instead of the whole text; nothing if nothing is left.
    pub reduced: Option<Map<String, Value>>,
    /// In clear, by place.
    pub clear: BTreeMap<String, Value>,
    /// Left out.
    pub omitted: Vec<String>,
}

/// The rules; the first that fits a tool holds for it. A tool that none fits has all of its arguments sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep(Vec<KeepRule>);

impl Keep {
    /// These rules.
    #[must_use]
    pub const fn new(rules: Vec<KeepRule>) -> Self {
        Self(rules)
    }

    /// What is kept of these arguments; nothing if all of it is sealed. `secret` says whether a text holds a secret,
    /// and then it is not kept in clear. With `whole`, a duty demands all of it, and nothing is left out.
    #[must_use]
    pub fn split(
        &self,
        tool: &ToolRef,
        arguments: &Map<String, Value>,
        whole: bool,
        secret: &dyn Fn(&str, &str) -> bool,
    ) -> Option<Split> {
        let rule = self.0.iter().find(|rule| rule.fits(tool))?;
        let mut split = Split::default();
        let all = Value::Object(arguments.clone());
        for place in &rule.clear {
            if let Some(value) = all.pointer(place)
                && let Some(text) = scalar(value)
                && text.len() <= CLEAR
                && !secret(place, &text)
            {
                split.clear.insert(place.clone(), value.clone());
            }
        }
        if whole {
            return Some(split);
        }
        let reduced = match rule.rest {
            Rest::Sealed => without(all, &rule.omitted, &mut split.omitted),
            Rest::Omitted => only(&all, rule.clear.iter().chain(&rule.sealed), &mut split.omitted),
        };
        if !split.omitted.is_empty() {
            split.reduced = Some(reduced).filter(|reduced| !reduced.is_empty());
        }
        Some(split)
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// All but these places; one within an array becomes `null`, so that the others stay where they are.
fn without(mut all: Value, places: &[String], omitted: &mut Vec<String>) -> Map<String, Value> {
    for place in places {
        let Some((parent, name)) = place.rsplit_once('/') else { continue };
        let name = name.replace("~1", "/").replace("~0", "~");
        let found = match all.pointer_mut(parent) {
            Some(Value::Object(map)) => map.remove(&name).is_some(),
            Some(Value::Array(items)) => {
                let item = name.parse::<usize>().ok().and_then(|at| items.get_mut(at));
                item.map(|item| *item = Value::Null).is_some()
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => false,
        };
        if found {
            omitted.push(place.clone());
        }
    }
    if let Value::Object(map) = all { map } else { Map::new() }
}

/// These places alone, each under its names.
fn only<'a>(all: &Value, places: impl Iterator<Item = &'a String>, omitted: &mut Vec<String>) -> Map<String, Value> {
    let mut kept = Map::new();
    for place in places {
        if let Some(value) = all.pointer(place) {
            let names: Vec<String> =
                place.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
            put(&mut kept, &names, value);
        }
    }
    if Value::Object(kept.clone()) != *all {
        omitted.push(REST.to_owned());
    }
    kept
}

fn put(map: &mut Map<String, Value>, names: &[String], value: &Value) {
    match names {
        [] => {}
        [last] => drop(map.insert(last.clone(), value.clone())),
        [first, rest @ ..] => {
            let inner = map.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
