//! Sessions of the legacy revisions: each belongs to one agent, the person it acts for, and one scope (T033).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use aws_lc_rs::rand;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{AgentId, PersonId, SessionId, Subject, limits},
    mcp::{
        Capabilities, IdKey, LogLevel, Version,
        server::{Handler, Proof, Scope, lock::held},
    },
};

use super::{
    asked::Asked,
    replay::{Line, Lines},
    subscribing::Subscriptions,
};

/// Between two looks for sessions that are not used any more.
const SWEEP: Duration = Duration::from_secs(60);

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) version: Version,
    /// Cancelled when the session ends; its streams end with it.
    pub(super) ended: CancellationToken,
    /// What the client can do for a server that asks it back.
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) lines: Arc<Lines>,
    /// The stream of what belongs to no request.
    pub(super) standing: Line,
    /// What its reader showed, for as long as it is fed with changes of lists.
    pub(super) watch: tokio::sync::Mutex<Option<Proof>>,
    pub(super) asked: Arc<Asked>,
    pub(super) subscriptions: Subscriptions,
    /// What the caller showed last.
    pub(super) proof: Proof,
    level: Mutex<LogLevel>,
    person: Option<PersonId>,
    scope: Scope,
    begun: Instant,
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

    /// The least severe level of log messages that the client is told.
    pub(super) fn level(&self) -> LogLevel {
        *held(&self.level)
    }

    /// The client sets that level.
    pub(super) fn set_level(&self, level: LogLevel) {
        *held(&self.level) = level;
    }

    /// The session is over, with all that hangs on it. Called once, by who took it out of the book.
    fn over(&self, handler: &dyn Handler) {
        self.ended.cancel();
        self.lines.close();
        let used = *held(&self.used);
        handler.session_ended(self.version.name, used.saturating_duration_since(self.begun));
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

/// A call of a session that runs. When this is dropped, its id is free again, and what still waits for the client's
/// answers is let go.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    id: IdKey,
    pub(super) cancelled: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        held(&self.session.calls).remove(&self.id);
        self.cancelled.cancel();
    }
}

/// All sessions, by agent: nobody finds a session of somebody else, or of the same agent for somebody else.
pub(in crate::mcp::server) struct Sessions {
    /// Is told how long each lasted.
    handler: Arc<dyn Handler>,
    book: Mutex<Book>,
    kept: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Book {
    agents: HashMap<AgentId, HashMap<SessionId, Arc<Session>>>,
    swept: Instant,
}

impl Sessions {
    pub(in crate::mcp::server) fn new(handler: Arc<dyn Handler>) -> Self {
        let book = Mutex::new(Book { agents: HashMap::new(), swept: Instant::now() });
        Self { handler, book, kept: Arc::default() }
    }

    /// Opens a session; none if there is no randomness. The longest unused session of an agent that has too many ends.
    pub(super) fn open(
        &self,
        (subject, proof): (&Subject, Proof),
        scope: Scope,
        version: Version,
        capabilities: Capabilities,
    ) -> Option<Arc<Session>> {
        let mut bits = [0; 16];
        rand::fill(&mut bits).ok()?;
        let lines = Lines::new(version.name == "2025-11-25", Arc::clone(&self.kept));
        let session = Arc::new(Session {
            id: SessionId::from_bits(u128::from_be_bytes(bits)),
            version,
            ended: CancellationToken::new(),
            capabilities: Arc::new(capabilities),
            standing: lines.open(),
            lines,
            watch: tokio::sync::Mutex::default(),
            asked: Arc::default(),
            subscriptions: Subscriptions::default(),
            proof,
            level: Mutex::new(LogLevel::Info),
            person: person(subject),
            scope,
            begun: Instant::now(),
            used: Mutex::new(Instant::now()),
            calls: Mutex::default(),
        });
        let mut book = held(&self.book);
        book.sweep(&*self.handler);
        let own = book.agents.entry(subject.agent.clone()).or_default();
        if own.len() >= limits::SESSIONS_PER_PRINCIPAL {
            let oldest = own.values().max_by_key(|session| session.idle()).map(|session| session.id.clone());
            if let Some(oldest) = oldest.and_then(|oldest| own.remove(&oldest)) {
                oldest.over(&*self.handler);
            }
        }
        own.insert(session.id.clone(), Arc::clone(&session));
        Some(session)
    }

    /// The session of this id, if it lives and belongs to this subject and scope. Any other is as good as unknown.
    pub(super) fn find(&self, id: &SessionId, subject: &Subject, scope: &Scope) -> Option<Arc<Session>> {
        let session = held(&self.book).agents.get(&subject.agent)?.get(id).cloned()?;
        let over = session.idle() >= limits::SESSION_IDLE || session.ended.is_cancelled();
        if session.person != person(subject) || session.scope != *scope || over {
            return None;
        }
        session.touch();
        Some(session)
    }

    /// Ends a session of this agent.
    pub(super) fn end(&self, agent: &AgentId, session: &Session) {
        let taken = held(&self.book).agents.get_mut(agent).and_then(|own| own.remove(&session.id));
        if let Some(taken) = taken {
            taken.over(&*self.handler);
        }
    }
}

fn person(subject: &Subject) -> Option<PersonId> {
    subject.on_behalf_of.as_ref().map(|delegator| delegator.person.clone())
}

impl Book {
    /// Forgets sessions that are not used any more; looks once in a while.
    fn sweep(&mut self, handler: &dyn Handler) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        self.agents.retain(|_, own| {
            own.retain(|_, session| {
                let keep = session.idle() < limits::SESSION_IDLE && !session.ended.is_cancelled();
                if keep {
                    session.lines.sweep();
                } else {
                    session.over(handler);
                }
                keep
            });
            !own.is_empty()
        });
    }
}
