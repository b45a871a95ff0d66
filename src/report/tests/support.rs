//! A store with exceptions and calls in it, and a clock that is turned by hand.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    domain::{
        AgentId, Basis, Budget, Clock, CredentialId, DecisionId, Digest, Effect, ExceptionId, PersonId, Reason,
        Timestamp, Verdict,
    },
    evidence::{Arguments, Called, Caller, Denial, How, Intent, Line, Outcome, Record},
    exception::{Approval, Change, Event, ExceptionStore as _, Spec, fold},
    gateway::{Admission as _, Admit, Charge},
    report::{Register, RegisterRow, Rows, Scope, Sprawl, Tally},
    store::{Inspection, Settings, Store},
};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp_millis(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

pub struct House {
    pub temp: tempfile::TempDir,
    pub dir: PathBuf,
    pub store: Arc<Store>,
    clock: Arc<Hand>,
}

pub struct Journal(pub Inspection);

impl Rows for Journal {
    fn each(&self, take: &mut dyn FnMut(Line) -> io::Result<()>) -> Result<(), String> {
        self.0.export(0, take).map_err(|error| error.to_string())
    }
}

pub fn id(text: &str) -> ExceptionId {
    text.parse().unwrap()
}

pub fn spec(name: &str) -> Value {
    json!({
        "id": name, "kind": "pilot", "category": "mitigated",
        "subject": {"agents": ["agent-1"], "users": [], "user_required": false},
        "access": {"server": "crm", "tools": {"export": Digest::of(b"definition")}, "arguments": []},
        "deviation": {"rule": "r", "constraint": "c", "objective": "o", "identified_risk": "i", "residual_risk": "low"},
        "rationale": "because <b>it</b> is \"needed\"", "ticket": "CHG-1", "requester": "rita",
        "owner": {"human": "olga", "team": "crm"},
        "window": {"not_before": "2026-11-01T00:00:00Z", "not_after": "2026-12-01T00:00:00Z"},
        "budget": {"calls": 100}, "channel": "pilots",
        "controls": [{"id": "intent", "duty": {"obligation": "audit.write_ahead"}, "definition": "d"}],
        "attestation": {"every": "P7D", "grace": "PT24H"},
        "exit": {"type": "graduate", "target_role": "r", "criteria": "c", "milestones": [{"name": "m", "due": "2026-11-20"}]},
    })
}

impl House {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        let clock = Arc::new(Hand(AtomicI64::new(at("2026-11-01T00:00:00Z").timestamp_millis())));
        let settings = Settings { commit_timeout: Duration::from_secs(20), ..Settings::default() };
        let (store, _) = Store::open(&dir, settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self { temp, dir, store, clock }
    }

    pub fn turn_to(&self, text: &str) {
        self.clock.0.store(at(text).timestamp_millis(), Ordering::Relaxed);
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn events(&self, name: &str, events: Vec<Event>) {
        let version = self.store.history(&id(name)).await.unwrap().len() as u64;
        let change = Change { events, at: self.now(), actor: "rita".to_owned(), reason: "so it is".to_owned() };
        self.store.append(&id(name), version, change).await.unwrap();
    }

    /// Submits and approves this record.
    pub async fn approved(&self, record: Value) -> Charge {
        let spec: Spec = serde_json::from_value(record).unwrap();
        let (exception, digest, calls) = (spec.id.clone(), spec.digest().unwrap(), spec.budget.calls);
        let yes = |by: &str, as_security| {
            let (exception, at, by) = (exception.clone(), self.now(), PersonId::from(by));
            let nonce = format!("{exception}{by}");
            let approval = Approval {
                exception,
                revision: 1,
                digest,
                by,
                as_security,
                as_approver: true,
                as_vendor_risk: false,
                methods: vec![],
                at,
                nonce,
                signature: String::new(),
            };
            Event::Approved { approval: approval.signed(self.store.keyring().signing.as_ref()).unwrap() }
        };
        let submitted = Event::Submitted { revision: 1, spec: Box::new(spec), digest, by: PersonId::from("rita") };
        let events = vec![submitted, yes("anna", true), yes("arne", false), Event::Scheduled];
        self.events(exception.as_str(), events).await;
        Charge { exception, revision: 1, digest, budget: Budget { calls }, paid: false }
    }

    fn verdict(charge: Option<&Charge>) -> Verdict {
        Verdict {
            effect: Effect::Allow,
            basis: if charge.is_some() { Basis::Exception } else { Basis::Rbac },
            reason: Reason::Granted,
            determining: Arc::new([]),
            policy_set: Digest::of(b"set"),
            exception: charge.map(|charge| charge.exception.clone()),
            revision: charge.map(|_| 1),
            pilot: None,
            controls: Vec::new(),
            passed_over: Vec::new(),
            advisories: Vec::new(),
        }
    }

    fn caller() -> Caller {
        Caller {
            agent: AgentId::from("agent-1"),
            roles: Arc::new([]),
            on_behalf_of: None,
            on_behalf_of_roles: None,
            credential: Self::credential(),
            protocol: "2026-07-28".to_owned(),
            session: None,
            trace: None,
            parent: None,
            taints: [].into(),
        }
    }

    fn credential() -> CredentialId {
        "crd_1".parse().unwrap()
    }

    /// A call that leaves.
    pub async fn call(&self, n: u128, charge: Option<&Charge>) {
        let decision = DecisionId::from_bits(n);
        let sealed = self.store.keyring().sealer.seal(&decision, b"{\"canary\":1}").unwrap();
        let call = Called {
            server: "crm".parse().unwrap(),
            tool: "export".parse().unwrap(),
            exposed: "crm__export".parse().unwrap(),
            definition: Digest::of(b"definition"),
            arguments: Arguments::sealed(Digest::of(b"{}").into(), sealed),
        };
        let (verdict, at) = (Self::verdict(charge), self.now());
        let intent = Intent { decision, at, caller: Self::caller(), call, verdict, continues: None };
        let admit = Admit { intent, credential: Self::credential(), epoch: 0, charge: charge.cloned(), hold: None };
        self.store.admit(admit).await.unwrap();
    }

    pub async fn answered(&self, n: u128) {
        let outcome = Outcome {
            decision: DecisionId::from_bits(n),
            at: self.now(),
            how: How::Answered,
            effect_possible: true,
            result: None,
            result_bytes: 6,
            duration_us: 10,
            detail: None,
            sealed: None,
            redacted: [].into(),
            marked: Vec::new(),
        };
        crate::evidence::Journal::append(self.store.as_ref(), Record::Outcome(outcome)).await.unwrap();
    }

    pub async fn refused(&self, n: u128, charge: &Charge) {
        let verdict = Verdict {
            effect: Effect::Deny,
            basis: Basis::DefaultDeny,
            reason: Reason::ScopeMismatch,
            ..Self::verdict(Some(charge))
        };
        let (decision, at, asked) = (DecisionId::from_bits(n), self.now(), "crm__export".to_owned());
        let denial = Denial { decision, at, caller: Self::caller(), asked, call: None, verdict, detail: None };
        self.record(Record::Denial(denial)).await;
    }

    pub async fn record(&self, record: Record) {
        crate::evidence::Journal::append(self.store.as_ref(), record).await.unwrap();
    }

    pub async fn counted(&self) -> (Register, Tally) {
        let mut tally = Tally::default();
        // Pages of three: what is added up does not depend on them.
        loop {
            let rows = self.store.rows(tally.next(), 3).await.unwrap();
            rows.iter().for_each(|row| tally.row(row));
            if rows.len() < 3 {
                break;
            }
        }
        let history = self.store.load(None, 1_000).await.unwrap();
        let exceptions = history.chunk_by(|a, b| a.exception == b.exception).filter_map(|one| fold(one).ok());
        let rows = exceptions.map(|exception| RegisterRow::of(&exception, &tally, self.now())).collect();
        (Register::of(rows, &tally, self.now(), true), tally)
    }

    pub async fn sprawl(&self, days: u32) -> Sprawl {
        let (register, tally) = self.counted().await;
        Sprawl::of(&register, &tally, Scope { days, health: None, analysis: None })
    }

    /// Closes the store, so that everything is signed, and opens its journal for reading.
    pub async fn closed(&self) -> Journal {
        self.store.close().await;
        Journal(Inspection::open(&self.dir).unwrap())
    }
}
