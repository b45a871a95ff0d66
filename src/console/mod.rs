//! Pages for people: one read-only overview and the page of a call that waits, behind a one-time link. No
//! script, nothing that calls a tool.

mod escape;
mod hold;
mod overview;
mod page;
mod router;
mod session;

pub use hold::{Desk, HoldPage};
pub use overview::{ControlRow, DecisionRow, ExceptionRow, Overview, Page, QuarantineRow};
pub use router::router;
pub use session::Sessions;

#[cfg(test)]
mod tests;
