//! A store that keeps a journal, a clock that is turned by hand, a key, a registry and a record that has no fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    domain::{
        AgentEntry, AgentId, Candidate, Clock, Credential, CredentialId, CredentialKind, Digest, Document, Duty,
        ExceptionId, Kind, Person, PersonEntry, PersonId, Registry, Standing, Timestamp, ToolRef,
    },
    exception::{
        Change, Desk, DeskError, Exception, ExceptionStore, PilotEvent, PilotStore, RemovalTest, SignError, Signer,
        StoreError, StoredEvent, StoredPilot, TestResult, Verifier, parse_pilot,
    },
};

pub const AGENT: &str = "spiffe://corp/agent/crm-pilot-7";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn id(text: &str) -> ExceptionId {
    text.parse().unwrap()
}

#[derive(Default)]
pub struct Memory {
    pub rows: Mutex<BTreeMap<ExceptionId, Vec<StoredEvent>>>,
    pub pilots: Mutex<Vec<StoredPilot>>,
    pub used: Mutex<BTreeMap<ExceptionId, u64>>,
    pub broken: AtomicBool,
}

impl Memory {
    fn works(&self) -> Result<(), StoreError> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("broken".into())),
            false => Ok(()),
        }
    }

    pub fn names(&self, id: &ExceptionId) -> Vec<&'static str> {
        self.rows.lock().unwrap()[id].iter().map(|stored| stored.event.name()).collect()
    }

    /// What an attacker with sqlite3 would do.
    pub fn tamper(&self, id: &ExceptionId, change: impl Fn(&mut StoredEvent)) {
        self.rows.lock().unwrap().get_mut(id).unwrap().iter_mut().for_each(change);
    }
}

#[async_trait]
impl PilotStore for Memory {
    async fn pilots(&self) -> Result<Vec<StoredPilot>, StoreError> {
        self.works()?;
        Ok(std::iter::once(standing_pilot()).chain(self.pilots.lock().unwrap().clone()).collect())
    }

    async fn append_pilot(
        &self,
        event: StoredPilot,
        changes: Vec<(ExceptionId, u64, Change)>,
    ) -> Result<(), StoreError> {
        self.works()?;
        for (id, expected, _) in &changes {
            let found = self.rows.lock().unwrap().get(id).map_or(0, |history| history.len() as u64);
            if found != *expected {
                return Err(StoreError::Conflict { expected: *expected, found });
            }
        }
        for (id, expected, change) in changes {
            self.append(&id, expected, change).await?;
        }
        self.pilots.lock().unwrap().push(event);
        Ok(())
    }
}

/// `PI-crm`, which the records of these tests name, as if it had been submitted.
fn standing_pilot() -> StoredPilot {
    static STANDING: LazyLock<StoredPilot> = LazyLock::new(submitted_pilot);
    STANDING.clone()
}

fn submitted_pilot() -> StoredPilot {
    let document = Document::of_value(pilot_file("PI-crm"));
    let mut spec = parse_pilot(&document).unwrap();
    spec.requester = Some("carol".into());
    let digest = spec.digest().unwrap();
    StoredPilot {
        pilot: spec.id.clone(),
        version: 1,
        at: at("2026-10-01T00:00:00Z"),
        actor: "carol".into(),
        reason: String::new(),
        event: PilotEvent::Submitted { revision: 1, spec: Box::new(spec), digest, by: "carol".into() },
    }
}

/// A pilot of ninety days without a fault.
pub fn pilot_file(id: &str) -> Value {
    json!({
        "apiVersion": "postern/v1",
        "id": id,
        "title": "Bulk export",
        "owner": {"human": "alice", "team": "crm", "backup": "bob"},
        "cohort": [AGENT, "agent-2"],
        "not_before": "2026-11-01T00:00:00Z",
        "not_after": "2027-01-30T00:00:00Z",
        "exit": {"target_role": "crm_bulk", "criteria": "the role covers it"},
        "rationale": "The pilot shows which part of the export a role must cover."
    })
}

#[async_trait]
impl ExceptionStore for Memory {
    async fn load(&self, after: Option<&ExceptionId>, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.works()?;
        let rows = self.rows.lock().unwrap();
        let next = rows.iter().filter(|(id, _)| after.is_none_or(|after| *id > after)).take(limit);
        Ok(next.flat_map(|(_, history)| history.clone()).collect())
    }

    async fn history(&self, id: &ExceptionId) -> Result<Vec<StoredEvent>, StoreError> {
        self.works()?;
        Ok(self.rows.lock().unwrap().get(id).cloned().unwrap_or_default())
    }

    async fn append(&self, id: &ExceptionId, expected: u64, change: Change) -> Result<u64, StoreError> {
        self.works()?;
        let mut rows = self.rows.lock().unwrap();
        let history = rows.entry(id.clone()).or_default();
        let found = history.len() as u64;
        if found != expected {
            return Err(StoreError::Conflict { expected, found });
        }
        for event in change.events {
            history.push(StoredEvent {
                exception: id.clone(),
                version: history.len() as u64 + 1,
                at: change.at,
                actor: change.actor.clone(),
                reason: change.reason.clone(),
                event,
            });
        }
        Ok(history.len() as u64)
    }

    async fn uses(&self, id: &ExceptionId) -> Result<u64, StoreError> {
        self.works()?;
        Ok(self.used.lock().unwrap().get(id).copied().unwrap_or(0))
    }
}

pub struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct Key;

impl Verifier for Key {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Digest::of_parts(&[b"key", message]).as_bytes() == signature
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(Digest::of_parts(&[b"key", message]).as_bytes().to_vec())
    }
}

pub struct Room {
    pub desk: Desk,
    pub store: Arc<Memory>,
    pub clock: Arc<Hand>,
    pub registry: Arc<ArcSwap<Registry>>,
}

impl Room {
    pub fn new() -> Self {
        Self::over(Arc::default())
    }

    pub fn over(store: Arc<Memory>) -> Self {
        let clock = Arc::new(Hand(Mutex::new(at("2026-11-01T00:00:00Z"))));
        let registry = Arc::new(ArcSwap::from_pointee(registry()));
        let desk = Desk::new(Arc::clone(&store) as _, Arc::clone(&registry), Arc::new(Key), Arc::clone(&clock) as _);
        Self { desk, store, clock, registry }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn turn_to(&self, moment: Timestamp) {
        *self.clock.0.lock().unwrap() = moment;
    }

    pub fn pass(&self, delta: TimeDelta) {
        self.turn_to(self.now() + delta);
    }

    /// What one person lost or won.
    pub fn person(&self, id: &str, change: impl Fn(&mut PersonEntry)) {
        let mut registry = Registry::clone(&self.registry.load());
        change(registry.people.get_mut(&id.into()).unwrap());
        self.registry.store(Arc::new(registry));
    }

    pub async fn submit(&self, record: Value) -> Result<Exception, DeskError> {
        self.desk.submit(&Document::of_value(record), &person("carol")).await
    }

    pub async fn yes(&self, exception: &Exception, by: &str) -> Result<Exception, DeskError> {
        self.desk.approve(&exception.id, &person(by), exception.digest).await
    }

    /// Submitted, and approved by as many as its kind needs.
    pub async fn approved(&self, record: Value) -> Exception {
        let mut exception = self.submit(record).await.unwrap();
        let owner = exception.spec.rule_owner.as_ref().map(|owner| owner.as_str().to_owned());
        let vendor = (exception.spec.kind == Kind::ThirdPartyConnector).then(|| "victor".to_owned());
        for by in owner.iter().chain(&vendor).map(String::as_str).chain(["sam", "dave"]) {
            if exception.state.live().is_none() {
                exception = self.yes(&exception, by).await.unwrap();
            }
        }
        exception
    }

    pub fn candidates(&self) -> Vec<Candidate> {
        self.desk.index().candidates(&AGENT.into(), &tool(), self.now(), false)
    }

    pub fn standing(&self) -> Option<Standing> {
        self.candidates().first().map(|candidate| candidate.standing)
    }

    pub fn usable(&self) -> bool {
        self.standing() == Some(Standing::Usable)
    }
}

pub fn tool() -> ToolRef {
    ToolRef { server: "crm".parse().unwrap(), tool: "export".parse().unwrap() }
}

pub fn person(id: &str) -> Person {
    let expires = at("2030-01-01T00:00:00Z");
    let credential = Credential { id: CredentialId::from_bits(1), kind: CredentialKind::ApiKey, issued: None, expires };
    let every = [Duty::Own, Duty::Request, Duty::Approve, Duty::Security, Duty::Audit];
    // What a credential once said counts for nothing; the registry decides.
    Person { id: id.into(), duties: every.into(), credential, sign_in: None }
}

pub fn registry() -> Registry {
    let people = [
        ("carol", &[Duty::Request][..]),
        ("alice", &[Duty::Own]),
        ("bob", &[Duty::Own]),
        ("dave", &[Duty::Approve]),
        ("erin", &[Duty::Approve]),
        ("sam", &[Duty::Approve, Duty::Security]),
        ("omar", &[Duty::Approve, Duty::Own, Duty::Request]),
        ("ulla", &[Duty::Approve]),
        ("victor", &[Duty::VendorRisk]),
        ("audrey", &[Duty::Audit]),
        ("root", &[Duty::Administer]),
        ("all", &[Duty::Own, Duty::Request, Duty::Approve, Duty::Security, Duty::Administer]),
    ];
    let entry = |duties: &[Duty]| PersonEntry {
        duties: duties.iter().copied().collect(),
        roles: BTreeSet::new(),
        active: true,
    };
    let agent = |_| AgentEntry {
        owner: "alice".into(),
        operator: "omar".into(),
        channel: "board".into(),
        roles: BTreeSet::new(),
    };
    Registry {
        groups: BTreeMap::new(),
        people: people.iter().map(|(id, duties)| (PersonId::from(*id), entry(duties))).collect(),
        agents: [AGENT, "agent-2"].map(|id| (AgentId::from(id), agent(id))).into(),
        soft_rules: [("network".into(), "erin".into())].into(),
    }
}

/// A pilot of thirty days without a fault.
pub fn pilot() -> Value {
    json!({
        "apiVersion": "postern/v1",
        "id": "EX-1",
        "kind": "pilot",
        "category": "mitigated",
        "pilot": "PI-crm",
        "subject": {"agents": [AGENT]},
        "grant": {
            "server": "crm",
            "tools": ["export"],
            "descriptor_digest": Digest::of(b"export").to_string(),
            "args": {"region": {"in": ["eu"]}, "max_rows": {"min": 1, "max": 500}, "include_pii": {"absent_or": false}}
        },
        "deviation": {
            "rule": "rbac.default", "constraint": "the role is not ready", "objective": "least privilege",
            "identified_risk": "bulk export", "residual_risk": "medium"
        },
        "rationale": "The pilot must export accounts before the role for it is agreed.",
        "owner": {"human": "alice", "team": "crm", "backup": "bob"},
        "not_before": "2026-11-01T00:00:00Z",
        "not_after": "2026-12-01T00:00:00Z",
        "budget": {"calls": 2000, "calls_per_min": 30},
        "controls": [{"id": "full_trace", "obligation": "trace.full", "definition": "each call is traced whole"}],
        "attestation": {"every": "P7D", "grace": "PT24H", "by": "owner"},
        "removal": {"shadow_every": "P7D", "canary_percent": 10},
        "exit": {"type": "graduate", "target_role": "crm_bulk", "criteria": "the role covers it"},
        "governance": {"channel": "board"}
    })
}

/// An elevation of eight hours without a fault.
pub fn elevation() -> Value {
    let mut record = pilot();
    for gone in ["pilot", "attestation", "removal", "exit"] {
        record.as_object_mut().unwrap().remove(gone);
    }
    set(&mut record, "kind", json!("temporary_elevation"));
    set(&mut record, "not_after", json!("2026-11-01T08:00:00Z"));
    set(&mut record, "ends_on", json!("deployment.finished"));
    record
}

/// A break-glass exception of four hours without a fault.
pub fn break_glass() -> Value {
    let mut record = elevation();
    record.as_object_mut().unwrap().remove("ends_on");
    set(&mut record, "kind", json!("break_glass"));
    set(&mut record, "not_after", json!("2026-11-01T04:00:00Z"));
    set(&mut record, "incident", json!("INC-7"));
    record
}

/// Puts a top-level member, or one below by `a/b`.
pub fn set(record: &mut Value, path: &str, value: Value) {
    let mut place = record;
    for member in path.split('/') {
        place = match place {
            Value::Array(items) => &mut items[member.parse::<usize>().unwrap()],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => &mut place[member],
        };
    }
    *place = value;
}

/// The record with this member changed.
pub fn with(mut record: Value, path: &str, value: Value) -> Value {
    set(&mut record, path, value);
    record
}

/// An exemption of sixty days from one rule, whose owner is erin, with a milestone after ten.
pub fn exemption() -> Value {
    let mut record = with(pilot(), "kind", json!("rule_exemption"));
    record.as_object_mut().unwrap().remove("pilot");
    record["rule_ids"] = json!(["network"]);
    record["rule_owner"] = json!("erin");
    record["not_after"] = json!("2026-12-31T00:00:00Z");
    record["exit"] = json!({"type": "remediate", "criteria": "mended", "milestones": [
        {"name": "half", "due": "2026-11-10"}, {"name": "whole", "due": "2026-12-31T00:00:00Z"}]});
    record
}

/// A connector of a vendor, which victor must approve, with a check-in after twenty days.
pub fn connector() -> Value {
    let mut record = with(pilot(), "kind", json!("third_party_connector"));
    record.as_object_mut().unwrap().remove("pilot");
    record["not_after"] = json!("2027-02-01T00:00:00Z");
    record["exit"] = json!({"type": "remediate", "criteria": "the vendor federates", "milestones": [
        {"name": "check-in", "due": "2026-11-20"}]});
    record["controls"] = json!([
        {"id": "egress", "obligation": "egress.allow", "params": {"hosts": ["api.vendor.example"]}, "definition": "One host."},
        {"id": "fresh", "obligation": "principal.fresh", "params": {"max_age_s": 86400}, "definition": "A day old at most."}
    ]);
    record
}

/// A removal test that shows the need.
pub fn needed(room: &Room) -> RemovalTest {
    RemovalTest {
        result: TestResult::Needed,
        since: room.now() - TimeDelta::days(7),
        admitted: 9,
        would_break: 9,
        percent: 100,
        policy_set: Digest::of(b"set"),
        report: Digest::of(b"report"),
    }
}

/// A trial of its removal that was held and ended by a person a minute later.
pub async fn tried(room: &Room, exception: &ExceptionId) {
    room.desk.begin_trial(exception, &person("sam"), (10, 30), "who notices?").await.unwrap();
    room.turn_to(room.now() + TimeDelta::minutes(1));
    room.desk.end_trial(exception, &person("sam"), "seen enough").await.unwrap();
}
