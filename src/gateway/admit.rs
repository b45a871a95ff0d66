//! Step 5: the intent becomes durable, the budget is taken, and what was judged still holds.

use std::{sync::Arc, time::Instant};

use super::{AdmissionError, Admit, Charge, Gateway, refuse::Refusal, round::Round, visit::Visit};
use crate::{
    catalog::ToolCall,
    domain::{Grant, Obligation, Reason},
    evidence::{Arguments, Called, Intent, Position, SEALED_PLAINTEXT},
    policy::Permit,
    telemetry::ServerSpan,
};

const ARGS_CAPTURE: Obligation = Obligation::ArgsCapture;

impl Gateway {
    pub(super) async fn admit(
        &self,
        visit: &Visit,
        permit: &Permit,
        round: &Round,
        span: &ServerSpan,
    ) -> Result<Position, Box<Refusal>> {
        let refused = |error: AdmissionError| Box::new(Refusal::admission(permit, reason(&error), error.to_string()));
        let call = self.called(visit, permit.call()).map_err(|error| refused(AdmissionError::Unavailable(error)))?;
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

    /// The call as the record has it: digest in clear, arguments sealed.
    pub(super) fn called(&self, visit: &Visit, call: &ToolCall) -> Result<Called, String> {
        let tool = call.tool();
        let sealed =
            self.parts.sealer.seal(&visit.id, call.arguments().get().as_bytes()).map_err(|error| error.to_string())?;
        Ok(Called {
            server: tool.reference.server.clone(),
            tool: tool.reference.tool.clone(),
            exposed: tool.exposed.clone(),
            definition: tool.digest,
            arguments: Arguments { digest: call.digest(), sealed },
        })
    }
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
