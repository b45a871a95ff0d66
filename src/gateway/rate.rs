//! How often a principal may call (T150).

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::domain::AgentId;

const SHARDS: usize = 16;
/// Agents remembered per shard; beyond it, those that are not calling now are forgotten.
const AGENTS: usize = 4_096;

/// Rate limits, one per agent, in shards.
pub struct Rates {
    quota: Quota,
    hasher: RandomState,
    shards: [Mutex<HashMap<AgentId, Arc<DefaultDirectRateLimiter>>>; SHARDS],
}

impl Rates {
    /// So many calls a second, and so many at once after a pause.
    #[must_use]
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self {
            quota: Quota::per_second(per_second).allow_burst(burst),
            hasher: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// Takes one call.
    ///
    /// # Errors
    /// How long to wait, if the agent is too fast.
    pub fn take(&self, agent: &AgentId) -> Result<(), Duration> {
        let Some(limiter) = self.limiter(agent) else { return Err(Duration::from_secs(1)) };
        limiter.check().map_err(|wait| wait.wait_time_from(DefaultClock::default().now()))
    }

    fn limiter(&self, agent: &AgentId) -> Option<Arc<DefaultDirectRateLimiter>> {
        let index = usize::try_from(self.hasher.hash_one(agent)).unwrap_or(0) % SHARDS;
        let mut shard = self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = shard.get(agent) {
            return Some(Arc::clone(limiter));
        }
        if shard.len() >= AGENTS {
            shard.retain(|_, limiter| Arc::strong_count(limiter) > 1);
        }
        let limiter = Arc::new(RateLimiter::direct(self.quota));
        shard.insert(agent.clone(), Arc::clone(&limiter));
        Some(limiter)
    }
}

#[cfg(test)]
mod tests {
    use super::Rates;
    use crate::domain::AgentId;
    use std::num::NonZeroU32;

    /// T150
    #[test]
    fn one_fast_agent_does_not_slow_another() {
        let one = NonZeroU32::new(1).unwrap();
        let rates = Rates::new(one, NonZeroU32::new(3).unwrap());
        let (fast, other) = (AgentId::from("fast"), AgentId::from("other"));
        assert_eq!((0..5).filter(|_| rates.take(&fast).is_ok()).count(), 3);
        assert!(rates.take(&fast).is_err());
        assert!(rates.take(&other).is_ok());
    }
}
