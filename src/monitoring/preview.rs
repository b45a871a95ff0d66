//! `dry_run_first`: which calls were made as a preview.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use serde_json::{Map, Value};

use super::taint::Who;
use crate::domain::{Digest, Timestamp, ToolRef};

/// Previews that are remembered; the oldest is forgotten first, and its call is refused then.
const REMEMBERED: usize = 65_536;
/// Arguments of one call that may make it a preview.
const SWITCHES: usize = 4;

/// Previews of this process, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Previews(Mutex<Made>);

#[derive(Debug, Default)]
struct Made {
    at: HashMap<Digest, Timestamp>,
    order: VecDeque<(Digest, Timestamp)>,
}

impl Previews {
    pub(super) fn remember(&self, keys: &[Digest], at: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Made { at: made, order } = &mut *kept;
        for key in keys {
            made.insert(*key, at);
            order.push_back((*key, at));
        }
        while order.len() > REMEMBERED {
            let Some((oldest, made_at)) = order.pop_front() else { break };
            if made.get(&oldest) == Some(&made_at) {
                made.remove(&oldest);
            }
        }
    }

    pub(super) fn made(&self, key: &Digest) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).at.get(key).copied()
    }
}

/// The calls that this one is a preview of: one for each top-level argument that is `true`.
#[must_use]
pub fn previewed(who: &Who, tool: &ToolRef, arguments: &Map<String, Value>) -> Vec<Digest> {
    let switches = arguments.iter().filter(|(_, value)| **value == Value::Bool(true)).take(SWITCHES);
    switches.filter_map(|(name, _)| key(who, tool, (arguments, name))).collect()
}

/// Whether the tool declares the argument as a boolean: to any other, a preview would be the call itself.
pub(super) fn is_switch(declared: Option<&Map<String, Value>>, argument: &str) -> bool {
    let schema = declared.and_then(|declared| declared.get(argument));
    schema.and_then(|schema| schema.get("type")).is_some_and(|kind| kind == "boolean")
}

/// A call without its switch, by agent, person, tool and canonical arguments.
pub(super) fn key(who: &Who, tool: &ToolRef, (arguments, switch): (&Map<String, Value>, &str)) -> Option<Digest> {
    let mut rest = arguments.clone();
    rest.remove(switch);
    let person = who.1.as_ref().map(|person| person.as_str());
    let parts = serde_json::json!([who.0.as_str(), person, tool.to_string(), switch, rest]);
    serde_json_canonicalizer::to_vec(&parts).ok().map(|bytes| Digest::of(&bytes))
}
