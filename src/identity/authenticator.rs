//! From the headers of a request to who is calling.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use http::HeaderMap;

use super::{
    AuthError, Fetch, Identity, KeyPrincipal, KeyRow, KeyStore, Settings, SettingsError, bearer, claims,
    issuer::Issuer,
    key::{self, Pepper},
    memory::{Memory, Proof, Verified},
    resolve::{self, Holder},
};
use crate::domain::{
    Clock, Credential, CredentialId, CredentialKind, Digest, Network, PersonId, Registry, Secret, Timestamp,
};

/// Bytes of a pepper, at least.
const PEPPER: usize = 32;

/// From where a credential is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// From this address.
    From(IpAddr),
    /// It was shown before, from an address that was checked then, and what stands on it is looked at again.
    Before,
    /// Nobody says; a key that is bound to addresses then proves nothing.
    Somewhere,
}

impl Shown {
    fn fits(self, networks: &[Network]) -> bool {
        match self {
            Self::From(address) => networks.is_empty() || networks.iter().any(|network| network.contains(address)),
            Self::Before => true,
            Self::Somewhere => networks.is_empty(),
        }
    }
}

/// What identity needs from other rooms.
pub struct Ports {
    /// Where keys are kept.
    pub keys: Arc<dyn KeyStore>,
    /// Agents and people, as the policies in force know them.
    pub registry: Arc<ArcSwap<Registry>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For the keys of issuers.
    pub fetch: Arc<dyn Fetch>,
}

/// Says who is calling. There is no way through it without a credential.
pub struct Authenticator {
    ports: Ports,
    pepper: Pepper,
    issuers: BTreeMap<String, Arc<Issuer>>,
    administrator: Option<PersonId>,
    memory: Memory,
}

impl Authenticator {
    /// An authenticator for these issuers, and for keys under this pepper.
    ///
    /// # Errors
    /// The settings would not be safe.
    pub fn new(settings: Settings, pepper: &Secret<Vec<u8>>, ports: Ports) -> Result<Self, SettingsError> {
        settings.check()?;
        if pepper.expose().len() < PEPPER {
            return Err(SettingsError::Pepper);
        }
        let issuer =
            |issuer: super::IssuerSettings| (issuer.issuer.clone(), Issuer::new(issuer, Arc::clone(&ports.fetch)));
        Ok(Self {
            pepper: Pepper::new(pepper),
            issuers: settings.issuers.into_iter().map(issuer).collect(),
            administrator: settings.administrator,
            memory: Memory::new(),
            ports,
        })
    }

    /// Who sends these headers. Only `Authorization` is looked at. A key that is bound to addresses and is shown from
    /// another one proves nothing (T091).
    ///
    /// # Errors
    /// There is no credential, it proves nothing, or it cannot be checked.
    pub async fn authenticate(&self, headers: &HeaderMap, shown: Shown) -> Result<Identity, AuthError> {
        let text = bearer::bearer(headers)?;
        let now = self.ports.clock.now();
        if key::is_meant_as_key(text) {
            if !key::is_key(text) {
                return Err(AuthError::Invalid);
            }
            let mac = self.pepper.mac(text);
            let digest = Digest::from_bytes(mac);
            match self.memory.recall(digest, now) {
                Some(known) => self.identity_from(shown, digest, &known, now),
                None => self.ask_store(&mac, shown, now).await,
            }
        } else {
            let digest = Digest::of(text.as_bytes());
            match self.memory.recall(digest, now) {
                Some(known) => self.identity(digest, &known, now),
                None => self.verify_token(text, digest, now).await,
            }
        }
    }

    /// Asks the store again for every key at its next use; to be called when one was revoked.
    pub fn invalidate(&self) {
        self.memory.invalidate();
    }

    async fn ask_store(&self, mac: &[u8; 32], shown: Shown, now: Timestamp) -> Result<Identity, AuthError> {
        let generation = self.memory.generation();
        let since = Instant::now();
        let digest = Digest::from_bytes(*mac);
        let found = self.ports.keys.find(mac).await.map_err(|error| {
            tracing::error!(%error, "a key cannot be checked");
            AuthError::Unavailable
        })?;
        let Some(row) = found.filter(|row| key::is_row_of(row, mac) && row.revoked.is_none()) else {
            self.memory.forget(digest);
            return Err(AuthError::Invalid);
        };
        if row.end() <= now {
            self.memory.forget(digest);
            return Err(AuthError::Expired);
        }
        let networks = row.networks.clone().into();
        let (holder, credential) = holder_of(row);
        let proof = Proof::Key { at: now, since, generation };
        self.identity_from(shown, digest, &Verified { holder, credential, proof, networks, resolved: None }, now)
    }

    /// The identity, if the key may be shown from there.
    fn identity_from(
        &self,
        shown: Shown,
        digest: Digest,
        known: &Verified,
        now: Timestamp,
    ) -> Result<Identity, AuthError> {
        if !shown.fits(&known.networks) {
            tracing::warn!(credential = %known.credential.id, ?shown, "a key was shown from where it may not be used");
            return Err(AuthError::Invalid);
        }
        self.identity(digest, known, now)
    }

    async fn verify_token(&self, token: &str, digest: Digest, now: Timestamp) -> Result<Identity, AuthError> {
        let claimed = claims::claimed(token)?;
        // The issuer's own keys and no others, by its exact name (T049).
        let issuer = self.issuers.get(&claimed.issuer).ok_or(AuthError::Invalid)?;
        if !issuer.settings.algorithms.contains(&claimed.algorithm) {
            return Err(AuthError::Invalid);
        }
        let (key, keys) = issuer.key(claimed.key.as_deref(), claimed.algorithm, now).await?;
        let (holder, issued, expires) = claims::verify(token, &key, claimed.algorithm, &issuer.settings, now)?;
        let [bits @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *digest.as_bytes();
        let id = CredentialId::from_bits(u128::from_be_bytes(bits));
        let credential = Credential { id, kind: CredentialKind::Jwt, issued, expires };
        let proof = Proof::Token { issuer: Arc::clone(issuer), keys };
        self.identity(digest, &Verified { holder, credential, proof, networks: Arc::from([]), resolved: None }, now)
    }

    /// The identity under the registry in force, remembered for the next call.
    fn identity(&self, digest: Digest, known: &Verified, now: Timestamp) -> Result<Identity, AuthError> {
        let registry = self.ports.registry.load();
        if let Some((under, identity)) = &known.resolved
            && Arc::ptr_eq(under, &registry)
        {
            return Ok(identity.clone());
        }
        let administrator = self.administrator.as_ref();
        let identity = resolve::resolve(&known.holder, &known.credential, &registry, administrator)?;
        let resolved = Some((Arc::clone(&registry), identity.clone()));
        self.memory.remember(digest, Arc::new(Verified { resolved, ..known.clone() }), now);
        Ok(identity)
    }
}

fn holder_of(row: KeyRow) -> (Holder, Credential) {
    let credential =
        Credential { issued: Some(row.created), expires: row.end(), id: row.id, kind: CredentialKind::ApiKey };
    let holder = match row.principal {
        KeyPrincipal::Agent(agent) => {
            Holder::Agent { agent, roles: Vec::new(), person: None, groups: None, sign_in: None }
        }
        KeyPrincipal::Person(person) => Holder::Person(person),
    };
    (holder, credential)
}
