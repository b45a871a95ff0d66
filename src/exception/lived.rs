//! How an exception stood at any moment of its life, for judging what was decided then.

use super::{
    FoldError, StoredEvent,
    entry::{Entry, Names},
    life::fold_each,
};
use crate::domain::{AgentId, Candidate, ExceptionId, Registry, Timestamp, ToolRef};

/// The life of one exception, as decisions saw it: by its events and, between them, by the clock.
pub struct Lived {
    id: ExceptionId,
    /// From when on it stood so; nothing where it could not be used.
    steps: Vec<(Timestamp, Option<Entry>)>,
}

impl Lived {
    /// The life that this history tells.
    ///
    /// # Errors
    /// The history is not one that could have happened.
    pub fn of(history: &[StoredEvent]) -> Result<Self, FoldError> {
        let (mut names, mut steps) = (Names::default(), Vec::<(Timestamp, Option<Entry>)>::new());
        let last = fold_each(history, |stored, exception| {
            let entry = Entry::of(exception, &mut names);
            if entry.is_some() || steps.last().is_some_and(|(_, before)| before.is_some()) {
                steps.push((stored.at, entry));
            }
        })?;
        Ok(Self { id: last.id, steps })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ExceptionId {
        &self.id
    }

    /// The agents and tools that it was ever usable for.
    #[must_use]
    pub fn uses(&self) -> Vec<(AgentId, ToolRef)> {
        let mut uses: Vec<_> = self
            .steps
            .iter()
            .filter_map(|(_, entry)| entry.as_ref())
            .flat_map(|entry| entry.agents.iter().flat_map(|agent| entry.tools().map(|tool| (agent.clone(), tool))))
            .collect();
        uses.sort();
        uses.dedup();
        uses
    }

    /// Whether it could be used at any moment from then on.
    #[must_use]
    pub fn reaches(&self, since: Timestamp) -> bool {
        self.steps.iter().filter_map(|(_, entry)| entry.as_ref()).any(|entry| entry.window.not_after > since)
    }

    /// What it gave to a decision of that moment, with the end of its window.
    #[must_use]
    pub fn candidate(&self, agent: &AgentId, tool: &ToolRef, at: Timestamp, registry: &Registry) -> Option<Candidate> {
        let begun = self.steps.partition_point(|(from, _)| *from <= at);
        let (_, entry) = self.steps.get(begun.checked_sub(1)?)?;
        let entry = entry.as_ref().filter(|entry| entry.concerns(agent, tool) && entry.is_current(at))?;
        Some(entry.candidate(entry.standing(agent, at, registry)))
    }
}
