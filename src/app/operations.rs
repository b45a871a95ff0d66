//! What the administration API asks, done with the real rooms.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use serde_json::Value;

use super::{house::House, keeper::KeepError, view};
use crate::{
    api::{
        Act, ApiError, Caller, CatalogView, ControlEvent, ControlView, DraftRequest, DraftView, EvidencePage,
        ExceptionView, Explanation, HappeningOperations as _, KeyFor, KeyView, LinkView, MadeKey, NewKey, Operations,
        ReloadView, RotationView, ServerView, Study, ToolApproval, ToolView,
    },
    catalog::{Pin, PinStore as _},
    domain::{CredentialId, DecisionId, Document, ExceptionId, Findings, Obligation, Person, Reason},
    evidence::Record,
    exception::{Exception, Spec, parse},
    gateway::{Changes, Cut},
    identity::{KeyPrincipal, KeyStore as _, issue},
    report::{Register, Sprawl},
    store::Rotation,
};

/// Records that are looked through for the newest decisions.
const TAIL: u64 = 1_000;
/// Exceptions of one list.
const EXCEPTIONS: usize = 1_000;

fn unavailable(error: impl ToString) -> ApiError {
    ApiError::unavailable(error.to_string())
}

fn keep_error(error: KeepError) -> ApiError {
    match error {
        KeepError::Faulty(findings) => ApiError::faulty(findings),
        KeepError::Store(why) => ApiError::unavailable(why),
    }
}

impl House {
    pub(super) async fn viewed(&self, exception: &Exception) -> Result<ExceptionView, ApiError> {
        let used = self.desk.uses(&exception.id).await.map_err(view::desk_error)?;
        Ok(view::exception(exception, used, self.clock.now()))
    }

    /// Where calls go can be seen for a server that is reached over HTTP, and for no other.
    fn egress(&self, record: &Document, spec: &Spec) -> Findings {
        let mut findings = Findings::default();
        let demanded = spec.controls.iter().any(|control| matches!(control.duty, Obligation::EgressAllow { .. }));
        if demanded && self.upstreams.host(&spec.access.server).is_none() {
            let message =
                format!("where the calls of `{}` go cannot be seen: it is a child process", spec.access.server);
            record.find(&mut findings, "/controls", message);
        }
        findings
    }
}

#[async_trait]
impl Operations for House {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Person>, ApiError> {
        match self.identify(headers).await? {
            Caller::Person(person) => Ok(person),
            Caller::Agent(_) => {
                Err(ApiError::forbidden("this key belongs to an agent; people administer with keys of their own"))
            }
        }
    }

    async fn ready(&self) -> bool {
        self.store.lease().holds() && self.keeper.sources.lock().await.sound
    }

    async fn metrics(&self, open: bool) -> Result<String, ApiError> {
        if open {
            return Ok(self.telemetry.open_metrics());
        }
        self.telemetry.metrics_text().map_err(unavailable)
    }

    async fn make_key(&self, by: &Arc<Person>, key: NewKey) -> Result<MadeKey, ApiError> {
        let principal = match key.principal {
            KeyFor::Agent(agent) => KeyPrincipal::Agent(agent),
            KeyFor::Person(person) => KeyPrincipal::Person(person),
        };
        let now = self.clock.now();
        let note = format!("{} (made by {})", key.note, by.id);
        let (secret, mut row) = issue(&self.store.keyring().pepper, principal, key.days, note.trim(), now)
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        row.networks = key.networks;
        let made = MadeKey { id: row.id.clone(), key: secret.expose().clone(), expires: row.end() };
        self.store.insert(row).await.map_err(unavailable)?;
        Ok(made)
    }

    async fn keys(&self) -> Result<Vec<KeyView>, ApiError> {
        Ok(self.store.list().await.map_err(unavailable)?.iter().map(view::key).collect())
    }

    async fn revoke_key(&self, _by: &Arc<Person>, id: &CredentialId) -> Result<(), ApiError> {
        let now = self.clock.now();
        if !self.store.revoke(id, now).await.map_err(unavailable)? {
            return Err(ApiError::not_found());
        }
        self.authenticator.invalidate();
        self.sessions.forget(id);
        self.in_flight.cut(&Cut::Credential(id.clone()), Reason::Stale);
        self.keeper.changes.send_modify(Changes::of_callers);
        Ok(())
    }

    async fn submit(&self, by: &Arc<Person>, record: Document) -> Result<ExceptionView, ApiError> {
        let spec = parse(&record).map_err(ApiError::faulty)?;
        self.egress(&record, &spec).or(()).map_err(ApiError::faulty)?;
        self.meetable(&record, &spec).or(()).map_err(ApiError::faulty)?;
        let analysis = self.analysed(&record, &spec).await?;
        let exception = self.desk.submit_analysed(&record, by, Some(analysis)).await.map_err(view::desk_error)?;
        self.viewed(&exception).await
    }

    async fn draft(&self, by: &Arc<Person>, request: DraftRequest) -> Result<DraftView, ApiError> {
        self.drafted(by, &request.decision, &request.wish).await
    }

    async fn exceptions(&self) -> Result<Vec<ExceptionView>, ApiError> {
        let all = self.desk.list(None, EXCEPTIONS).await.map_err(view::desk_error)?;
        let mut views = Vec::with_capacity(all.len());
        for exception in &all {
            views.push(self.viewed(exception).await?);
        }
        views.reverse();
        Ok(views)
    }

    async fn exception(&self, id: &ExceptionId) -> Result<Option<ExceptionView>, ApiError> {
        match self.desk.show(id).await {
            Ok(exception) => self.viewed(&exception).await.map(Some),
            Err(crate::exception::DeskError::Unknown(_)) => Ok(None),
            Err(error) => Err(view::desk_error(error)),
        }
    }

    async fn act(&self, by: &Arc<Person>, id: &ExceptionId, act: Act) -> Result<ExceptionView, ApiError> {
        let ends = matches!(act, Act::Revoke { .. } | Act::Suspend { .. } | Act::Finish { .. } | Act::Graduate { .. });
        let done = match act {
            Act::Approve { digest } => self.desk.approve(id, by, digest).await,
            Act::Reject { reason } => self.desk.reject(id, by, &reason).await,
            Act::Withdraw { reason } => self.desk.withdraw(id, by, &reason).await,
            Act::Attest { reason } => self.desk.attest(id, by, &reason).await,
            Act::Suspend { reason } => self.desk.suspend(id, by, &reason).await,
            Act::Resume { reason } => self.desk.resume(id, by, &reason).await,
            Act::Revoke { reason } => self.desk.revoke(id, by, &reason).await,
            Act::Finish { event } => self.desk.finish(id, by, &event).await,
            Act::Milestone { name, reason } => self.desk.milestone(id, by, &name, &reason).await,
            Act::Graduate { reason } => {
                self.nothing_is_lost(id).await?;
                self.desk.graduate(id, by, &reason).await
            }
            Act::Review { findings } => self.desk.review(id, by, &findings).await,
        };
        let exception = done.map_err(view::desk_error)?;
        if ends {
            let cut = self.in_flight.cut(&Cut::Exception(id.clone()), Reason::ExceptionRevoked);
            tracing::info!(exception = %id, calls = cut, "calls in flight were ended");
        }
        self.viewed(&exception).await
    }

    async fn catalog(&self) -> Result<CatalogView, ApiError> {
        let world = self.keeper.world.load();
        let servers = self.upstreams.health().into_iter().map(|(name, health)| ServerView {
            transport: self.upstreams.transport(&name).to_owned(),
            name: name.to_string(),
            health: health.state.to_string(),
            detail: health.last_failure.map(|failure| failure.to_string()),
        });
        let tools = world.catalog.entries().map(view::tool).chain(world.catalog.quarantined().iter().map(view::held));
        Ok(CatalogView { epoch: world.epoch, servers: servers.collect(), tools: tools.collect() })
    }

    async fn approve_tools(&self, by: &Arc<Person>, approval: ToolApproval) -> Result<Vec<ToolView>, ApiError> {
        let world = self.keeper.world.load_full();
        let wanted = |name| approval.tools.is_empty() || approval.tools.contains(name);
        let entries: Vec<_> = world
            .catalog
            .entries()
            .filter(|entry| {
                entry.tool.reference.server == approval.server
                    && wanted(&entry.tool.reference.tool)
                    && entry.pin != Pin::Approved
            })
            .collect();
        let known = |tool: &crate::domain::ToolName| {
            world
                .catalog
                .entries()
                .any(|entry| entry.tool.reference.server == approval.server && entry.tool.reference.tool == *tool)
        };
        if let Some(missing) = approval.tools.iter().find(|tool| !known(tool)) {
            return Err(ApiError::invalid(format!(
                "`{}` offers no tool `{missing}`; see `postern catalog list`",
                approval.server
            )));
        }
        if let (Some(digest), [only]) = (approval.digest, entries.as_slice())
            && only.tool.digest != digest
        {
            return Err(ApiError::conflict("the definition is not the one that you read; read it again"));
        }
        for entry in &entries {
            let row = entry.approval(by.id.as_str(), self.clock.now());
            self.store.approve(row).await.map_err(unavailable)?;
        }
        self.keeper.refresh(by.id.as_str()).await.map_err(keep_error)?;
        Ok(entries.iter().map(|entry| ToolView { pin: "approved".to_owned(), ..view::tool(entry) }).collect())
    }

    async fn explain(&self, id: &DecisionId) -> Result<Option<Explanation>, ApiError> {
        self.explained(id).await
    }

    async fn decisions(&self, limit: usize) -> Result<Vec<Explanation>, ApiError> {
        let head = *self.store.head().borrow();
        let rows = self
            .store
            .rows(head.saturating_sub(TAIL).max(1), usize::try_from(TAIL).unwrap_or(usize::MAX) + 1)
            .await
            .map_err(unavailable)?;
        let mut found = Vec::new();
        for row in rows.iter().rev() {
            let decision = match serde_json::from_slice(&row.payload) {
                Ok(Record::Intent(intent)) => Some(intent.decision),
                Ok(Record::Denial(denial)) => Some(denial.decision),
                Ok(_) | Err(_) => None,
            };
            if let Some(id) = decision
                && let Some(explanation) = self.told(&id).await?
            {
                found.push(explanation);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    async fn study(&self, by: &Arc<Person>, study: Study) -> Result<Value, ApiError> {
        self.studied(by, study).await
    }

    async fn register(&self) -> Result<Register, ApiError> {
        self.registered().await
    }

    async fn sprawl(&self, days: u32) -> Result<Sprawl, ApiError> {
        self.measured(days).await
    }

    async fn controls(&self) -> Result<Vec<ControlView>, ApiError> {
        Ok(self.controls_now())
    }

    async fn control_history(&self, of: Option<String>) -> Result<Vec<ControlEvent>, ApiError> {
        self.controls_before(of.as_deref()).await
    }

    async fn reload(&self, by: &Arc<Person>) -> Result<ReloadView, ApiError> {
        let changed = self.keeper.reload(by.id.as_str()).await.map_err(keep_error)?;
        Ok(ReloadView { policy_set: self.keeper.world.load().policies.digest(), changed })
    }

    async fn console_link(&self, by: &Arc<Person>) -> Result<LinkView, ApiError> {
        let token = self.sessions.issue_to(by).ok_or_else(ApiError::internal)?;
        Ok(LinkView { url: format!("{}/login?token={token}", self.admin_url) })
    }

    async fn evidence(&self, _by: &Arc<Person>, from: u64, limit: u32) -> Result<EvidencePage, ApiError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows = self.store.rows(from, limit).await.map_err(unavailable)?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.seq + 1);
        let records = rows.iter().map(view::row).collect();
        Ok(EvidencePage { records, next })
    }

    async fn rotate(&self, by: &Arc<Person>, reason: String) -> Result<RotationView, ApiError> {
        let Rotation { seq, old, old_key, new, checkpoint } =
            self.store.rotate(by.id.to_string(), reason).await.map_err(unavailable)?;
        tracing::warn!(record = seq, key = %new, by = %by.id, old = ?old_key, "another key signs the log from here on");
        Ok(RotationView { seq, old, old_key, new, checkpoint })
    }

    async fn checkpoint(&self) -> Result<Option<String>, ApiError> {
        Ok(self.store.checkpoint().map(|note| note.to_string()))
    }

    async fn log_checkpoint(&self) -> Result<Option<String>, ApiError> {
        super::tiles::read(&self.tiles, |folder| folder.checkpoint()).await
    }

    async fn log_tile(&self, name: &crate::evidence::tiles::TileName) -> Result<Option<Vec<u8>>, ApiError> {
        let name = *name;
        let found = super::tiles::read(&self.tiles, move |folder| folder.read(&name)).await?;
        match found {
            None => self.is_gone(&name).await,
            found => Ok(found),
        }
    }
}
