//! The one road of a call (the policy enforcement point, PEP). Read `pipeline.rs` first.
//!
//! Everything that can cause a tool call takes this road, and each step hands the next one a value that proves
//! the step was done: a `ToolCall` passed its tool's schema, a `Permit` was judged, a `Release` met its duties.
//! Nothing outside `forward.rs` can reach a tool server.

mod admission;
mod admit;
mod forward;
mod freeze;
mod handle;
mod hold;
mod in_flight;
mod inquire;
mod list;
mod listen;
mod names;
mod offer;
mod outcome;
mod pipeline;
mod precondition;
mod question;
mod rate;
mod refuse;
mod rename;
mod reply;
mod request;
mod resolve;
mod road;
mod round;
mod seal;
mod standing;
mod topic;
mod visit;
mod world;

pub use admission::{Admission, AdmissionError, Admit, AdmitInquiry, Charge};
pub use hold::Holding;
pub use in_flight::{Cut, InFlight};
pub use rate::Rates;
pub use road::{Denials, Gateway, Parts};
pub use seal::{Purpose, Seals};
pub use world::{Changes, World};

#[cfg(test)]
mod tests;
