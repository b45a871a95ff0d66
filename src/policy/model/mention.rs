//! What of `context` a policy reads, so that only that is built for a decision.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// What of `context` some policies read. What cannot be told counts as everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mention {
    /// `context.now`.
    pub now: bool,
    /// `context.user`.
    pub user: bool,
    /// `context.taints`.
    pub taints: bool,
    /// All of `context.input`.
    pub whole_input: bool,
    /// Members of `context.input`.
    pub input: BTreeSet<String>,
    /// Whether it asks what something is in that is not part of the request: nobody's roles are known but theirs.
    pub stranger: bool,
}

impl Mention {
    /// What this policy reads.
    pub fn of(policy: &Policy) -> Self {
        let mut mention = Self::default();
        match policy.to_json() {
            Ok(json) => match json.get("conditions") {
                Some(conditions) => mention.read(conditions),
                None => mention.everything(),
            },
            Err(_) => mention.everything(),
        }
        mention
    }

    /// Adds what another policy reads.
    pub fn extend(&mut self, other: &Self) {
        self.stranger |= other.stranger;
        self.now |= other.now;
        self.user |= other.user;
        self.taints |= other.taints;
        self.whole_input |= other.whole_input;
        self.input.extend(other.input.iter().cloned());
    }

    /// Whether the argument is read.
    pub fn reads(&self, name: &str) -> bool {
        self.whole_input || self.input.contains(name)
    }

    fn everything(&mut self) {
        self.now = true;
        self.user = true;
        self.taints = true;
        self.whole_input = true;
    }

    fn read(&mut self, node: &Value) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Object(map) => {
                for (key, inner) in map {
                    match key.as_str() {
                        "Var" if inner == "context" => self.everything(),
                        "." | "has" => self.access(inner, key == "has"),
                        "in" => {
                            self.stranger |= !inner.get("left").is_some_and(is_of_request);
                            self.read(inner);
                        }
                        _ => self.read(inner),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// `left.attr`, `left has attr` or `left has attr.attr`.
    fn access(&mut self, node: &Value, has: bool) {
        let attributes: Vec<&str> = match node.get("attr") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let (Some(left), [first, rest @ ..]) = (node.get("left"), attributes.as_slice()) else {
            return self.everything();
        };
        if is_input(left) {
            self.input.insert((*first).to_owned());
        } else if !is_context(left) {
            self.read(left);
        } else {
            match (*first, rest) {
                ("now", _) => self.now = true,
                ("user", _) => self.user = true,
                ("taints", _) => self.taints = true,
                ("input", [member, ..]) => {
                    self.input.insert((*member).to_owned());
                }
                ("input", []) => self.whole_input |= !has,
                _ => {}
            }
        }
    }
}

fn is_context(node: &Value) -> bool {
    node.get("Var").is_some_and(|var| var == "context")
}

/// `principal`, `action`, `resource` or `context.user`.
fn is_of_request(node: &Value) -> bool {
    let is_user = |inner: &Value| {
        inner.get("attr").is_some_and(|attr| attr == "user") && inner.get("left").is_some_and(is_context)
    };
    node.get("Var").is_some_and(|var| var != "context") || node.get(".").is_some_and(is_user)
}

fn is_input(node: &Value) -> bool {
    node.get(".").is_some_and(|inner| {
        inner.get("attr").is_some_and(|attr| attr == "input") && inner.get("left").is_some_and(is_context)
    })
}
