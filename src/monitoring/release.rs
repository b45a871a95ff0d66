//! The proofs: duties that hold before a call, and a result that may leave.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::domain::ExceptionId;

/// Proof that every duty that must hold before the call holds; carries what must hold after it.
#[derive(Debug)]
#[must_use]
pub struct Held {
    pub(super) exception: Option<ExceptionId>,
    pub(super) met: Vec<&'static str>,
    pub(super) deadline: Option<Instant>,
    pub(super) response_limit: Option<u64>,
    pub(super) trace: bool,
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

    /// The most bytes that the result may have.
    #[must_use]
    pub const fn response_limit(&self) -> Option<u64> {
        self.response_limit
    }
}

/// A result whose duties have been met. Only [`Controls::fulfil`](super::Controls::fulfil) makes it.
#[derive(Debug)]
#[must_use]
pub struct Release(pub(super) Bytes);

impl Release {
    /// The result as JSON.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The result as JSON, to be sent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
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
}
