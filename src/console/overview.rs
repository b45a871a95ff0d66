//! What the overview shows, and the port that knows it.

use async_trait::async_trait;

use crate::domain::{Person, Timestamp};

/// An exception in one line.
#[derive(Debug, Clone)]
pub struct ExceptionRow {
    /// Its id.
    pub id: String,
    /// Its state, with the reason if there is one.
    pub state: String,
    /// Who answers for it.
    pub owner: String,
    /// For which agents.
    pub agents: String,
    /// Which tools, as `server/tool`.
    pub tools: String,
    /// When it ends.
    pub ends: Timestamp,
    /// Calls that were charged.
    pub used: u64,
    /// Calls over its whole life.
    pub calls: u64,
}

/// A control in one line.
#[derive(Debug, Clone)]
pub struct ControlRow {
    /// The obligation's id.
    pub id: String,
    /// Whether it works now.
    pub healthy: bool,
    /// Since when.
    pub since: Timestamp,
}

/// A decision in one line.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// When.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
    /// Who called.
    pub agent: String,
    /// Which tool.
    pub tool: String,
    /// `allow` or `deny`.
    pub effect: String,
    /// Which set spoke, why, and under which exception.
    pub why: String,
}

/// A tool that waits for approval.
#[derive(Debug, Clone)]
pub struct QuarantineRow {
    /// The tool, as `server/tool`.
    pub tool: String,
    /// `new`, `drifted`, or why it is refused.
    pub why: String,
}

/// All that the overview shows.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Why the gateway is frozen, if it is.
    pub frozen: Option<String>,
    /// Exceptions, newest first.
    pub exceptions: Vec<ExceptionRow>,
    /// Controls.
    pub controls: Vec<ControlRow>,
    /// The newest decisions, newest first.
    pub decisions: Vec<DecisionRow>,
    /// Tools that wait for approval.
    pub quarantined: Vec<QuarantineRow>,
}

/// The console's port.
#[async_trait]
pub trait Overview: Send + Sync + 'static {
    /// The overview of this moment, for this person if the session is one's; `None` if it cannot be read, or not be put
    /// on record that it is (T110).
    async fn page(&self, by: Option<&Person>) -> Option<Page>;
    /// Records that somebody used a one-time link; without a record there is no session (T109).
    async fn record_login(&self) -> bool;
}
