//! A change that is not in force: other policies, one exception more, one less.

use std::sync::Arc;

use super::{Replay, World};
use crate::{
    domain::{ExceptionId, Grant, Timestamp},
    policy::PolicySet,
};

/// A change to try on what was recorded. Nothing of it is put in force.
#[derive(Default)]
pub struct Simulation {
    /// Other policies.
    pub policies: Option<Arc<PolicySet>>,
    /// An exception more, usable at any time.
    pub grant: Option<Grant>,
    /// An exception less.
    pub without: Option<ExceptionId>,
}

impl Simulation {
    /// Whether there is anything to try.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.policies.is_none() && self.grant.is_none() && self.without.is_none()
    }

    /// The replay of the calls since this moment in the world as it stands and as it would be.
    #[must_use]
    pub fn replay(self, now: &World, since: Timestamp) -> Replay {
        let mut then = now.clone();
        if let Some(set) = self.policies {
            then = then.under(set);
        }
        if let Some(id) = self.without {
            then = then.without(id);
        }
        if let Some(grant) = self.grant {
            // A new revision takes the place of the one that lives.
            then = then.without(grant.exception.clone()).with(grant);
        }
        Replay::new(now.clone(), then, since)
    }
}
