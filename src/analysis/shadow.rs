//! What was judged of each call at its time, without the exception that admitted it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::DecisionId;

/// What was judged of one call right after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowVerdict {
    /// Whether it would have been refused; nothing where that could not be judged.
    pub refused: Option<bool>,
    /// The same under the role that is to take over; nothing where there was none yet.
    pub candidate_refuses: Option<bool>,
}

/// The shadow of an exception over the time of a report (`shadow.evaluate`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadowed {
    /// Calls that were judged at their time.
    pub judged: u64,
    /// Calls that were not: then the window is incomplete.
    pub missing: u64,
    /// Those that would have been refused at their time.
    pub would_break: u64,
    /// Calls that were judged under the role that is to take over.
    pub under_candidate: u64,
    /// Those of them that it would have refused.
    pub candidate_refuses: u64,
}

/// The shadow of an exception, as a study uses it.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    known: HashMap<DecisionId, ShadowVerdict>,
    pub(super) found: Shadowed,
}

impl Shadow {
    pub(super) fn of(known: HashMap<DecisionId, ShadowVerdict>) -> Self {
        Self { known, found: Shadowed::default() }
    }

    /// Looks for the shadow of a call that was admitted.
    pub(super) fn take(&mut self, decision: &DecisionId) {
        let found = &mut self.found;
        let Some((verdict, refused)) = self.known.get(decision).and_then(|one| Some((one, one.refused?))) else {
            found.missing = found.missing.saturating_add(1);
            return;
        };
        found.judged = found.judged.saturating_add(1);
        found.would_break = found.would_break.saturating_add(u64::from(refused));
        if let Some(refuses) = verdict.candidate_refuses {
            found.under_candidate = found.under_candidate.saturating_add(1);
            found.candidate_refuses = found.candidate_refuses.saturating_add(u64::from(refuses));
        }
    }
}
