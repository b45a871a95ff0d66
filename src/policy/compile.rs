//! From files and tools to a policy set: everything that is wrong, all at once, each with its place.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use cedar_policy::{
    PolicyId, PolicySet as CedarSet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator,
    ffi::DetailedError,
};

use super::{
    known::Known,
    model::{self, Input, Names},
    registry,
    rule::{Rule, report},
    set::{Parts, PolicySet},
    source::{Level, Place, SourceFile, Sources},
};
use crate::{
    catalog::Tool,
    domain::{Digest, Findings, PersonId, ServerName, ToolRef},
};

/// Compiles the files against the tools that may be called. Warnings of Cedar are errors here.
///
/// A policy that names only tools or servers of which no approved tool exists is not an error: it sleeps until they
/// appear, and [`PolicySet::notes`] says so.
///
/// # Errors
/// Everything that is wrong, sorted by place.
pub fn compile(sources: &Sources, tools: &[Arc<Tool>]) -> Result<PolicySet, Findings> {
    let names = Names::new().map_err(|error| Findings::one("", 0, "", error.to_string()))?;
    let mut findings = Findings::default();
    let read = Read::of(sources, &names, &mut findings);
    let mut registry = registry::read(read.agents, read.people, &mut findings);
    registry.soft_rules = soft_rules(&read.rules);
    let mut known: HashMap<ToolRef, Known> = HashMap::new();
    for tool in tools {
        let mut entry = Known::new(Arc::clone(tool), &names);
        entry.meet(&read.rules, &names);
        known.insert(tool.reference.clone(), entry);
    }
    let check = Check { names: &names, rules: &read.rules, known: &known, texts: &read.texts };
    check.arguments(&mut findings);
    check.strictly(&mut findings);
    let mut notes = check.absences();
    check.roles(&registry, read.agents, &mut notes);
    notes.0.sort();
    let digest = digest(sources, tools);
    findings.or(())?;
    Ok(PolicySet::new(Parts { digest, registry, names, rules: read.rules, known, notes }))
}

/// Who owns each soft guardrail.
pub(super) fn soft_rules(rules: &[Rule]) -> BTreeMap<Arc<str>, PersonId> {
    let soft = rules.iter().filter(|rule| rule.level == Level::Soft);
    soft.filter_map(|rule| Some((Arc::clone(&rule.id), PersonId::from(rule.policy.annotation("owner")?)))).collect()
}

/// The digest of all that a decision hangs on: the files, and the definitions that they were typed against.
fn digest(sources: &Sources, tools: &[Arc<Tool>]) -> Digest {
    let tools: BTreeMap<_, _> = tools.iter().map(|tool| (tool.reference.to_string(), tool.digest)).collect();
    let files = sources.digest();
    let mut parts: Vec<&[u8]> = vec![files.as_bytes()];
    for (name, digest) in &tools {
        parts.extend([name.as_bytes(), b"\0", &digest.as_bytes()[..]]);
    }
    Digest::of_parts(&parts)
}

struct Read<'a> {
    rules: Vec<Rule>,
    texts: HashMap<&'a str, &'a str>,
    agents: Option<&'a SourceFile>,
    people: Option<&'a SourceFile>,
}

impl<'a> Read<'a> {
    fn of(sources: &'a Sources, names: &Names, findings: &mut Findings) -> Self {
        let mut read = Self { rules: Vec::new(), texts: HashMap::new(), agents: None, people: None };
        let mut files: Vec<_> = sources.files.iter().collect();
        files.sort();
        for file in files {
            match Place::of(&file.path) {
                Err(message) => findings.push(&file.path, 0, "", message),
                Ok(Place::Cases | Place::Other) => {}
                Ok(Place::Agents) => only(&mut read.agents, file, findings),
                Ok(Place::People) => only(&mut read.people, file, findings),
                Ok(Place::Policies(level)) => {
                    read.texts.insert(&file.path, &file.text);
                    read.rules.extend(Rule::read(file, level, names, findings));
                }
            }
        }
        let mut first: HashMap<Arc<str>, String> = HashMap::new();
        read.rules.retain(|rule| {
            let place = format!("{}:{}", rule.file, rule.line);
            let before = first.get(&rule.id).cloned();
            if let Some(before) = &before {
                let message = format!("@id(\"{}\") is already used at {before}; give this policy its own", rule.id);
                findings.push(&rule.file, rule.line, "", message);
            } else {
                first.insert(Arc::clone(&rule.id), place);
            }
            before.is_none()
        });
        read
    }
}

fn only<'a>(place: &mut Option<&'a SourceFile>, file: &'a SourceFile, findings: &mut Findings) {
    if let Some(first) = place {
        findings.push(&file.path, 0, "", format!("{} is the same registry; keep one", first.path));
    } else {
        *place = Some(file);
    }
}

struct Check<'a> {
    names: &'a Names,
    rules: &'a [Rule],
    known: &'a HashMap<ToolRef, Known>,
    texts: &'a HashMap<&'a str, &'a str>,
}

impl Check<'_> {
    /// Arguments that a policy reads and that have no type.
    fn arguments(&self, findings: &mut Findings) {
        for known in self.known.values() {
            for rule in known.calls.iter().filter_map(|place| self.rules.get(*place)) {
                for (name, why) in known.input.untyped.iter().filter(|(name, _)| rule.mention.input.contains(*name)) {
                    let message = format!(
                        "`{}` reads the argument `{name}` of `{}`, which has no type that a policy can read, because {why}",
                        rule.id, known.tool.reference
                    );
                    findings.push(&rule.file, rule.line, "", message);
                }
            }
        }
    }

    /// Strict validation; warnings count.
    fn strictly(&self, findings: &mut Findings) {
        let nothing = Input::default();
        let absent: BTreeSet<_> = self.rules.iter().flat_map(|rule| self.absent_tools(rule)).collect();
        let tools = self.known.values().map(|known| (&known.tool.reference, &known.input));
        let schema = model::schema(tools.chain(absent.iter().map(|tool| (tool, &nothing))));
        let schema = match Schema::from_json_value(schema) {
            Ok(schema) => schema,
            Err(error) => return findings.push("", 0, "", format!("the tools give no Cedar schema: {error}")),
        };
        let is_here = |uid: &_| self.names.as_tool(uid).is_none_or(|tool| !absent.contains(&tool));
        let set = match CedarSet::from_policies(self.rules.iter().map(|rule| rule.trimmed(is_here))) {
            Ok(set) => set,
            Err(error) => return findings.push("", 0, "", error.to_string()),
        };
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            let spelling =
                matches!(error, ValidationError::UnrecognizedEntityType(_) | ValidationError::UnrecognizedActionId(_));
            self.report(error.policy_id(), &error.into(), |rule| !spelling && self.sleeps(rule), findings);
        }
        for warning in result.validation_warnings() {
            let impossible = matches!(warning, ValidationWarning::ImpossiblePolicy(_));
            // Where there is no tool at all, `Action::"call"` is a group of none.
            let idle = impossible || matches!(warning, ValidationWarning::InvalidActionApplication(_));
            let excused = |rule: &Rule| idle && (self.known.is_empty() || self.sleeps(rule));
            self.report(warning.policy_id(), &detail(warning, impossible), excused, findings);
        }
    }

    fn report(&self, id: &PolicyId, error: &DetailedError, excused: impl Fn(&Rule) -> bool, findings: &mut Findings) {
        let Some(rule) = self.rules.iter().find(|rule| *rule.id == *AsRef::<str>::as_ref(id)) else {
            return findings.push("", 0, "", error.message.clone());
        };
        if excused(rule) {
            return;
        }
        let mut found = Findings::default();
        let text = self.texts.get(&*rule.file).copied().unwrap_or_default();
        report(&mut found, &rule.file, text, error);
        for finding in &mut found.0 {
            if finding.line == 0 {
                finding.line = rule.line;
            }
        }
        findings.extend(found);
    }

    fn absent_tools(&self, rule: &Rule) -> BTreeSet<ToolRef> {
        rule.tools(self.names).into_iter().filter(|tool| !self.known.contains_key(tool)).collect()
    }

    fn absent_server(&self, rule: &Rule) -> Option<ServerName> {
        rule.server(self.names)
            .filter(|server| !rule.is_of_verbs(self.names) && self.known.keys().all(|tool| tool.server != *server))
    }

    /// Whether the policy matches no tool, because what it names is not there.
    fn sleeps(&self, rule: &Rule) -> bool {
        let places = self.known.values().flat_map(|known| known.calls.iter().chain(&known.wishes));
        let matched = places.filter_map(|place| self.rules.get(*place)).any(|other| other.id == rule.id);
        !matched && (self.absent_server(rule).is_some() || !self.absent_tools(rule).is_empty())
    }

    /// What policies name and no approved tool has.
    fn absences(&self) -> Findings {
        let mut notes = Findings::default();
        for rule in self.rules {
            let sleeps = if self.sleeps(rule) { "; the policy sleeps until it appears" } else { "" };
            for tool in self.absent_tools(rule) {
                let message = format!("`{}` names `{tool}`, and no approved tool is called so{sleeps}", rule.id);
                notes.push(&rule.file, rule.line, "", message);
            }
            if let Some(server) = self.absent_server(rule) {
                let message = format!("`{}` names the server `{server}`, which has no approved tool{sleeps}", rule.id);
                notes.push(&rule.file, rule.line, "", message);
            }
        }
        notes
    }

    /// Roles of agents that no policy speaks of.
    fn roles(&self, registry: &crate::domain::Registry, file: Option<&SourceFile>, notes: &mut Findings) {
        let literals: Vec<_> = self.rules.iter().flat_map(|rule| rule.policy.entity_literals()).collect();
        let spoken: BTreeSet<_> = literals.iter().filter_map(|uid| self.names.as_role(uid)).collect();
        for (agent, entry) in &registry.agents {
            for role in entry.roles.iter().filter(|role| !spoken.contains(role.as_str())) {
                let path = file.map_or("", |file| &file.path);
                notes.push(path, 0, "", format!("`{agent}` has the role `{role}`, of which no policy speaks"));
            }
        }
    }
}

fn detail(warning: &ValidationWarning, impossible: bool) -> DetailedError {
    let mut detail = DetailedError::from(warning);
    if impossible {
        detail.message.push_str("; its scope and conditions contradict each other or name what does not fit together");
    }
    detail
}
