//! Operations that keep a journal, and a way to ask the router.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use chrono::DateTime;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower_service::Service as _;

use crate::{
    api::{
        AccessOperations, AccessRequest, Act, ApiError, ApiSettings, Batch, BatchAnswer, Caller, CatalogView,
        ChangeOperations, ChangesView, ControlEvent, ControlView, Decided, DraftRequest, DraftView, Evaluation,
        EventOperations, EventStream, EventWish, EvidencePage, ExceptionView, Explanation, ExportOperations,
        ExportView, Found, FreezeOperations, FreezeView, HappeningOperations, HappeningView, HoldOperations, HoldView,
        KeyView, LinkView, Looked, MadeKey, NewKey, Operations, Page, PilotOperations, PilotView, ReadOperations,
        ReloadView, RotationView, Search, Sought, Study, Task, TaskAnswer, ToolApproval, ToolView, WatchView, router,
    },
    domain::{
        Credential, CredentialId, CredentialKind, DecisionId, Digest, Document, Duty, ExceptionId, Findings,
        FreezeScope, HoldId, Kind, Person, PilotId, Timestamp,
    },
    evidence::{OldKey, SigningKey},
    report::{Register, Scope, Sprawl, Tally},
};

#[derive(Default)]
pub(super) struct Fake {
    journal: Mutex<Vec<String>>,
    /// What was read.
    pub(super) reads: Mutex<Vec<Looked>>,
    /// No read can be put on record.
    pub(super) unwritable: AtomicBool,
}

#[async_trait]
impl ReadOperations for Fake {
    async fn note_read(&self, _: &Arc<Person>, looked: Looked) -> Result<(), ApiError> {
        if self.unwritable.load(Ordering::Relaxed) {
            return Err(ApiError::audit_unavailable());
        }
        self.reads.lock().unwrap().push(looked);
        Ok(())
    }
}

pub(super) fn moment() -> Timestamp {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(super) fn exception() -> ExceptionView {
    ExceptionView {
        id: "EX-1".parse().unwrap(),
        revision: 1,
        digest: Digest::of(b"spec"),
        state: "active".into(),
        reason: None,
        kind: Kind::Pilot,
        pilot: None,
        owner: "olga".into(),
        requester: "rene".into(),
        agents: vec!["agent-1".into()],
        server: "notes".into(),
        tools: vec!["delete_note".into()],
        not_before: moment(),
        not_after: moment(),
        calls: 5,
        used: 1,
        attestation_due: None,
        due: None,
        rules: vec![],
        incident: None,
        milestones: vec![],
        post_review: None,
        approvals: vec![],
        analysis: None,
        removal_test: None,
        trial: None,
        spec: Some(serde_json::json!({})),
    }
}

fn task() -> TaskAnswer {
    let (id, status) = ("arq_1_EX-1".to_owned(), "pending".to_owned());
    let status_endpoint = format!("http://127.0.0.1/access/v1/requests/{id}");
    let task = Task {
        id,
        status,
        status_endpoint,
        expires_at: moment(),
        links: Value::Null,
        exception: "EX-1".into(),
        items: None,
    };
    TaskAnswer { task, result: None }
}

impl Fake {
    fn note(&self, line: impl Into<String>) {
        self.journal.lock().unwrap().push(line.into());
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.journal.lock().unwrap())
    }
}

/// `Bearer name:duty,duty` is that person; anything else is nobody.
fn person(headers: &HeaderMap) -> Option<Person> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let (id, duties) = text.split_once(':')?;
    let duties: BTreeSet<Duty> = duties
        .split(',')
        .filter(|duty| !duty.is_empty())
        .map(|duty| serde_json::from_value(duty.into()).unwrap())
        .collect();
    let credential =
        Credential { id: "crd_1".parse().unwrap(), kind: CredentialKind::ApiKey, issued: None, expires: moment() };
    Some(Person { id: id.into(), duties, credential, sign_in: None })
}

pub(super) fn pilot() -> PilotView {
    PilotView {
        id: "PI-1".parse().unwrap(),
        revision: 1,
        digest: Digest::of(b"pilot"),
        title: "Notes".into(),
        state: "active".into(),
        owner: "olga".into(),
        backup: None,
        requester: "rene".into(),
        cohort: vec!["agent-1".into()],
        not_before: moment(),
        not_after: moment(),
        days_left: Some(0),
        target_role: "notes".into(),
        criteria: "it went well".into(),
        milestones: vec![],
        rationale: "because".into(),
        live: 1,
        calls: 5,
        used: 1,
        attestation_due: None,
        ended_by: None,
        ended_why: None,
        revoked: vec![],
        exceptions: None,
        spec: None,
    }
}

#[async_trait]
impl ChangeOperations for Fake {
    async fn changes(&self, _: &ExceptionId) -> Result<ChangesView, ApiError> {
        Err(ApiError::conflict("it was not approved yet"))
    }
}

#[async_trait]
impl EventOperations for Fake {
    async fn events(&self, _: &Arc<Person>, _: &http::HeaderMap, _: EventWish) -> Result<EventStream, ApiError> {
        let (to, frames) = tokio::sync::mpsc::channel(1);
        to.try_send(bytes::Bytes::from_static(b"id: 7\nevent: beat\ndata: {}\n\n")).unwrap();
        Ok(EventStream(frames))
    }
    async fn attend(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<WatchView, ApiError> {
        self.note(format!("watch {id} {}", by.id));
        Ok(WatchView { exception: id.clone(), attached: true, seconds: 5 })
    }
    async fn leave(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<WatchView, ApiError> {
        self.note(format!("watch no more {id} {}", by.id));
        Ok(WatchView { exception: id.clone(), attached: false, seconds: 0 })
    }
}

#[async_trait]
impl AccessOperations for Fake {
    fn metadata(&self) -> Value {
        Value::Null
    }
    async fn evaluate(&self, by: &Arc<Person>, _question: Evaluation) -> Result<Decided, ApiError> {
        self.note(format!("denial {}", by.id));
        Ok(Decided { decision: false, context: Value::Null })
    }
    async fn evaluate_all(&self, by: &Arc<Person>, batch: Batch) -> Result<BatchAnswer, ApiError> {
        self.note(format!("denial {}", by.id));
        let evaluations = batch.evaluations.iter().map(|_| Decided { decision: false, context: Value::Null });
        Ok(BatchAnswer::Several { evaluations: evaluations.collect() })
    }
    async fn search(&self, _sought: Sought, _search: Search) -> Result<Found, ApiError> {
        Ok(Found { page: Page { next_token: String::new(), count: 0 }, results: vec![] })
    }
    async fn request_access(
        &self,
        by: &Arc<Person>,
        _request: AccessRequest,
        _idempotency: Option<String>,
    ) -> Result<TaskAnswer, ApiError> {
        self.note(format!("lifecycle submit {}", by.id));
        Ok(task())
    }
    async fn access_task(&self, _by: &Arc<Person>, _handle: &str) -> Result<TaskAnswer, ApiError> {
        Ok(task())
    }
    async fn cancel_access(&self, by: &Arc<Person>, _handle: &str, _why: String) -> Result<TaskAnswer, ApiError> {
        self.note(format!("lifecycle withdraw {}", by.id));
        Ok(task())
    }
}

#[async_trait]
impl crate::api::RetentionOperations for Fake {
    async fn prune(&self, by: &str, dry_run: bool) -> Result<crate::api::RetentionView, ApiError> {
        self.note(format!("retention {by} {dry_run}"));
        let (days, removed, through, held) = (1, 0, 0, None);
        Ok(crate::api::RetentionView { days, dry_run, removed, through, held, more: false, scrubbed: true })
    }
}

#[async_trait]
impl ExportOperations for Fake {
    async fn exports(&self) -> Vec<ExportView> {
        Vec::new()
    }
}

#[async_trait]
impl PilotOperations for Fake {
    async fn submit_pilot(&self, by: &Arc<Person>, _: Document) -> Result<PilotView, ApiError> {
        self.note(format!("pilot submit {}", by.id));
        Ok(pilot())
    }
    async fn pilots(&self) -> Result<Vec<PilotView>, ApiError> {
        Ok(vec![pilot()])
    }
    async fn pilot(&self, id: &PilotId) -> Result<Option<PilotView>, ApiError> {
        Ok((id.as_str() == "PI-1").then(pilot))
    }
    async fn end_pilot(&self, by: &Arc<Person>, id: &PilotId, reason: String) -> Result<PilotView, ApiError> {
        self.note(format!("pilot end {id} {} {reason}", by.id));
        Ok(pilot())
    }
}

#[async_trait]
impl crate::api::AlertOperations for Fake {
    async fn webhooks(&self) -> Vec<crate::api::WebhookView> {
        vec![]
    }
    async fn dead_letters(&self) -> Vec<crate::api::DeadView> {
        vec![]
    }
    async fn retry_alerts(&self, _: &Arc<Person>, retry: crate::api::Retry) -> Result<usize, ApiError> {
        self.note(format!("delivery {}", retry.webhook));
        Ok(1)
    }
}

#[async_trait]
impl Operations for Fake {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Person>, ApiError> {
        person(headers).map(Arc::new).ok_or_else(ApiError::unauthenticated)
    }
    async fn ready(&self) -> bool {
        true
    }
    async fn metrics(&self, _open: bool) -> Result<String, ApiError> {
        Ok("postern_up 1\n".into())
    }
    async fn make_key(&self, by: &Arc<Person>, key: NewKey) -> Result<MadeKey, ApiError> {
        self.note(format!("key {} {}", by.id, key.days));
        Ok(MadeKey { id: "crd_2".parse().unwrap(), key: "pst_x".into(), expires: moment() })
    }
    async fn keys(&self) -> Result<Vec<KeyView>, ApiError> {
        Ok(vec![])
    }
    async fn revoke_key(&self, _: &Arc<Person>, id: &CredentialId) -> Result<(), ApiError> {
        self.note(format!("key {id}"));
        Ok(())
    }
    async fn submit(&self, by: &Arc<Person>, record: Document) -> Result<ExceptionView, ApiError> {
        if record.value.get("faulty").is_some() {
            return Err(ApiError::faulty(Findings::one("", record.line("/faulty"), "/faulty", "remove it")));
        }
        self.note(format!("lifecycle submit {}", by.id));
        Ok(exception())
    }
    async fn draft(&self, _by: &Arc<Person>, _request: DraftRequest) -> Result<DraftView, ApiError> {
        Ok(DraftView { record: Value::Null, missing: Vec::new() })
    }
    async fn exceptions(&self) -> Result<Vec<ExceptionView>, ApiError> {
        Ok(vec![exception()])
    }
    async fn exception(&self, id: &ExceptionId) -> Result<Option<ExceptionView>, ApiError> {
        Ok((id.as_str() == "EX-1").then(exception))
    }
    async fn act(&self, by: &Arc<Person>, id: &ExceptionId, act: Act) -> Result<ExceptionView, ApiError> {
        self.note(format!("lifecycle {id} {} {act:?}", by.id));
        Ok(exception())
    }
    async fn catalog(&self) -> Result<CatalogView, ApiError> {
        Ok(CatalogView { epoch: 1, servers: vec![], tools: vec![] })
    }
    async fn approve_tools(&self, _: &Arc<Person>, approval: ToolApproval) -> Result<Vec<ToolView>, ApiError> {
        self.note(format!("catalog {}", approval.server));
        Ok(vec![])
    }
    async fn explain(&self, _: &DecisionId) -> Result<Option<Explanation>, ApiError> {
        Ok(None)
    }
    async fn decisions(&self, _: usize) -> Result<Vec<Explanation>, ApiError> {
        Ok(vec![])
    }
    async fn study(&self, _: &Arc<Person>, study: Study) -> Result<serde_json::Value, ApiError> {
        if matches!(study, Study::RemovalReport(..) | Study::RemovalTrial(..) | Study::RemovalRestore(..)) {
            self.note(format!("lifecycle {study:?}"));
        }
        Ok(serde_json::json!({}))
    }
    async fn register(&self) -> Result<Register, ApiError> {
        Ok(Register::of(Vec::new(), &Tally::default(), moment(), true))
    }

    async fn sprawl(&self, days: u32) -> Result<Sprawl, ApiError> {
        let (tally, scope) = (Tally::default(), Scope { days, health: None, analysis: None });
        Ok(Sprawl::of(&Register::of(Vec::new(), &tally, moment(), true), &tally, scope))
    }

    async fn controls(&self) -> Result<Vec<ControlView>, ApiError> {
        Ok(vec![])
    }
    async fn control_history(&self, _: Option<String>) -> Result<Vec<ControlEvent>, ApiError> {
        Ok(vec![])
    }
    async fn reload(&self, _: &Arc<Person>) -> Result<ReloadView, ApiError> {
        self.note("policy");
        Ok(ReloadView { policy_set: Digest::of(b""), changed: false })
    }
    async fn console_link(&self, by: &Arc<Person>) -> Result<LinkView, ApiError> {
        self.note(format!("key link {}", by.id));
        Ok(LinkView { url: "http://postern.test/login?token=x".into() })
    }
    async fn evidence(&self, _: &Arc<Person>, from: u64, _: u32) -> Result<EvidencePage, ApiError> {
        Ok(EvidencePage { records: vec![], next: Some(from) })
    }
    async fn rotate(&self, _: &Arc<Person>, reason: String) -> Result<RotationView, ApiError> {
        self.note(format!("signing {reason}"));
        let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap().verifying().clone();
        Ok(RotationView { seq: 1, old: key.clone(), old_key: OldKey::Destroyed, new: key, checkpoint: String::new() })
    }
    async fn checkpoint(&self) -> Result<Option<String>, ApiError> {
        Ok(None)
    }
    async fn log_checkpoint(&self) -> Result<Option<String>, ApiError> {
        Ok(None)
    }
    async fn log_tile(&self, _: &crate::evidence::tiles::TileName) -> Result<Option<Vec<u8>>, ApiError> {
        Ok(None)
    }
}

#[async_trait]
impl crate::api::ShredOperations for Fake {
    async fn shred(
        &self,
        _: &Arc<Person>,
        captured: crate::evidence::Captured,
        reason: String,
    ) -> Result<crate::api::ShredView, ApiError> {
        self.note(format!("shred {captured:?} {reason}"));
        Ok(crate::api::ShredView { at: chrono::DateTime::UNIX_EPOCH, keys: vec![] })
    }
}

#[async_trait]
impl FreezeOperations for Fake {
    async fn freeze(&self, _: &Arc<Person>, scope: FreezeScope, reason: String) -> Result<(), ApiError> {
        self.note(format!("freeze {scope} {reason}"));
        Ok(())
    }
    async fn unfreeze(&self, _: &Arc<Person>, scope: FreezeScope, reason: String) -> Result<(), ApiError> {
        self.note(format!("freeze off {scope} {reason}"));
        Ok(())
    }
    async fn freezes(&self) -> Vec<FreezeView> {
        vec![]
    }
}

fn hold(id: &HoldId) -> HoldView {
    HoldView {
        id: id.clone(),
        state: "open".to_owned(),
        answered_by: None,
        exception: "EX-1".parse().unwrap(),
        revision: 1,
        owner: "olivia".into(),
        rationale: String::new(),
        agent: "a".into(),
        on_behalf_of: None,
        tool: "s/t".to_owned(),
        definition: Digest::of(b""),
        arguments: None,
        action: Digest::of(b""),
        asked: moment(),
        expires: moment(),
        page: format!("/holds/{id}"),
        not_you: None,
    }
}

#[async_trait]
impl HoldOperations for Fake {
    async fn holds(&self, _: &Arc<Person>) -> Result<Vec<HoldView>, ApiError> {
        Ok(vec![])
    }
    async fn hold(&self, _: &Arc<Person>, id: &HoldId) -> Result<HoldView, ApiError> {
        Ok(hold(id))
    }
    async fn answer_hold(&self, _: &Arc<Person>, id: &HoldId, yes: bool, why: String) -> Result<HoldView, ApiError> {
        self.note(format!("hold {yes} {why}"));
        Ok(hold(id))
    }
}

pub(super) struct Api {
    pub(super) fake: Arc<Fake>,
    router: Router,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Api {
    pub(super) fn new() -> Self {
        let fake = Arc::new(Fake::default());
        let settings = ApiSettings { hosts: BTreeSet::from(["postern.test".to_owned()]), tls: false };
        let router = router(Arc::clone(&fake) as Arc<dyn Operations>, Router::new(), settings);
        Self { fake, router }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// `who` is `name:duty,duty`, or empty for nobody.
    pub(super) async fn ask(&self, method: &str, path: &str, who: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "postern.test");
        if !who.is_empty() {
            request = request.header("authorization", format!("Bearer {who}"));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

#[async_trait]
impl HappeningOperations for Fake {
    async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        Operations::authenticate(self, headers).await.map(Caller::Person)
    }
    async fn report_event(&self, by: &Caller, event: &str, _why: &str) -> Result<HappeningView, ApiError> {
        let Caller::Person(person) = by else { panic!() };
        self.note(format!("lifecycle {event} {}", person.id));
        Ok(HappeningView { event: event.to_owned(), ended: vec![exception()], ..HappeningView::default() })
    }
}
