//! The register: every exception that was ever asked for, one row each.

use serde::{Deserialize, Serialize};

use super::{Gone, Tally, csv};
use crate::{
    domain::{AgentId, ExceptionId, Kind, PersonId, PilotId, Timestamp},
    exception::{Category, Exception, Phase, State},
};

/// Whether a review after the end is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Its kind asks for none, or it was never approved.
    None,
    /// Asked for, in time.
    Due,
    /// Asked for, and late.
    Overdue,
    /// Done.
    Closed,
}

/// One exception.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterRow {
    /// Its id.
    pub id: ExceptionId,
    /// The revision that is spoken of.
    pub revision: u32,
    /// Its kind.
    pub kind: Kind,
    /// Waiver or mitigated.
    pub category: Category,
    /// Its state in one word.
    pub state: String,
    /// Why it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: PersonId,
    /// The owner's team.
    pub team: String,
    /// Who asked for it.
    pub requester: PersonId,
    /// Who approved this revision.
    pub approvers: Vec<PersonId>,
    /// For which agents.
    pub agents: Vec<AgentId>,
    /// On which server.
    pub server: String,
    /// Which tools.
    pub tools: Vec<String>,
    /// The pilot it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pilot: Option<PilotId>,
    /// The exception that it renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ExceptionId>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Whole days that are left; absent once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// When it was first asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<Timestamp>,
    /// When its approvals were complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Calls over its whole life.
    pub calls: u64,
    /// Calls that were charged.
    pub used: u64,
    /// The last call that it admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call: Option<Timestamp>,
    /// The last word of its owner, and who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<(Timestamp, PersonId)>,
    /// When the next word is due; it lapses after the grace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_due: Option<Timestamp>,
    /// From when on it is suspended for want of the owner's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_lapses: Option<Timestamp>,
    /// Whether a review is asked for.
    pub review: ReviewState,
    /// Its controls, by their ids in the record.
    pub controls: Vec<String>,
    /// The duties that they lay on the gateway.
    pub duties: Vec<String>,
    /// Controls of standards that the record names.
    pub standards: Vec<String>,
    /// Where the work is tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Why.
    pub why: String,
}

/// Every exception ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Register {
    /// When it was made.
    pub at: Timestamp,
    /// The last record of the journal that was read for it.
    pub records: u64,
    /// Whether every record was read and every exception is shown.
    pub complete: bool,
    /// Records that were removed, of which only what is indexed is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
    /// Exceptions whose stored history is not one that the gateway wrote; nothing else can be said of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<ExceptionId>,
    /// The exceptions, the newest first.
    pub rows: Vec<RegisterRow>,
}

impl Register {
    /// A register of these exceptions with what the journal says of them.
    #[must_use]
    pub fn of(mut rows: Vec<RegisterRow>, tally: &Tally, at: Timestamp, complete: bool) -> Self {
        rows.sort_by(|a, b| (b.submitted, &b.id).cmp(&(a.submitted, &a.id)));
        let known: std::collections::BTreeSet<&ExceptionId> = rows.iter().map(|row| &row.id).collect();
        let lost = tally.submitted().filter(|id| !known.contains(id));
        let damaged = if complete { lost.cloned().collect() } else { Vec::new() };
        let records = tally.next().saturating_sub(1);
        Self { at, records, complete: complete && tally.is_complete(), gone: tally.gone(), damaged, rows }
    }

    /// The register as CSV (RFC 4180), one line for each exception.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = csv::line(COLUMNS);
        for row in &self.rows {
            out.push_str(&csv::line(row.cells()));
        }
        out
    }
}

const COLUMNS: [&str; 30] = [
    "id",
    "revision",
    "kind",
    "category",
    "state",
    "reason",
    "owner",
    "team",
    "requester",
    "approvers",
    "agents",
    "server",
    "tools",
    "pilot",
    "supersedes",
    "from",
    "until",
    "days_left",
    "submitted",
    "approved",
    "ended",
    "calls",
    "used",
    "last_call",
    "attested",
    "attestation_due",
    "controls",
    "standards",
    "ticket",
    "why",
];

impl RegisterRow {
    /// The row of this exception at this moment.
    #[must_use]
    pub fn of(exception: &Exception, tally: &Tally, now: Timestamp) -> Self {
        let (spec, phase) = (&exception.spec, exception.phase(now));
        let facts = tally.facts().get(&exception.id).cloned().unwrap_or_default();
        let live = exception.state.live();
        let over = matches!(phase, Phase::Ended(_));
        let spent = phase == Phase::Active && facts.used >= spec.budget.calls;
        let due = live.zip(spec.attestation).and_then(|(l, a)| l.attested.checked_add_signed(a.every.delta()));
        Self {
            id: exception.id.clone(),
            revision: exception.revision,
            kind: spec.kind,
            category: spec.category,
            state: if spent { "exhausted" } else { phase.as_str() }.to_owned(),
            reason: reason(phase),
            owner: spec.owner.human.clone(),
            team: spec.owner.team.clone(),
            requester: exception.requester.clone(),
            approvers: exception.state.approvals().iter().map(|approval| approval.by.clone()).collect(),
            agents: spec.subject.agents.iter().cloned().collect(),
            server: spec.access.server.to_string(),
            tools: spec.access.tools.keys().map(ToString::to_string).collect(),
            pilot: spec.pilot.clone(),
            supersedes: spec.supersedes.clone(),
            from: spec.window.not_before,
            until: spec.window.not_after,
            days_left: (!over).then(|| (spec.window.not_after - now).num_days()),
            submitted: facts.submitted,
            approved: live.map(|live| live.since),
            ended: ended(exception, phase),
            calls: spec.budget.calls,
            used: facts.used,
            last_call: facts.last_call,
            attested: facts.attested,
            attestation_due: due.filter(|_| !over),
            attestation_lapses: exception.lapses().filter(|_| !over),
            review: review(exception, now),
            controls: spec.controls.iter().map(|control| control.id.clone()).collect(),
            duties: spec.obligations().iter().map(|duty| duty.id().to_owned()).collect(),
            standards: spec.controls_mapped.clone(),
            ticket: spec.ticket.clone(),
            why: spec.rationale.clone(),
        }
    }

    fn cells(&self) -> [String; 30] {
        let time = |at: Option<Timestamp>| at.map(moment).unwrap_or_default();
        [
            self.id.to_string(),
            self.revision.to_string(),
            word(&self.kind),
            word(&self.category),
            self.state.clone(),
            self.reason.clone().unwrap_or_default(),
            self.owner.to_string(),
            self.team.clone(),
            self.requester.to_string(),
            listed(&self.approvers),
            listed(&self.agents),
            self.server.clone(),
            listed(&self.tools),
            self.pilot.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.supersedes.as_ref().map(ToString::to_string).unwrap_or_default(),
            moment(self.from),
            moment(self.until),
            self.days_left.map(|days| days.to_string()).unwrap_or_default(),
            time(self.submitted),
            time(self.approved),
            time(self.ended),
            self.calls.to_string(),
            self.used.to_string(),
            time(self.last_call),
            self.attested.as_ref().map(|(at, by)| format!("{} {by}", moment(*at))).unwrap_or_default(),
            time(self.attestation_due),
            listed(&self.controls),
            listed(&self.standards),
            self.ticket.clone().unwrap_or_default(),
            self.why.clone(),
        ]
    }
}

/// When it ended: by its event, or by its window.
fn ended(exception: &Exception, phase: Phase) -> Option<Timestamp> {
    match (&exception.state, phase) {
        (State::Ended { at, .. }, _) => Some(*at),
        (State::Pending { .. }, Phase::Ended(_)) => exception.request_ends(),
        (State::Approved(_) | State::Suspended { .. }, Phase::Ended(_)) => Some(exception.spec.window.not_after),
        (State::Pending { .. } | State::Approved(_) | State::Suspended { .. }, _) => None,
    }
}

fn reason(phase: Phase) -> Option<String> {
    match phase {
        Phase::Suspended(reason) => Some(word(&reason)),
        Phase::PendingApproval | Phase::Scheduled | Phase::Active | Phase::Ended(_) => None,
    }
}

fn review(exception: &Exception, now: Timestamp) -> ReviewState {
    match exception.review_due() {
        Some(due) if now >= due => ReviewState::Overdue,
        Some(_) => ReviewState::Due,
        None if exception.review.is_some() => ReviewState::Closed,
        None => ReviewState::None,
    }
}

/// The word that a value has in records.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A moment as reports write it, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn listed<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
