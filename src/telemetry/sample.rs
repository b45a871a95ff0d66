//! Which traces are recorded.

use std::hash::{BuildHasher as _, RandomState};

use opentelemetry::trace::{SpanContext, TraceId};

use crate::domain::{Basis, Effect, Verdict};

/// What happens to the spans of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Not recorded.
    Unsampled,
    /// Recorded, best effort.
    Normal,
    /// Recorded and acknowledged: a refusal.
    Denial,
    /// Recorded and acknowledged: a use of an exception.
    Exception,
}

impl Class {
    pub(super) const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Denial | Self::Exception)
    }
}

/// Records every exception and refusal, and a share of the rest.
///
/// The share is drawn by a keyed hash of the trace id, so neither the sampled flag nor a chosen trace id lets a
/// caller have more than it recorded. A caller that does not sample gets nothing beside exceptions and refusals.
#[derive(Debug)]
pub(super) struct Sampler {
    key: RandomState,
    /// Of 2^32 hashes so many are recorded.
    share: f64,
}

impl Sampler {
    /// `ratio` from 0 to 1; what lies outside is taken as the nearer end, and what is no number as 0.
    pub(super) fn new(ratio: f64) -> Self {
        Self { key: RandomState::new(), share: ratio * (f64::from(u32::MAX) + 1.0) }
    }

    pub(super) fn class(&self, verdict: Option<&Verdict>, parent: Option<&SpanContext>, trace: TraceId) -> Class {
        match verdict.map(|verdict| (verdict.effect, verdict.basis)) {
            Some((Effect::Deny, _)) => return Class::Denial,
            Some((Effect::Allow, Basis::Exception | Basis::BreakGlass)) => return Class::Exception,
            Some((Effect::Allow, Basis::Rbac | Basis::Guardrail | Basis::DefaultDeny)) | None => {}
        }
        let hash = u32::try_from(self.key.hash_one(trace.to_bytes()) >> 32).unwrap_or(u32::MAX);
        if f64::from(hash) < self.share && parent.is_none_or(SpanContext::is_sampled) {
            Class::Normal
        } else {
            Class::Unsampled
        }
    }
}
