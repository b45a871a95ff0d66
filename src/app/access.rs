//! Access requests (AuthZEN Access Request and Approval Profile): from refusals to exceptions that wait for approval.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    authzen::{ASKABLE, put},
    house::House,
    view,
};
use crate::{
    api::{
        AccessOperations, AccessRequest, Action, ApiError, Batch, BatchAnswer, CALL, Completion, Context, Decided,
        Evaluation, Found, Item, Operations as _, PROBLEM, Reference, Requested, Search, Sought, Task, TaskAnswer,
        TaskItem, Thing,
    },
    domain::{AgentId, Digest, Document, ExceptionId, Kind, Person, PersonId, Reason, Timestamp, ToolRef, limits},
    exception::{DeskError, Ending, Exception, Phase, Wish, parse},
};

/// What separates the exceptions of a request with several items in its handle; no id holds it.
const BETWEEN: char = '~';

#[async_trait]
impl AccessOperations for House {
    fn metadata(&self) -> Value {
        self.authzen_metadata()
    }

    async fn evaluate(&self, by: &Arc<Person>, question: Evaluation) -> Result<Decided, ApiError> {
        self.evaluated(by, question).await
    }

    async fn evaluate_all(&self, by: &Arc<Person>, batch: Batch) -> Result<BatchAnswer, ApiError> {
        self.all_evaluated(by, batch).await
    }

    async fn search(&self, sought: Sought, search: Search) -> Result<Found, ApiError> {
        self.found(sought, &search)
    }

    /// The same request again gives the same task.
    async fn request_access(
        &self,
        by: &Arc<Person>,
        request: AccessRequest,
        idempotency: Option<String>,
    ) -> Result<TaskAnswer, ApiError> {
        let bundled = request.items.is_some();
        let items = items(&request)?;
        let salt = format!("{}\n{}", by.id, idempotency.unwrap_or_default());
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            records.push(self.record_of(&request, item, &salt).await?);
        }
        let exceptions = self.submit_all(by, &records).await?;
        Ok(self.task_of(&exceptions, bundled))
    }

    async fn access_task(&self, by: &Arc<Person>, handle: &str) -> Result<TaskAnswer, ApiError> {
        let (exceptions, bundled) = self.requested_by(by, handle).await?;
        Ok(self.task_of(&exceptions, bundled))
    }

    async fn cancel_access(&self, by: &Arc<Person>, handle: &str, comment: String) -> Result<TaskAnswer, ApiError> {
        let (mut exceptions, bundled) = self.requested_by(by, handle).await?;
        let now = self.clock.now();
        if !exceptions.iter().any(|exception| status(exception, now) == "pending") {
            return Err(problem(409, "invalid_task_state", "only a pending task can be cancelled"));
        }
        for exception in exceptions.iter_mut().filter(|exception| status(exception, now) == "pending") {
            *exception = self.desk.withdraw(&exception.id, by, &comment).await.map_err(view::desk_error)?;
        }
        Ok(self.task_of(&exceptions, bundled))
    }
}

impl House {
    /// The record that this item asks for, if it is of its refusal and something can be asked for after that.
    async fn record_of(&self, request: &AccessRequest, item: Item, salt: &str) -> Result<Document, ApiError> {
        let Some(binding) = &item.denial else {
            return Err(unbound("each item names the refusal that it is about in a `denial` of its own"));
        };
        let (refused, verdict) =
            self.refused(&binding.evaluation_id).await?.ok_or_else(|| unbound("no such refusal"))?;
        if !matches!(
            verdict.reason,
            Reason::NoGrant | Reason::ScopeMismatch | Reason::ExceptionExpired | Reason::ExceptionExhausted
        ) {
            return Err(problem(400, "not_requestable", "an exception cannot be asked for after this refusal"));
        }
        let now = self.clock.now();
        if now >= refused.at + ASKABLE || now >= binding.expires_at {
            return Err(problem(410, "expired_denial", "the refusal is too old: make the call again"));
        }
        let context = item.context.as_ref().unwrap_or(&request.context);
        let same = request.subject == agent(&refused.agent)
            && item.action.name == CALL
            && item.resource == tool(&refused.tool)
            && context.arguments == refused.arguments
            && context.on_behalf_of.as_deref() == refused.on_behalf_of.as_ref().map(PersonId::as_str);
        if !same {
            return Err(unbound("subject, action, resource, arguments or person are not those of the refusal"));
        }
        let wish = wish(&request.context, item.context.as_ref(), item.requested_access.as_ref());
        Ok(Document::of_value(refused.draft(&wish, salt, &self.keeper.registry.load()).record))
    }

    /// All of them or none: where one is refused, those that were made before it are taken back.
    async fn submit_all(&self, by: &Arc<Person>, records: &[Document]) -> Result<Vec<Exception>, ApiError> {
        // What is faulty in itself is told before anything is made.
        for record in records {
            parse(record).map_err(ApiError::faulty)?;
        }
        let (mut exceptions, mut made) = (Vec::with_capacity(records.len()), Vec::new());
        for record in records {
            match self.submit_once(by, record).await {
                Ok((exception, new)) => {
                    made.extend(new.then(|| exception.id.clone()));
                    exceptions.push(exception);
                }
                Err(error) => {
                    for id in made {
                        let why = "another item of the same access request was refused";
                        if let Err(failed) = self.desk.withdraw(&id, by, why).await {
                            tracing::error!(exception = %id, error = %failed, "a part of a refused access request stays");
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(exceptions)
    }

    /// The exception of this record: submitted now, which is then true, or the one that the same request made before.
    async fn submit_once(&self, by: &Arc<Person>, record: &Document) -> Result<(Exception, bool), ApiError> {
        let mut spec = parse(record).map_err(ApiError::faulty)?;
        match self.desk.show(&spec.id).await {
            Ok(earlier) => {
                spec.requester = Some(by.id.clone());
                if earlier.requester == by.id && spec.digest().ok() == Some(earlier.digest) {
                    return Ok((earlier, false));
                }
                let why = "another request was made of this refusal: send an Idempotency-Key of its own";
                Err(problem(409, "duplicate_request", why))
            }
            Err(DeskError::Unknown(id)) => {
                self.submit(by, record.clone()).await?;
                self.desk.show(&id).await.map(|made| (made, true)).map_err(view::desk_error)
            }
            Err(error) => Err(view::desk_error(error)),
        }
    }

    /// The exceptions of this handle, if this person may see all of them, and whether the request had several items.
    async fn requested_by(&self, by: &Person, handle: &str) -> Result<(Vec<Exception>, bool), ApiError> {
        let unknown = || problem(404, "unknown_task", "there is no such task, or it is not yours");
        let (kind, rest) = handle.split_once('_').ok_or_else(unknown)?;
        let (_, ids) = rest.split_once('_').ok_or_else(unknown)?;
        let ids: Vec<ExceptionId> = ids
            .split(BETWEEN)
            .take(limits::REQUEST_ITEMS + 1)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| unknown())?;
        let bundled = kind == "arb";
        if self.handle_of(&ids, bundled) != handle {
            return Err(unknown());
        }
        let mut exceptions = Vec::with_capacity(ids.len());
        for id in ids {
            let exception = match self.desk.show(&id).await {
                Ok(exception) => exception,
                Err(DeskError::Unknown(_)) => return Err(unknown()),
                Err(error) => return Err(view::desk_error(error)),
            };
            if !view::exception(&exception, 0, self.clock.now()).visible_to(by) {
                return Err(unknown());
            }
            exceptions.push(exception);
        }
        Ok((exceptions, bundled))
    }

    /// An unguessable handle that leads back to the exceptions.
    fn handle_of(&self, ids: &[ExceptionId], bundled: bool) -> String {
        let kind = if bundled { "arb" } else { "arq" };
        let ids = ids.iter().map(ExceptionId::as_str).collect::<Vec<_>>().join(&BETWEEN.to_string());
        let key = &self.store.keyring().handles;
        let digest =
            Digest::of_parts(&[b"postern task\n", kind.as_bytes(), b"\n", key.expose(), b"\n", ids.as_bytes()]);
        let hex: String = digest.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{kind}_{hex}_{ids}")
    }

    fn task_of(&self, exceptions: &[Exception], bundled: bool) -> TaskAnswer {
        let now = self.clock.now();
        let ids: Vec<ExceptionId> = exceptions.iter().map(|exception| exception.id.clone()).collect();
        let handle = self.handle_of(&ids, bundled);
        let at = format!("{}/access/v1/requests/{handle}", self.admin_url);
        let parts: Vec<TaskItem> = exceptions.iter().map(|exception| item_of(exception, now)).collect();
        let status = together(parts.iter().map(|part| part.status.as_str()));
        let first = exceptions.first().map(|first| first.id.to_string()).unwrap_or_default();
        let mut links = json!({"review": format!("{}/api/v1/exceptions/{first}", self.admin_url)});
        if status == "pending" {
            put(&mut links, "cancel", format!("{at}/cancel").into());
        }
        let ends = |exception: &Exception| exception.request_ends().unwrap_or(exception.spec.window.not_after);
        let expires_at = exceptions.iter().map(ends).max().unwrap_or(now);
        // One result never speaks for several items.
        let result = parts.first().filter(|_| !bundled).and_then(|part| part.result.clone());
        let (status, items) = (status.to_owned(), bundled.then_some(parts));
        let exception = first;
        let task = Task { id: handle, status, status_endpoint: at, expires_at, links, exception, items };
        TaskAnswer { task, result }
    }
}

/// The items of the request; a request without `items` is its own only one.
fn items(request: &AccessRequest) -> Result<Vec<Item>, ApiError> {
    let Some(items) = &request.items else {
        let (Some(resource), Some(action)) = (request.resource.clone(), request.action.clone()) else {
            return Err(ApiError::invalid("give `resource` and `action`, or `items`"));
        };
        let requested_access = Some(request.requested_access.clone());
        return Ok(vec![Item { resource, action, context: None, requested_access, denial: request.denial.clone() }]);
    };
    if request.resource.is_some() || request.action.is_some() {
        return Err(ApiError::invalid("`resource` and `action` stand in the `items`: leave them out beside them"));
    }
    if !(1..=limits::REQUEST_ITEMS).contains(&items.len()) {
        return Err(ApiError::invalid(format!("`items` has 1 to {} items", limits::REQUEST_ITEMS)));
    }
    let mut seen = Vec::new();
    let common = &request.requested_access;
    items
        .iter()
        .map(|item| {
            let denial = item.denial.clone().or_else(|| request.denial.clone());
            let named = denial.as_ref().map(|denial| denial.evaluation_id.clone());
            if named.is_some() && seen.contains(&named) {
                return Err(unbound("two items are about one refusal: name each refusal once"));
            }
            seen.push(named);
            let own = item.requested_access.clone().unwrap_or_default();
            let requested_access = Some(Requested {
                requested_until: own.requested_until.or(common.requested_until),
                emergency: own.emergency.or(common.emergency),
            });
            Ok(Item { denial, requested_access, ..item.clone() })
        })
        .collect()
}

/// The status of a request with several items (profile, Access Request Response).
fn together<'a>(statuses: impl Iterator<Item = &'a str>) -> &'a str {
    statuses
        .reduce(|all, one| match (all, one) {
            ("pending", _) | (_, "pending") => "pending",
            (all, one) if all == one => all,
            _ => "partial",
        })
        .unwrap_or("pending")
}

fn item_of(exception: &Exception, now: Timestamp) -> TaskItem {
    let status = status(exception, now).to_owned();
    let approval = (status == "approved").then(|| approval_of(exception)).flatten();
    let result = approval.map(|approval| Completion { mode: "reevaluate".to_owned(), approval });
    let access = &exception.spec.access;
    let tools: Vec<&str> = access.tools.keys().map(crate::domain::ToolName::as_str).collect();
    let resource = Thing { kind: "tool".to_owned(), id: format!("{}/{}", access.server, tools.join(",")) };
    TaskItem { resource, action: Action { name: CALL.to_owned() }, status, result, exception: exception.id.to_string() }
}

fn status(exception: &Exception, now: Timestamp) -> &'static str {
    match exception.phase(now) {
        Phase::PendingApproval => "pending",
        Phase::Ended(Ending::Rejected) => "denied",
        Phase::Ended(Ending::Withdrawn) => "cancelled",
        Phase::Ended(Ending::RequestExpired) => "expired",
        Phase::Scheduled | Phase::Active | Phase::Suspended(_) | Phase::Ended(_) => "approved",
    }
}

/// The approval that completed the exception: named by its nonce, which is random.
pub(super) fn approval_of(exception: &Exception) -> Option<Reference> {
    let live = exception.state.live()?;
    let last = live.approvals.last()?;
    let id = format!("apr_{}", last.nonce);
    Some(Reference { id, approved_at: Some(live.since), approved_until: exception.spec.window.not_after })
}

/// What people add: for all items, and more or otherwise for one.
fn wish(common: &Context, own: Option<&Context>, requested: Option<&Requested>) -> Wish {
    let mut wish = own.and_then(|own| own.wish.clone()).or_else(|| common.wish.clone()).unwrap_or_default();
    let justified = own.and_then(|own| own.business_justification.clone());
    wish.rationale = wish.rationale.or(justified).or_else(|| common.business_justification.clone());
    wish.until = wish.until.or(requested.and_then(|requested| requested.requested_until));
    if requested.and_then(|requested| requested.emergency) == Some(true) {
        wish.kind = Some(Kind::BreakGlass);
    }
    wish
}

fn agent(id: &AgentId) -> Thing {
    Thing { kind: "agent".to_owned(), id: id.to_string() }
}

fn tool(reference: &ToolRef) -> Thing {
    Thing { kind: "tool".to_owned(), id: reference.to_string() }
}

fn unbound(why: &str) -> ApiError {
    problem(400, "invalid_denial_binding", why)
}

fn problem(status: u16, kind: &str, why: &str) -> ApiError {
    ApiError::problem(status, format!("{PROBLEM}{kind}"), why)
}
