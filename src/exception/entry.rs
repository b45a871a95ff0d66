//! One approved exception as the index keeps it: small, immutable, its grant built on first use.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Ending, Exception, State, Trial,
    approval::{Quorum, Vote},
};
use crate::domain::{
    AgentId, ArgumentBound, Budget, Candidate, Digest, Duty, ExceptionId, Grant, Kind, Obligation, PersonId, PilotId,
    Registry, ServerName, Standing, SuspendReason, Timestamp, ToolName, ToolRef, Window,
};

/// An approved exception that is not over by its events.
pub(super) struct Entry {
    pub(super) id: ExceptionId,
    pub(super) revision: u32,
    kind: Kind,
    rule_owner: Option<PersonId>,
    rules: Arc<[Arc<str>]>,
    /// The governance channel of its agents when it was approved (I13).
    channel: Arc<str>,
    digest: Digest,
    /// `not_before` and `not_after`.
    pub(super) window: Window,
    /// From when on the owner's word is overdue.
    lapses: Option<Timestamp>,
    /// From when on a milestone is overdue.
    milestone: Option<Timestamp>,
    /// What the events say, the clock and the registry apart.
    by_events: Standing,
    budget: Budget,
    pub(super) agents: Box<[AgentId]>,
    users: Arc<[PersonId]>,
    user_required: bool,
    server: ServerName,
    tools: Arc<[(ToolName, Digest)]>,
    arguments: Arc<[ArgumentBound]>,
    obligations: Arc<[Obligation]>,
    pub(super) owner: PersonId,
    approvers: Arc<[PersonId]>,
    pilot: Option<PilotId>,
    trial: Option<Trial>,
    grant: OnceLock<Arc<Grant>>,
    /// Set when it was revoked or suspended, before the tables are rewritten: the next decision sees it (I16).
    retired: AtomicBool,
}

/// What many exceptions share, each kept once.
#[derive(Default)]
pub(super) struct Names {
    agents: BTreeSet<AgentId>,
    people: BTreeSet<PersonId>,
    groups: BTreeSet<Arc<[PersonId]>>,
    rules: BTreeSet<Arc<[Arc<str>]>>,
    channels: BTreeSet<Arc<str>>,
    servers: BTreeSet<ServerName>,
    tools: BTreeSet<Arc<[(ToolName, Digest)]>>,
    obligations: BTreeSet<Arc<[Obligation]>>,
    /// By their JSON, since values have no order.
    arguments: BTreeMap<Box<str>, Arc<[ArgumentBound]>>,
}

impl Names {
    fn bounds(&mut self, bounds: &[ArgumentBound]) -> Arc<[ArgumentBound]> {
        // Text that cannot be made is no key: such bounds are not shared.
        let Ok(text) = serde_json::to_string(bounds) else { return bounds.into() };
        Arc::clone(self.arguments.entry(text.into()).or_insert_with(|| bounds.into()))
    }
}

fn shared<T: Ord + Clone>(names: &mut BTreeSet<T>, name: T) -> T {
    if let Some(kept) = names.get(&name) {
        return kept.clone();
    }
    names.insert(name.clone());
    name
}

impl Entry {
    /// The entry of an exception that can be used now or later, or whose budget is spent.
    pub(super) fn of(exception: &Exception, names: &mut Names) -> Option<Self> {
        let spec = &exception.spec;
        let by_events = match &exception.state {
            State::Approved(_) => Standing::Usable,
            State::Suspended { holds, .. } => {
                Standing::Suspended(holds.keys().next().copied().unwrap_or(SuspendReason::Manual))
            }
            State::Ended { how: Ending::Exhausted, .. } => Standing::Exhausted,
            State::Pending { .. } | State::Ended { .. } => return None,
        };
        let live = exception.state.live()?;
        Some(Self {
            id: exception.id.clone(),
            revision: exception.revision,
            kind: spec.kind,
            rule_owner: spec.rule_owner.as_ref().map(|owner| shared(&mut names.people, owner.clone())),
            rules: shared(&mut names.rules, spec.access.rules.iter().cloned().collect()),
            channel: shared(&mut names.channels, spec.channel.as_str().into()),
            digest: exception.digest,
            window: spec.window,
            lapses: exception.lapses(),
            milestone: exception.milestone_due(),
            by_events,
            budget: spec.budget,
            agents: spec.subject.agents.iter().map(|a| shared(&mut names.agents, a.clone())).collect(),
            users: shared(&mut names.groups, spec.subject.users.iter().cloned().collect()),
            user_required: spec.subject.user_required,
            server: shared(&mut names.servers, spec.access.server.clone()),
            tools: shared(&mut names.tools, spec.access.tools.iter().map(|(tool, pin)| (tool.clone(), *pin)).collect()),
            arguments: names.bounds(&spec.access.arguments),
            obligations: shared(&mut names.obligations, spec.obligations().into()),
            owner: shared(&mut names.people, spec.owner.human.clone()),
            approvers: shared(&mut names.groups, live.approvals.iter().map(|approval| approval.by.clone()).collect()),
            pilot: spec.pilot.clone(),
            trial: exception.trial.clone(),
            grant: OnceLock::new(),
            retired: AtomicBool::new(false),
        })
    }

    /// The tools that it is about.
    pub(super) fn tools(&self) -> impl Iterator<Item = ToolRef> + '_ {
        self.tools.iter().map(|(tool, _)| ToolRef { server: self.server.clone(), tool: tool.clone() })
    }

    /// Whether it is about this agent and tool.
    pub(super) fn concerns(&self, agent: &AgentId, tool: &ToolRef) -> bool {
        self.server == tool.server
            && self.tools.iter().any(|(name, _)| *name == tool.tool)
            && self.agents.contains(agent)
    }

    /// Whether it is usable by its events.
    pub(super) fn is_open(&self) -> bool {
        self.by_events == Standing::Usable
    }

    /// No decision uses it any more.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether its window holds this moment and it was not retired.
    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        self.window.not_before <= now && now < self.window.not_after && !self.retired.load(Ordering::Acquire)
    }

    /// Whether it was approved, is not over, and so counts against the caps.
    pub(super) fn counts(&self, now: Timestamp) -> bool {
        self.by_events != Standing::Exhausted && now < self.window.not_after && !self.retired.load(Ordering::Acquire)
    }

    /// Whether it can be used by this agent at this moment. The registry is asked each time: an owner who left and
    /// an approver who lost the duty end its use with the next decision (T090, I5).
    pub(super) fn standing(&self, agent: &AgentId, now: Timestamp, registry: &Registry) -> Standing {
        if self.by_events == Standing::Exhausted {
            return Standing::Exhausted;
        }
        self.standing_paid(agent, now, registry)
    }

    /// The same for what it has paid for: that its budget is spent since then does not matter.
    pub(super) fn standing_paid(&self, agent: &AgentId, now: Timestamp, registry: &Registry) -> Standing {
        if let Standing::Suspended(_) = self.by_events {
            return self.by_events;
        }
        if self.lapses.is_some_and(|lapse| now >= lapse) {
            return Standing::Suspended(SuspendReason::AttestationLapsed);
        }
        if self.milestone.is_some_and(|due| now >= due) {
            return Standing::Suspended(SuspendReason::MilestoneOverdue);
        }
        if !registry.may(&self.owner, Duty::Own) {
            return Standing::Suspended(SuspendReason::OwnerIneligible);
        }
        let apart = registry.agents.get(agent).is_some_and(|entry| {
            *entry.channel == *self.channel && entry.operator != self.owner && !self.approvers.contains(&entry.operator)
        });
        // The old owner's consent says nothing about the rule of another (GOVERNANCE section 3).
        let foreign = |rule: &Arc<str>| registry.soft_rules.get(rule) != self.rule_owner.as_ref();
        if self.rules.iter().any(foreign) {
            return Standing::Suspended(SuspendReason::Drift);
        }
        let quorum = Quorum { kind: self.kind, rule_owner: self.rule_owner.as_ref() };
        if !apart || !quorum.suffices(self.approvers.iter().filter_map(|person| Vote::now(person, registry))) {
            return Standing::Suspended(SuspendReason::Drift);
        }
        if self.trial.as_ref().is_some_and(|trial| trial.holds(agent, now)) {
            return Standing::Suspended(SuspendReason::RemovalTrial);
        }
        Standing::Usable
    }

    /// The moments at which its standing changes by the clock.
    pub(super) fn moments(&self) -> impl Iterator<Item = Timestamp> {
        let restored = self.trial.as_ref().map(|trial| trial.until);
        [Some(self.window.not_before), Some(self.window.not_after), self.lapses, self.milestone, restored]
            .into_iter()
            .flatten()
    }

    /// The candidate that a decision works with.
    pub(super) fn candidate(&self, standing: Standing) -> Candidate {
        Candidate { grant: Arc::clone(self.grant.get_or_init(|| Arc::new(self.build()))), standing }
    }

    fn build(&self) -> Grant {
        Grant {
            exception: self.id.clone(),
            revision: self.revision,
            digest: self.digest,
            kind: self.kind,
            pilot: self.pilot.clone(),
            agents: self.agents.iter().cloned().collect(),
            users: self.users.iter().cloned().collect(),
            user_required: self.user_required,
            server: self.server.clone(),
            tools: self.tools.iter().cloned().collect(),
            rules: self.rules.iter().cloned().collect(),
            arguments: self.arguments.to_vec(),
            window: self.window,
            budget: self.budget,
            obligations: self.obligations.to_vec(),
        }
    }
}
