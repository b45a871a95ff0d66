//! Documents in, decisions out; pure (the policy decision point).
//!
//! [`compile`] turns the files under `policies/` and the approved tools into a [`PolicySet`], or says everything that
//! is wrong. [`PolicySet::decide`] judges one call: an evaluation error is a denial, then hard guardrails, soft
//! guardrails, roles, exceptions, in this order, and nothing means no. [`PolicySet::visibility`] says what a subject
//! sees of a tool. [`PolicySet::judge`] and [`PolicySet::allows`] judge what is no call: prompts, resources, and what a server
//! asks an agent for. The policies are Cedar; tools, agents and roles are its entities (`model/entity.rs`), the arguments are
//! `context.input`, typed per tool from its input schema (`model/input.rs`), and time is `context.now`.
//!
//! Absent on purpose: reading files, the clock, freezes, budgets and the health of controls. They are asked for
//! elsewhere; here the same question always has the same answer.

mod bench;
mod cache;
mod candidate;
mod cases;
mod compile;
mod court;
mod decide;
mod decision;
mod deed;
mod grant;
mod known;
mod labelled;
mod model;
mod overlap;
pub mod proof;
mod registry;
mod rule;
mod set;
mod source;
mod visibility;

#[cfg(test)]
mod tests;

pub use compile::compile;
pub use decision::{Clearance, Decision, Denial, Permit, Visibility};
pub use deed::Deed;
pub use overlap::Speaks;
pub use set::{PolicySet, PolicyText};
pub use source::{Level, SourceFile, Sources};
