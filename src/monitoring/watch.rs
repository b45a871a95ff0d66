//! Which controls begin or cease to work, for events and alarms.

use std::sync::Arc;

use super::Controls;
use crate::domain::Timestamp;

/// A control began or ceased to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The duty that it meets.
    pub id: &'static str,
    /// Whether it works now.
    pub healthy: bool,
    /// When that was seen.
    pub at: Timestamp,
}

/// Compares the health of the controls with the last look. It only reports: a call is held against the
/// controls themselves, so nothing is allowed in the time between two looks.
#[derive(Debug)]
pub struct Watch {
    controls: Arc<Controls>,
    /// Ids that did not work at the last look.
    down: Vec<&'static str>,
}

impl Watch {
    /// A watch for which everything has worked so far.
    #[must_use]
    pub const fn new(controls: Arc<Controls>) -> Self {
        Self { controls, down: Vec::new() }
    }

    /// What has changed since the last look, in the order of the ids.
    pub fn look(&mut self, now: Timestamp) -> Vec<Change> {
        let health = self.controls.health(now);
        let changes = health
            .iter()
            .filter(|control| control.healthy == self.down.contains(&control.id))
            .map(|control| Change { id: control.id, healthy: control.healthy, at: now })
            .collect();
        self.down = health.iter().filter(|control| !control.healthy).map(|control| control.id).collect();
        changes
    }
}
