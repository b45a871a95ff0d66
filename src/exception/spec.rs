//! The record of an exception: what is asked for, approved and signed. Immutable.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{NaiveDate, TimeDelta};

use serde::{Deserialize, Serialize};

use super::{
    approval::Quorum,
    ceiling::{Ceiling, Period, later},
};
use crate::domain::{
    AgentId, ArgumentBound, Budget, DecisionId, Digest, ExceptionId, Grant, Kind, Obligation, PersonId, PilotId,
    RoleName, ServerName, Timestamp, ToolName, Window,
};

/// Whether the deviation is accepted as it is, or made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The risk is accepted.
    Waiver,
    /// The risk is met by the controls.
    Mitigated,
}

/// What risk is left under the controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

/// Who benefits: agents named one by one, and the people they may act for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beneficiary {
    /// The agents; never empty, no role, no wildcard (I3).
    pub agents: BTreeSet<AgentId>,
    /// People an agent may act for; empty means any, if one is required at all.
    pub users: BTreeSet<PersonId>,
    /// Whether the agent must act for a person.
    pub user_required: bool,
}

/// What is made usable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// The server.
    pub server: ServerName,
    /// Its tools with the digest of the definition that is approved.
    pub tools: BTreeMap<ToolName, Digest>,
    /// The soft guardrails that a rule exemption lifts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<Arc<str>>,
    /// Bounds on arguments, by name.
    pub arguments: Vec<ArgumentBound>,
}

/// What the exception deviates from, and why that is bearable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// The rule.
    pub rule: String,
    /// What stands in the way of keeping it.
    pub constraint: String,
    /// What the rule is for.
    pub objective: String,
    /// What may go wrong.
    pub identified_risk: String,
    /// What is left of that under the controls.
    pub residual_risk: Risk,
}

/// Who answers for the exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The person.
    pub human: PersonId,
    /// The person's team.
    pub team: String,
    /// Who attests when the owner cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<PersonId>,
}

/// A compensating control: what it is (the fields of PCI DSS Appendix C), and the duty it lays on the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Its id in the record.
    pub id: String,
    /// The duty.
    pub duty: Obligation,
    /// What it does.
    pub definition: String,
    /// The probe that shows that it works, and how often it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Who keeps it working, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
}

/// How a control is shown to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validation {
    /// The probe.
    pub probe: String,
    /// How often.
    pub every: Period,
}

/// How often the owner must say that the exception is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// From one word to the next.
    pub every: Period,
    /// How much later than that the exception still works.
    pub grace: Period,
}

/// How it is to be tried whether the exception can go: the plan, not its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// How often decisions are to be recomputed without it.
    pub shadow_every: Period,
    /// Share of calls to try without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_percent: Option<u8>,
}

/// How the exception is to become unnecessary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The way out.
    #[serde(rename = "type")]
    pub way: ExitWay,
    /// The role that takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_role: Option<RoleName>,
    /// When it is done.
    pub criteria: String,
    /// Steps on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<Milestone>,
}

/// The way out of an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitWay {
    /// A role takes over.
    Graduate,
    /// The cause is mended.
    Remediate,
    /// It ends.
    End,
}

/// A step on the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// What.
    pub name: String,
    /// By when (`YYYY-MM-DD` or a UTC time).
    pub due: String,
}

/// What was asked and approved. Immutable; any edit is a new revision without approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Its id, never used again.
    pub id: ExceptionId,
    /// Its kind, on which the ceilings hang.
    pub kind: Kind,
    /// Waiver or mitigated.
    pub category: Category,
    /// The pilot it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pilot: Option<PilotId>,
    /// The exception that this one renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ExceptionId>,
    /// For whom.
    pub subject: Beneficiary,
    /// For what.
    pub access: Access,
    /// Away from what.
    pub deviation: Deviation,
    /// Why.
    pub rationale: String,
    /// Where the work is tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The incident that a break-glass exception is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// The event that ends a temporary elevation before its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_on: Option<String>,
    /// The owner of the rules that an exemption lifts, who must be among its approvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_owner: Option<PersonId>,
    /// Who answers for it.
    pub owner: Owner,
    /// Who asks for it; filled in with the person who submits, who must be this one if the record names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<PersonId>,
    /// From when to when.
    pub window: Window,
    /// How much.
    pub budget: Budget,
    /// Calls in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_min: Option<u32>,
    /// Compensating controls; never empty.
    pub controls: Vec<Control>,
    /// The owner's regular word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// The plan for trying without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// The governance channel, the one through which the agents were let in (I13).
    pub channel: String,
    /// Controls of standards that this bears on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls_mapped: Vec<String>,
    /// The refused call that it was asked for after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
}

impl Milestone {
    /// The moment from which on it is overdue: the end of the day, in UTC, or the time that is named.
    #[must_use]
    pub fn overdue_from(&self) -> Option<Timestamp> {
        if let Ok(day) = self.due.parse::<NaiveDate>() {
            return day.and_hms_opt(0, 0, 0).map(|begin| later(begin.and_utc(), TimeDelta::days(1)));
        }
        self.due.parse().ok()
    }
}

impl Spec {
    /// Who must be among its approvers.
    #[must_use]
    pub(super) const fn quorum(&self) -> Quorum<'_> {
        Quorum { kind: self.kind, rule_owner: self.rule_owner.as_ref() }
    }

    /// From when on a milestone is overdue that is not among those that were met; none where its kind does not wait
    /// for them.
    #[must_use]
    pub fn overdue(&self, met: &BTreeSet<String>) -> Option<Timestamp> {
        let milestones = self.exit.iter().flat_map(|exit| &exit.milestones);
        let open = milestones.filter(|step| Ceiling::of(self.kind).milestones && !met.contains(&step.name));
        open.filter_map(Milestone::overdue_from).min()
    }

    /// SHA-256 over the canonical JSON (RFC 8785) of the spec: what approvers sign (I6).
    ///
    /// # Errors
    /// A value that canonical JSON does not have; a checked record never holds one.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self).map(|bytes| Digest::of(&bytes))
    }

    /// What this spec makes usable once it is approved under this revision and digest.
    #[must_use]
    pub fn grant(&self, revision: u32, digest: Digest) -> Grant {
        Grant {
            exception: self.id.clone(),
            revision,
            digest,
            kind: self.kind,
            pilot: self.pilot.clone(),
            agents: self.subject.agents.clone(),
            users: self.subject.users.clone(),
            user_required: self.subject.user_required,
            server: self.access.server.clone(),
            tools: self.access.tools.clone(),
            rules: self.access.rules.clone(),
            arguments: self.access.arguments.clone(),
            window: self.window,
            budget: self.budget,
            obligations: self.obligations(),
        }
    }

    /// The duties of its controls, and those that follow from the record itself: a durable intent, the budget,
    /// the pinned definition, and bounds and rate where there are any. Sorted, each once, the strictest kept.
    #[must_use]
    pub fn obligations(&self) -> Vec<Obligation> {
        let mut all: Vec<Obligation> = self.controls.iter().map(|control| control.duty.clone()).collect();
        all.extend([Obligation::AuditWriteAhead, Obligation::BudgetReserve, Obligation::DescriptorPin]);
        if !self.access.arguments.is_empty() {
            all.push(Obligation::ArgsConstrain);
        }
        all.extend(self.calls_per_min.map(|per_minute| Obligation::RateLimit { per_minute }));
        // Within a kind the derived order puts the smaller bound first, and that is the stricter one. Duties that are
        // no single number hold side by side.
        all.sort();
        all.dedup_by(|later, earlier| later == earlier || later.id() == earlier.id() && !later.adds_up());
        all
    }
}
