//! How far one receiver of checkpoints has got, for metrics and for whoever asks.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::telemetry::Metrics;

/// How far one receiver of checkpoints has got.
pub struct Standing {
    name: String,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wanted: u64,
    taken: u64,
    /// Since when it lacks something.
    since: Option<Instant>,
    trouble: Option<String>,
}

/// What a receiver of checkpoints has and lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    /// Records under the last checkpoint that it took.
    pub taken: u64,
    /// Records that are signed beyond them.
    pub behind: u64,
    /// For how long it has lacked them.
    pub lacking: Duration,
    /// What went wrong last, while it goes wrong.
    pub trouble: Option<String>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("name", &self.name).field("stood", &self.stood()).finish_non_exhaustive()
    }
}

impl Standing {
    /// One that has got nothing yet; failures are counted under its name.
    #[must_use]
    pub fn new(name: String, metrics: Arc<Metrics>) -> Self {
        metrics.offsite().begin(&name);
        Self { name, metrics, state: Mutex::default() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// There is a checkpoint over so many records that it should have.
    pub fn wants(&self, size: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wanted = state.wanted.max(size);
        if state.wanted > state.taken && state.since.is_none() {
            state.since = Some(Instant::now());
        }
    }

    /// It took the checkpoint over so many records.
    pub fn took(&self, size: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.max(size);
        // What was signed in the meantime is younger than this moment.
        state.since = (state.wanted > state.taken).then(Instant::now);
        if let Some(why) = state.trouble.take() {
            tracing::info!(to = self.name, after = why, "checkpoints are taken again");
        }
    }

    /// It did not take one. Only the first failure in a row is told in the log.
    pub fn failed(&self, why: String) {
        self.metrics.offsite().failed(&self.name);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.trouble.is_none() {
            tracing::error!(to = self.name, why, "a checkpoint is not taken; it is tried again");
        }
        state.trouble = Some(why);
    }

    /// Sets the metric to the present moment.
    pub fn measure(&self) {
        self.metrics.offsite().lag(&self.name, self.stood().lacking);
    }

    /// How it stands at this moment.
    #[must_use]
    pub fn stood(&self) -> Stood {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lacking = state.since.map_or(Duration::ZERO, |since| since.elapsed());
        let behind = state.wanted.saturating_sub(state.taken);
        Stood { taken: state.taken, behind, lacking, trouble: state.trouble.clone() }
    }
}
