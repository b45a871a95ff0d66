//! Step 5: the intent becomes durable, the budget is taken, and what was judged still holds.

use std::{sync::Arc, time::Instant};

use serde_json::Value;

use super::{AdmissionError, Admit, Charge, Gateway, refuse::Refusal, round::Round, visit::Visit};
use crate::{
    catalog::ToolCall,
    domain::{DecisionId, ExceptionId, Grant, Obligation, Reason},
    evidence::{Arguments, Called, Intent, Position, SEALED_PLAINTEXT, SealError, Split, Under},
    policy::Permit,
    telemetry::ServerSpan,
};

const ARGS_CAPTURE: Obligation = Obligation::ArgsCapture;

/// How arguments are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    /// Under the key of this exception.
    pub(super) exception: Option<&'a ExceptionId>,
    /// A duty demands all of them.
    pub(super) whole: bool,
}

impl Gateway {
    pub(super) async fn admit(
        &self,
        visit: &Visit,
        permit: &Permit,
        round: &Round,
        span: &ServerSpan,
    ) -> Result<Position, Box<Refusal>> {
        let refused = |error: AdmissionError| Box::new(Refusal::admission(permit, reason(&error), error.to_string()));
        let demands = |grant: &Arc<Grant>| grant.obligations.iter().any(wants_whole);
        let kept = Kept {
            exception: permit.grant().map(|grant| &grant.exception),
            whole: permit.grant().is_some_and(demands),
        };
        let call =
            self.called(visit, permit.call(), kept).map_err(|error| refused(AdmissionError::Unavailable(error)))?;
        let kept = |grant: &Arc<Grant>| call.arguments.sealed.is_some() || !grant.obligations.contains(&ARGS_CAPTURE);
        if !permit.grant().is_none_or(kept) {
            let bytes = permit.call().arguments().get().len();
            let detail = format!("the arguments have {bytes} bytes, and a record keeps {SEALED_PLAINTEXT}");
            return Err(Box::new(Refusal::kept_not(permit, &ARGS_CAPTURE, detail)));
        }
        // An exception pays for the first round of a call; a state is good once, so no other call rides on it.
        let paid = |grant: &Arc<Grant>| round.paid.as_ref() == Some(&(grant.exception.clone(), grant.revision));
        let hold = match self.holding((visit, permit), round, &call) {
            Ok(hold) => hold,
            Err(why) => return Err(refused(AdmissionError::NotApproved(why))),
        };
        let charge = permit.grant().map(|grant| Charge {
            exception: grant.exception.clone(),
            revision: grant.revision,
            digest: grant.digest,
            budget: grant.budget,
            paid: paid(grant),
        });
        let intent = Intent {
            decision: visit.id.clone(),
            at: visit.now,
            caller: visit.caller(span.trace_ids().map(|ids| ids.trace_id)),
            call,
            verdict: permit.verdict().clone(),
            continues: round.first.clone().filter(|_| charge.as_ref().is_none_or(|charge| charge.paid)),
        };
        let admit =
            Admit { intent, credential: visit.subject.credential.id.clone(), epoch: visit.world.epoch, charge, hold };
        let begun = Instant::now();
        let admitted = self.parts.admission.admit(admit).await;
        if admitted.is_ok() {
            self.parts.telemetry.metrics().audit().appended(begun.elapsed());
        }
        let position = admitted.map_err(|error| {
            if let (AdmissionError::Exhausted, Some(grant)) = (&error, permit.grant()) {
                // A full queue loses nothing: the budget itself refuses, and the next call says it again.
                let _told = self.parts.exhausted.try_send(grant.exception.clone());
            }
            if let AdmissionError::Held(hold) = &error {
                return Box::new(self.held((visit, permit), round, hold));
            }
            refused(error)
        })?;
        if let Some(grant) = permit.grant() {
            self.parts.telemetry.metrics().used(&grant.exception);
        }
        Ok(position)
    }

    /// The call as the record has it: what is to be kept of its arguments, under the key of its day and exception.
    pub(super) fn called(&self, visit: &Visit, call: &ToolCall, kept: Kept<'_>) -> Result<Called, String> {
        let tool = call.tool();
        let under = Under { at: visit.now, exception: kept.exception };
        let arguments = self.arguments(&visit.id, call, (under, kept.whole)).map_err(|error| error.to_string())?;
        Ok(Called {
            server: tool.reference.server.clone(),
            tool: tool.reference.tool.clone(),
            exposed: tool.exposed.clone(),
            definition: tool.digest,
            arguments,
        })
    }

    fn arguments(
        &self,
        id: &DecisionId,
        call: &ToolCall,
        (under, whole): (Under<'_>, bool),
    ) -> Result<Arguments, SealError> {
        let key = self.parts.sealer.key(under)?;
        let digest = key.print(&call.digest());
        let is_secret =
            |place: &str, text: &str| self.parts.controls.declared().has_secret(text) || call.tool().hides(place);
        let split = self.parts.keep.split(&call.tool().reference, call.value(), whole, &is_secret);
        let Split { reduced, clear, omitted } = split.unwrap_or_default();
        let sealed = match reduced {
            Some(reduced) => key.seal(id, Value::Object(reduced).to_string().as_bytes())?,
            None if omitted.is_empty() => key.seal(id, call.arguments().get().as_bytes())?,
            None => None,
        };
        Ok(Arguments { digest, sealed, clear, omitted })
    }
}

/// Whether a duty needs the arguments whole: to have them on record, or to show them to who approves the call.
fn wants_whole(duty: &Obligation) -> bool {
    *duty == ARGS_CAPTURE || matches!(duty, Obligation::ApprovalHold { .. })
}

/// What a refusal by the store is called.
pub(super) const fn reason(error: &AdmissionError) -> Reason {
    match error {
        AdmissionError::Frozen => Reason::Frozen,
        AdmissionError::CredentialRevoked | AdmissionError::Stale => Reason::Stale,
        AdmissionError::Exhausted => Reason::ExceptionExhausted,
        AdmissionError::ExceptionChanged(_) => Reason::ExceptionRevoked,
        AdmissionError::Held(_) => Reason::ApprovalPending,
        AdmissionError::NotApproved(_) => Reason::ApprovalDenied,
        AdmissionError::Unavailable(_) => Reason::AuditUnavailable,
    }
}
