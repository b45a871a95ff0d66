//! A decision, read from its record and judged anew from the bundle that it names.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{house::House, keeper::Bundle};
use crate::{
    api::{ApiError, Explanation},
    catalog::{Catalog, Pins, Tool, ToolCall},
    domain::{
        Candidate, Credential, CredentialKind, DecisionId, Delegator, Effect, Reason, Standing, Subject, SuspendReason,
        Timestamp, ToolRef, Verdict,
    },
    evidence::{Called, Caller, Outcome, Record},
    exception::Event,
    policy::{Decision, compile},
};

/// What a decision's record says, whether it was a permit or a refusal.
struct Recorded {
    seq: u64,
    at: Timestamp,
    caller: Caller,
    asked: String,
    call: Option<Called>,
    verdict: Verdict,
    detail: Option<String>,
}

impl House {
    /// The decision of this id, and whether judging it again gives the same.
    pub(super) async fn explained(&self, id: &DecisionId) -> Result<Option<Explanation>, ApiError> {
        let Some((recorded, outcome)) = self.recorded(id).await? else { return Ok(None) };
        let reproduced = self.judged_again(id, &recorded).await;
        Ok(Some(explanation(id, recorded, outcome.as_ref(), reproduced)))
    }

    /// The same without judging it again.
    pub(super) async fn told(&self, id: &DecisionId) -> Result<Option<Explanation>, ApiError> {
        let found = self.recorded(id).await?;
        Ok(found.map(|(recorded, outcome)| explanation(id, recorded, outcome.as_ref(), None)))
    }

    async fn recorded(&self, id: &DecisionId) -> Result<Option<(Recorded, Option<Outcome>)>, ApiError> {
        let records = self.store.decision(id).await.map_err(|error| ApiError::unavailable(error.to_string()))?;
        let mut recorded = None;
        let mut outcome = None;
        for (seq, record) in records {
            match record {
                Record::Intent(intent) => {
                    let asked = intent.call.exposed.to_string();
                    let call = Some(intent.call);
                    recorded = Some(Recorded {
                        seq,
                        at: intent.at,
                        caller: intent.caller,
                        asked,
                        call,
                        verdict: intent.verdict,
                        detail: None,
                    });
                }
                Record::Denial(denial) => {
                    let (at, caller, asked, call, verdict, detail) =
                        (denial.at, denial.caller, denial.asked, denial.call, denial.verdict, denial.detail);
                    recorded = Some(Recorded { seq, at, caller, asked, call, verdict, detail });
                }
                Record::Outcome(ended) => outcome = Some(ended),
                Record::Inquiry(inquiry) => {
                    let asked = format!("{} {}/{}", inquiry.method, inquiry.server, inquiry.target);
                    let (at, caller, verdict) = (inquiry.at, inquiry.caller, inquiry.verdict);
                    recorded = Some(Recorded { seq, at, caller, asked, call: None, verdict, detail: None });
                }
                Record::Subscription(_)
                | Record::Listing(_)
                | Record::Lifecycle(_)
                | Record::Pilot(_)
                | Record::Catalog(_)
                | Record::Policy(_)
                | Record::Key(_)
                | Record::Freeze(_)
                | Record::Start(_)
                | Record::Stop(_)
                | Record::Recovered(_)
                | Record::Alarm(_)
                | Record::Aborted(_) => {}
            }
        }
        Ok(recorded.map(|recorded| (recorded, outcome)))
    }

    /// `None` where the decision cannot be judged again: no arguments are kept, or it fell after the policies spoke.
    async fn judged_again(&self, id: &DecisionId, recorded: &Recorded) -> Option<bool> {
        let called = recorded.call.as_ref()?;
        if later(recorded.verdict.reason) {
            return None;
        }
        let bundle: Bundle =
            serde_json::from_slice(&self.store.bundle_of(recorded.verdict.policy_set).await.ok()??).ok()?;
        let catalog = Catalog::build(0, &bundle.tools, &Pins::default());
        let tools: Vec<Arc<Tool>> = catalog.entries().map(|entry| Arc::clone(&entry.tool)).collect();
        let set = compile(&bundle.sources, &tools).ok()?;
        let reference = ToolRef { server: called.server.clone(), tool: called.tool.clone() };
        let tool = tools.iter().find(|tool| tool.reference == reference && tool.digest == called.definition)?;
        let text = self.store.keyring().sealer.open(id, called.arguments.sealed.as_ref()?).ok()?;
        let arguments = RawValue::from_string(String::from_utf8(text).ok()?).ok()?;
        let call = ToolCall::check(Arc::clone(tool), Some(&arguments), Vec::new()).ok()?;
        let candidates = self.candidate_of(&recorded.verdict).await;
        let verdict = match set.decide(&subject(&recorded.caller, recorded.at), call, &candidates, recorded.at) {
            Decision::Permit(permit) => permit.verdict().clone(),
            Decision::Deny(denial) => denial.verdict,
        };
        let same = verdict.effect == recorded.verdict.effect
            && verdict.basis == recorded.verdict.basis
            && verdict.reason == recorded.verdict.reason
            && verdict.determining == recorded.verdict.determining
            && verdict.exception == recorded.verdict.exception;
        Some(same)
    }

    /// The grant of the revision that the decision names.
    async fn candidate_of(&self, verdict: &Verdict) -> Vec<Candidate> {
        let (Some(id), Some(revision)) = (&verdict.exception, verdict.revision) else { return Vec::new() };
        let Ok(history) = self.desk.history(id).await else { return Vec::new() };
        let spec = history.into_iter().find_map(|stored| {
            let Event::Submitted { revision: of, spec, digest, .. } = stored.event else { return None };
            (of == revision).then_some((spec, digest))
        });
        let standing = if verdict.reason == Reason::ExceptionSuspended {
            Standing::Suspended(SuspendReason::Manual)
        } else {
            Standing::Usable
        };
        let grant = spec.map(|(spec, digest)| spec.grant(revision, digest));
        grant.map(|grant| Candidate { grant: Arc::new(grant), standing }).into_iter().collect()
    }
}

/// Whether a reason arises after the policies have spoken, or before they are asked.
const fn later(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UnknownTool
            | Reason::InvalidArguments
            | Reason::MonitoringUnavailable
            | Reason::ControlUnmet
            | Reason::RateLimited
            | Reason::AuditUnavailable
            | Reason::ExceptionRevoked
            | Reason::ExceptionExhausted
            | Reason::Stale
            | Reason::Frozen
    )
}

fn subject(caller: &Caller, at: Timestamp) -> Subject {
    let on_behalf_of = caller
        .on_behalf_of
        .clone()
        .map(|person| Delegator { person, roles: caller.on_behalf_of_roles.clone().unwrap_or_else(|| Arc::from([])) });
    let credential = Credential { id: caller.credential.clone(), kind: CredentialKind::ApiKey, expires: at };
    Subject { agent: caller.agent.clone(), roles: Arc::clone(&caller.roles), on_behalf_of, credential }
}

fn explanation(
    id: &DecisionId,
    recorded: Recorded,
    outcome: Option<&Outcome>,
    reproduced: Option<bool>,
) -> Explanation {
    let tool =
        recorded.call.as_ref().map_or_else(|| recorded.asked.clone(), |call| format!("{}/{}", call.server, call.tool));
    Explanation {
        decision: id.clone(),
        at: recorded.at,
        agent: recorded.caller.agent.clone(),
        on_behalf_of: recorded.caller.on_behalf_of.clone(),
        tool,
        summary: summary(&recorded.verdict, recorded.detail.as_deref()),
        verdict: recorded.verdict,
        outcome: outcome.map(|outcome| outcome.how.as_str().to_owned()),
        seq: recorded.seq,
        reproduced,
    }
}

/// One sentence for people.
pub(super) fn summary(verdict: &Verdict, detail: Option<&str>) -> String {
    let policies = verdict.determining.join(", ");
    let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let exception = verdict.exception.as_ref().map(ToString::to_string).unwrap_or_default();
    match (verdict.effect, verdict.basis.as_str()) {
        (Effect::Allow, "rbac") => format!("RBAC allows: {policies}"),
        (Effect::Allow, _) => {
            format!("RBAC denies, exception {exception} admits under controls {}", verdict.controls.join(", "))
        }
        (Effect::Deny, "guardrail") => format!("a guardrail forbids: {policies}{detail}"),
        (Effect::Deny, _) if verdict.exception.is_some() => {
            format!("RBAC denies, exception {exception} does not admit: {}{detail}", verdict.reason.as_str())
        }
        (Effect::Deny, _) if verdict.reason == Reason::NoGrant => "no role allows it and no exception does".to_owned(),
        (Effect::Deny, _) => format!("refused: {}{detail}", verdict.reason.as_str()),
    }
}
