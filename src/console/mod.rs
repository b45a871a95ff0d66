//! Pages for people: one read-only overview behind a one-time link. No script, nothing that calls a tool.

mod escape;
mod overview;
mod page;
mod router;
mod session;

pub use overview::{ControlRow, DecisionRow, ExceptionRow, Overview, Page, QuarantineRow};
pub use router::router;
pub use session::Sessions;

#[cfg(test)]
mod tests;
