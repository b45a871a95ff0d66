//! Calls in flight, so that a revocation, an end or a freeze reaches them (T085, T093).

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::domain::{AgentId, CredentialId, DecisionId, ExceptionId, FreezeScope, PilotId, Reach, Reason, ServerName};

const SHARDS: usize = 16;

/// What ends a call before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// Every call.
    Everything,
    /// Calls under this exception.
    Exception(ExceptionId),
    /// Calls of this credential.
    Credential(CredentialId),
    /// Calls of this agent.
    Agent(AgentId),
    /// What a freeze of this scope reaches.
    Scope(FreezeScope),
}

/// One call in flight; the registry forgets it when this is dropped.
#[derive(Debug)]
pub struct Flight {
    id: DecisionId,
    registry: Arc<InFlight>,
    entry: Entry,
}

#[derive(Debug, Clone)]
struct Entry {
    agent: AgentId,
    credential: CredentialId,
    server: Option<ServerName>,
    exception: Option<ExceptionId>,
    pilot: Option<PilotId>,
    cancelled: CancellationToken,
    /// Ends the call while it waits between two rounds, when `cancelled` is nobody's any more.
    parked: CancellationToken,
    why: Arc<OnceLock<Reason>>,
}

impl Entry {
    fn reach(&self) -> Reach<'_> {
        let Self { agent, server, exception, pilot, .. } = self;
        Reach { agent, server: server.as_ref(), exception: exception.as_ref(), pilot: pilot.as_ref() }
    }
}

/// The registry of calls in flight, in shards so that calls do not wait for each other.
#[derive(Debug, Default)]
pub struct InFlight {
    hasher: RandomState,
    shards: [Mutex<HashMap<DecisionId, Entry>>; SHARDS],
}

impl InFlight {
    /// Registers a call. `cancelled` is the token that ends it.
    pub fn begin(
        self: &Arc<Self>,
        id: &DecisionId,
        credential: &CredentialId,
        request: &Reach<'_>,
        cancelled: CancellationToken,
    ) -> Flight {
        let entry = Entry {
            agent: request.agent.clone(),
            credential: credential.clone(),
            server: request.server.cloned(),
            exception: request.exception.cloned(),
            pilot: request.pilot.cloned(),
            cancelled,
            parked: CancellationToken::new(),
            why: Arc::new(OnceLock::new()),
        };
        if let Some(shard) = self.shard(id) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), entry.clone());
        }
        Flight { id: id.clone(), registry: Arc::clone(self), entry }
    }

    /// Ends every call that the cut names; returns how many.
    pub fn cut(&self, cut: &Cut, why: Reason) -> usize {
        let mut ended = 0;
        for shard in &self.shards {
            for entry in shard.lock().unwrap_or_else(PoisonError::into_inner).values() {
                let hit = match cut {
                    Cut::Everything => true,
                    Cut::Exception(id) => entry.exception.as_ref() == Some(id),
                    Cut::Credential(id) => entry.credential == *id,
                    Cut::Agent(id) => entry.agent == *id,
                    Cut::Scope(scope) => scope.hits(&entry.reach()),
                };
                if hit {
                    let _first_reason_stays = entry.why.set(why);
                    entry.cancelled.cancel();
                    entry.parked.cancel();
                    ended += 1;
                }
            }
        }
        ended
    }

    /// How many calls are in flight.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, id: &DecisionId) -> Option<&Mutex<HashMap<DecisionId, Entry>>> {
        let index = usize::try_from(self.hasher.hash_one(id)).unwrap_or(0) % SHARDS;
        self.shards.get(index)
    }
}

impl Flight {
    /// Ends the call while it waits between two rounds; whoever keeps it waiting keeps this flight too.
    #[must_use]
    pub fn parked(&self) -> CancellationToken {
        self.entry.parked.clone()
    }

    /// Why the call was cut, if it was.
    #[must_use]
    pub fn cut(&self) -> Option<Reason> {
        self.entry.why.get().copied()
    }

    /// The token that ends it.
    pub(super) fn cancelled(&self) -> CancellationToken {
        self.entry.cancelled.clone()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(shard) = self.registry.shard(&self.id) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// T085, T093
    #[test]
    fn a_cut_reaches_a_call_that_waits_between_two_rounds() {
        let (registry, id) = (Arc::<InFlight>::default(), DecisionId::from_bits(1));
        let (agent, key) = (AgentId::from("a"), CredentialId::from_bits(1));
        let request = Reach { agent: &agent, server: None, exception: None, pilot: None };
        let flight = registry.begin(&id, &key, &request, CancellationToken::new());
        assert_eq!(registry.cut(&Cut::Agent(AgentId::from("b")), Reason::Stale), 0);
        assert!(!flight.parked().is_cancelled());
        assert_eq!(registry.cut(&Cut::Credential(key), Reason::Stale), 1);
        assert!(flight.parked().is_cancelled());
        drop(flight);
        assert_eq!(registry.cut(&Cut::Everything, Reason::Frozen), 0);
    }
}
