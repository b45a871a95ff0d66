//! Sessions of the legacy revisions: each belongs to one agent and one scope (T033).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{AgentId, SessionId, limits},
    mcp::{IdKey, Version},
};

use super::Scope;

/// Between two looks for sessions that are not used any more.
const SWEEP: Duration = Duration::from_secs(60);

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) version: Version,
    /// Cancelled when the session ends; its streams end with it.
    pub(super) ended: CancellationToken,
    scope: Scope,
    used: Mutex<Instant>,
    calls: Mutex<HashMap<IdKey, CancellationToken>>,
}

impl Session {
    /// The session is used now.
    pub(super) fn touch(&self) {
        *held(&self.used) = Instant::now();
    }

    fn idle(&self) -> Duration {
        held(&self.used).elapsed()
    }

    /// A call begins; none if one with this id runs already (T028).
    pub(super) fn begin(self: &Arc<Self>, id: IdKey) -> Option<Running> {
        let mut calls = held(&self.calls);
        if calls.contains_key(&id) {
            return None;
        }
        let cancelled = CancellationToken::new();
        calls.insert(id.clone(), cancelled.clone());
        Some(Running { session: Arc::clone(self), id, cancelled })
    }

    /// The client cancels a call.
    pub(super) fn cancel(&self, id: &IdKey) {
        if let Some(call) = held(&self.calls).get(id) {
            call.cancel();
        }
    }
}

/// A call of a session that runs; its id is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    id: IdKey,
    pub(super) cancelled: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        held(&self.session.calls).remove(&self.id);
    }
}

/// All sessions, by agent: nobody finds a session of somebody else.
#[derive(Debug)]
pub(super) struct Sessions(Mutex<Book>);

#[derive(Debug)]
struct Book {
    agents: HashMap<AgentId, HashMap<SessionId, Arc<Session>>>,
    swept: Instant,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Book { agents: HashMap::new(), swept: Instant::now() }))
    }

    /// Opens a session; none if there is no randomness. The longest unused session of an agent that has too many ends.
    pub(super) fn open(&self, agent: &AgentId, scope: Scope, version: Version) -> Option<Arc<Session>> {
        let mut bits = [0; 16];
        rand::fill(&mut bits).ok()?;
        let session = Arc::new(Session {
            id: SessionId::from_bits(u128::from_be_bytes(bits)),
            version,
            ended: CancellationToken::new(),
            scope,
            used: Mutex::new(Instant::now()),
            calls: Mutex::default(),
        });
        let mut book = held(&self.0);
        book.sweep();
        let own = book.agents.entry(agent.clone()).or_default();
        if own.len() >= limits::SESSIONS_PER_PRINCIPAL {
            let oldest = own.values().max_by_key(|session| session.idle()).map(|session| session.id.clone());
            if let Some(oldest) = oldest.and_then(|oldest| own.remove(&oldest)) {
                oldest.ended.cancel();
            }
        }
        own.insert(session.id.clone(), Arc::clone(&session));
        Some(session)
    }

    /// The session of this id, if it lives and belongs to this agent and scope. Any other is as good as unknown.
    pub(super) fn find(&self, id: &SessionId, agent: &AgentId, scope: &Scope) -> Option<Arc<Session>> {
        let session = held(&self.0).agents.get(agent)?.get(id).cloned()?;
        if session.scope != *scope || session.idle() >= limits::SESSION_IDLE {
            return None;
        }
        session.touch();
        Some(session)
    }

    /// Ends a session of this agent.
    pub(super) fn end(&self, agent: &AgentId, session: &Session) {
        if let Some(own) = held(&self.0).agents.get_mut(agent) {
            own.remove(&session.id);
        }
        session.ended.cancel();
    }
}

impl Book {
    /// Forgets sessions that are not used any more; looks once in a while.
    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        self.agents.retain(|_, own| {
            own.retain(|_, session| {
                let keep = session.idle() < limits::SESSION_IDLE;
                if !keep {
                    session.ended.cancel();
                }
                keep
            });
            !own.is_empty()
        });
    }
}

/// A lock that a panic elsewhere does not spoil: every state behind it is whole between two statements.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
