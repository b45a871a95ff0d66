//! The product's cursors, which their room keeps to itself, as functions of text.

#[path = "../src/gateway/cursor.rs"]
mod cursor;

use crate::domain::AgentId;

/// What seals and opens.
pub struct Seals(cursor::Cursors);

impl Seals {
    /// With a key of its own.
    pub fn new() -> Self {
        Self(cursor::Cursors::new().expect("random bytes"))
    }

    /// A cursor of this agent behind this name.
    pub fn seal(&self, agent: &str, last: &str) -> String {
        self.0.seal(&AgentId::from(agent), last)
    }

    /// What a cursor is behind, if it is this agent's.
    pub fn open(&self, agent: &str, cursor: &str) -> Option<String> {
        self.0.open(&AgentId::from(agent), cursor)
    }
}
