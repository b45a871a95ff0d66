//! Sources and tools → a frozen policy set, or everything that is wrong with them.

use std::{collections::{BTreeMap, BTreeSet, HashMap}, sync::Arc};

use cedar_policy::{PolicySet as CedarSet, Schema, ValidationMode, Validator};

use super::{
    PolicySet, Sources, cedar::line_of,
    load::{self, Loaded},
    registry, schema,
    slice::Rules,
};
use crate::{catalog::Tool, domain::{Digest, Findings}};

/// Compiles the policies against these tools (approved or not: a policy may name a tool that waits for approval).
/// Strict validation; warnings are errors. Where no server has listed anything yet, nothing can be validated and
/// nothing is permitted.
///
/// # Errors
/// Every fault of every file.
pub fn compile(sources: &Sources, tools: &[Arc<Tool>]) -> Result<PolicySet, Findings> {
    let mut findings = Findings::default();
    let registry = registry::read(sources, &mut findings);
    let servers: BTreeSet<&str> = tools.iter().map(|tool| tool.reference.server.as_str()).collect();
    let names: BTreeSet<(&str, &str)> = tools.iter().map(|tool| (tool.reference.server.as_str(), tool.reference.tool.as_str())).collect();
    let known = |server: &str, tool: Option<&str>| tool.map_or_else(|| servers.contains(server), |tool| names.contains(&(server, tool)));
    let everything = |_: &str, _: Option<&str>| true;
    let loaded = load::read(sources, if tools.is_empty() { &everything } else { &known }, &mut findings);
    if !tools.is_empty() {
        validate(sources, tools, &loaded, &mut findings);
    }
    let rules = Rules::new(if tools.is_empty() { Vec::new() } else { loaded });
    let mut described: Vec<String> = tools.iter().map(|tool| format!("{} {}\n", tool.reference, tool.digest)).collect();
    described.sort();
    let digest = Digest::of_parts(&[sources.digest().as_bytes(), described.concat().as_bytes()]);
    let slices: HashMap<_, _> = tools.iter().map(|tool| (tool.reference.clone(), Default::default())).collect();
    findings.or(PolicySet::new(digest, registry, rules, slices))
}

fn validate(sources: &Sources, tools: &[Arc<Tool>], loaded: &[Loaded], findings: &mut Findings) {
    let schema = match Schema::from_json_value(schema::cedar_schema(tools)) {
        Ok(schema) => schema,
        Err(error) => {
            findings.push("", 0, "", format!("the tools' schemas cannot be typed: {error}"));
            return;
        }
    };
    let mut places: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    let mut set = CedarSet::new();
    for one in loaded {
        places.insert(one.policy.id().to_string(), (&one.file, one.line));
        if let Err(error) = set.add(one.policy.clone()) {
            findings.push(&one.file, one.line, "", error.to_string());
        }
    }
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let mut find = |id: String, diagnostic: &dyn miette::Diagnostic, message: String| {
        let (file, begins) = places.get(&id).copied().unwrap_or_default();
        let text = sources.file(file).map_or("", |file| file.text.as_str());
        findings.push(file, line_of(diagnostic, text).max(begins), "", message);
    };
    for error in result.validation_errors() {
        find(error.policy_id().to_string(), error, error.to_string());
    }
    for warning in result.validation_warnings() {
        find(warning.policy_id().to_string(), warning, warning.to_string());
    }
}
