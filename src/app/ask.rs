//! From the record of a refused call to the draft of an exception.

use serde_json::{Map, Value};

use super::house::House;
use crate::{
    api::ApiError,
    domain::{Basis, DecisionId, Person, Reason, ToolRef, Verdict},
    evidence::{Denial, Record},
    exception::{Draft, Refused, Wish},
};

impl House {
    /// The smallest record that would have admitted this refused call.
    pub(super) async fn drafted(&self, by: &Person, id: &DecisionId, wish: &Wish) -> Result<Draft, ApiError> {
        let (refused, verdict) = self.refused(id).await?.ok_or_else(ApiError::not_found)?;
        may_be_asked(&verdict)?;
        Ok(refused.draft(wish, by.id.as_str(), &self.keeper.registry.load()))
    }

    /// The refusal of this id with its arguments; none where there is none, or it named no tool.
    pub(super) async fn refused(&self, id: &DecisionId) -> Result<Option<(Refused, Verdict)>, ApiError> {
        let records = self.store.decision(id).await.map_err(super::retention::unread)?;
        let denial = records
            .into_iter()
            .find_map(|(_, record)| if let Record::Denial(denial) = record { Some(denial) } else { None });
        let Some(Denial { decision, at, caller, call: Some(called), verdict, .. }) = denial else { return Ok(None) };
        if !called.arguments.omitted.is_empty() {
            return Err(ApiError::conflict(
                "some arguments of this call are omitted from the record, so no record can be made of it",
            ));
        }
        let sealed = called.arguments.sealed.as_ref().ok_or_else(|| {
            ApiError::conflict("the arguments of this call were not kept, so no record can be made of it")
        })?;
        let opened = self.store.keyring().sealer.open(id, sealed);
        let text = opened.map_err(|error| ApiError::conflict(format!("the arguments of this call: {error}")))?;
        let arguments: Map<String, Value> = serde_json::from_slice(&text).map_err(|_| ApiError::internal())?;
        let refused = Refused {
            decision,
            at,
            agent: caller.agent,
            on_behalf_of: caller.on_behalf_of,
            tool: ToolRef { server: called.server, tool: called.tool },
            definition: called.definition,
            arguments,
        };
        Ok(Some((refused, verdict)))
    }
}

/// No exception lifts a hard guardrail, and none mends what was no question of permission.
fn may_be_asked(verdict: &Verdict) -> Result<(), ApiError> {
    let why = match (verdict.basis, verdict.reason) {
        (_, Reason::HardGuardrail) => "a hard guardrail forbids this call, and no exception lifts one",
        (
            Basis::DefaultDeny | Basis::Guardrail | Basis::Exception | Basis::BreakGlass,
            Reason::NoGrant
            | Reason::SoftGuardrail
            | Reason::ScopeMismatch
            | Reason::ExceptionExpired
            | Reason::ExceptionExhausted
            | Reason::ExceptionRevoked
            | Reason::ExceptionSuspended,
        ) => return Ok(()),
        _ => "this call was not refused for want of permission; `postern explain` says why",
    };
    Err(ApiError::conflict(why))
}
