//! An issuer's keys: cached, refreshed with restraint, stale for an hour at the most (T046, T048).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use jsonwebtoken::{DecodingKey, jwk::JwkSet};

use super::{AuthError, KeySource};

const FRESH: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(3_600);
const RESTRAINT: Duration = Duration::from_secs(60);
/// Bytes of a JWK Set.
const BOUND: usize = 256 << 10;

/// A document could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// Fetches a small document over HTTPS, without redirects, in bounded time and size.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The body at this URL.
    async fn get(&self, url: &str) -> Result<Bytes, FetchError>;
}

#[derive(Debug, Default, Clone)]
struct Held {
    set: Option<std::sync::Arc<JwkSet>>,
    read: Option<Instant>,
    tried: Option<Instant>,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    source: KeySource,
    held: Mutex<Held>,
}

impl Keys {
    pub(super) fn new(source: KeySource) -> Self {
        Self { source, held: Mutex::default() }
    }

    /// The key with this id; asks the issuer at most once a minute, however many unknown ids come.
    pub(super) async fn find(&self, kid: Option<&str>, fetch: &dyn Fetch) -> Result<DecodingKey, AuthError> {
        let held = self.look();
        let age = held.read.map(|read| read.elapsed());
        let known = held.set.as_ref().and_then(|set| pick(set, kid));
        let want = known.is_none() || age.is_none_or(|age| age > FRESH);
        if want && self.may_try() {
            match self.read(fetch).await {
                Ok(set) => {
                    let found = pick(&set, kid);
                    self.keep(set);
                    return found.ok_or(AuthError::Invalid("no key of the issuer has this id"));
                }
                Err(error) => tracing::warn!(%error, source = ?self.source, "the issuer's keys cannot be read"),
            }
        }
        match (known, age) {
            (Some(key), Some(age)) if age <= STALE => Ok(key),
            (None, Some(age)) if age <= STALE => Err(AuthError::Invalid("no key of the issuer has this id")),
            _ => Err(AuthError::Unavailable("the issuer's keys cannot be read".to_owned())),
        }
    }

    fn look(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn may_try(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let may = held.tried.is_none_or(|tried| tried.elapsed() > RESTRAINT);
        if may {
            held.tried = Some(Instant::now());
        }
        may
    }

    fn keep(&self, set: JwkSet) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.set = Some(std::sync::Arc::new(set));
        held.read = Some(Instant::now());
    }

    async fn read(&self, fetch: &dyn Fetch) -> Result<JwkSet, FetchError> {
        let bytes = match &self.source {
            KeySource::Url(url) => fetch.get(url).await?,
            KeySource::File(path) => {
                tokio::task::block_in_place(|| std::fs::read(path)).map(Bytes::from).map_err(|error| FetchError(error.to_string()))?
            }
        };
        if bytes.len() > BOUND {
            return Err(FetchError(format!("the key set is larger than {BOUND} bytes")));
        }
        serde_json::from_slice(&bytes).map_err(|error| FetchError(format!("not a JWK Set: {error}")))
    }
}

fn pick(set: &JwkSet, kid: Option<&str>) -> Option<DecodingKey> {
    let jwk = match (kid, set.keys.as_slice()) {
        (Some(kid), _) => set.find(kid)?,
        (None, [only]) => only,
        (None, _) => return None,
    };
    DecodingKey::from_jwk(jwk).ok()
}
