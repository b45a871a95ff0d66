//! What the approver of an exception should know, found when it is submitted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Change, Changes, Completeness, Filter, RecordedCall, Stand, Study, World, recorded::stranger};
use crate::{
    domain::{
        AgentId, Bound, Delegator, Digest, Effect, ExceptionId, Findings, Grant, PersonId, RoleName, Subject,
        Timestamp, ToolRef,
    },
    policy::{Level, Speaks, Visibility},
};

/// Entries of a list in the analysis; it has to fit into one record.
const LIST: usize = 20;
/// Agents and tools that one entry names.
const NAMED: usize = 5;
/// Bytes of the analysis as JSON.
const BYTES: usize = 48 << 10;

/// What the exception would make usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admits {
    /// The tools, as `server/tool`, with the digests of their definitions.
    pub tools: BTreeMap<String, Digest>,
    /// The bounds on arguments, in words.
    pub arguments: Vec<String>,
    /// For which agents.
    pub agents: BTreeSet<AgentId>,
    /// For whom they must act, in words.
    pub on_behalf_of: String,
    /// Calls over its whole life.
    pub calls: u64,
}

/// A guardrail that speaks of what the exception is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guardrail {
    /// Its `@id`.
    pub id: String,
    /// `hard`, `soft` or `advisory`.
    pub level: String,
    /// Its file and line.
    pub place: String,
    /// Whether it forbids every such call, whatever the arguments.
    pub always: bool,
    /// How many of the agents it speaks of.
    pub of_agents: usize,
    /// The first of them.
    pub agents: BTreeSet<AgentId>,
    /// How many of the tools it speaks of.
    pub of_tools: usize,
    /// The first of them, as `server/tool`.
    pub tools: BTreeSet<String>,
}

/// Whether roles allow already what is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Implied {
    /// `all`: every agent may call every tool already, whatever the arguments; `some`; or `none`.
    pub answer: String,
    /// Agents and tools that roles allow whatever the arguments, as `agent server/tool`.
    pub always: Vec<String>,
    /// Agents and tools that roles allow for some arguments.
    pub depends: Vec<String>,
    /// Recorded refused calls that roles allow by now.
    pub refused_then: u64,
}

/// Live exceptions against the budgets of owner and channel (I17).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprawl {
    /// Live exceptions of the owner, without this one.
    pub of_owner: usize,
    /// The most that an owner may have.
    pub per_owner: usize,
    /// Live exceptions of the channel, without this one.
    pub of_channel: usize,
    /// The most that a channel may have.
    pub per_channel: usize,
}

/// The analysis, attached to the submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// When it was made.
    pub at: Timestamp,
    /// The policies that were in force.
    pub policy_set: Digest,
    /// What it would admit.
    pub admits: Admits,
    /// Days that were looked back.
    pub days: u32,
    /// Recorded refused calls that would now pass.
    pub would_pass: u64,
    /// The same by agent and tool.
    pub passing: Vec<Change>,
    /// Recorded refused calls of these agents and tools that would still be refused.
    pub still_refused: u64,
    /// How complete that is.
    pub completeness: Completeness,
    /// Guardrails that speak of these tools and agents.
    pub guardrails: Vec<Guardrail>,
    /// Whether roles allow it already.
    pub implied: Implied,
    /// Against the budgets.
    pub sprawl: Sprawl,
    /// What an approver should look at.
    pub notes: Vec<String>,
}

impl Analysis {
    /// The analysis, without its longest lists if it would not fit into one record.
    #[must_use]
    pub fn fitting(mut self) -> Self {
        if serde_json::to_vec(&self).map_or(usize::MAX, |bytes| bytes.len()) > BYTES {
            self.passing.clear();
            self.guardrails.clear();
            self.admits.arguments.clear();
            self.notes.push("lists were left out, because they do not fit into the record".to_owned());
        }
        self
    }
}

/// Analyses one submission.
pub struct Submission {
    grant: Grant,
    now: World,
    then: World,
    at: Timestamp,
    changes: Changes,
    passing: u64,
    refused: u64,
    allowed: u64,
    completeness: Completeness,
}

impl Submission {
    /// The analysis of what this grant would make usable, at this moment, in this world.
    #[must_use]
    pub fn new(grant: Grant, world: &World, (since, at): (Timestamp, Timestamp)) -> Self {
        let now = world.clone().without(grant.exception.clone());
        Self {
            then: now.clone().with(grant.clone()),
            now,
            grant,
            at,
            changes: Changes::default(),
            passing: 0,
            refused: 0,
            allowed: 0,
            completeness: Completeness::new(since),
        }
    }

    /// The calls that it looks at: refused ones of its agents and tools.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let tools = tools(&self.grant).into_iter().map(|(tool, _)| tool).collect();
        Filter { agents: self.grant.agents.clone(), tools, exceptions: BTreeSet::new(), refused: true }
    }

    /// The analysis, and what is so wrong that nobody should be asked to approve it.
    #[must_use]
    pub fn finish(self, days: u32, sprawl: Sprawl) -> (Analysis, Findings) {
        let guardrails = self.guardrails();
        let implied = self.implied();
        let mut hard = Findings::default();
        sprawl.find(&self.grant.exception, &mut hard);
        for guardrail in guardrails.iter().filter(|one| one.always && one.level == Level::Hard.as_str()) {
            let tools: Vec<_> = guardrail.tools.iter().map(String::as_str).collect();
            let message = format!(
                "the hard guardrail `{}` ({}) forbids every call of {}: this exception could never be used there",
                guardrail.id,
                guardrail.place,
                tools.join(", ")
            );
            hard.push("", 0, "/grant/tools", message);
        }
        let notes = self.notes(&guardrails, &implied);
        let guardrails = guardrails.into_iter().take(LIST).collect();
        let (mut passing, _) = self.changes.finish();
        passing.truncate(LIST);
        let analysis = Analysis {
            at: self.at,
            policy_set: self.now.set().digest(),
            admits: admits(&self.grant),
            days,
            would_pass: self.passing,
            passing,
            still_refused: self.refused,
            completeness: self.completeness,
            guardrails,
            implied,
            sprawl,
            notes,
        };
        (analysis, hard)
    }

    fn notes(&self, guardrails: &[Guardrail], implied: &Implied) -> Vec<String> {
        let mut notes = Vec::new();
        if implied.answer == "all" {
            notes.push("roles allow all of it already: this exception is not needed".to_owned());
        }
        if guardrails.iter().any(|one| one.level != Level::Advisory.as_str()) {
            notes.push("guardrails speak of these tools and agents: what they forbid stays forbidden".to_owned());
        }
        if self.grant.arguments.is_empty() {
            notes.push("it puts no bounds on arguments".to_owned());
        }
        if self.passing == 0 && self.completeness.is_whole() {
            notes.push("no recorded call of the time was refused that would now pass".to_owned());
        }
        if !self.completeness.is_whole() {
            notes.push(format!("{} per cent of the refused calls could be judged", self.completeness.percent));
        }
        notes.push(
            "the guardrails above were compared by what they speak of; `proofs` has what a solver says".to_owned(),
        );
        notes
    }

    fn guardrails(&self) -> Vec<Guardrail> {
        let set = self.now.set();
        let mut found: BTreeMap<&str, Guardrail> = BTreeMap::new();
        for agent in &self.grant.agents {
            let roles = self.roles(agent);
            for (tool, _) in tools(&self.grant) {
                let speaking = set.speaking(&tool, agent, &roles).into_iter();
                for Speaks { id, level, always, file, line } in speaking.filter(|one| one.level != Level::Role) {
                    let guardrail = found.entry(id).or_insert_with(|| Guardrail {
                        id: id.to_owned(),
                        level: level.as_str().to_owned(),
                        place: format!("{file}:{line}"),
                        always,
                        of_agents: 0,
                        of_tools: 0,
                        agents: BTreeSet::new(),
                        tools: BTreeSet::new(),
                    });
                    guardrail.agents.insert(agent.clone());
                    guardrail.tools.insert(tool.to_string());
                }
            }
        }
        let short = |mut guardrail: Guardrail| {
            (guardrail.of_agents, guardrail.of_tools) = (guardrail.agents.len(), guardrail.tools.len());
            guardrail.agents = guardrail.agents.into_iter().take(NAMED).collect();
            guardrail.tools = guardrail.tools.into_iter().take(NAMED).collect();
            guardrail
        };
        found.into_values().map(short).collect()
    }

    fn implied(&self) -> Implied {
        let set = self.now.set();
        let (mut always, mut depends, mut asked) = (Vec::new(), Vec::new(), 0_usize);
        for subject in self.subjects() {
            for (tool, _) in tools(&self.grant) {
                let Some(known) = set.definition(&tool) else { continue };
                asked = asked.saturating_add(1);
                let named = || {
                    let person = subject.on_behalf_of.as_ref().map(|who| format!(" for {}", who.person));
                    format!("{}{} {tool}", subject.agent, person.unwrap_or_default())
                };
                match set.visibility(&subject, known, &[], self.at) {
                    Visibility::Allowed => always.push(named()),
                    Visibility::Depends => depends.push(named()),
                    Visibility::Hidden | Visibility::Requestable | Visibility::Exception => {}
                }
            }
        }
        let answer = match (always.len(), asked) {
            (0, _) if depends.is_empty() => "none",
            (all, asked) if all == asked && asked > 0 => "all",
            _ => "some",
        };
        always.truncate(LIST);
        depends.truncate(LIST);
        Implied { answer: answer.to_owned(), always, depends, refused_then: self.allowed }
    }

    /// The agents, each for each person that is named, or for nobody.
    fn subjects(&self) -> Vec<Subject> {
        let people = &self.now.set().registry().people;
        let persons: Vec<Option<Delegator>> = if self.grant.users.is_empty() {
            vec![None]
        } else {
            let of = |person: &PersonId| Delegator {
                person: person.clone(),
                roles: people.get(person).map(|entry| entry.roles.iter().cloned().collect()).unwrap_or_default(),
            };
            self.grant.users.iter().take(LIST).map(of).map(Some).collect()
        };
        let subject = |agent: &AgentId, on_behalf_of: &Option<Delegator>| {
            stranger(agent.clone(), self.roles(agent), on_behalf_of.clone(), self.at)
        };
        self.grant.agents.iter().flat_map(|agent| persons.iter().map(move |who| subject(agent, who))).collect()
    }

    fn roles(&self, agent: &AgentId) -> Vec<RoleName> {
        let entry = self.now.set().registry().agents.get(agent);
        entry.map(|entry| entry.roles.iter().cloned().collect()).unwrap_or_default()
    }
}

impl Study for Submission {
    fn take(&mut self, call: &RecordedCall) {
        let (from, to) = match (self.now.judge(call), self.then.judge(call)) {
            (Ok(from), Ok(to)) => (Stand::from(&from), Stand::from(&to)),
            (Err(why), _) | (_, Err(why)) => return self.completeness.missed(why),
        };
        self.completeness.judged(call.definition != self.now.set().definition(&call.tool).map(|tool| tool.digest));
        match (from.effect, to.effect) {
            (Effect::Allow, _) => self.allowed = self.allowed.saturating_add(1),
            (Effect::Deny, Effect::Allow) => {
                self.passing = self.passing.saturating_add(1);
                self.changes.take(call, from, to);
            }
            (Effect::Deny, Effect::Deny) => self.refused = self.refused.saturating_add(1),
        }
    }

    fn cut(&mut self) {
        self.completeness.truncated = true;
    }
}

impl Sprawl {
    /// The budgets that would be broken (I17).
    fn find(&self, id: &ExceptionId, findings: &mut Findings) {
        let Self { of_owner, per_owner, of_channel, per_channel } = *self;
        if of_owner >= per_owner {
            let message = format!(
                "its owner has {of_owner} live exceptions of at most {per_owner}: end one before `{id}` is asked for"
            );
            findings.push("", 0, "/owner/human", message);
        }
        if of_channel >= per_channel {
            let message = format!(
                "the channel has {of_channel} live exceptions of at most {per_channel}: end one before `{id}` is asked for"
            );
            findings.push("", 0, "/governance/channel", message);
        }
    }
}

fn tools(grant: &Grant) -> Vec<(ToolRef, Digest)> {
    let reference = |tool: &crate::domain::ToolName| ToolRef { server: grant.server.clone(), tool: tool.clone() };
    grant.tools.iter().map(|(tool, digest)| (reference(tool), *digest)).collect()
}

fn admits(grant: &Grant) -> Admits {
    let bound = |bound: &Bound| match bound {
        Bound::In(values) => {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            format!("one of {}", values.join(", "))
        }
        Bound::Between { min, max } => format!("from {min} to {max}"),
        Bound::AbsentOr(value) => format!("absent or {value}"),
    };
    let people: Vec<_> = grant.users.iter().take(LIST).map(ToString::to_string).collect();
    let on_behalf_of = match (grant.user_required, people.is_empty()) {
        (false, true) => "nobody or anybody".to_owned(),
        (true, true) => "any person".to_owned(),
        (required, false) => format!("{}{}", if required { "" } else { "nobody or " }, people.join(", ")),
    };
    Admits {
        tools: tools(grant).into_iter().map(|(tool, digest)| (tool.to_string(), digest)).collect(),
        arguments: grant
            .arguments
            .iter()
            .map(|one| format!("{}: {}", one.name, bound(&one.bound)).chars().take(200).collect())
            .collect(),
        agents: grant.agents.clone(),
        on_behalf_of,
        calls: grant.budget.calls,
    }
}
