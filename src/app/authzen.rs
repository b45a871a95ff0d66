//! The AuthZEN face: roles answer; an approved exception works only through the gateway, which watches it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{house::House, view};
use crate::{
    api::{
        AccessRequest, ApiError, CALL, Completion, Context, Decided, Evaluation, PROBLEM, Reference, Task, TaskAnswer,
        Thing,
    },
    catalog::ToolCall,
    domain::{
        AgentId, DecisionId, Delegator, Digest, Document, ExceptionId, Kind, Person, PersonId, Reason, Standing,
        Subject, Timestamp, ToolRef, Verdict,
    },
    evidence::{Arguments, Called, Caller, Denial, Journal as _, Record},
    exception::{DeskError, Ending, Exception, Phase, Wish, parse},
    policy::Decision,
};

/// How long a refusal can be asked about.
const ASKABLE: chrono::TimeDelta = chrono::TimeDelta::hours(24);
/// The MCP revision's place in records of questions that came this way.
const PROTOCOL: &str = "authzen-1.0";

/// A question, judged.
struct Judged {
    subject: Subject,
    verdict: Verdict,
    requestable: bool,
    /// What was judged, for the record of a refusal.
    called: Option<(ToolRef, Called)>,
}

impl House {
    /// What the two specifications want to know of us.
    pub(super) fn authzen_metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.admin_url);
        json!({
            "policy_decision_point": self.admin_url,
            "access_evaluation_endpoint": at("/access/v1/evaluation"),
            "access_request_endpoint": at("/access/v1/requests"),
            "capabilities": [crate::api::CAPABILITY],
        })
    }

    /// Whether a role allows it; if not, whether and how it can be asked for. Such a refusal is on record.
    pub(super) async fn evaluated(&self, by: &Person, question: Evaluation) -> Result<Decided, ApiError> {
        let now = self.clock.now();
        let id = decision_id(now)?;
        let judged = self.judged(
            by,
            (&question.subject, &question.action.name, &question.resource),
            &question.context,
            (&id, now),
        )?;
        let verdict = &judged.verdict;
        if verdict.effect == crate::domain::Effect::Allow {
            let context = json!({"reason": verdict.reason.as_str(), "determining": &*verdict.determining});
            return Ok(Decided { decision: true, context });
        }
        let mut context = json!({
            "evaluation_id": id, "evaluated_at": now, "reason": verdict.reason.as_str(),
        });
        self.after_approval(&judged, &question.context, &mut context, now).await;
        if judged.requestable {
            self.keep_refusal(&id, &judged, now).await?;
            put(
                &mut context,
                "access_request",
                json!({
                    "endpoint": format!("{}/access/v1/requests", self.admin_url),
                    "expires_at": now + ASKABLE,
                    "request_schema_url": format!("{}/access/v1/request.schema.json", self.admin_url),
                }),
            );
        }
        Ok(Decided { decision: false, context })
    }

    /// Turns a refusal into an exception that waits for approval. The same request again gives the same task.
    pub(super) async fn requested(
        &self,
        by: &Arc<Person>,
        request: AccessRequest,
        idempotency: Option<&str>,
    ) -> Result<TaskAnswer, ApiError> {
        let (refused, verdict) =
            self.refused(&request.denial.evaluation_id).await?.ok_or_else(|| unbound("no such refusal"))?;
        if !matches!(
            verdict.reason,
            Reason::NoGrant | Reason::ScopeMismatch | Reason::ExceptionExpired | Reason::ExceptionExhausted
        ) {
            return Err(problem(400, "not_requestable", "an exception cannot be asked for after this refusal"));
        }
        let now = self.clock.now();
        if now >= refused.at + ASKABLE || now >= request.denial.expires_at {
            return Err(problem(410, "expired_denial", "the refusal is too old: make the call again"));
        }
        let same = request.subject == agent(&refused.agent)
            && request.action.name == CALL
            && request.resource == tool(&refused.tool)
            && request.context.arguments == refused.arguments
            && request.context.on_behalf_of.as_deref() == refused.on_behalf_of.as_ref().map(PersonId::as_str);
        if !same {
            return Err(unbound("subject, action, resource, arguments or person are not those of the refusal"));
        }
        let wish = wish(request);
        let salt = format!("{}\n{}", by.id, idempotency.unwrap_or_default());
        let draft = refused.draft(&wish, &salt, &self.keeper.registry.load());
        let record = Document::of_value(draft.record);
        let exception = self.submit_once(by, &record).await?;
        Ok(self.task_of(&exception, now))
    }

    /// The exception of this record: submitted now, or the one that the same request made before.
    async fn submit_once(&self, by: &Arc<Person>, record: &Document) -> Result<Exception, ApiError> {
        let mut spec = parse(record).map_err(ApiError::faulty)?;
        match self.desk.show(&spec.id).await {
            Ok(earlier) => {
                spec.requester = Some(by.id.clone());
                if earlier.requester == by.id && spec.digest().ok() == Some(earlier.digest) {
                    return Ok(earlier);
                }
                let why = "another request was made of this refusal: send an Idempotency-Key of its own";
                Err(problem(409, "duplicate_request", why))
            }
            Err(DeskError::Unknown(id)) => {
                crate::api::Operations::submit(self, by, record.clone()).await?;
                self.desk.show(&id).await.map_err(view::desk_error)
            }
            Err(error) => Err(view::desk_error(error)),
        }
    }

    /// The task of this handle, if this person may see the exception.
    pub(super) async fn task(&self, by: &Person, handle: &str) -> Result<(Exception, TaskAnswer), ApiError> {
        let unknown = || problem(404, "unknown_task", "there is no such task, or it is not yours");
        let id: ExceptionId = handle
            .split_once('_')
            .and_then(|(_, rest)| rest.split_once('_'))
            .and_then(|(_, id)| id.parse().ok())
            .ok_or_else(unknown)?;
        let exception = match self.desk.show(&id).await {
            Ok(exception) => exception,
            Err(DeskError::Unknown(_)) => return Err(unknown()),
            Err(error) => return Err(view::desk_error(error)),
        };
        let seen = view::exception(&exception, 0, self.clock.now()).visible_to(by);
        if !seen || self.handle_of(&id) != handle {
            return Err(unknown());
        }
        let answer = self.task_of(&exception, self.clock.now());
        Ok((exception, answer))
    }

    /// The requester takes the request back.
    pub(super) async fn cancelled(
        &self,
        by: &Arc<Person>,
        handle: &str,
        comment: &str,
    ) -> Result<TaskAnswer, ApiError> {
        let (exception, answer) = self.task(by, handle).await?;
        if answer.task.status != "pending" {
            return Err(problem(409, "invalid_task_state", "only a pending task can be cancelled"));
        }
        let done = self.desk.withdraw(&exception.id, by, comment).await.map_err(view::desk_error)?;
        Ok(self.task_of(&done, self.clock.now()))
    }

    fn judged(
        &self,
        by: &Person,
        (who, action, what): (&Thing, &str, &Thing),
        context: &Context,
        (id, now): (&DecisionId, Timestamp),
    ) -> Result<Judged, ApiError> {
        if who.kind != "agent" || what.kind != "tool" || action != CALL {
            let message =
                "the subject is an `agent`, the action `tools/call`, and the resource a `tool` (`server/tool`)";
            return Err(ApiError::invalid(message));
        }
        let world = self.keeper.world.load_full();
        let subject = self.subject(by, &who.id, context)?;
        let named = what
            .id
            .split_once('/')
            .and_then(|(server, tool)| Some(ToolRef { server: server.parse().ok()?, tool: tool.parse().ok()? }));
        let entry = named.and_then(|tool| world.catalog.entry(&tool));
        let Some(entry) = entry else {
            return Ok(Judged {
                subject,
                verdict: no(Reason::UnknownTool, world.policies.digest()),
                requestable: false,
                called: None,
            });
        };
        let text = serde_json::value::to_raw_value(&context.arguments).map_err(|_| ApiError::internal())?;
        let call = match ToolCall::check(Arc::clone(&entry.tool), Some(&text), Vec::new()) {
            Ok(call) => call,
            Err(error) => return Err(ApiError::invalid(format!("the arguments do not fit `{}`: {error}", what.id))),
        };
        let sealed = self.store.keyring().sealer.seal(id, text.get().as_bytes()).map_err(|_| ApiError::internal())?;
        let called = Called {
            server: entry.tool.reference.server.clone(),
            tool: entry.tool.reference.tool.clone(),
            exposed: entry.tool.exposed.clone(),
            definition: entry.tool.digest,
            arguments: Arguments { digest: call.digest(), sealed },
        };
        let called = Some((entry.tool.reference.clone(), called));
        Ok(match world.policies.decide(&subject, call, &[], now) {
            Decision::Permit(permit) => {
                Judged { subject, verdict: permit.verdict().clone(), requestable: false, called }
            }
            Decision::Deny(denial) => {
                Judged { subject, verdict: denial.verdict, requestable: denial.requestable, called }
            }
        })
    }

    /// The agent with its roles of agents.yaml; what its tokens would assert beside is not known here.
    fn subject(&self, by: &Person, agent: &str, context: &Context) -> Result<Subject, ApiError> {
        let registry = self.keeper.registry.load();
        let agent = AgentId::from(agent);
        let Some(entry) = registry.agents.get(&agent) else {
            return Err(ApiError::invalid(format!("agents.yaml does not know `{agent}`")));
        };
        let on_behalf_of = match &context.on_behalf_of {
            None => None,
            Some(id) => {
                let person = PersonId::from(id.as_str());
                let known = registry.people.get(&person).filter(|entry| entry.active);
                let known = known.ok_or_else(|| {
                    ApiError::invalid(format!("people.yaml does not know `{person}`, or not as active"))
                })?;
                Some(Delegator { roles: known.roles.iter().cloned().collect(), person })
            }
        };
        Ok(Subject {
            roles: entry.roles.iter().cloned().collect(),
            agent,
            on_behalf_of,
            credential: by.credential.clone(),
            taints: Arc::default(),
        })
    }

    /// What becomes of an approval that the question carries: only the gateway uses it.
    async fn after_approval(&self, judged: &Judged, asked: &Context, context: &mut Value, now: Timestamp) {
        let Some(reference) = &asked.approval else { return };
        let Some((tool, _)) = &judged.called else { return };
        let index = self.desk.index();
        let mut reason = ("approval_unverifiable", "none");
        for candidate in index.candidates(&judged.subject.agent, tool, now, false) {
            let Ok(exception) = self.desk.show(&candidate.grant.exception).await else { continue };
            if approval_of(&exception).is_none_or(|approval| approval.id != reference.id) {
                continue;
            }
            reason = match candidate.standing {
                Standing::Usable => ("enforced_by_gateway", "none"),
                Standing::Suspended(_) => ("grant_pending", "retry"),
                Standing::Exhausted => ("approval_expired", "request"),
            };
            put(context, "approval", json!({"id": reference.id, "approved_until": exception.spec.window.not_after}));
        }
        // Without a way to ask, `request` would be a dead end.
        let next = if reason.1 == "request" && !judged.requestable { "none" } else { reason.1 };
        put(context, "reason", reason.0.into());
        put(context, "next_action", next.into());
        if next == "retry" {
            put(context, "retry_after", 30.into());
        }
    }

    async fn keep_refusal(&self, id: &DecisionId, judged: &Judged, now: Timestamp) -> Result<(), ApiError> {
        let Some((tool, called)) = &judged.called else { return Ok(()) };
        let denial = Denial {
            decision: id.clone(),
            at: now,
            caller: Caller::of(&judged.subject, PROTOCOL),
            asked: tool.to_string(),
            call: Some(called.clone()),
            verdict: judged.verdict.clone(),
            detail: None,
        };
        let kept = self.store.append(Record::Denial(denial)).await;
        kept.map(|_| ()).map_err(|error| ApiError::unavailable(error.to_string()))
    }

    /// An unguessable handle that leads back to the exception.
    fn handle_of(&self, id: &ExceptionId) -> String {
        let key = &self.store.keyring().handles;
        let digest = Digest::of_parts(&[b"postern task\n", key.expose(), b"\n", id.as_str().as_bytes()]);
        let hex: String = digest.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("arq_{hex}_{id}")
    }

    fn task_of(&self, exception: &Exception, now: Timestamp) -> TaskAnswer {
        let handle = self.handle_of(&exception.id);
        let at = format!("{}/access/v1/requests/{handle}", self.admin_url);
        let status = match exception.phase(now) {
            Phase::PendingApproval => "pending",
            Phase::Ended(Ending::Rejected) => "denied",
            Phase::Ended(Ending::Withdrawn) => "cancelled",
            Phase::Ended(Ending::RequestExpired) => "expired",
            Phase::Scheduled | Phase::Active | Phase::Suspended(_) | Phase::Ended(_) => "approved",
        };
        let mut links = json!({"review": format!("{}/api/v1/exceptions/{}", self.admin_url, exception.id)});
        if status == "pending" {
            put(&mut links, "cancel", format!("{at}/cancel").into());
        }
        let approval = (status == "approved").then(|| approval_of(exception)).flatten();
        let result = approval.map(|approval| Completion { mode: "reevaluate".to_owned(), approval });
        let expires_at = exception.request_ends().unwrap_or(exception.spec.window.not_after);
        let exception = exception.id.to_string();
        let task = Task { id: handle, status: status.to_owned(), status_endpoint: at, expires_at, links, exception };
        TaskAnswer { task, result }
    }
}

/// The approval that completed the exception: named by its nonce, which is random.
fn approval_of(exception: &Exception) -> Option<Reference> {
    let live = exception.state.live()?;
    let last = live.approvals.last()?;
    let id = format!("apr_{}", last.nonce);
    Some(Reference { id, approved_at: Some(live.since), approved_until: exception.spec.window.not_after })
}

fn wish(request: AccessRequest) -> Wish {
    let mut wish = request.context.wish.unwrap_or_default();
    wish.rationale = wish.rationale.or(request.context.business_justification);
    wish.until = wish.until.or(request.requested_access.requested_until);
    if request.requested_access.emergency {
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

fn put(value: &mut Value, name: &str, member: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(name.to_owned(), member);
    }
}

fn unbound(why: &str) -> ApiError {
    problem(400, "invalid_denial_binding", why)
}

fn problem(status: u16, kind: &str, why: &str) -> ApiError {
    ApiError::problem(status, format!("{PROBLEM}{kind}"), why)
}

fn decision_id(now: Timestamp) -> Result<DecisionId, ApiError> {
    let mut random = [0_u8; 10];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| ApiError::unavailable("the system gives no randomness"))?;
    let millis = u128::try_from(now.timestamp_millis()).unwrap_or_default();
    let low = random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    Ok(DecisionId::from_bits(millis << 80 | low))
}

fn no(reason: Reason, policy_set: Digest) -> Verdict {
    Verdict {
        effect: crate::domain::Effect::Deny,
        basis: crate::domain::Basis::DefaultDeny,
        reason,
        determining: Arc::from([]),
        policy_set,
        exception: None,
        revision: None,
        pilot: None,
        controls: Vec::new(),
        passed_over: Vec::new(),
        advisories: Vec::new(),
    }
}
