//! Legacy sessions with one server: one for each principal, never shared.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::OnceCell, time::Instant};

use crate::{domain::limits, upstream::PrincipalKey};

/// A session that was opened. The server may do without an id.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: Option<String>,
    pub(super) version: crate::mcp::Version,
    pub(super) server: crate::mcp::client::Server,
}

/// A place for the session of one principal; whoever comes first opens it, the others wait.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) cell: OnceCell<Session>,
}

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<PrincipalKey, (Arc<Place>, Instant)>>);

impl Sessions {
    /// The principal's place, and places that were given up for it.
    pub(super) fn place(&self, who: &PrincipalKey, now: Instant) -> (Arc<Place>, Vec<Arc<Place>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((place, used)) = all.get_mut(who) {
            *used = now;
            return (place.clone(), Vec::new());
        }
        let mut gone = Vec::new();
        all.retain(|_, (place, used)| {
            let keep = now.saturating_duration_since(*used) < limits::SESSION_IDLE;
            if !keep {
                gone.push(place.clone());
            }
            keep
        });
        if all.len() >= limits::SESSIONS_PER_PRINCIPAL {
            let oldest = all.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            gone.extend(oldest.and_then(|key| all.remove(&key)).map(|(place, _)| place));
        }
        let place = Arc::<Place>::default();
        all.insert(who.clone(), (place.clone(), now));
        (place, gone)
    }

    /// Forgets a session that the server no longer knows; not one that was opened since.
    pub(super) fn forget(&self, who: &PrincipalKey, stale: &Arc<Place>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(who).is_some_and(|(place, _)| Arc::ptr_eq(place, stale)) {
            all.remove(who);
        }
    }

    /// Takes all sessions, to close them.
    pub(super) fn take(&self) -> Vec<Arc<Place>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|(_, (place, _))| place).collect()
    }
}
