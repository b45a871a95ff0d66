//! A decision, read from its record and judged anew from the bundle that it names.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{house::House, keeper::Bundle};
use crate::{
    analysis::RecordedCall,
    api::{ApiError, Explanation},
    catalog::{Catalog, Pins, Tool},
    domain::{DecisionId, Effect, Reason, Timestamp, Verdict},
    evidence::{Called, Caller, Outcome, Record, Sealer},
    policy::compile,
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
    again: Option<RecordedCall>,
}

/// What the record has of the arguments: what is clear, what is left out, and whether the rest opens.
fn kept(id: &DecisionId, call: &Called, sealer: &Sealer) -> Value {
    let arguments = &call.arguments;
    let text = match arguments.sealed.as_ref().map(|sealed| sealer.open(id, sealed)) {
        None => "not kept".to_owned(),
        Some(Ok(_)) => "sealed".to_owned(),
        Some(Err(error)) => error.to_string(),
    };
    json!({"text": text, "clear": arguments.clear, "omitted": arguments.omitted})
}

impl House {
    /// The decision of this id, and whether judging it again gives the same.
    pub(super) async fn explained(&self, id: &DecisionId) -> Result<Option<Explanation>, ApiError> {
        let Some((recorded, outcome)) = self.recorded(id).await? else { return Ok(None) };
        let reproduced = match &recorded.again {
            Some(call) => self.judged_again(call).await,
            None => None,
        };
        let kept = recorded.call.as_ref().map(|call| kept(id, call, &self.store.keyring().sealer));
        Ok(Some(Explanation { arguments: kept, ..explanation(id, recorded, outcome.as_ref(), reproduced) }))
    }

    /// The same without judging it again.
    pub(super) async fn told(&self, id: &DecisionId) -> Result<Option<Explanation>, ApiError> {
        let found = self.recorded(id).await?;
        Ok(found.map(|(recorded, outcome)| explanation(id, recorded, outcome.as_ref(), None)))
    }

    async fn recorded(&self, id: &DecisionId) -> Result<Option<(Recorded, Option<Outcome>)>, ApiError> {
        let records = self.store.decision(id).await.map_err(super::retention::unread)?;
        let mut recorded = None;
        let mut outcome = None;
        for (seq, record) in records {
            let again = RecordedCall::of(record.clone(), &self.store.keyring().sealer, |_| None);
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
                        again,
                    });
                }
                Record::Denial(denial) => {
                    let (at, caller, asked, call, verdict, detail) =
                        (denial.at, denial.caller, denial.asked, denial.call, denial.verdict, denial.detail);
                    recorded = Some(Recorded { seq, at, caller, asked, call, verdict, detail, again });
                }
                Record::Outcome(ended) => outcome = Some(ended),
                Record::Inquiry(inquiry) => {
                    let asked = format!("{} {}/{}", inquiry.method, inquiry.server, inquiry.target);
                    let (at, caller, verdict) = (inquiry.at, inquiry.caller, inquiry.verdict);
                    recorded = Some(Recorded { seq, at, caller, asked, call: None, verdict, detail: None, again });
                }
                Record::Subscription(_)
                | Record::Listing(_)
                | Record::Lifecycle(_)
                | Record::Pilot(_)
                | Record::Catalog(_)
                | Record::Policy(_)
                | Record::Key(_)
                | Record::Signing(_)
                | Record::Hold(_)
                | Record::Freeze(_)
                | Record::Start(_)
                | Record::Stop(_)
                | Record::Recovered(_)
                | Record::Alarm(_)
                | Record::Watch(_)
                | Record::Read(_)
                | Record::Aborted(_)
                | Record::Delivery(_)
                | Record::Retention(_)
                | Record::Shred(_) => {}
            }
        }
        Ok(recorded.map(|recorded| (recorded, outcome)))
    }

    /// `None` where the decision cannot be judged again: no arguments are kept, or not the policies decided it.
    async fn judged_again(&self, call: &RecordedCall) -> Option<bool> {
        call.arguments.as_ref().ok()?;
        let bundle: Bundle =
            serde_json::from_slice(&self.store.bundle_of(call.verdict.policy_set).await.ok()??).ok()?;
        let catalog = Catalog::build(0, &bundle.tools, &Pins::default());
        let tools: Vec<Arc<Tool>> = catalog.entries().map(|entry| Arc::clone(&entry.tool)).collect();
        let set = compile(&bundle.sources, &tools).ok()?;
        if set.definition(&call.tool).map(|tool| tool.digest) != call.definition {
            return None;
        }
        let named = call.verdict.exception.iter().chain(call.verdict.passed_over.iter().map(|(id, _)| id));
        let mut histories = Vec::new();
        for id in named {
            histories.extend(self.desk.history(id).await.ok());
        }
        let verdict = Self::world_of(set, histories).judge(call).ok()?;
        let same = verdict.effect == call.verdict.effect
            && verdict.basis == call.verdict.basis
            && verdict.reason == call.verdict.reason
            && verdict.determining == call.verdict.determining
            && verdict.exception == call.verdict.exception;
        Some(same)
    }
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
        arguments: None,
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
