//! One-time links and the sessions that they open; only digests are kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;

use crate::domain::{Clock, CredentialId, Digest, Person, Timestamp};

/// A link that was not used ends after this.
const LINK: TimeDelta = TimeDelta::minutes(10);
/// A session that is not used ends after this.
const IDLE: TimeDelta = TimeDelta::minutes(15);
/// A session ends after this (T165).
const LIFE: TimeDelta = TimeDelta::hours(8);
/// Links and sessions at once.
const AT_ONCE: usize = 64;

/// Links and sessions of the console.
pub struct Sessions {
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// When each link ends.
    links: BTreeMap<Digest, (Timestamp, Option<Arc<Person>>)>,
    sessions: BTreeMap<Digest, Session>,
}

struct Session {
    began: Timestamp,
    used: Timestamp,
    /// Who asked for the link; nobody for one that the gateway itself gave out.
    person: Option<Arc<Person>>,
}

impl Session {
    fn lives(&self, now: Timestamp) -> bool {
        let proven = self.person.as_ref().is_none_or(|person| now < person.credential.expires);
        proven && lives(self.began, self.used, now)
    }
}

impl Sessions {
    /// No link and no session.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Mutex::default() }
    }

    /// A new one-time token for `/login?token=…`; `None` if there is no randomness or too many wait.
    #[must_use]
    pub fn issue(&self) -> Option<String> {
        self.link(None)
    }

    /// The same for a person: the session is that person's, for as long as the credential lasts that was shown.
    #[must_use]
    pub fn issue_to(&self, person: &Arc<Person>) -> Option<String> {
        self.link(Some(Arc::clone(person)))
    }

    fn link(&self, person: Option<Arc<Person>>) -> Option<String> {
        let now = self.clock.now();
        let mut held = self.held();
        held.links.retain(|_, (ends, _)| *ends > now);
        let token = (held.links.len() < AT_ONCE).then(random)??;
        held.links.insert(Digest::of(token.as_bytes()), (now + LINK, person));
        Some(token)
    }

    /// Spends a token; answers the value of the session's cookie, which is never one that the browser sent.
    #[must_use]
    pub fn open(&self, token: &str) -> Option<String> {
        let now = self.clock.now();
        let mut held = self.held();
        let (ends, person) = held.links.remove(&Digest::of(token.as_bytes()))?;
        held.sessions.retain(|_, session| session.lives(now));
        if ends <= now || held.sessions.len() >= AT_ONCE {
            return None;
        }
        let cookie = random()?;
        held.sessions.insert(Digest::of(cookie.as_bytes()), Session { began: now, used: now, person });
        Some(cookie)
    }

    /// Whether the cookie is of a session that lives; if so it was used just now.
    #[must_use]
    pub fn live(&self, cookie: &str) -> bool {
        let now = self.clock.now();
        let digest = Digest::of(cookie.as_bytes());
        let mut held = self.held();
        match held.sessions.get_mut(&digest) {
            Some(session) if session.lives(now) => {
                session.used = now;
                true
            }
            Some(_) => {
                held.sessions.remove(&digest);
                false
            }
            None => false,
        }
    }

    /// Whose session the cookie is of, if it lives and is a person's; it was used just now.
    #[must_use]
    pub fn person(&self, cookie: &str) -> Option<Arc<Person>> {
        if !self.live(cookie) {
            return None;
        }
        self.held().sessions.get(&Digest::of(cookie.as_bytes()))?.person.clone()
    }

    /// Ends the sessions, and voids the links, that were asked for with this credential.
    pub fn forget(&self, credential: &CredentialId) {
        let other =
            |person: &Option<Arc<Person>>| person.as_ref().is_none_or(|person| person.credential.id != *credential);
        let mut held = self.held();
        held.links.retain(|_, (_, person)| other(person));
        held.sessions.retain(|_, session| other(&session.person));
    }

    /// Ends a session.
    pub fn close(&self, cookie: &str) {
        self.held().sessions.remove(&Digest::of(cookie.as_bytes()));
    }

    /// The maps are whole after every statement, so a panic elsewhere leaves nothing half done.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lives(began: Timestamp, used: Timestamp, now: Timestamp) -> bool {
    now < began + LIFE && now < used + IDLE
}

fn random() -> Option<String> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
