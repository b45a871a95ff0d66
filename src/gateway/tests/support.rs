//! A gateway without tool servers, whose store, registry and policies a test changes as it likes.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::{
    catalog::{Catalog, Pins, Shelf},
    domain::{AgentEntry, Clock, CredentialId, Digest, Lease, Method, Reach, Registry, Secret, Subject, Timestamp},
    evidence::{Position, Record, Sealer},
    exception::Index,
    gateway::{
        Admission, AdmissionError, Admit, AdmitInquiry, Changes, Denials, Gateway, InFlight, Parts, Rates, Seals,
        World, forward::Upstreams,
    },
    identity::{
        Authenticator, Fetch, FetchError, Identity, KeyPrincipal, KeyRow, KeyStore, KeyStoreError, Ports, Settings,
        Shown, issue,
    },
    mcp::{
        Era, Filter, Mirrored,
        server::{CallMeta, Handler as _, ListenRequest, Listening, Origin, Proof, Request, RpcError, Scope},
    },
    monitoring::Controls,
    policy::{SourceFile, Sources, compile},
    telemetry::{self, Telemetry},
};

const NOW: &str = "2026-11-10T12:00:00Z";
const USER: &str = r#"@id("docs") permit (principal in Role::"user", action == Action::"read", resource in Server::"s")
when { context.input.path like "/docs/*" };"#;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

/// One key, which may be revoked, in a store that may be broken.
struct Keys {
    row: Mutex<KeyRow>,
    broken: AtomicBool,
}

#[async_trait]
impl KeyStore for Keys {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, KeyStoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(KeyStoreError("broken".to_owned()));
        }
        Ok(Some(self.row.lock().unwrap().clone()).filter(|row| row.mac == *mac))
    }

    async fn insert(&self, _row: KeyRow) -> Result<(), KeyStoreError> {
        Ok(())
    }

    async fn revoke(&self, _id: &CredentialId, at: Timestamp) -> Result<bool, KeyStoreError> {
        self.row.lock().unwrap().revoked = Some(at);
        Ok(true)
    }

    async fn list(&self) -> Result<Vec<KeyRow>, KeyStoreError> {
        Ok(Vec::new())
    }
}

struct NoWeb;

#[async_trait]
impl Fetch for NoWeb {
    async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        Err(FetchError { url: url.to_owned(), detail: "down".to_owned() })
    }
}

/// What is recorded, as soon as it may be.
struct Book {
    records: Mutex<Vec<Record>>,
    frozen: AtomicBool,
    full: AtomicBool,
    open: Semaphore,
    next: AtomicU64,
}

#[async_trait]
impl Admission for Book {
    async fn admit(&self, admit: Admit) -> Result<Position, AdmissionError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(AdmissionError::Unavailable("the disk is full".to_owned()));
        }
        self.record(Record::Intent(admit.intent)).await
    }

    async fn admit_inquiry(&self, admit: AdmitInquiry) -> Result<Position, AdmissionError> {
        self.record(Record::Inquiry(admit.inquiry)).await
    }

    fn is_frozen(&self, _: &Reach<'_>) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    fn holds(&self) -> tokio::sync::watch::Receiver<Arc<Vec<crate::evidence::Hold>>> {
        tokio::sync::watch::channel(Arc::default()).1
    }

    async fn record(&self, record: Record) -> Result<Position, AdmissionError> {
        let _open = self.open.acquire().await;
        self.records.lock().unwrap().push(record);
        Ok(Position { seq: self.next.fetch_add(1, Ordering::SeqCst) })
    }
}

/// A gateway in front of a server `s` with a tool `job`, an agent `worker` with a key, and what stands behind it.
pub(super) struct House {
    pub(super) gateway: Arc<Gateway>,
    pub(super) headers: HeaderMap,
    registry: Arc<ArcSwap<Registry>>,
    keys: Arc<Keys>,
    book: Arc<Book>,
}

fn registry(roles: &[&str]) -> Registry {
    let worker = AgentEntry {
        owner: "olivia".into(),
        operator: "omar".into(),
        channel: "board".to_owned(),
        roles: roles.iter().map(|role| (*role).into()).collect(),
    };
    Registry { agents: [("worker".into(), worker)].into(), ..Registry::default() }
}

fn world(role: &str) -> World {
    let job = RawValue::from_string(r#"{"name":"job","inputSchema":{"type":"object"}}"#.to_owned()).unwrap();
    let tools = BTreeMap::from([("s".parse().unwrap(), vec![job])]);
    let catalog = Catalog::build(1, &tools, &Pins::default());
    let pins: Vec<_> = catalog.entries().map(|entry| entry.approval("olivia", Noon.now())).collect();
    let catalog = Catalog::build(1, &tools, &Pins::from(pins));
    let file = SourceFile { path: "roles/user.cedar".to_owned(), text: role.to_owned() };
    let tools: Vec<_> = catalog.tools().cloned().collect();
    World {
        epoch: 1,
        policies: Arc::new(compile(&Sources { files: vec![file] }, &tools).unwrap()),
        catalog: Arc::new(catalog),
        bundle: Digest::of(b""),
        shelf: Arc::<Shelf>::default(),
        features: Arc::default(),
    }
}

impl House {
    /// With one request a second.
    pub(super) fn open() -> Self {
        Self::under(USER)
    }

    /// The same under these policies.
    pub(super) fn under(policies: &str) -> Self {
        let pepper = Secret::new(vec![7; 32]);
        let clock: Arc<dyn Clock> = Arc::new(Noon);
        let (key, row) = issue(&pepper, KeyPrincipal::Agent("worker".into()), 30, "", clock.now()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {}", key.expose()).parse().unwrap());
        let registry = Arc::new(ArcSwap::from_pointee(registry(&["user"])));
        let keys = Arc::new(Keys { row: Mutex::new(row), broken: AtomicBool::new(false) });
        let book = Arc::new(Book {
            records: Mutex::default(),
            frozen: AtomicBool::new(false),
            full: AtomicBool::new(false),
            open: Semaphore::new(1),
            next: AtomicU64::new(1),
        });
        let ports = Ports {
            keys: Arc::clone(&keys) as Arc<dyn KeyStore>,
            registry: Arc::clone(&registry),
            clock: Arc::clone(&clock),
            fetch: Arc::new(NoWeb),
        };
        let telemetry = telemetry::Settings { endpoint: None, ratio: 0.0, lease: Duration::from_secs(2) };
        let lease = Arc::new(Lease::new(Duration::from_secs(2), 1));
        let one = NonZeroU32::MIN;
        let gateway = Gateway::new(Parts {
            authenticator: Arc::new(Authenticator::new(Settings::default(), &pepper, ports).unwrap()),
            rates: Rates::new(one, one),
            world: Arc::new(ArcSwap::from_pointee(world(policies))),
            exceptions: Arc::new(Index::new(Arc::clone(&registry))),
            controls: Arc::new(Controls::new(Arc::clone(&lease), lease)),
            admission: Arc::clone(&book) as Arc<dyn Admission>,
            sealer: Arc::new(Sealer::new(&pepper).unwrap()),
            keep: crate::evidence::Keep::default(),
            upstreams: Arc::new(Upstreams::start(Vec::new()).unwrap()),
            telemetry: Arc::new(Telemetry::start(&telemetry).unwrap()),
            in_flight: Arc::new(InFlight::default()),
            clock,
            exhausted: mpsc::channel(1).0,
            changes: watch::channel(Changes::default()).0,
            seals: Seals::new(&pepper).unwrap(),
            servers: vec!["s".parse().unwrap()],
            call_timeout: Duration::from_secs(1),
            denials: Denials::ToolResult,
            admin_url: String::new(),
            resource_metadata: String::new(),
        });
        Self { gateway: Arc::new(gateway.unwrap()), headers, registry, keys, book }
    }

    pub(super) async fn subject(&self) -> Arc<Subject> {
        match self.gateway.parts.authenticator.authenticate(&self.headers, Shown::Somewhere).await.unwrap() {
            Identity::Agent(subject) => subject,
            Identity::Person(person) => panic!("{person:?}"),
        }
    }

    pub(super) fn origin() -> Origin {
        Origin {
            version: "2026-07-28",
            id_text: "1".to_owned(),
            session: None,
            peer: "127.0.0.1:1".parse().unwrap(),
            received: Instant::now(),
        }
    }

    /// A request of a modern client that can do nothing.
    pub(super) fn request(method: Method, target: &str) -> Request {
        Request {
            scope: Scope::All,
            method,
            target: target.to_owned(),
            arguments: None,
            members: Vec::new(),
            meta: CallMeta::default(),
            capabilities: Arc::default(),
            input: None,
            era: Era::Modern,
            origin: Self::origin(),
            mirrored: Mirrored::default(),
        }
    }

    /// Asks to be told of changes of the tools.
    pub(super) async fn listen(&self) -> Result<Listening, RpcError> {
        let request = ListenRequest {
            scope: Scope::All,
            filter: Filter { tools: true, ..Filter::default() },
            capabilities: Arc::default(),
            proof: Proof::of(&self.headers),
            origin: Self::origin(),
        };
        self.gateway.listen(&self.subject().await, request).await
    }

    /// The policies or the registry changed.
    pub(super) fn change(&self) {
        self.gateway.parts.changes.send_modify(Changes::all);
    }

    /// The agent has these roles from now on.
    pub(super) fn roles(&self, roles: &[&str]) {
        self.registry.store(Arc::new(registry(roles)));
        self.change();
    }

    /// The agent is no longer registered.
    pub(super) fn dismiss(&self) {
        self.registry.store(Arc::default());
        self.change();
    }

    /// Keys can be looked up, or not.
    pub(super) fn broken(&self, broken: bool) {
        self.keys.broken.store(broken, Ordering::SeqCst);
        self.gateway.parts.authenticator.invalidate();
    }

    pub(super) async fn revoke(&self) {
        let id = self.keys.row.lock().unwrap().id.clone();
        self.keys.revoke(&id, Noon.now()).await.unwrap();
        self.gateway.parts.authenticator.invalidate();
        self.gateway.parts.changes.send_modify(Changes::of_callers);
    }

    pub(super) fn freeze(&self, frozen: bool) {
        self.book.frozen.store(frozen, Ordering::SeqCst);
        self.gateway.parts.changes.send_modify(Changes::of_callers);
    }

    /// Calls find no room from now on.
    pub(super) fn fill(&self) {
        self.book.full.store(true, Ordering::SeqCst);
    }

    /// Whether records become durable, or wait.
    pub(super) fn durable(&self, durable: bool) {
        if durable {
            self.book.open.add_permits(1);
        } else {
            assert_eq!(self.book.open.forget_permits(1), 1);
        }
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.book.records.lock().unwrap().clone()
    }

    pub(super) fn recorded(&self) -> usize {
        self.book.records.lock().unwrap().len()
    }
}
