//! A store in a folder of its own, and what is put into it.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{
    domain::{
        AgentId, Basis, Budget, Clock, CredentialId, DecisionId, Digest, Effect, ExceptionId, PersonId, Reason,
        Timestamp, Verdict,
    },
    evidence::{Arguments, Called, Caller, How, Intent, Outcome, Record},
    exception::{Approval, Change, Event, ExceptionStore as _, Spec},
    gateway::{Admission as _, AdmissionError, Admit, Charge},
    store::{Recovery, Settings, Store},
};

pub const NOON: i64 = 1_790_000_000_000;

/// A clock that stands still until it is told.
pub struct HandClock(pub AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp_millis(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

pub fn noon() -> Timestamp {
    Timestamp::from_timestamp_millis(NOON).unwrap()
}

pub struct House {
    pub _temp: tempfile::TempDir,
    pub dir: PathBuf,
    pub store: Arc<Store>,
    pub recovery: Recovery,
}

pub fn patient() -> Settings {
    Settings { commit_timeout: Duration::from_secs(20), ..Settings::default() }
}

pub fn open(dir: &Path, settings: Settings) -> Result<(Arc<Store>, Recovery), crate::store::OpenError> {
    Store::open(dir, settings, Arc::new(HandClock(AtomicI64::new(NOON))))
}

impl House {
    pub fn new() -> Self {
        Self::with(patient())
    }

    pub fn with(settings: Settings) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        let (store, recovery) = open(&dir, settings).unwrap();
        Self { _temp: temp, dir, store, recovery }
    }

    /// The folder as a crash would leave it now.
    pub fn after_a_crash(&self) -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        for entry in std::fs::read_dir(&self.dir).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() && !from.ends_with("postern.db-shm") {
                std::fs::copy(&from, dir.join(from.file_name().unwrap())).unwrap();
            }
        }
        (temp, dir)
    }

    pub async fn records(&self) -> Vec<Record> {
        let rows = self.store.rows(1, 10_000).await.unwrap();
        rows.iter().map(|row| serde_json::from_slice(&row.payload).unwrap()).collect()
    }

    pub async fn kinds(&self) -> Vec<&'static str> {
        self.records().await.iter().map(|record| record.summary().kind).collect()
    }
}

/// Another program that writes into the database.
pub fn meddle(dir: &Path, sql: &str) -> usize {
    let conn = rusqlite::Connection::open(dir.join("postern.db")).unwrap();
    conn.busy_timeout(Duration::from_secs(5)).unwrap();
    conn.execute(sql, []).unwrap()
}

pub fn credential() -> CredentialId {
    "crd_1".parse().unwrap()
}

fn verdict(exception: Option<&ExceptionId>) -> Verdict {
    Verdict {
        effect: Effect::Allow,
        basis: if exception.is_some() { Basis::Exception } else { Basis::Rbac },
        reason: Reason::Granted,
        determining: Arc::new([]),
        policy_set: Digest::of(b"set"),
        exception: exception.cloned(),
        revision: exception.map(|_| 1),
        pilot: None,
        controls: Vec::new(),
        passed_over: Vec::new(),
        advisories: Vec::new(),
    }
}

pub fn intent(n: u128, exception: Option<&ExceptionId>) -> Intent {
    Intent {
        decision: DecisionId::from_bits(n),
        at: noon(),
        caller: Caller {
            agent: AgentId::from("agent-1"),
            roles: Arc::new([]),
            on_behalf_of: None,
            on_behalf_of_roles: None,
            credential: credential(),
            protocol: "2026-07-28".to_owned(),
            session: None,
            trace: None,
            parent: None,
            taints: [].into(),
        },
        call: Called {
            server: "fs".parse().unwrap(),
            tool: "read_file".parse().unwrap(),
            exposed: "fs__read_file".parse().unwrap(),
            definition: Digest::of(b"definition"),
            arguments: Arguments::sealed(Digest::of(b"{}").into(), None),
        },
        verdict: verdict(exception),
        continues: None,
    }
}

pub fn admit(n: u128) -> Admit {
    Admit { intent: intent(n, None), credential: credential(), epoch: 0, charge: None, hold: None }
}

pub fn outcome(n: u128) -> Record {
    Record::Outcome(Outcome {
        decision: DecisionId::from_bits(n),
        at: noon(),
        how: How::Answered,
        effect_possible: true,
        result: Some(Digest::of(b"result").into()),
        result_bytes: 6,
        duration_us: 10,
        detail: None,
        sealed: None,
        redacted: [].into(),
        marked: Vec::new(),
    })
}

pub fn exception_id() -> ExceptionId {
    "EX-1".parse().unwrap()
}

pub fn spec(calls: u64) -> Spec {
    serde_json::from_value(serde_json::json!({
        "id": "EX-1", "kind": "pilot", "category": "mitigated",
        "subject": {"agents": ["agent-1"], "users": [], "user_required": false},
        "access": {"server": "fs", "tools": {"read_file": Digest::of(b"definition")}, "arguments": []},
        "deviation": {
            "rule": "r", "constraint": "c", "objective": "o", "identified_risk": "i", "residual_risk": "low"
        },
        "rationale": "because", "owner": {"human": "olga", "team": "crm"}, "requester": "rita",
        "window": {"not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"},
        "budget": {"calls": calls}, "controls": [], "channel": "pilots"
    }))
    .unwrap()
}

/// A submitted, approved and scheduled exception, and what a call under it pays.
pub async fn approved(store: &Store, calls: u64) -> Charge {
    let (exception, spec) = (exception_id(), spec(calls));
    let digest = spec.digest().unwrap();
    let yes = |by: &str, as_security| Event::Approved {
        approval: Approval {
            exception: exception.clone(),
            revision: 1,
            digest,
            by: PersonId::from(by),
            as_security,
            as_approver: true,
            as_vendor_risk: false,
            methods: vec![],
            at: noon(),
            nonce: by.to_owned(),
            signature: String::new(),
        },
    };
    let submitted = Event::Submitted { revision: 1, spec: Box::new(spec), digest, by: PersonId::from("rita") };
    let events = vec![submitted, yes("anna", true), yes("arne", false), Event::Scheduled];
    assert_eq!(store.append(&exception, 0, change(events)).await, Ok(4));
    Charge { exception, revision: 1, digest, budget: Budget { calls }, paid: false }
}

pub fn change(events: Vec<Event>) -> Change {
    Change { events, at: noon(), actor: "rita".to_owned(), reason: String::new() }
}

pub fn admit_under(n: u128, charge: &Charge) -> Admit {
    Admit { intent: intent(n, Some(&charge.exception)), charge: Some(charge.clone()), ..admit(n) }
}

/// Admits until it works again.
pub async fn until_admitted(store: &Store, first: u128) -> u128 {
    for n in first..first + 200 {
        match store.admit(admit(n)).await {
            Ok(_) => return n,
            Err(AdmissionError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store did not recover");
}

/// The newest checkpoint, once it signs everything.
pub async fn signed(store: &Store) -> String {
    for _ in 0..400 {
        let (note, head) = (store.checkpoint(), *store.head().borrow());
        if let Some(note) = note.filter(|note| crate::evidence::Checkpoint::read(note).unwrap().size == head) {
            return note.to_string();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no checkpoint signs everything")
}
