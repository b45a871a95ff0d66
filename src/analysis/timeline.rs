//! Which exceptions could be used at each moment of the past.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    domain::{AgentId, Candidate, ExceptionId, Registry, Standing, Timestamp, ToolRef, limits},
    exception::Lived,
};

/// Exceptions by agent and tool, each with its whole life.
#[derive(Default)]
pub struct Timeline {
    by_use: HashMap<(AgentId, ToolRef), Vec<Arc<Lived>>>,
    count: usize,
}

impl Timeline {
    /// The timeline of these lives.
    #[must_use]
    pub fn of(lives: impl IntoIterator<Item = Lived>) -> Self {
        let mut timeline = Self::default();
        for life in lives {
            timeline.add(life);
        }
        timeline
    }

    /// Adds a life.
    pub fn add(&mut self, life: Lived) {
        let life = Arc::new(life);
        self.count = self.count.saturating_add(1);
        for key in life.uses() {
            self.by_use.entry(key).or_default().push(Arc::clone(&life));
        }
    }

    /// How many lives it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The candidates of a decision of that moment, in the order of the index, less these.
    #[must_use]
    pub fn candidates(
        &self,
        (agent, tool): (&AgentId, &ToolRef),
        at: Timestamp,
        registry: &Registry,
        without: &BTreeSet<ExceptionId>,
    ) -> Vec<Candidate> {
        let Some(lives) = self.by_use.get(&(agent.clone(), tool.clone())) else { return Vec::new() };
        let lives = lives.iter().filter(|life| !without.contains(life.id()));
        let mut found: Vec<Candidate> = lives.filter_map(|life| life.candidate(agent, tool, at, registry)).collect();
        found.sort_by(|a, b| {
            let order = |one: &Candidate| (one.standing != Standing::Usable, one.grant.window.not_after);
            (order(a), &a.grant.exception).cmp(&(order(b), &b.grant.exception))
        });
        found.truncate(limits::CANDIDATES);
        found
    }
}
