//! Which controls begin or cease to work, for events and alarms.

use std::{collections::BTreeMap, sync::Arc};

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
    /// When each was looked at last.
    looked: BTreeMap<&'static str, Timestamp>,
}

impl Watch {
    /// A watch for which everything has worked so far.
    #[must_use]
    pub fn new(controls: Arc<Controls>) -> Self {
        Self { controls, down: Vec::new(), looked: BTreeMap::new() }
    }

    /// What has changed since the last look, in the order of the ids. A control whose declaration says how often it is
    /// looked at is passed over until then.
    pub fn look(&mut self, now: Timestamp) -> Vec<Change> {
        let declared = self.controls.declared();
        let mut changes = Vec::new();
        for control in self.controls.health(now) {
            let every = declared.control_of(control.id).map(|(_, control)| control.every()).unwrap_or_default();
            let last = self.looked.get(control.id).and_then(|last| now.signed_duration_since(last).to_std().ok());
            if last.is_some_and(|last| last < every) {
                continue;
            }
            self.looked.insert(control.id, now);
            if control.healthy == self.down.contains(&control.id) {
                changes.push(Change { id: control.id, healthy: control.healthy, at: now });
                self.down.retain(|id| *id != control.id);
                self.down.extend((!control.healthy).then_some(control.id));
            }
        }
        changes
    }
}
