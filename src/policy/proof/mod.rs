//! Proofs about policies and exceptions, by an SMT solver (cvc5) where one is found; never on the road of a call.
//!
//! [`Prover`] is the solver, or why there is none. [`prove_grant`] asks what an approver wants to know of an exception,
//! [`policy_proofs`] whether any policy can fail, [`compare`] what an edit of roles gains and loses, and
//! [`nothing_gained`] whether a candidate role gives more than roles and exceptions gave before. An answer is proven,
//! refuted with an example in words, or not proven and why: a solver that is absent, slow or undecided proves nothing.
//!
//! What is assumed: an agent or a person has the roles of the registry. A token that asserts more is judged at the call.
//! Bounds of a tool's own schema (`minimum`, `enum`) are not known here, so an example may lie outside of them.

mod answer;
mod apart;
mod cast;
mod diff;
mod exception;
mod graduate;
mod ground;
mod prover;
mod rules;
mod tally;
mod words;
mod world;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Claim, Example, Proof};
pub use apart::{compare, grant_proofs, nothing_gained, policy_proofs, prove_grant, prove_need};
pub use diff::{Change, Comparison};
pub use exception::Need;
pub use graduate::Graduation;
pub use prover::Prover;
