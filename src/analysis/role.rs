//! The least-privilege role that covers what was used, as Cedar that people read and merge.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    catalog::Tool,
    domain::{Bound, Grant, RoleName, ToolRef},
};

/// Different texts up to which an argument becomes a list of them.
const FEW: usize = 20;

/// What was seen of one argument.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Calls in which it was given.
    given: u64,
    texts: BTreeSet<String>,
    flags: BTreeSet<bool>,
    whole: Option<(i64, i64)>,
    /// Something that no bound is inferred from.
    other: bool,
}

/// What was used of one tool.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    pub(super) calls: u64,
    arguments: BTreeMap<String, Seen>,
    /// Whether every call was for a person.
    pub(super) for_persons: bool,
}

/// One tool of the role: what it allows, beside what the exception allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The tool, as `server/tool`.
    pub tool: String,
    /// Calls that it was inferred from.
    pub calls: u64,
    /// The conditions, one for each argument.
    pub conditions: Vec<String>,
    /// Where the role is narrower than the exception (`-`) and where it cannot be as narrow (`+`).
    pub diff: Vec<String>,
}

impl Used {
    /// Takes the arguments of a call that was let through.
    pub(super) fn take(&mut self, arguments: &Map<String, Value>, for_person: bool) {
        self.for_persons = for_person && (self.calls == 0 || self.for_persons);
        self.calls = self.calls.saturating_add(1);
        for (name, value) in arguments.iter().filter(|(_, value)| !value.is_null()) {
            let seen = self.arguments.entry(name.clone()).or_default();
            seen.given = seen.given.saturating_add(1);
            match value {
                Value::String(text) if seen.texts.len() <= FEW => drop(seen.texts.insert(text.clone())),
                Value::String(_) => {}
                Value::Bool(flag) => drop(seen.flags.insert(*flag)),
                Value::Number(number) => match number.as_i64() {
                    Some(n) => seen.whole = Some(seen.whole.map_or((n, n), |(min, max)| (min.min(n), max.max(n)))),
                    None => seen.other = true,
                },
                Value::Array(_) | Value::Object(_) | Value::Null => seen.other = true,
            }
        }
    }

    /// The conditions of the role for this tool.
    pub(super) fn role(&self, tool: &Tool, grants: &[&Grant]) -> Role {
        let mut role =
            Role { tool: tool.reference.to_string(), calls: self.calls, conditions: Vec::new(), diff: Vec::new() };
        let properties = tool.input_schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let required = requires(&tool.input_schema, name);
            let bound = bound_of(grants, name);
            match self.arguments.get(name) {
                None if required => {}
                None => {
                    role.conditions.push(format!("!(context.input has {})", quoted(name)));
                    role.diff.push(format!("- {name}: never given, so the role does not take it"));
                }
                Some(seen) => self.argument(&mut role, (name, property, required), seen, bound),
            }
        }
        if self.for_persons {
            role.conditions.push("context has user".to_owned());
        }
        if tool.input_schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            role.diff.push("+ arguments that the schema does not declare pass under a role".to_owned());
        }
        role
    }

    fn argument(
        &self,
        role: &mut Role,
        (name, property, required): (&str, &Value, bool),
        seen: &Seen,
        bound: Option<&Bound>,
    ) {
        let read = attribute(name);
        let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
        let condition = match (kind, seen.whole) {
            _ if seen.other => None,
            ("string", _) if !seen.texts.is_empty() => self.texts(role, name, seen, bound).map(|texts| {
                let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
                format!("[{}].contains({read})", texts.join(", "))
            }),
            ("integer", Some((min, max))) => {
                let wider = bound.is_none_or(|bound| *bound != Bound::Between { min, max });
                if wider {
                    role.diff.push(format!("- {name}: from {min} to {max}{}", instead(bound)));
                }
                Some(format!("{read} >= {min} && {read} <= {max}"))
            }
            ("boolean", _) if seen.flags.len() == 1 => {
                let flag = seen.flags.contains(&true);
                role.diff.push(format!("- {name}: only {flag}{}", instead(bound)));
                Some(format!("{read} == {flag}"))
            }
            _ => None,
        };
        match condition {
            Some(condition) if required => role.conditions.push(condition),
            // Given in every call: it stays so.
            Some(condition) if seen.given == self.calls => {
                role.conditions.push(format!("context.input has {} && {condition}", quoted(name)));
            }
            Some(condition) => {
                role.conditions.push(format!("(if context.input has {} then {condition} else true)", quoted(name)));
            }
            None if bound.is_some() => {
                role.diff.push(format!("+ {name}: no bound could be inferred{}", instead(bound)));
            }
            None => {}
        }
    }

    /// The texts of an argument: those that were seen, or where they are many those that the exception named.
    fn texts(&self, role: &mut Role, name: &str, seen: &Seen, bound: Option<&Bound>) -> Option<BTreeSet<String>> {
        if seen.texts.len() <= FEW {
            let (held, odd): (BTreeSet<_>, BTreeSet<_>) = seen.texts.iter().cloned().partition(|text| !turns(text));
            let list: Vec<_> = held.iter().map(|text| quoted(text)).collect();
            role.diff.push(format!("- {name}: only {}{}", list.join(", "), instead(bound)));
            if !odd.is_empty() {
                role.diff
                    .push(format!("- {name}: {} texts with direction characters, which no policy may hold", odd.len()));
            }
            return Some(held);
        }
        let Some(Bound::In(values)) = bound else { return None };
        Some(values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
    }
}

/// The file of the role.
pub(super) fn cedar(role: &RoleName, source: &str, tools: &[(ToolRef, Role)]) -> String {
    let mut text = format!(
        "// The role `{role}`, inferred from what was used under {source}. Read it before you merge it: it allows what\n\
         // was done, not what was meant.\n"
    );
    for (reference, tool) in tools {
        let id: String = format!("{role}:{source}:{}.{}", reference.server, reference.tool)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-:".contains(c) { c } else { '-' })
            .take(128)
            .collect();
        let target = quoted(&reference.to_string());
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n// From {} calls.\n@id({})\npermit (\n    principal in Role::{},\n    action == Action::{target},\n    \
             resource == Tool::{target}\n)",
            tool.calls,
            quoted(&id),
            quoted(role.as_str())
        );
        if !tool.conditions.is_empty() {
            let _ = write!(text, "\nwhen {{\n    {}\n}}", tool.conditions.join(" &&\n    "));
        }
        text.push_str(";\n");
    }
    text
}

/// The bound that every grant of the tool puts on the argument, if they agree.
fn bound_of<'a>(grants: &[&'a Grant], name: &str) -> Option<&'a Bound> {
    let mut bounds =
        grants.iter().map(|grant| grant.arguments.iter().find(|one| one.name == name).map(|one| &one.bound));
    let first = bounds.next().flatten()?;
    bounds.all(|bound| bound == Some(first)).then_some(first)
}

fn instead(bound: Option<&Bound>) -> String {
    match bound {
        Some(Bound::In(values)) => {
            let values: Vec<_> = values.iter().take(FEW).map(ToString::to_string).collect();
            format!(" (the exception: {})", values.join(", "))
        }
        Some(Bound::Between { min, max }) => format!(" (the exception: {min} to {max})"),
        Some(Bound::AbsentOr(value)) => format!(" (the exception: absent or {value})"),
        None => " (the exception: anything)".to_owned(),
    }
}

fn requires(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|one| one.as_str() == Some(name)))
}

/// Whether the text holds characters that turn the direction of text.
fn turns(text: &str) -> bool {
    text.contains(['\u{61c}', '\u{200e}', '\u{200f}'])
        || text.contains(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

fn attribute(name: &str) -> String {
    format!("context.input[{}]", quoted(name))
}

/// Text as Cedar writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() || !c.is_ascii() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
