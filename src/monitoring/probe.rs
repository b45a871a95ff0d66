//! Whether what a duty needs works at this moment.

use crate::domain::{ExceptionId, Lease, Obligation};

/// What a duty needs outside of the call itself: a journal, a collector, a person who watches.
///
/// Asked on the road of every call under an exception, so it reads what others keep up to date, and waits for nothing.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Whether it works at all; what is wrong, in one clause, if it does not.
    ///
    /// # Errors
    /// It does not work.
    fn health(&self) -> Result<(), String>;

    /// Whether it works for this duty of this exception.
    ///
    /// # Errors
    /// It does not work.
    fn holds(&self, _duty: &Obligation, _exception: &ExceptionId) -> Result<(), String> {
        self.health()
    }
}

impl Probe for Lease {
    fn health(&self) -> Result<(), String> {
        self.holds().then_some(()).ok_or_else(|| "it has not been acknowledged within its lease".to_owned())
    }
}

/// The memory of who is marked.
#[derive(Debug)]
pub(super) struct Memory(pub(super) std::sync::Arc<super::Taints>);

impl Probe for Memory {
    fn health(&self) -> Result<(), String> {
        self.0.room()
    }
}

/// A duty for which everything is in the call itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct InCall;

impl Probe for InCall {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
}
