//! Legacy sessions with one server: one for each principal and what its client can do, never shared.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::value::RawValue;
use tokio::{sync::OnceCell, time::Instant};

use super::{exchange::Wire, sse::Conversation, standing::Standing};
use crate::{
    domain::limits,
    mcp::{
        Capabilities, Version,
        client::{Server, Speaker},
    },
    upstream::{FailureKind, PrincipalKey, lasting::Lasting, rounds::Level},
};

/// Sessions of one principal at once.
const EACH: usize = 16;

/// A session that was opened. The server may do without an id.
pub(super) struct Session {
    pub(super) id: Option<String>,
    pub(super) version: Version,
    pub(super) server: Server,
    /// The conversation, on HTTP with server-sent events.
    pub(super) conversation: Option<Conversation>,
    /// The standing stream, where the server may ask the client something.
    pub(super) standing: Option<Standing>,
    pub(super) level: Level,
    /// Counts how long it lasts.
    pub(super) _lasting: Option<Lasting>,
}

impl Session {
    pub(super) fn speaker(&self) -> Speaker<'_> {
        Speaker { version: self.version, session: self.id.as_deref() }
    }

    /// Whether it can still be spoken in.
    pub(super) fn is_open(&self) -> bool {
        self.conversation.as_ref().is_none_or(|conversation| conversation.link.is_open())
    }

    /// Answers a request that belongs to no call.
    pub(super) fn answer(&self, wire: &Arc<Wire>, id: &RawValue, method: &str) -> Result<(), FailureKind> {
        wire.answer_request(id, method, self.speaker())
    }
}

/// Whose session it is, and what was declared in it; nothing in the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) who: PrincipalKey,
    pub(super) declared: Option<Arc<Capabilities>>,
}

impl SessionKey {
    /// The gateway's own.
    pub(super) const GATEWAY: Self = Self { who: PrincipalKey::GATEWAY, declared: None };
}

/// A place for one session; whoever comes first opens it, the others wait.
#[derive(Default)]
pub(super) struct Place {
    pub(super) cell: OnceCell<Session>,
}

#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, (Arc<Place>, Instant)>>);

impl Sessions {
    /// The place of a session, and places that were given up for it.
    pub(super) fn place(&self, key: &SessionKey, now: Instant) -> (Arc<Place>, Vec<Arc<Place>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((place, used)) = all.get_mut(key) {
            *used = now;
            return (place.clone(), Vec::new());
        }
        let mut gone = Vec::new();
        all.retain(|known, (place, used)| {
            let keep = in_use(known, place) || now.saturating_duration_since(*used) < limits::SESSION_IDLE;
            if !keep {
                gone.push(place.clone());
            }
            keep
        });
        // Who opens many gives up its own first. Those in use are bounded by the calls at once.
        let own = all.keys().filter(|known| known.who == key.who).count() >= EACH;
        if own || all.len() >= limits::SESSIONS_PER_PRINCIPAL {
            let candidates =
                all.iter().filter(|(known, (place, _))| (!own || known.who == key.who) && !in_use(known, place));
            let oldest = candidates.min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            gone.extend(oldest.and_then(|key| all.remove(&key)).map(|(place, _)| place));
        }
        let place = Arc::<Place>::default();
        all.insert(key.clone(), (place.clone(), now));
        (place, gone)
    }

    /// Forgets a session that the server no longer knows; not one that was opened since.
    pub(super) fn forget(&self, key: &SessionKey, stale: &Arc<Place>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(key).is_some_and(|(place, _)| Arc::ptr_eq(place, stale)) {
            all.remove(key);
        }
    }

    /// Takes all sessions, to close them.
    pub(super) fn take(&self) -> Vec<Arc<Place>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|(_, (place, _))| place).collect()
    }
}

/// Whether somebody works in the session now. The gateway lists and listens in its own all the time.
fn in_use(key: &SessionKey, place: &Arc<Place>) -> bool {
    *key == SessionKey::GATEWAY || Arc::strong_count(place) > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, Credential, CredentialId, CredentialKind, Subject};

    fn key(agent: &str, at: usize) -> SessionKey {
        let (id, kind, expires) = (CredentialId::from_bits(1), CredentialKind::ApiKey, chrono::DateTime::UNIX_EPOCH);
        let credential = Credential { id, kind, issued: None, expires };
        let who = Subject {
            agent: AgentId::from(agent),
            roles: [].into(),
            on_behalf_of: None,
            credential,
            taints: Arc::default(),
        };
        let raw = RawValue::from_string(format!(r#"{{"extensions":{{"x/{at}":{{}}}}}}"#)).unwrap();
        SessionKey { who: (&who).into(), declared: Some(Arc::new(Capabilities::read(&raw).unwrap())) }
    }

    #[tokio::test]
    async fn a_session_in_use_and_the_gateways_own_are_not_given_up_as_idle() {
        let (sessions, begun) = (Sessions::default(), Instant::now());
        let own = Arc::downgrade(&sessions.place(&SessionKey::GATEWAY, begun).0);
        let (used, _) = sessions.place(&key("used", 0), begun);
        let idle = Arc::downgrade(&sessions.place(&key("idle", 0), begun).0);
        let (_, gone) = sessions.place(&key("new", 0), begun + limits::SESSION_IDLE);
        assert_eq!(gone.len(), 1);
        assert!(own.upgrade().is_some() && Arc::ptr_eq(&gone[0], &idle.upgrade().unwrap()));
        let (again, _) = sessions.place(&key("used", 0), begun);
        assert!(Arc::ptr_eq(&used, &again));
    }

    #[tokio::test]
    async fn who_opens_many_gives_up_the_oldest_that_is_not_in_use() {
        let (sessions, begun) = (Sessions::default(), Instant::now());
        let keys: Vec<_> = (0..=EACH).map(|at| key("a", at)).collect();
        let first = sessions.place(&keys[0], begun).0;
        let second = Arc::downgrade(&sessions.place(&keys[1], begun + std::time::Duration::from_millis(1)).0);
        keys[2..EACH].iter().for_each(|key| drop(sessions.place(key, begun + std::time::Duration::from_secs(1))));
        let (_, gone) = sessions.place(&keys[EACH], begun);
        assert!(gone.len() == 1 && Arc::ptr_eq(&gone[0], &second.upgrade().unwrap()));
        assert!(!Arc::ptr_eq(&gone[0], &first));
    }
}
