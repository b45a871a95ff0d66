//! The two answers of the decision point. A [`Permit`] is made only in this room.

use std::sync::Arc;

use crate::{
    catalog::{Tool, ToolCall},
    domain::{Grant, Verdict},
};

/// The answer.
#[derive(Debug)]
pub enum Decision {
    /// The call may go on.
    Permit(Box<Permit>),
    /// It may not.
    Deny(Box<Denial>),
}

/// The closed, one-use proof that one call was allowed. It owns the call, so what was judged is what is sent.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    call: ToolCall,
    verdict: Verdict,
    grant: Option<Arc<Grant>>,
}

/// Why a call is refused.
#[derive(Debug, Clone)]
pub struct Denial {
    /// The decision as data.
    pub verdict: Verdict,
    /// The tool that was asked for.
    pub tool: Arc<Tool>,
    /// Whether an exception could be asked for; never for a hard guardrail.
    pub requestable: bool,
}

impl Permit {
    pub(super) const fn new(call: ToolCall, verdict: Verdict, grant: Option<Arc<Grant>>) -> Self {
        Self { call, verdict, grant }
    }

    /// The decision as data.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The call.
    #[must_use]
    pub const fn call(&self) -> &ToolCall {
        &self.call
    }

    /// The grant that admits the call, if no role does.
    #[must_use]
    pub const fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    /// Spends the permit.
    pub fn into_call(self) -> ToolCall {
        self.call
    }
}
