//! Credentials that were verified, by their digest: later calls cost a digest and one short look into a shard.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{Identity, issuer::Issuer, resolve::Holder};
use crate::domain::{Credential, Digest, Network, Registry, Timestamp, limits};

/// Shards: callers rarely meet at one.
const SHARDS: usize = 64;
/// Credentials in one shard.
const PER_SHARD: usize = 1_024;

/// Why a remembered credential is still good.
#[derive(Clone)]
pub(super) enum Proof {
    /// The store was asked at this moment.
    Key {
        at: Timestamp,
        since: Instant,
        /// Of the memory, before the store was asked.
        generation: u64,
    },
    /// The signature was verified with these keys of this issuer.
    Token { issuer: Arc<Issuer>, keys: Digest },
}

/// A verified credential.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) holder: Holder,
    pub(super) credential: Credential,
    pub(super) proof: Proof,
    /// From where it may be shown; none means from anywhere.
    pub(super) networks: Arc<[Network]>,
    /// The identity under this registry.
    pub(super) resolved: Option<(Arc<Registry>, Identity)>,
}

/// The memory. Each shard has a lock of its own, held for a look-up and never longer.
pub(super) struct Memory {
    shards: Vec<Mutex<HashMap<Digest, Arc<Verified>>>>,
    generation: AtomicU64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), generation: AtomicU64::new(0) }
    }

    /// From now on no key that was remembered before is good without asking the store.
    pub(super) fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What is known of this credential, if it still holds at this moment.
    pub(super) fn recall(&self, digest: Digest, now: Timestamp) -> Option<Arc<Verified>> {
        let verified = Arc::clone(self.shard(digest)?.get(&digest)?);
        let holds = now < verified.credential.expires
            && match &verified.proof {
                Proof::Key { at, since, generation } => {
                    let age = now.signed_duration_since(at).to_std().unwrap_or_default();
                    *generation == self.generation()
                        && age <= limits::CREDENTIAL_CACHE
                        && since.elapsed() <= limits::CREDENTIAL_CACHE
                }
                Proof::Token { issuer, keys } => issuer.keys(now) == Some(*keys),
            };
        holds.then_some(verified)
    }

    pub(super) fn remember(&self, digest: Digest, verified: Arc<Verified>, now: Timestamp) {
        let Some(mut shard) = self.shard(digest) else { return };
        if shard.len() >= PER_SHARD && !shard.contains_key(&digest) {
            shard.retain(|_, held| now < held.credential.expires);
            if shard.len() >= PER_SHARD
                && let Some(any) = shard.keys().next().copied()
            {
                shard.remove(&any);
            }
        }
        shard.insert(digest, verified);
    }

    pub(super) fn forget(&self, digest: Digest) {
        if let Some(mut shard) = self.shard(digest) {
            shard.remove(&digest);
        }
    }

    fn shard(&self, digest: Digest) -> Option<MutexGuard<'_, HashMap<Digest, Arc<Verified>>>> {
        let [first, ..] = *digest.as_bytes();
        let shard = self.shards.get(usize::from(first) % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
