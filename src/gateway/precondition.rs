//! Step 4: every control that must hold before.

use super::{Gateway, refuse::Refusal, visit::Visit};
use crate::{
    domain::{Grant, Obligation},
    monitoring::{Duties, Facts, Held, previewed},
    policy::Permit,
};
use serde_json::Value;
use std::sync::Arc;

impl Gateway {
    /// Holds the call against the controls of its exception; a call that a role allows has none.
    pub(super) fn precondition(&self, visit: &Visit, permit: &Permit, traced: bool) -> Result<Held, Box<Refusal>> {
        let call = permit.call();
        let watched =
            |grant: &Arc<Grant>| grant.obligations.iter().any(|duty| matches!(duty, Obligation::EgressAllow { .. }));
        let watched = permit.grant().is_some_and(watched);
        let host = watched.then(|| self.parts.upstreams.host(&call.tool().reference.server)).flatten();
        let person = visit.subject.on_behalf_of.as_ref().map(|delegator| delegator.person.clone());
        let who = (visit.subject.agent.clone(), person);
        let duties = permit.grant().map_or_else(Duties::none, |grant| {
            Duties::under(Facts {
                exception: &grant.exception,
                who: &who,
                tool: &call.tool().reference,
                obligations: &grant.obligations,
                approved: grant.tools.get(&call.tool().reference.tool).copied(),
                live: call.tool().digest,
                arguments: call.value(),
                bounds: &grant.arguments,
                declared: call.tool().input_schema.get("properties").and_then(Value::as_object),
                passthrough: !call.passthrough().is_empty(),
                traced,
                host: host.as_deref(),
                issued: visit.subject.credential.issued,
                now: visit.now,
                not_after: grant.window.not_after,
            })
        });
        let held = self.parts.controls.precondition(&duties);
        let held = held.map(|held| held.previewing(previewed(&who, &call.tool().reference, call.value())));
        held.map_err(|unmet| {
            self.parts.telemetry.metrics().refused_by(unmet.control);
            Box::new(Refusal::unmet(permit, unmet))
        })
    }
}
