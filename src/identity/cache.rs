//! Credentials that were verified, by the MAC of their text, for as long as that may be believed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::Identity;
use crate::domain::Timestamp;

const SHARDS: usize = 16;
/// Credentials per shard; beyond it the shard forgets those that are over.
const BOUND: usize = 4_096;

#[derive(Debug, Clone)]
struct Known {
    identity: Identity,
    believe_until: Instant,
    expires: Timestamp,
    generation: u64,
}

/// A cache in shards; each lock is held for one look-up.
#[derive(Debug, Default)]
pub(super) struct Cache {
    shards: [Mutex<HashMap<[u8; 32], Known>>; SHARDS],
}

impl Cache {
    /// Who this is, if it was verified under this generation of keys and may still be believed.
    pub(super) fn get(&self, mac: &[u8; 32], now: Timestamp, generation: u64) -> Option<Identity> {
        let shard = self.shard(mac)?.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shard.get(mac)?;
        let good = known.generation == generation && known.expires > now && known.believe_until > Instant::now();
        good.then(|| known.identity.clone())
    }

    pub(super) fn put(&self, mac: [u8; 32], identity: Identity, (believe_until, expires): (Instant, Timestamp), generation: u64) {
        let Some(shard) = self.shard(&mac) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= BOUND {
            let now = Instant::now();
            shard.retain(|_, known| known.believe_until > now && known.generation == generation);
            if shard.len() >= BOUND {
                shard.clear();
            }
        }
        shard.insert(mac, Known { identity, believe_until, expires, generation });
    }

    fn shard(&self, mac: &[u8; 32]) -> Option<&Mutex<HashMap<[u8; 32], Known>>> {
        self.shards.get(usize::from(*mac.first()?) % SHARDS)
    }
}
