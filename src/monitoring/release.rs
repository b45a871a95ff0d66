//! The proofs: duties that hold before a call, and a result that may leave.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Who, limit::Limit};
use crate::domain::{Digest, ExceptionId, Timestamp};

/// Proof that every duty that must hold before the call holds; carries what must hold after it.
#[derive(Debug)]
#[must_use]
pub struct Held {
    pub(super) exception: Option<ExceptionId>,
    pub(super) met: Vec<&'static str>,
    pub(super) deadline: Option<Instant>,
    pub(super) trace: bool,
    /// Duties on the result.
    pub(super) after: After,
    /// What this call is a preview of.
    pub(super) previews: Vec<Digest>,
}

/// Duties on the result of one call.
#[derive(Debug, Default)]
pub(super) struct After {
    pub(super) limits: Vec<Limit>,
    /// Classes that are taken out; none where nothing is to be searched.
    pub(super) classes: BTreeSet<String>,
    pub(super) capture: bool,
    /// On whom, which labels until when, and the moment of the decision.
    pub(super) marks: Vec<(Who, BTreeSet<String>, (Timestamp, Timestamp))>,
}

impl Held {
    /// The exception whose duties these are; none if a role allows the call.
    #[must_use]
    pub const fn exception(&self) -> Option<&ExceptionId> {
        self.exception.as_ref()
    }

    /// The ids of the duties that hold, in their order.
    #[must_use]
    pub fn met(&self) -> &[&'static str] {
        &self.met
    }

    /// When the call must have ended: the time box or the end of the exception, whichever is first.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long is left until the deadline.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Says that the call is a preview of these, if it is answered.
    pub fn previewing(mut self, of: Vec<Digest>) -> Self {
        self.previews = of;
        self
    }
}

/// A result whose duties have been met. Only [`Controls::fulfil`](super::Controls::fulfil) makes it.
#[derive(Debug)]
#[must_use]
pub struct Release {
    pub(super) bytes: Bytes,
    pub(super) redacted: BTreeMap<String, u64>,
    pub(super) marked: Vec<String>,
    pub(super) capture: bool,
    pub(super) previews: Vec<Digest>,
}

impl Release {
    /// The result as JSON.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What was taken out of it: how often, by class.
    #[must_use]
    pub const fn redacted(&self) -> &BTreeMap<String, u64> {
        &self.redacted
    }

    /// The labels that were left on the agent.
    #[must_use]
    pub fn marked(&self) -> &[String] {
        &self.marked
    }

    /// Whether it must be kept, sealed, with the outcome.
    #[must_use]
    pub const fn captured(&self) -> bool {
        self.capture
    }

    /// The calls that this one was a preview of.
    #[must_use]
    pub fn previews(&self) -> &[Digest] {
        &self.previews
    }

    /// The result as JSON, to be sent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// A duty that had to hold after the call does not: the result stays here, though its effect may have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the result is withheld by `{control}`: {detail}")]
pub struct Withheld {
    /// The duty.
    pub control: &'static str,
    /// What is not as it must be.
    pub detail: String,
    /// The labels that were left on the agent all the same.
    pub marked: Vec<String>,
}
