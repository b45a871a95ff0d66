//! The answer: a permit that owns the call, or a denial that says why.

use std::sync::Arc;

use crate::{
    catalog::{Inquiry, ToolCall},
    domain::{ExposedName, Grant, ToolRef, Verdict},
};

/// The answer of the decision point.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// The call may go on, with this proof.
    Permit(Box<Permit>),
    /// It may not.
    Deny(Box<Denial>),
}

impl Decision {
    /// The decision as data.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        match self {
            Self::Permit(permit) => &permit.verdict,
            Self::Deny(denial) => &denial.verdict,
        }
    }
}

/// The one-use proof that one call was allowed. Only this room makes it; it owns the call, so what was judged is
/// what is sent.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    verdict: Verdict,
    call: ToolCall,
    grant: Option<Arc<Grant>>,
}

impl Permit {
    pub(super) fn new(verdict: Verdict, call: ToolCall, grant: Option<Arc<Grant>>) -> Self {
        Self { verdict, call, grant }
    }

    /// The decision as data.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The call that was judged.
    pub const fn call(&self) -> &ToolCall {
        &self.call
    }

    /// What the exception grants, if one admits the call.
    #[must_use]
    pub const fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    /// Spends the permit.
    pub fn into_call(self) -> ToolCall {
        self.call
    }
}

/// The one-use proof that one inquiry was allowed. Only this room makes it; it owns the inquiry, so what was judged
/// is what is sent.
#[derive(Debug)]
#[must_use]
pub struct Clearance {
    verdict: Verdict,
    inquiry: Inquiry,
}

impl Clearance {
    pub(super) const fn new(verdict: Verdict, inquiry: Inquiry) -> Self {
        Self { verdict, inquiry }
    }

    /// The decision as data.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The inquiry that was judged.
    pub const fn inquiry(&self) -> &Inquiry {
        &self.inquiry
    }

    /// Spends the clearance.
    pub fn into_inquiry(self) -> Inquiry {
        self.inquiry
    }
}

/// Why a call may not go on, and whether an exception may be asked for.
#[derive(Debug)]
pub struct Denial {
    /// The decision as data.
    pub verdict: Verdict,
    /// The tool.
    pub tool: ToolRef,
    /// The name under which agents know it.
    pub exposed: ExposedName,
    /// Whether policy lets this subject ask for an exception; never when a guardrail forbids the call.
    pub requestable: bool,
}

/// What a subject sees of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visibility {
    /// Every call is refused and nothing can be asked for: it answers as an unknown tool.
    Hidden,
    /// Nothing permits it; an exception may be asked for.
    Requestable,
    /// An exception of its own names it, usable or suspended.
    Exception,
    /// Permitted or not, depending on arguments or time.
    Depends,
    /// Permitted whatever the arguments.
    Allowed,
}
