//! The AuthZEN face: roles answer; an approved exception works only through the gateway, which watches it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{access::approval_of, house::House, judge};
use crate::{
    api::{ApiError, Batch, BatchAnswer, CALL, Context, Decided, Evaluation, Part, Thing},
    domain::{
        AgentId, Basis, DecisionId, Effect, Person, PersonId, Reason, Standing, Subject, Timestamp, ToolRef, Verdict,
        limits,
    },
    evidence::{Arguments, Called, Caller, Denial, Journal as _, Record, Under},
};

/// How long a refusal can be asked about.
pub(super) const ASKABLE: chrono::TimeDelta = chrono::TimeDelta::hours(24);
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
        let at = |path: &str| format!("{}/access/v1/{path}", self.admin_url);
        json!({
            "policy_decision_point": self.admin_url,
            "access_evaluation_endpoint": at("evaluation"),
            "access_evaluations_endpoint": at("evaluations"),
            "search_subject_endpoint": at("search/subject"),
            "search_resource_endpoint": at("search/resource"),
            "search_action_endpoint": at("search/action"),
            "access_request_endpoint": at("requests"),
            "capabilities": [crate::api::CAPABILITY],
        })
    }

    /// Several questions, each answered as if it were alone; one that cannot be judged is answered no, with its error.
    pub(super) async fn all_evaluated(&self, by: &Person, mut batch: Batch) -> Result<BatchAnswer, ApiError> {
        let parts = std::mem::take(&mut batch.evaluations);
        let missing = |name: &str| ApiError::invalid(format!("`{name}` is missing: give it here or for all questions"));
        if parts.is_empty() {
            let question = batch.question(Part::default()).map_err(missing)?;
            return Ok(BatchAnswer::One(self.evaluated(by, question).await?));
        }
        if parts.len() > limits::EVALUATIONS {
            return Err(ApiError::invalid(format!("at most {} questions at once", limits::EVALUATIONS)));
        }
        let mut evaluations = Vec::with_capacity(parts.len());
        for part in parts {
            let decided = match batch.question(part).map_err(missing) {
                Ok(question) => self.evaluated(by, question).await,
                Err(error) => Err(error),
            };
            let decided = match decided {
                Ok(decided) => decided,
                Err(error) if error.status.is_client_error() => {
                    let error = json!({"status": error.status.as_u16(), "message": error.message});
                    Decided { decision: false, context: json!({"error": error}) }
                }
                Err(error) => return Err(error),
            };
            let stops = batch.options.evaluations_semantic.stops(decided.decision);
            evaluations.push(decided);
            if stops {
                break;
            }
        }
        Ok(BatchAnswer::Several { evaluations })
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
        if verdict.effect == Effect::Allow {
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

    fn judged(
        &self,
        by: &Person,
        (who, action, what): (&Thing, &str, &Thing),
        context: &Context,
        (id, now): (&DecisionId, Timestamp),
    ) -> Result<Judged, ApiError> {
        typed(&who.kind, action, &what.kind)?;
        let world = self.keeper.world.load_full();
        let person = context.on_behalf_of.as_deref().map(PersonId::from);
        let mut subject = judge::subject(&world, &AgentId::from(who.id.as_str()), (person.as_ref(), &[]), now)?;
        subject.credential = by.credential.clone();
        let Some(tool) = judge::tool_at(&world, &what.id) else {
            let digest = world.policies.digest();
            let verdict = Verdict::refusal(Basis::DefaultDeny, Reason::UnknownTool, Vec::new(), digest);
            return Ok(Judged { subject, verdict, requestable: false, called: None });
        };
        let ruled = judge::rule(&world, &subject, (Arc::clone(&tool), &context.arguments), &[], now)?;
        let sealer = &self.store.keyring().sealer;
        let key = sealer.key(Under { at: now, exception: None }).map_err(|_| ApiError::internal())?;
        let sealed = key.seal(id, ruled.arguments.as_bytes()).map_err(|_| ApiError::internal())?;
        let called = Called {
            server: tool.reference.server.clone(),
            tool: tool.reference.tool.clone(),
            exposed: tool.exposed.clone(),
            definition: tool.digest,
            arguments: Arguments::sealed(key.print(&ruled.digest), sealed),
        };
        let called = Some((tool.reference.clone(), called));
        Ok(Judged { subject, verdict: ruled.verdict, requestable: ruled.requestable, called })
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
}

/// The only question that there is here.
pub(super) fn typed(subject: &str, action: &str, resource: &str) -> Result<(), ApiError> {
    if subject == "agent" && resource == "tool" && action == CALL {
        return Ok(());
    }
    let message = "the subject is an `agent`, the action `tools/call`, and the resource a `tool` (`server/tool`)";
    Err(ApiError::invalid(message))
}

pub(super) fn put(value: &mut Value, name: &str, member: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(name.to_owned(), member);
    }
}

fn decision_id(now: Timestamp) -> Result<DecisionId, ApiError> {
    let mut random = [0_u8; 10];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| ApiError::unavailable("the system gives no randomness"))?;
    let millis = u128::try_from(now.timestamp_millis()).unwrap_or_default();
    let low = random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    Ok(DecisionId::from_bits(millis << 80 | low))
}
