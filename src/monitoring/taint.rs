//! `taint.mark`: labels of what an agent has seen, for guardrails to read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::domain::{AgentId, PersonId, Timestamp};

/// Agents, each with the person it acts for, that are marked at once; with more, nothing more is marked.
const MARKED: usize = 100_000;
/// Seconds that a label stands where nothing is said.
pub const STANDS: u32 = 3_600;

/// An agent, and the person it acts for.
pub type Who = (AgentId, Option<PersonId>);

/// Who is marked, with which labels, until when.
#[derive(Debug, Default)]
pub struct Taints {
    marks: Mutex<HashMap<Who, BTreeMap<String, Timestamp>>>,
    any: AtomicBool,
}

impl Taints {
    /// Leaves labels until a moment; what stands longer already, stays.
    ///
    /// # Errors
    /// There is no room for one more agent.
    pub fn mark<'a>(
        &self,
        who: &Who,
        labels: impl IntoIterator<Item = &'a String>,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<(), String> {
        let mut marks = self.lock();
        if marks.len() >= MARKED && !marks.contains_key(who) {
            marks.retain(|_, labels| labels.values().any(|end| *end > now));
            if marks.len() >= MARKED {
                return Err(format!("{MARKED} agents are marked at once; there is no room for one more"));
            }
        }
        let held = marks.entry(who.clone()).or_default();
        held.retain(|_, end| *end > now);
        for label in labels {
            let end = held.entry(label.clone()).or_insert(until);
            *end = until.max(*end);
        }
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// The labels that stand on the agent at this moment, in order.
    #[must_use]
    pub fn of(&self, agent: &AgentId, person: Option<&PersonId>, now: Timestamp) -> Option<Arc<[String]>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let marks = self.lock();
        let held = marks.get(&(agent.clone(), person.cloned()))?;
        let labels: Arc<[String]> =
            held.iter().filter(|(_, end)| **end > now).map(|(label, _)| label.clone()).collect();
        (!labels.is_empty()).then_some(labels)
    }

    /// Whether one more agent could be marked.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn room(&self) -> Result<(), String> {
        let room = !self.any.load(Ordering::Acquire) || self.lock().len() < MARKED;
        room.then_some(()).ok_or_else(|| "there is no room to mark one more agent".to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, BTreeMap<String, Timestamp>>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
