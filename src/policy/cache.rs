//! A bounded map in shards, for what is made once and asked for often.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

const SHARDS: usize = 16;

/// Values by key. A shard that is full starts anew, so memory has an end and no list of ages is kept.
pub(super) struct Cache<K, V> {
    shards: [Mutex<HashMap<K, Arc<V>>>; SHARDS],
    hasher: RandomState,
    per_shard: usize,
}

impl<K: Eq + Hash + Clone, V> Cache<K, V> {
    /// An empty map that holds about this many values.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            per_shard: capacity.div_ceil(SHARDS),
        }
    }

    /// The value of this key that passes `fits`, or a new one.
    pub(super) fn get(&self, key: &K, fits: impl Fn(&V) -> bool, make: impl FnOnce() -> V) -> Arc<V> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        let Some(shard) = self.shards.get(hash) else { return Arc::new(make()) };
        if let Some(found) = shard.lock().unwrap_or_else(PoisonError::into_inner).get(key).filter(|value| fits(value)) {
            return Arc::clone(found);
        }
        let made = Arc::new(make());
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= self.per_shard {
            shard.clear();
        }
        shard.insert(key.clone(), Arc::clone(&made));
        made
    }
}
