//! How many calls an exception had in the last minute.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::domain::ExceptionId;

const SHARDS: usize = 16;
/// A shard with fewer entries is not worth sweeping.
const CROWDED: usize = 256;
const MINUTE: Duration = Duration::from_secs(60);
/// Calls of the same slot are forgotten together.
const SLOT: Duration = Duration::from_millis(500);

/// The calls of the last minute per exception, at most 121 slots each, however many calls.
///
/// Strict: in no minute does an exception get more than it may, and it may use all of it at once. A call is
/// forgotten when the whole of its half second is a minute old.
#[derive(Debug)]
pub(super) struct Rates {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<ExceptionId, Recent>,
    /// At this many entries those that are a minute old are forgotten.
    sweep_at: usize,
}

/// Slots in order of time: when each began and how many calls fell in it.
type Recent = VecDeque<(Instant, u32)>;

impl Rates {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: Default::default() }
    }

    /// Takes one call of this minute.
    ///
    /// # Errors
    /// The minute is spent; how long until the next call may come.
    pub(super) fn take(&self, exception: &ExceptionId, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let index = usize::try_from(self.hasher.hash_one(exception)).unwrap_or_default() % SHARDS;
        let Some(shard) = self.shards.get(index) else { return Err(MINUTE) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.sweep(now);
        let recent = shard.entries.entry(exception.clone()).or_default();
        while recent.front().is_some_and(|(began, _)| is_over(*began, now)) {
            recent.pop_front();
        }
        let used = recent.iter().fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        if used >= per_minute {
            let oldest = recent.front().map_or(now, |(began, _)| *began);
            return Err((MINUTE + SLOT).saturating_sub(now.saturating_duration_since(oldest)));
        }
        match recent.back_mut() {
            Some((began, count)) if now.saturating_duration_since(*began) < SLOT => *count = count.saturating_add(1),
            Some(_) | None => recent.push_back((now, 1)),
        }
        Ok(())
    }
}

impl Shard {
    /// Forgets what has rested for a minute, whenever the shard has doubled.
    fn sweep(&mut self, now: Instant) {
        if self.entries.len() >= self.sweep_at.max(CROWDED) {
            self.entries.retain(|_, recent| recent.back().is_some_and(|(began, _)| !is_over(*began, now)));
            self.sweep_at = self.entries.len() * 2;
        }
    }
}

fn is_over(began: Instant, now: Instant) -> bool {
    now.saturating_duration_since(began) >= MINUTE + SLOT
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Rates};

    #[test]
    fn exceptions_that_rest_are_forgotten() {
        let rates = Rates::new();
        let start = Instant::now();
        for n in 0..20_000 {
            rates.take(&format!("EX-{n}").parse().unwrap(), 1, start).unwrap();
        }
        let later = start + Duration::from_secs(61);
        for n in 20_000..40_000 {
            rates.take(&format!("EX-{n}").parse().unwrap(), 1, later).unwrap();
        }
        let kept: usize = rates.shards.iter().map(|shard| shard.lock().unwrap().entries.len()).sum();
        assert!(kept < 40_000, "{kept}");
    }
}
