//! Guardrails that change hands: whoever owned one then has no say about it now.

use std::sync::Arc;

use super::{Desk, DeskError, Exception};
use crate::domain::{ExceptionId, Registry, SuspendReason};

impl Exception {
    /// Why the consent of the rule's owner does not hold any more, if so: one of the rules that it lifts has another
    /// owner now, or is no soft guardrail.
    #[must_use]
    pub fn foreign_rule(&self, registry: &Registry) -> Option<String> {
        let owner = self.spec.rule_owner.as_ref();
        self.spec.access.rules.iter().find_map(|rule| match registry.soft_rules.get(rule) {
            now if now == owner => None,
            Some(now) => Some(format!("the rule `{rule}` is owned by `{now}` now, who has not approved this")),
            None => Some(format!("the rule `{rule}` is no soft guardrail any more")),
        })
    }
}

impl Desk {
    /// Holds live exemptions against the guardrails as they are now: one that lifts a rule of another owner than the
    /// one who approved it is suspended. Decisions see that without this; it puts it on record. Does nothing while the
    /// registry is the one of the last time. Gives those that are newly suspended, each with why.
    ///
    /// # Errors
    /// The store cannot be used; the same is tried again the next time.
    pub async fn guardrails(&self) -> Result<Vec<(ExceptionId, String)>, DeskError> {
        let registry = self.parts.registry.load_full();
        let exempt = {
            let ledger = self.parts.ledger();
            if ledger.seen_rules.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &registry)) {
                return Ok(Vec::new());
            }
            ledger.exempt.clone()
        };
        let mut changed = Vec::new();
        for id in exempt {
            let why = match self.live(&id).await {
                Ok(exception) => exception.foreign_rule(&registry),
                Err(DeskError::Store(error)) => return Err(error.into()),
                Err(_) => None,
            };
            let Some(why) = why else { continue };
            match self.hold(&id, SuspendReason::Drift, &why).await {
                Ok(true) => changed.push((id, why)),
                Ok(false) | Err(DeskError::Conflict(_) | DeskError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.parts.ledger().seen_rules = Some(registry);
        Ok(changed)
    }
}
