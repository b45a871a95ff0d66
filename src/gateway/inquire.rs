//! The short road: prompts, resources, completion and tasks, which read from a tool server and call no tool.
//!
//! Resolve, judge, record, ask, record, reply: the same steps as `pipeline.rs`, without what only exceptions need.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{
    AdmissionError, AdmitInquiry, Gateway,
    admit::reason,
    forward::Came,
    outcome::{Words, asked},
    rename,
    reply::{REFUSED, foreign, unrecorded},
    round::Round,
    visit::Visit,
};
use crate::{
    catalog::{Inquiry, InquiryFault, Target},
    domain::{Digest, Effect, Method, Reason, ServerName, Subject, Verdict},
    evidence::{self, How, Outcome, Record},
    mcp::{
        InputRequired, code,
        server::{Link, Reply, Request, RpcError, Scope},
    },
    policy::Clearance,
    telemetry::{Ending, ServerSpan},
};

/// How long a result may be kept at most, in milliseconds: no longer than policy may be stale.
const TTL_MS: u64 = 5_000;

/// An inquiry that has come back.
pub(super) struct Heard {
    pub(super) came: Came,
    pub(super) cut: Option<Reason>,
    pub(super) took: std::time::Duration,
}

impl Gateway {
    pub(super) async fn inquire(&self, subject: Arc<Subject>, request: Request, link: Link) -> Result<Reply, RpcError> {
        let visit = self.visit(subject, &request);
        let resolved = self.inquiry(&visit, &request);
        let inquiry = match resolved {
            Ok(inquiry) => inquiry,
            Err(fault) => return self.decline(&visit, visit.refusal(Reason::UnknownTool), fault).await,
        };
        let what = format!("{} {}", inquiry.server(), inquiry.digest());
        let round = self.round(&visit, &what, request.input.as_ref());
        let round = round.and_then(|round| self.spend(&visit, &round).map(|()| round));
        let Ok(mut round) = round else {
            let error = RpcError::invalid_params("`requestState` is not one of this request; begin again without it");
            return self.decline(&visit, visit.refusal(Reason::InvalidArguments), error).await;
        };
        let decided = Instant::now();
        let unknown = unknown(&request);
        if let Some(reason) = self.frozen(&visit.reach(inquiry.server())) {
            let error = RpcError::new(REFUSED, format!("The request is refused: it is frozen. Decision {}.", visit.id));
            return self.decline(&visit, visit.refusal(reason), error).await;
        }
        let clearance = match visit.world.policies.judge(&visit.subject, inquiry, visit.now) {
            Ok(clearance) => clearance,
            Err(verdict) => return self.decline(&visit, *verdict, unknown).await,
        };
        let mut span = self.inquiry_span(&visit, &clearance);
        // Whatever takes the permission back reaches it from here.
        let server = clearance.inquiry().server().clone();
        let flight = self.flight(&visit, &visit.reach(&server), &link);
        if let Err(error) = self.admit_inquiry(&visit, &clearance, &span).await {
            return self.not_admitted(&visit, clearance.verdict(), (error, span)).await;
        }
        span.authorize(decided, Instant::now(), clearance.verdict());
        let mut heard = self.ask(&visit, clearance, &mut round, (&span, link, flight)).await;
        heard.cut = heard.cut.or_else(|| self.frozen(&visit.reach(&server)));
        let took = heard.took;
        let recorded = self.heard(&visit, &heard).await;
        let reply = match recorded {
            Ok(()) => self.told(&visit, heard, (&round, &what), (&server, &request)),
            Err(error) => Err(error),
        };
        let ending = reply.as_ref().map_or_else(|error| Ending::RpcError { code: error.code }, ending);
        span.end(ending);
        let elapsed = visit.origin.received.elapsed();
        self.parts.telemetry.metrics().inquired(visit.method, ending, elapsed, elapsed.saturating_sub(took));
        reply
    }

    /// From a name to a checked inquiry.
    fn inquiry(&self, visit: &Visit, request: &Request) -> Result<Inquiry, RpcError> {
        let bad = |fault: InquiryFault| RpcError::invalid_params(fault.to_string());
        let mut members = request.members.clone();
        if let Some(arguments) = &request.arguments {
            members.insert(0, ("arguments".into(), arguments.clone()));
        }
        match request.method {
            Method::GetPrompt => {
                let (server, name) = self.prompt(&request.scope, &request.target).ok_or_else(|| unknown(request))?;
                Inquiry::prompt(server, &name, members).map_err(bad)
            }
            Method::ReadResource | Method::Subscribe => {
                let (server, uri) = self.resource(&request.scope, &request.target).ok_or_else(|| unknown(request))?;
                Inquiry::resource(server, request.method, &uri, members).map_err(bad)
            }
            Method::Complete => self.completion(&request.scope, members),
            Method::GetTask | Method::UpdateTask | Method::CancelTask => {
                let task =
                    self.opened(&visit.subject, &request.scope, &request.target).ok_or_else(|| unknown(request))?;
                Inquiry::task(request.method, task.tool, &task.id, members).map_err(bad)
            }
            Method::CallTool => Err(RpcError::internal()),
        }
    }

    fn inquiry_span(&self, visit: &Visit, clearance: &Clearance) -> ServerSpan {
        let inquiry = clearance.inquiry();
        let prompt = match inquiry.target() {
            Target::Prompt(name) => Some(name.to_string()),
            Target::Resource(_) | Target::Task(_) => None,
        };
        self.span_of(visit, (None, prompt, Some(inquiry.server().clone())), clearance.verdict())
    }

    /// One transaction: the record, and a check that nothing was taken back since it was judged.
    async fn admit_inquiry(
        &self,
        visit: &Visit,
        clearance: &Clearance,
        span: &ServerSpan,
    ) -> Result<(), AdmissionError> {
        let inquiry = clearance.inquiry();
        let target = match inquiry.target() {
            Target::Prompt(name) => name.to_string(),
            Target::Resource(uri) => uri.to_string(),
            Target::Task(tool) => tool.tool.to_string(),
        };
        let inquiry = evidence::Inquiry {
            decision: visit.id.clone(),
            at: visit.now,
            caller: visit.caller(span.trace_ids().map(|ids| ids.trace_id)),
            method: inquiry.method().as_str().to_owned(),
            server: inquiry.server().clone(),
            target: target.chars().take(256).collect(),
            params: self.print(visit, None, &inquiry.digest())?,
            verdict: clearance.verdict().clone(),
        };
        let admit = AdmitInquiry { inquiry, credential: visit.subject.credential.id.clone(), epoch: visit.world.epoch };
        self.parts.admission.admit_inquiry(admit).await.map(|_| ())
    }

    /// Permission was taken back before the inquiry was on record, or it cannot be recorded.
    async fn not_admitted(
        &self,
        visit: &Visit,
        verdict: &Verdict,
        (error, span): (AdmissionError, ServerSpan),
    ) -> Result<Reply, RpcError> {
        if let AdmissionError::Unavailable(_) = error {
            tracing::error!(decision = %visit.id, %error, "a record is not durable; nothing is answered");
            let error = unrecorded(&visit.id, false);
            span.end(Ending::RpcError { code: error.code });
            return Err(error);
        }
        let refusal = RpcError::new(REFUSED, format!("The request is refused: {error}. Decision {}.", visit.id));
        self.declined(visit, (Verdict { reason: reason(&error), ..verdict.clone() }, span), refusal).await
    }

    async fn heard(&self, visit: &Visit, heard: &Heard) -> Result<(), RpcError> {
        let sized = |bytes: &Bytes| Some((Digest::of(bytes), bytes.len()));
        let (how, result, detail) = match (heard.cut, &heard.came) {
            (Some(reason), _) => (How::Cancelled, None, Some(reason.as_str().to_owned())),
            (None, Came::Answered { result, .. }) => (How::Answered, sized(result), None),
            (None, Came::InputRequired(required)) => {
                (How::InputRequired, sized(&required.json()), Some(asked(required)))
            }
            (None, Came::Task(result)) => (How::Task, sized(result), None),
            (None, Came::RpcError { code, .. }) => (How::Refused, None, Some(code.to_string())),
            (None, Came::Failed { kind, .. }) => (How::Failed, None, Some((*kind).to_owned())),
            (None, Came::Cancelled) => (How::Cancelled, None, Some("caller".to_owned())),
            (None, Came::TimedOut) => (How::TimedOut, None, None),
        };
        let outcome = Outcome {
            decision: visit.id.clone(),
            at: self.parts.clock.now(),
            how,
            effect_possible: false,
            result: result.and_then(|(digest, _)| self.print(visit, None, &digest).ok()),
            result_bytes: result.map_or(0, |(_, size)| u64::try_from(size).unwrap_or(u64::MAX)),
            duration_us: u64::try_from(heard.took.as_micros()).unwrap_or(u64::MAX),
            detail,
            sealed: None,
            redacted: [].into(),
            marked: Vec::new(),
        };
        self.recorded(visit, Record::Outcome(outcome), false).await
    }

    /// Makes a record durable, or says that nothing is answered without it.
    pub(super) async fn recorded(&self, visit: &Visit, record: Record, effect_possible: bool) -> Result<(), RpcError> {
        self.parts.admission.record(record).await.map(|_| ()).map_err(|error| {
            tracing::error!(decision = %visit.id, %error, "a record is not durable; nothing is answered");
            unrecorded(&visit.id, effect_possible)
        })
    }

    fn told(
        &self,
        visit: &Visit,
        heard: Heard,
        (round, what): (&Round, &str),
        (server, request): (&ServerName, &Request),
    ) -> Result<Reply, RpcError> {
        let failed = |sentence: &str| Err(RpcError::new(code::INTERNAL, format!("{sentence} Decision {}.", visit.id)));
        if let Some(reason) = heard.cut {
            return failed(&format!("The request was ended: its permission was taken back ({}).", reason.as_str()));
        }
        match heard.came {
            Came::Answered { result, ttl_ms, .. } => {
                let result = match &request.scope {
                    Scope::All => rename::result(request.method, server, result),
                    Scope::Server(_) => result,
                };
                let result = self.task_result(visit, server, request, result)?;
                Ok(Reply::Complete { result, ttl_ms: ttl_ms.unwrap_or_default().min(TTL_MS) })
            }
            Came::InputRequired(required) => {
                may_ask(visit, server, &required)?;
                self.ask_back(visit, round, &required.json(), (what.to_owned(), None))
            }
            Came::Task(_) => failed("The tool server made a task of what is no call."),
            Came::RpcError { code: given, words } => Err(server_error(given, words, request)),
            Came::Failed { kind, .. } => failed(&format!("The tool server gave no usable answer ({kind}).")),
            Came::Cancelled => failed("The request was cancelled."),
            Came::TimedOut => failed("The tool server did not answer in time."),
        }
    }

    /// One record, one span, one error.
    async fn decline(&self, visit: &Visit, verdict: Verdict, error: RpcError) -> Result<Reply, RpcError> {
        let span = self.span_of(visit, (None, None, None), &Verdict { effect: Effect::Deny, ..verdict.clone() });
        self.declined(visit, (verdict, span), error).await
    }

    async fn declined(
        &self,
        visit: &Visit,
        (verdict, mut span): (Verdict, ServerSpan),
        error: RpcError,
    ) -> Result<Reply, RpcError> {
        let verdict = Verdict { effect: Effect::Deny, ..verdict };
        span.authorize(visit.begun, Instant::now(), &verdict);
        self.parts.telemetry.metrics().decided(&verdict, visit.begun.elapsed());
        let record = evidence::Denial {
            decision: visit.id.clone(),
            at: visit.now,
            caller: visit.caller(span.trace_ids().map(|ids| ids.trace_id)),
            asked: format!("{} {}", visit.method.as_str(), visit.asked).chars().take(256).collect(),
            call: None,
            verdict,
            detail: Some(error.message.clone()),
        };
        let recorded = self.recorded(visit, Record::Denial(record), false).await;
        let error = recorded.err().unwrap_or(error);
        let ending = Ending::RpcError { code: error.code };
        span.end(ending);
        let elapsed = visit.origin.received.elapsed();
        self.parts.telemetry.metrics().inquired(visit.method, ending, elapsed, elapsed);
        Err(error)
    }
}

fn may_ask(visit: &Visit, server: &ServerName, required: &InputRequired) -> Result<(), RpcError> {
    visit.asked().by_round(server, &required.requests).map_err(|why| {
        tracing::warn!(%server, why, "a question of a tool server is refused");
        RpcError::new(code::INTERNAL, format!("The tool server asks what it may not: {why}. Decision {}.", visit.id))
    })
}

/// What is not there and what this subject may not have answer alike (T066).
fn unknown(request: &Request) -> RpcError {
    let target: String = request.target.chars().take(256).collect();
    match request.method {
        Method::ReadResource | Method::Subscribe => {
            let data = serde_json::value::to_raw_value(&serde_json::json!({"uri": target})).ok();
            RpcError { data, ..RpcError::invalid_params("Resource not found") }
        }
        Method::GetTask | Method::UpdateTask | Method::CancelTask => RpcError::invalid_params("Unknown task"),
        Method::Complete => RpcError::invalid_params("`params.ref` names nothing that can be completed here"),
        Method::GetPrompt | Method::CallTool => RpcError::invalid_params(format!("Unknown prompt: {target}")),
    }
}

/// A server's own error; the legacy code for a missing resource becomes the modern one.
fn server_error(given: i32, words: Words, request: &Request) -> RpcError {
    if given == code::RESOURCE_NOT_FOUND {
        let missing = unknown(request);
        let error = words.error(missing.code);
        return RpcError { data: error.data.or(missing.data), ..error };
    }
    words.error(foreign(given))
}

fn ending(reply: &Reply) -> Ending {
    let bytes = match reply {
        Reply::Complete { result, .. } | Reply::Task(result) => result.len(),
        Reply::InputRequired(_) => 0,
    };
    Ending::Answered { bytes, is_error: false }
}
