//! Documents in, decisions out; pure (the policy decision point, PDP).
//!
//! Four sets are evaluated apart, since one combined answer would not say which of them spoke: hard
//! guardrails, soft guardrails, roles, exceptions. Any evaluation error is a denial, because Cedar skips a
//! `forbid` that errors. The room does no I/O, knows no store and reads no clock.

mod cases;
mod cedar;
mod compile;
mod context;
mod decide;
mod grant;
mod load;
mod permit;
mod registry;
mod schema;
mod set;
mod slice;
mod sources;
mod visibility;

#[cfg(test)]
mod tests;

pub use compile::compile;
pub use permit::{Decision, Denial, Permit};
pub use set::PolicySet;
pub use sources::{SourceFile, Sources};
pub use visibility::Visibility;
