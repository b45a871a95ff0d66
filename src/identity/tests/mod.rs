//! The promises of identity.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chrono::{DateTime, Duration};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    AuthError, Authenticator, Fetch, FetchError, Identity, IssuerSettings, KeyPrincipal, KeyRow, KeySource, KeyStore,
    KeyStoreError, Ports, Settings, Shown, SigningAlgorithm, issue,
};
use crate::domain::{AgentEntry, Clock, CredentialId, Duty, PersonEntry, Registry, Secret, Timestamp};

mod bearers;
mod claims;
mod groups;
mod issuers;
mod keys;

const IDP: &str = "https://idp.test";
const OTHER: &str = "https://other.test";
const AUDIENCE: &str = "http://127.0.0.1:8080/mcp";

/// A signing key of a test issuer.
enum Signer {
    Es256(String, EcdsaKeyPair),
    Rs256(String, RsaKeyPair),
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn es256(kid: &str) -> Self {
        Self::Es256(kid.to_owned(), EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rs256(kid: &str) -> Self {
        Self::Rs256(kid.to_owned(), RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Es256(kid, pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Self::Rs256(kid, pair) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
                json!({"kty": "RSA", "kid": kid, "alg": "RS256", "n": b64(public.n), "e": b64(public.e)})
            }
        }
    }

    fn header(&self) -> Value {
        match self {
            Self::Es256(kid, _) => json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}),
            Self::Rs256(kid, _) => json!({"alg": "RS256", "kid": kid}),
        }
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), &claims.to_string())
    }

    fn sign(&self, header: &Value, claims: &str) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Es256(_, pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Rs256(_, pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut out).unwrap();
                out
            }
        };
        format!("{message}.{}", b64(signature))
    }
}

struct ManualClock(Mutex<Timestamp>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A store of keys that counts how often it is asked, and can be broken.
#[derive(Default)]
struct Keys {
    rows: Mutex<Vec<KeyRow>>,
    asked: AtomicUsize,
    broken: Mutex<bool>,
}

#[async_trait]
impl KeyStore for Keys {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, KeyStoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if *self.broken.lock().unwrap() {
            return Err(KeyStoreError("broken".to_owned()));
        }
        Ok(self.rows.lock().unwrap().iter().find(|row| row.mac == *mac).cloned())
    }

    async fn insert(&self, row: KeyRow) -> Result<(), KeyStoreError> {
        self.rows.lock().unwrap().push(row);
        Ok(())
    }

    async fn revoke(&self, id: &CredentialId, at: Timestamp) -> Result<bool, KeyStoreError> {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.iter_mut().find(|row| row.id == *id);
        Ok(row.map(|row| row.revoked = Some(at)).is_some())
    }

    async fn list(&self) -> Result<Vec<KeyRow>, KeyStoreError> {
        Ok(self.rows.lock().unwrap().clone())
    }
}

/// The web: documents by URL, and a journal of what was asked for.
#[derive(Default)]
struct Web {
    documents: Mutex<BTreeMap<String, Bytes>>,
    journal: Mutex<Vec<String>>,
}

#[async_trait]
impl Fetch for Web {
    async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        self.journal.lock().unwrap().push(url.to_owned());
        let found = self.documents.lock().unwrap().get(url).cloned();
        found.ok_or(FetchError { url: url.to_owned(), detail: "down".to_owned() })
    }
}

struct House {
    authenticator: Authenticator,
    clock: Arc<ManualClock>,
    keys: Arc<Keys>,
    web: Arc<Web>,
    registry: Arc<ArcSwap<Registry>>,
    signer: Signer,
}

fn pepper() -> Secret<Vec<u8>> {
    Secret::new(vec![7; 32])
}

fn registry() -> Registry {
    let agent = |roles: [&str; 1]| AgentEntry {
        owner: "owner@corp".into(),
        operator: "operator@corp".into(),
        channel: "CH-1".to_owned(),
        roles: roles.map(Into::into).into(),
    };
    let person = |active| PersonEntry { duties: BTreeSet::from([Duty::Audit]), roles: ["staff".into()].into(), active };
    Registry {
        agents: [("agent-1".into(), agent(["reader"])), ("agent-2".into(), agent(["writer"]))].into(),
        people: [("alice@corp".into(), person(true)), ("gone@corp".into(), person(false))].into(),
        ..Registry::default()
    }
}

fn issuer(name: &str) -> IssuerSettings {
    IssuerSettings {
        issuer: name.to_owned(),
        audience: AUDIENCE.to_owned(),
        keys: KeySource::Url(format!("{name}/jwks")),
        algorithms: vec![SigningAlgorithm::ES256],
        people: false,
    }
}

impl House {
    fn new() -> Self {
        Self::with(vec![issuer(IDP), issuer(OTHER)], Signer::es256("k1"))
    }

    fn with(issuers: Vec<IssuerSettings>, signer: Signer) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (clock, keys, web) =
            (Arc::new(ManualClock(Mutex::new(now))), Arc::new(Keys::default()), Arc::new(Web::default()));
        let registry = Arc::new(ArcSwap::from_pointee(registry()));
        let ports = Ports { keys: keys.clone(), registry: registry.clone(), clock: clock.clone(), fetch: web.clone() };
        let settings = Settings { issuers, administrator: Some("administrator".into()) };
        let authenticator = Authenticator::new(settings, &pepper(), ports).unwrap();
        let house = Self { authenticator, clock, keys, web, registry, signer };
        house.publish(IDP, &[&house.signer]);
        house
    }

    fn publish(&self, issuer: &str, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        self.serve(issuer, json!({"keys": keys}).to_string());
    }

    fn serve(&self, issuer: &str, document: impl Into<Bytes>) {
        self.web.documents.lock().unwrap().insert(format!("{issuer}/jwks"), document.into());
    }

    fn fetches(&self) -> usize {
        self.web.journal.lock().unwrap().len()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    /// Good claims, with these changes; `null` takes a claim away.
    fn claims(&self, changes: &Value) -> Value {
        let now = self.now().timestamp();
        let mut claims = json!({"iss": IDP, "aud": AUDIENCE, "sub": "agent-1", "iat": now, "exp": now + 3600});
        for (key, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(key);
            } else {
                claims[key] = value.clone();
            }
        }
        claims
    }

    fn token(&self, changes: &Value) -> String {
        self.signer.token(&self.claims(changes))
    }

    async fn show(&self, credential: &str) -> Result<Identity, AuthError> {
        self.show_from(credential, Shown::Somewhere).await
    }

    async fn show_from(&self, credential: &str, shown: Shown) -> Result<Identity, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {credential}")).unwrap());
        self.authenticator.authenticate(&headers, shown).await
    }

    async fn key(&self, principal: KeyPrincipal, days: u32) -> (String, CredentialId) {
        let (key, row) = issue(&pepper(), principal, days, "", self.now()).unwrap();
        let id = row.id.clone();
        self.keys.insert(row).await.unwrap();
        (key.expose().clone(), id)
    }

    /// Lets work in the background finish.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

/// `agent [roles]`, or `agent [roles] for person [roles]`, or `person {duties}`.
fn say(identity: Result<Identity, AuthError>) -> String {
    match identity {
        Ok(Identity::Agent(subject)) => match &subject.on_behalf_of {
            None => format!("{} {:?}", subject.agent, subject.roles),
            Some(by) => format!("{} {:?} for {} {:?}", subject.agent, subject.roles, by.person, by.roles),
        },
        Ok(Identity::Person(person)) => format!("{} {:?}", person.id, person.duties),
        Err(error) => format!("{error:?}"),
    }
}
