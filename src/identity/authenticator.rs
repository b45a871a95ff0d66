//! From headers to an identity.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::{HeaderMap, header::AUTHORIZATION};

use super::{
    ApiKey, AuthError, Issuer, KeyPrincipal, KeyStore, Pepper,
    cache::Cache,
    jwks::{Fetch, Keys},
    token::{self, Trusted},
};
use crate::domain::{
    AgentId, Clock, Credential, CredentialId, CredentialKind, Delegator, Digest, Person, PersonId, Registry, RoleName, Subject, limits,
};

/// A verified token is verified again after this, so that a key that its issuer withdrew stops working.
const TOKEN_CACHE: Duration = Duration::from_secs(60);

/// Who was proven.
#[derive(Debug, Clone)]
pub enum Identity {
    /// An agent, perhaps acting for a person.
    Agent(Arc<Subject>),
    /// A person who governs.
    Person(Arc<Person>),
}

/// Proves credentials. Each is verified once and then remembered by its MAC.
pub struct Authenticator {
    keys: Arc<dyn KeyStore>,
    trusted: Vec<Trusted>,
    fetch: Arc<dyn Fetch>,
    registry: Arc<ArcSwap<Registry>>,
    clock: Arc<dyn Clock>,
    pepper: Pepper,
    cache: Cache,
    generation: AtomicU64,
}

impl Authenticator {
    /// An authenticator over these keys and issuers.
    #[must_use]
    pub fn new(
        (keys, pepper): (Arc<dyn KeyStore>, Pepper),
        (issuers, fetch): (Vec<Issuer>, Arc<dyn Fetch>),
        registry: Arc<ArcSwap<Registry>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let trusted = issuers.into_iter().map(|issuer| Trusted { keys: Keys::new(issuer.keys.clone()), issuer }).collect();
        Self { keys, trusted, fetch, registry, clock, pepper, cache: Cache::default(), generation: AtomicU64::new(0) }
    }

    /// Forgets what was verified: a key was revoked, or the registry changed.
    pub fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The configured issuers, for the resource metadata (RFC 9728).
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.trusted.iter().map(|trusted| trusted.issuer.issuer.as_str())
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// Why the credential proves nothing; whatever cannot be checked proves nothing.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Identity, AuthError> {
        let text = bearer(headers)?;
        let mac = self.pepper.mac(text);
        let generation = self.generation.load(Ordering::Acquire);
        let now = self.clock.now();
        if let Some(identity) = self.cache.get(&mac, now, generation) {
            return Ok(identity);
        }
        let (identity, believe) =
            if ApiKey::looks_like(text) { (self.by_key(&mac).await?, limits::CREDENTIAL_CACHE) } else { (self.by_token(text).await?, TOKEN_CACHE) };
        let expires = identity.credential().expires;
        self.cache.put(mac, identity.clone(), (Instant::now() + believe, expires), generation);
        Ok(identity)
    }

    async fn by_key(&self, mac: &[u8; 32]) -> Result<Identity, AuthError> {
        let found = self.keys.find(mac).await.map_err(|error| AuthError::Unavailable(error.0))?;
        let row = found.ok_or(AuthError::Invalid("no such key"))?;
        if row.revoked.is_some() {
            return Err(AuthError::Revoked);
        }
        if row.expires <= self.clock.now() {
            return Err(AuthError::Expired);
        }
        let credential = Credential { id: row.id, kind: CredentialKind::ApiKey, expires: row.expires };
        let registry = self.registry.load();
        Ok(match row.principal {
            KeyPrincipal::Agent(agent) => {
                let roles = agent_roles(&registry, &agent, &[]);
                Identity::Agent(Arc::new(Subject { agent, roles, on_behalf_of: None, credential }))
            }
            KeyPrincipal::Person(id) => {
                let duties = registry.people.get(&id).filter(|entry| entry.active).map(|entry| entry.duties.clone()).unwrap_or_default();
                Identity::Person(Arc::new(Person { id, duties, credential }))
            }
        })
    }

    async fn by_token(&self, text: &str) -> Result<Identity, AuthError> {
        if self.trusted.is_empty() {
            return Err(AuthError::Invalid("no issuer is configured"));
        }
        let claims = token::verify(text, &self.trusted, self.fetch.as_ref()).await?;
        let digest = Digest::of(text.as_bytes()).to_string();
        let id: CredentialId = digest.replacen("sha256:", CredentialId::PREFIX, 1).parse().map_err(|_| AuthError::Invalid("digest"))?;
        let credential = Credential { id, kind: CredentialKind::Jwt, expires: claims.expires };
        let registry = self.registry.load();
        let agent = AgentId::from(claims.agent.as_str());
        let (asserted, of_person): (&[String], &[String]) =
            if claims.person.is_some() { (&[], &claims.roles) } else { (&claims.roles, &[]) };
        let roles = agent_roles(&registry, &agent, asserted);
        let on_behalf_of = claims.person.map(|person| delegator(&registry, &person, of_person));
        Ok(Identity::Agent(Arc::new(Subject { agent, roles, on_behalf_of, credential })))
    }
}

impl Identity {
    /// The credential that was shown.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        match self {
            Self::Agent(subject) => &subject.credential,
            Self::Person(person) => &person.credential,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let first = all.next().ok_or(AuthError::Missing)?;
    if all.next().is_some() {
        return Err(AuthError::Malformed);
    }
    let text = first.to_str().map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(AuthError::Malformed)?;
    let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case("bearer") && plain { Ok(token) } else { Err(AuthError::Malformed) }
}

fn agent_roles(registry: &Registry, agent: &AgentId, asserted: &[String]) -> Arc<[RoleName]> {
    let known = registry.agents.get(agent).into_iter().flat_map(|entry| entry.roles.iter().cloned());
    let mut roles: Vec<RoleName> = known.chain(asserted.iter().map(|role| RoleName::from(role.as_str()))).collect();
    roles.sort();
    roles.dedup();
    roles.into()
}

fn delegator(registry: &Registry, person: &str, asserted: &[String]) -> Delegator {
    let person = PersonId::from(person);
    let known = registry.people.get(&person).filter(|entry| entry.active).into_iter().flat_map(|entry| entry.roles.iter().cloned());
    let mut roles: Vec<RoleName> = known.chain(asserted.iter().map(|role| RoleName::from(role.as_str()))).collect();
    roles.sort();
    roles.dedup();
    Delegator { person, roles: roles.into() }
}
