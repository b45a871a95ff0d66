//! An issuer and its keys at this moment: cached, refreshed in the background, and given up when too old.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use tokio::sync::Semaphore;

use super::{
    AuthError, IssuerSettings, KeySource, SigningAlgorithm,
    jwks::{self, KeySet},
};
use crate::domain::{Digest, Timestamp};

/// Keys older than this are fetched anew.
const FRESH: Duration = Duration::from_mins(10);
/// Keys older than this prove nothing (T048).
const USABLE: Duration = Duration::from_hours(1);
/// At least this much time lies between two fetches, however many unknown keys are named (T046).
const PAUSE: Duration = Duration::from_mins(1);
/// One fetch.
const FETCH: Duration = Duration::from_secs(5);

/// A document could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` cannot be fetched: {detail}")]
pub struct FetchError {
    /// What was asked for.
    pub url: String,
    /// What went wrong.
    pub detail: String,
}

/// Fetches documents; bounded in size and time, over TLS except on this machine, and following no redirects.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The document behind this URL.
    async fn get(&self, url: &str) -> Result<Bytes, FetchError>;
}

pub(super) struct Issuer {
    pub(super) settings: IssuerSettings,
    known: ArcSwapOption<Known>,
    /// One fetch at a time; those who need its result wait for it.
    turn: Arc<Semaphore>,
    /// Milliseconds of the last attempt.
    attempted: AtomicI64,
    fetch: Arc<dyn Fetch>,
}

struct Known {
    keys: KeySet,
    at: Timestamp,
    /// Beside `at`, so that a clock that stands still keeps nothing alive.
    since: Instant,
}

impl Known {
    fn is_within(&self, age: Duration, now: Timestamp) -> bool {
        let by_clock = now.signed_duration_since(self.at).to_std().unwrap_or_default();
        by_clock <= age && self.since.elapsed() <= age
    }
}

impl Issuer {
    pub(super) fn new(settings: IssuerSettings, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            known: ArcSwapOption::empty(),
            turn: Arc::new(Semaphore::new(1)),
            attempted: AtomicI64::new(i64::MIN),
            fetch,
        })
    }

    /// What identifies the keys that count now; `None` if they are too old. Asks for new ones when it is time.
    pub(super) fn keys(self: &Arc<Self>, now: Timestamp) -> Option<Digest> {
        let known = self.known.load();
        let known = known.as_ref().filter(|known| known.is_within(USABLE, now))?;
        if !known.is_within(FRESH, now) {
            self.refresh_behind(now);
        }
        Some(known.keys.digest)
    }

    /// The key of this id, and what identifies the keys that it is one of. An unknown id asks the issuer again.
    pub(super) async fn key(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Result<(DecodingKey, Digest), AuthError> {
        if !jwks::is_plausible(id) {
            return Err(AuthError::Invalid);
        }
        if self.keys(now).is_some()
            && let Some(found) = self.find(id, algorithm)
        {
            return Ok(found);
        }
        self.refresh(now).await;
        self.keys(now).ok_or(AuthError::Unavailable)?;
        self.find(id, algorithm).ok_or(AuthError::Invalid)
    }

    fn find(&self, id: Option<&str>, algorithm: SigningAlgorithm) -> Option<(DecodingKey, Digest)> {
        let known = self.known.load();
        let known = known.as_ref()?;
        Some((known.keys.find(id, algorithm)?.clone(), known.keys.digest))
    }

    fn refresh_behind(self: &Arc<Self>, now: Timestamp) {
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else { return };
        if self.claim(now) {
            let issuer = Arc::clone(self);
            tokio::spawn(async move {
                issuer.load(now).await;
                drop(turn);
            });
        }
    }

    async fn refresh(&self, now: Timestamp) {
        if let Ok(_turn) = self.turn.acquire().await
            && self.claim(now)
        {
            self.load(now).await;
        }
    }

    /// Whether it is time for a fetch; if so, it counts as attempted.
    fn claim(&self, now: Timestamp) -> bool {
        let now = now.timestamp_millis();
        let before = self.attempted.load(Ordering::Acquire);
        let pause = i64::try_from(PAUSE.as_millis()).unwrap_or(i64::MAX);
        now >= before.saturating_add(pause)
            && self.attempted.compare_exchange(before, now, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    async fn load(&self, now: Timestamp) {
        let issuer = &self.settings.issuer;
        match self.read().await {
            Ok(bytes) => match KeySet::read(&bytes) {
                Some(keys) => self.known.store(Some(Arc::new(Known { keys, at: now, since: Instant::now() }))),
                None => tracing::warn!(issuer, "the issuer's keys are not a JWKS; the old ones stay"),
            },
            Err(error) => tracing::warn!(issuer, %error, "the issuer's keys cannot be read; the old ones stay"),
        }
    }

    async fn read(&self) -> Result<Bytes, FetchError> {
        match &self.settings.keys {
            KeySource::Url(url) => tokio::time::timeout(FETCH, self.fetch.get(url))
                .await
                .unwrap_or_else(|_| Err(FetchError { url: url.clone(), detail: "no answer in time".to_owned() })),
            KeySource::File(path) => {
                let mut bytes = Vec::new();
                let most = u64::try_from(jwks::LARGEST).unwrap_or(u64::MAX).saturating_add(1);
                match std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
                    Ok(_) => Ok(bytes.into()),
                    Err(error) => Err(FetchError { url: path.display().to_string(), detail: error.to_string() }),
                }
            }
        }
    }
}
