//! Cedar files → policies with their place; what stands in the wrong folder is found here.

use std::{collections::BTreeMap, str::FromStr as _};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use serde_json::Value;

use super::{
    cedar::{line_at, line_of},
    sources::{Layer, SourceFile, Sources},
};
use crate::domain::{Findings, ServerName, ToolName};

/// A policy, where it stands, and its JSON form for scope matching.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) policy: Policy,
    pub(super) layer: Layer,
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) json: Value,
}

/// The tools that policies may name: by server and tool, or by server alone.
pub(super) type Known<'a> = dyn Fn(&str, Option<&str>) -> bool + 'a;

/// Reads every Cedar file; `known` says which tools and servers there are.
pub(super) fn read(sources: &Sources, known: &Known<'_>, findings: &mut Findings) -> Vec<Loaded> {
    let mut all = Vec::new();
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for file in &sources.files {
        let cedar = file.path.ends_with(".cedar");
        match Layer::of(&file.path) {
            Some(layer) if cedar => all.extend(file_of(file, layer, known, &mut places, findings)),
            None if cedar => {
                findings.push(&file.path, 0, "", "Cedar files stand in roles/ or guardrails/{hard,soft,advisory}/; move it there");
            }
            Some(_) | None => {}
        }
    }
    all
}

fn file_of(
    file: &SourceFile,
    layer: Layer,
    known: &Known<'_>,
    places: &mut BTreeMap<String, String>,
    findings: &mut Findings,
) -> Vec<Loaded> {
    let set = match PolicySet::from_str(&file.text) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                findings.push(&file.path, line_of(error, &file.text), "", error.to_string());
            }
            return Vec::new();
        }
    };
    if set.templates().next().is_some() {
        findings.push(&file.path, 0, "", "templates are not read here; write the policies out");
    }
    let lines = policy_lines(&file.text);
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(0));
    let mut loaded = Vec::new();
    for (index, policy) in policies.into_iter().enumerate() {
        let line = lines.get(index).copied().unwrap_or(0);
        let place = format!("{}:{line}", file.path);
        let mut find = |message: String| findings.push(&file.path, line, "", message);
        let Some(id) = identify(&policy, layer, &mut find) else { continue };
        if let Some(other) = places.insert(id.clone(), place) {
            find(format!("@id(\"{id}\") stands at {other} too; ids are unique"));
        }
        let policy = policy.new_id(PolicyId::new(&id));
        let json = policy.to_json().unwrap_or_default();
        unknown_names(&json, known, &mut find);
        loaded.push(Loaded { policy, layer, file: file.path.clone(), line, json });
    }
    loaded
}

fn identify(policy: &Policy, layer: Layer, find: &mut dyn FnMut(String)) -> Option<String> {
    let id = policy.annotation("id").filter(|id| !id.is_empty()).map(str::to_owned);
    if id.is_none() {
        find("the policy has no @id(\"…\"); evidence names policies by it".to_owned());
    }
    match (layer, policy.effect()) {
        (Layer::Roles, Effect::Forbid) => find("roles only permit; move a forbid to guardrails/".to_owned()),
        (Layer::Hard | Layer::Soft | Layer::Advisory, Effect::Permit) => find("guardrails only forbid; move a permit to roles/".to_owned()),
        (Layer::Roles, Effect::Permit) | (Layer::Hard | Layer::Soft | Layer::Advisory, Effect::Forbid) => {}
    }
    if layer != Layer::Roles {
        if policy.annotation("level") != Some(layer.name()) {
            find(format!("a guardrail of this folder needs @level(\"{}\")", layer.name()));
        }
        if policy.annotation("owner").is_none_or(str::is_empty) {
            find("a guardrail needs @owner(\"…\")".to_owned());
        }
    }
    id
}

/// Every server and tool that the policy names must be there, or the policy would silently say nothing.
fn unknown_names(json: &Value, known: &Known<'_>, find: &mut dyn FnMut(String)) {
    match json {
        Value::Object(map) => {
            if let (Some(Value::String(kind)), Some(Value::String(id))) = (map.get("type"), map.get("id")) {
                let missing = match kind.as_str() {
                    "Server" => id.parse::<ServerName>().is_err() || !known(id, None),
                    "Tool" => !is_tool(id, known),
                    "Action" => id != "call" && id != "request" && !is_tool(id, known),
                    _ => false,
                };
                if missing {
                    find(format!("no server offers {kind}::\"{id}\"; see `postern catalog list`"));
                }
            }
            map.values().for_each(|value| unknown_names(value, known, find));
        }
        Value::Array(items) => items.iter().for_each(|value| unknown_names(value, known, find)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_tool(id: &str, known: &Known<'_>) -> bool {
    id.split_once('/').is_some_and(|(server, tool)| tool.parse::<ToolName>().is_ok() && known(server, Some(tool)))
}

/// The line on which each policy of a text begins. Strings and comments are passed over.
fn policy_lines(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (mut lines, mut at, mut begun) = (Vec::new(), 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|b| *b != b'\n') {
                    at += 1;
                }
            }
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|b| *b != b'"') {
                    at += if bytes.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
            }
            b';' => begun = false,
            byte if !byte.is_ascii_whitespace() && !begun => {
                begun = true;
                lines.push(line_at(text, at));
            }
            _ => {}
        }
        at += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::policy_lines;

    #[test]
    fn each_policy_knows_the_line_on_which_it_begins() {
        let text = "// a; b\n@id(\"x;\")\npermit(principal, action, resource);\n\n@id(\"y\") forbid(principal, action, resource);\n";
        assert_eq!(policy_lines(text), [2, 5]);
    }
}
