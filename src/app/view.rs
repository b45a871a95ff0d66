//! Rooms' values → what the API answers.

use serde_json::{Value, json};

use crate::{
    api::{ApiError, ApprovalView, DueView, ExceptionView, KeyView, MilestoneView, ReviewView, ToolView},
    catalog::{Entry, Pin, Quarantine},
    domain::{Digest, Timestamp},
    evidence::Row,
    exception::{DeskError, Exception, Milestone, Phase},
    identity::{KeyPrincipal, KeyRow},
};

pub(super) fn exception(exception: &Exception, used: u64, now: Timestamp) -> ExceptionView {
    let (spec, phase) = (&exception.spec, exception.phase(now));
    // The event follows with the first call that finds the budget spent.
    let spent = phase == Phase::Active && used >= spec.budget.calls;
    let reason = match phase {
        Phase::Suspended(reason) => {
            serde_json::to_value(reason).ok().and_then(|value| value.as_str().map(str::to_owned))
        }
        Phase::PendingApproval | Phase::Scheduled | Phase::Active | Phase::Ended(_) => None,
    };
    ExceptionView {
        id: exception.id.clone(),
        revision: exception.revision,
        digest: exception.digest,
        state: if spent { "exhausted" } else { phase.as_str() }.to_owned(),
        reason,
        kind: spec.kind,
        pilot: spec.pilot.clone(),
        owner: spec.owner.human.clone(),
        requester: exception.requester.clone(),
        agents: spec.subject.agents.iter().cloned().collect(),
        server: spec.access.server.to_string(),
        tools: spec.access.tools.keys().map(ToString::to_string).collect(),
        not_before: spec.window.not_before,
        not_after: spec.window.not_after,
        calls: spec.budget.calls,
        used,
        attestation_due: exception.lapses().filter(|due| exception.is_live(now) && *due < spec.window.not_after),
        due: exception.due(now).map(|(what, at)| DueView { what: what.as_str().to_owned(), at }),
        rules: spec.access.rules.iter().map(ToString::to_string).collect(),
        incident: spec.incident.clone(),
        milestones: milestones(exception),
        post_review: post_review(exception, now),
        approvals: exception
            .state
            .approvals()
            .iter()
            .map(|approval| ApprovalView {
                by: approval.by.clone(),
                as_security: approval.as_security,
                as_vendor_risk: approval.as_vendor_risk,
                at: approval.at,
            })
            .collect(),
        analysis: exception.analysis.as_deref().cloned(),
        removal_test: exception.tested.as_ref().map(|(test, at)| json!({"at": at, "test": test})),
        trial: exception.trial.as_ref().filter(|trial| now < trial.until).map(|trial| json!(trial)),
        spec: serde_json::to_value(spec.as_ref()).ok(),
    }
}

fn milestones(exception: &Exception) -> Vec<MilestoneView> {
    let milestones = exception.spec.exit.iter().flat_map(|exit| &exit.milestones);
    let view = |step: &Milestone| MilestoneView {
        name: step.name.clone(),
        due: step.due.clone(),
        met: exception.met.contains(&step.name),
    };
    milestones.map(view).collect()
}

fn post_review(exception: &Exception, now: Timestamp) -> Option<ReviewView> {
    let state = exception.post_review(now)?.as_str().to_owned();
    let (by, at) = exception.review.clone().unzip();
    Some(ReviewView { state, due: exception.review_due(), by, at })
}

/// A row of the journal: its number, its chain value and its record.
pub(super) fn row(row: &Row) -> Value {
    let record: Value = serde_json::from_slice(&row.payload).unwrap_or(Value::Null);
    json!({"seq": row.seq, "chain": Digest::from_bytes(row.chain), "record": record})
}

pub(super) fn key(row: &KeyRow) -> KeyView {
    let (kind, principal) = match &row.principal {
        KeyPrincipal::Agent(agent) => ("agent", agent.to_string()),
        KeyPrincipal::Person(person) => ("person", person.to_string()),
    };
    KeyView {
        id: row.id.clone(),
        kind: kind.to_owned(),
        principal,
        created: row.created,
        expires: row.expires,
        revoked: row.revoked,
        note: row.note.clone(),
        networks: row.networks.clone(),
    }
}

pub(super) fn tool(entry: &Entry) -> ToolView {
    let (pin, approved) = match entry.pin {
        Pin::Approved => ("approved", Some(entry.tool.digest)),
        Pin::New => ("new", None),
        Pin::Drifted { approved } => ("drifted", Some(approved)),
    };
    let warnings = &entry.tool.warnings;
    ToolView {
        server: entry.tool.reference.server.to_string(),
        tool: entry.tool.reference.tool.to_string(),
        exposed: Some(entry.tool.exposed.to_string()),
        pin: pin.to_owned(),
        digest: Some(entry.tool.digest),
        approved,
        detail: (!warnings.is_empty()).then(|| warnings.join("; ")),
    }
}

pub(super) fn held(quarantine: &Quarantine) -> ToolView {
    ToolView {
        server: quarantine.server.to_string(),
        tool: quarantine.tool.clone(),
        exposed: None,
        pin: "quarantined".to_owned(),
        digest: None,
        approved: None,
        detail: Some(quarantine.reason.to_string()),
    }
}

pub(super) fn desk_error(error: DeskError) -> ApiError {
    match error {
        DeskError::Invalid(findings) => ApiError::faulty(findings),
        DeskError::Unknown(_) | DeskError::UnknownPilot(_) => ApiError::not_found(),
        DeskError::Forbidden(message) => ApiError::forbidden(message),
        DeskError::TooWeak(error) => ApiError::step_up(error.why, error.challenge),
        DeskError::Conflict(message) => ApiError::conflict(message),
        DeskError::Damaged { .. } => ApiError::conflict(error.to_string()),
        DeskError::Store(error) => ApiError::unavailable(error.to_string()),
    }
}
