//! All policies, compiled and frozen, with a digest.

use std::{collections::HashMap, sync::Arc};

use cedar_policy::SchemaFragment;

use super::{
    bench::Bench,
    cache::Cache,
    court::Court,
    grant::{self, Compiled},
    known::Known,
    model::{self, Names, Verb},
    rule::Rule,
    source::Level,
};
use crate::domain::{AgentId, Delegator, Digest, Findings, Grant, PersonId, Registry, RoleName, Subject, ToolRef};

/// How many subjects before tools are kept ready.
const BENCHES: usize = 16_384;
/// How many grants are kept compiled.
const GRANTS: usize = 16_384;
/// How many subjects before verbs are kept ready.
const COURTS: usize = 4_096;

type CourtKey = (Verb, AgentId, Arc<[RoleName]>, Option<(PersonId, Arc<[RoleName]>)>);
type BenchKey = (ToolRef, AgentId, Arc<[RoleName]>, Option<(PersonId, Arc<[RoleName]>)>);

/// All policies, compiled and frozen. Decisions are a pure function of it, the subject, the call, the candidates and
/// the time; what it keeps ready besides changes no answer.
pub struct PolicySet {
    digest: Digest,
    registry: Registry,
    notes: Findings,
    pub(super) names: Names,
    pub(super) rules: Vec<Rule>,
    pub(super) known: HashMap<ToolRef, Known>,
    benches: Cache<BenchKey, Option<Bench>>,
    grants: Cache<(Digest, ToolRef), Compiled>,
    courts: Cache<CourtKey, Option<Court>>,
}

/// What a set is made of.
pub(super) struct Parts {
    pub(super) digest: Digest,
    pub(super) registry: Registry,
    pub(super) names: Names,
    pub(super) rules: Vec<Rule>,
    pub(super) known: HashMap<ToolRef, Known>,
    pub(super) notes: Findings,
}

/// One policy, for people who ask why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText<'a> {
    /// How strongly it speaks.
    pub level: Level,
    /// Its file.
    pub file: &'a str,
    /// The line where it begins.
    pub line: usize,
    /// The policy as its writer wrote it.
    pub text: String,
}

impl PolicySet {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { digest, registry, names, rules, known, notes } = parts;
        Self {
            digest,
            registry,
            notes,
            names,
            rules,
            known,
            benches: Cache::new(BENCHES),
            grants: Cache::new(GRANTS),
            courts: Cache::new(COURTS),
        }
    }

    /// How many policies there are in roles and guardrails.
    #[must_use]
    pub const fn policies(&self) -> usize {
        self.rules.len()
    }

    /// SHA-256 over the files and over the digests of the definitions that they were typed against.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Agents and people.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What is no fault but may be a mistake: policies that sleep because no approved tool has the name, roles that
    /// no policy speaks of.
    #[must_use]
    pub const fn notes(&self) -> &Findings {
        &self.notes
    }

    /// The tools that the policies were typed against, with the digests of their definitions, in order.
    #[must_use]
    pub fn tools(&self) -> Vec<(ToolRef, Digest)> {
        let mut tools: Vec<_> = self.known.iter().map(|(tool, known)| (tool.clone(), known.tool.digest)).collect();
        tools.sort();
        tools
    }

    /// The policy of this `@id`.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<PolicyText<'_>> {
        let rule = self.rules.iter().find(|rule| &*rule.id == id)?;
        let text = rule.policy.to_cedar().unwrap_or_default();
        Some(PolicyText { level: rule.level, file: &rule.file, line: rule.line, text })
    }

    /// The Cedar schema that the policies were validated against, in Cedar's own notation, for editors.
    #[must_use]
    pub fn cedar_schema(&self) -> Option<String> {
        let json = model::schema(self.known.values().map(|known| (&known.tool.reference, &known.input)));
        SchemaFragment::from_json_value(json).ok()?.to_cedarschema().ok()
    }

    /// What is wrong with the scope of a grant: tools that are not there, definitions that are not the approved ones,
    /// bounds that do not fit the arguments. To be asked when an exception is submitted; paths point into its record.
    #[must_use]
    pub fn check_grant(&self, grant: &Grant) -> Findings {
        let mut findings = Findings::default();
        for id in &grant.rules {
            match self.rules.iter().find(|rule| rule.id == *id).map(|rule| rule.level) {
                Some(Level::Soft) => {}
                Some(Level::Hard) => {
                    findings.push("", 0, "/rule_ids", format!("`{id}` is a hard guardrail, and nothing lifts one"));
                }
                Some(level) => {
                    findings.push("", 0, "/rule_ids", format!("`{id}` is of level {}, not soft", level.as_str()));
                }
                None => findings.push("", 0, "/rule_ids", format!("no policy has the @id `{id}`")),
            }
        }
        for (tool, digest) in &grant.tools {
            let reference = ToolRef { server: grant.server.clone(), tool: tool.clone() };
            let Some(known) = self.known.get(&reference) else {
                findings.push("", 0, "/grant/tools", format!("no approved tool is called `{reference}`"));
                continue;
            };
            if known.tool.digest != *digest {
                let message = format!("`{reference}` is now {}, not {digest}; look at the change", known.tool.digest);
                findings.push("", 0, "/grant/tools", message);
            }
            match known.schema(&self.rules, &self.names) {
                Some(schema) => grant::faults(grant, known, schema, &mut findings),
                None => findings.push("", 0, "/grant/tools", format!("`{reference}` gives no Cedar schema")),
            }
        }
        findings
    }

    /// The tool, if its definition is the one that the policies were typed against.
    pub(super) fn known(&self, tool: &ToolRef, digest: Digest) -> Option<&Known> {
        self.known.get(tool).filter(|known| known.tool.digest == digest)
    }

    /// The tool of this name.
    pub(super) fn tool(&self, tool: &ToolRef) -> Option<&Known> {
        self.known.get(tool)
    }

    /// The subject before the tool.
    pub(super) fn bench(&self, known: &Known, subject: &Subject) -> Arc<Option<Bench>> {
        let user = subject.on_behalf_of.as_ref();
        let user = user.map(|Delegator { person, roles }| (person.clone(), Arc::clone(roles)));
        let key = (known.tool.reference.clone(), subject.agent.clone(), Arc::clone(&subject.roles), user);
        self.benches.get(&key, |_| true, || Bench::new(&self.rules, known, &self.names, subject))
    }

    /// The subject before a verb.
    pub(super) fn court(&self, verb: Verb, subject: &Subject) -> Arc<Option<Court>> {
        let user = subject.on_behalf_of.as_ref();
        let user = user.map(|Delegator { person, roles }| (person.clone(), Arc::clone(roles)));
        let key = (verb, subject.agent.clone(), Arc::clone(&subject.roles), user);
        self.courts.get(&key, |_| true, || Court::new(&self.rules, verb, &self.names, subject))
    }

    /// The grant, compiled for the tool. The digest alone would do if records were always what they say.
    pub(super) fn grant(&self, grant: &Arc<Grant>, known: &Known) -> Arc<Compiled> {
        let key = (grant.digest, known.tool.reference.clone());
        let same = |found: &Compiled| Arc::ptr_eq(&found.grant, grant) || *found.grant == **grant;
        self.grants.get(&key, same, || Compiled::new(grant, known))
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySet")
            .field("digest", &self.digest)
            .field("policies", &self.rules.len())
            .finish_non_exhaustive()
    }
}
