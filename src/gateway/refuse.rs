//! A refusal on its way: one record, one span, one answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::{
    Gateway,
    admit::Kept,
    reply::{Shown, complete, unrecorded},
    request,
    round::ForeignState,
    visit::Visit,
};
use crate::{
    catalog::{ArgumentError, Tool, ToolCall},
    domain::{Effect, Obligation, Reason, Verdict, limits},
    evidence::{self, Called, Record},
    mcp::{
        HeaderFault, InputRequired,
        server::{Reply, Request, RpcError},
    },
    monitoring::Unmet,
    policy::{Denial, Permit},
    telemetry::{Ending, ServerSpan},
};

/// What was to be sent, byte for byte.
struct Sent {
    arguments: Option<Box<RawValue>>,
    passthrough: Vec<(Box<str>, Box<RawValue>)>,
}

impl Sent {
    fn of(call: &ToolCall) -> Self {
        Self { arguments: Some(call.arguments().to_owned()), passthrough: call.passthrough().to_vec() }
    }
}

/// What is refused, and what the agent may know of it.
pub(super) struct Refusal {
    verdict: Verdict,
    tool: Option<Arc<Tool>>,
    detail: Option<String>,
    /// What the record has instead, where the detail is for the agent alone.
    recorded: Option<String>,
    retry_after: Option<Duration>,
    requestable: bool,
    sent: Option<Sent>,
    as_error: Option<RpcError>,
    /// What the agent may know of the hold, and what its client is asked instead of an answer.
    hold: Option<(Value, Option<InputRequired>)>,
}

impl Refusal {
    fn plain(verdict: Verdict, tool: Option<&Arc<Tool>>) -> Self {
        Self {
            verdict,
            tool: tool.cloned(),
            detail: None,
            recorded: None,
            retry_after: None,
            requestable: false,
            sent: None,
            as_error: None,
            hold: None,
        }
    }

    /// No such tool for this subject.
    pub(super) fn unknown(verdict: Verdict) -> Self {
        Self::plain(verdict, None)
    }

    /// The arguments break the schema.
    pub(super) fn arguments(verdict: Verdict, tool: &Arc<Tool>, error: &ArgumentError) -> Self {
        let recorded = Some(error.recorded());
        Self { detail: Some(error.to_string()), recorded, ..Self::plain(verdict, Some(tool)) }
    }

    /// A mirrored header differs from the body (T006).
    pub(super) fn header(verdict: Verdict, tool: &Arc<Tool>, fault: HeaderFault) -> Self {
        Self { detail: Some(fault.to_string()), as_error: Some(fault.into()), ..Self::plain(verdict, Some(tool)) }
    }

    /// The state of a round is not one of this call (T035).
    pub(super) fn state(verdict: Verdict, tool: &Arc<Tool>, fault: ForeignState) -> Self {
        let error = RpcError::invalid_params(fault.to_string());
        Self { detail: Some(fault.to_string()), as_error: Some(error), ..Self::plain(verdict, Some(tool)) }
    }

    /// The decision point said no.
    pub(super) fn of(denial: Denial, tool: &Arc<Tool>, request: &Request) -> Self {
        let sent = Some(Sent { arguments: request.arguments.clone(), passthrough: request.members.clone() });
        Self { requestable: denial.requestable, sent, ..Self::plain(denial.verdict, Some(tool)) }
    }

    /// It is frozen; no policy was asked.
    pub(super) fn frozen(verdict: Verdict, tool: &Arc<Tool>, request: &Request) -> Self {
        let sent = Some(Sent { arguments: request.arguments.clone(), passthrough: request.members.clone() });
        Self { sent, ..Self::plain(verdict, Some(tool)) }
    }

    /// A round that waited for a person goes no further.
    pub(super) fn waited(verdict: Verdict, tool: &Arc<Tool>, request: &Request) -> Self {
        let detail = "the caller is gone, or the policies changed, while the call waited".to_owned();
        Self { detail: Some(detail), ..Self::frozen(verdict, tool, request) }
    }

    /// A control is not met.
    pub(super) fn unmet(permit: &Permit, unmet: Unmet) -> Self {
        let verdict = Verdict { effect: Effect::Deny, reason: unmet.reason, ..permit.verdict().clone() };
        let detail = Some(format!("{}: {}", unmet.control, unmet.detail));
        let sent = Some(Sent::of(permit.call()));
        Self { detail, retry_after: unmet.retry_after, sent, ..Self::plain(verdict, Some(permit.call().tool())) }
    }

    /// A person has to say yes first.
    pub(super) fn held(permit: &Permit, detail: String, hold: (Value, Option<InputRequired>)) -> Self {
        Self { hold: Some(hold), ..Self::admission(permit, Reason::ApprovalPending, detail) }
    }

    /// What a duty wants on record cannot be kept whole.
    pub(super) fn kept_not(permit: &Permit, duty: &Obligation, detail: String) -> Self {
        let control = duty.id();
        Self::unmet(permit, Unmet { control, reason: Reason::ControlUnmet, detail, retry_after: None })
    }

    /// The admission transaction said no.
    pub(super) fn admission(permit: &Permit, reason: Reason, detail: String) -> Self {
        let verdict = Verdict { effect: Effect::Deny, reason, ..permit.verdict().clone() };
        let sent = Some(Sent::of(permit.call()));
        Self { detail: Some(detail), sent, ..Self::plain(verdict, Some(permit.call().tool())) }
    }
}

impl Gateway {
    pub(super) async fn refuse(
        &self,
        visit: &Visit,
        refusal: Refusal,
        span: Option<ServerSpan>,
    ) -> Result<Reply, RpcError> {
        self.parts.telemetry.metrics().decided(&refusal.verdict, visit.begun.elapsed());
        let mut span = span.unwrap_or_else(|| self.span(visit, refusal.tool.as_deref(), &refusal.verdict));
        span.authorize(visit.begun, Instant::now(), &refusal.verdict);
        let call = refusal.tool.as_ref().and_then(|tool| self.asked(visit, tool, &refusal));
        let record = evidence::Denial {
            decision: visit.id.clone(),
            at: visit.now,
            caller: visit.caller(span.trace_ids().map(|ids| ids.trace_id)),
            asked: visit.asked.clone(),
            call,
            verdict: refusal.verdict.clone(),
            detail: refusal.recorded.clone().or_else(|| refusal.detail.clone()),
        };
        let recorded = self.parts.admission.record(Record::Denial(record)).await;
        if let Ok(position) = &recorded {
            span.audited(position.seq);
        }
        let unavailable = refusal.verdict.reason == Reason::AuditUnavailable;
        let answer = match recorded {
            Err(error) => {
                tracing::error!(decision = %visit.id, %error, "a refusal is not durable");
                Err(unrecorded(&visit.id, false))
            }
            Ok(_) if unavailable => Err(unrecorded(&visit.id, false)),
            Ok(_) => self.shown(visit, &refusal),
        };
        let ending = answer.as_ref().map_or_else(|error| Ending::RpcError { code: error.code }, |_| Ending::Refused);
        let elapsed = visit.origin.received.elapsed();
        self.parts.telemetry.metrics().served(
            refusal.tool.as_ref().map(|tool| &tool.reference),
            ending,
            elapsed,
            elapsed,
        );
        span.end(ending);
        match (answer, refusal.hold) {
            (Ok(_), Some((_, Some(ask)))) => Ok(Reply::InputRequired(ask)),
            (answer, _) => answer.map(complete),
        }
    }

    /// What was asked for, with sealed arguments, so that `explain` can judge it again.
    fn asked(&self, visit: &Visit, tool: &Arc<Tool>, refusal: &Refusal) -> Option<Called> {
        let sent = refusal.sent.as_ref()?;
        let call = ToolCall::check(Arc::clone(tool), sent.arguments.as_deref(), sent.passthrough.clone()).ok()?;
        let kept = Kept { exception: refusal.verdict.exception.as_ref(), whole: false };
        self.called(visit, &call, kept).ok()
    }

    fn shown(&self, visit: &Visit, refusal: &Refusal) -> Result<Bytes, RpcError> {
        if let Some(error) = &refusal.as_error {
            return Err(error.clone());
        }
        let Some(tool) = &refusal.tool else {
            return Err(RpcError::invalid_params(format!("Unknown tool: {}", visit.asked)));
        };
        let verdict = &refusal.verdict;
        let raw = refusal.sent.as_ref().and_then(|sent| sent.arguments.as_deref());
        let arguments = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let request =
            refusal.requestable.then(|| request::smallest(visit, tool, arguments.as_ref(), &self.parts.admin_url));
        let shown = Shown {
            sentence: sentence(verdict.reason, &tool.reference.to_string(), refusal.detail.as_deref()),
            reason: verdict.reason,
            basis: verdict.basis.as_str(),
            exception: verdict.exception.as_ref().map(ToString::to_string),
            retry_after_ms: refusal.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            request,
            hold: refusal.hold.as_ref().map(|(facts, _)| facts.clone()),
        };
        self.answer(&visit.id, &shown)
    }
}

fn sentence(reason: Reason, tool: &str, detail: Option<&str>) -> String {
    let detail = detail.map(|detail| detail.chars().take(limits::DESCRIPTION).collect::<String>()).unwrap_or_default();
    let why = match reason {
        Reason::NoGrant => "no role of this agent allows it and no exception does".to_owned(),
        Reason::HardGuardrail | Reason::SoftGuardrail => "a guardrail forbids it".to_owned(),
        Reason::InvalidArguments => format!("the arguments do not fit the tool: {detail}"),
        Reason::ScopeMismatch => "an exception names this agent and tool, but not this call".to_owned(),
        Reason::ExceptionExpired => "its exception has ended".to_owned(),
        Reason::ExceptionExhausted => "the budget of its exception is spent".to_owned(),
        Reason::ExceptionSuspended => "its exception is suspended".to_owned(),
        Reason::ExceptionRevoked => "its exception was revoked or changed".to_owned(),
        Reason::MonitoringUnavailable => {
            format!("the monitoring that its exception demands does not work now ({detail})")
        }
        Reason::ControlUnmet => format!("a control of its exception is not met ({detail})"),
        Reason::ApprovalPending => format!("a person has to approve this one call before it is made ({detail})"),
        Reason::ApprovalDenied => format!("it needs a person's yes and has none: {detail}"),
        Reason::RateLimited => format!("its exception allows no more calls now ({detail})"),
        Reason::Frozen => "it is frozen for now".to_owned(),
        Reason::Stale => "policies or credentials changed at this moment".to_owned(),
        Reason::AuditUnavailable => "the record of the call cannot be made durable".to_owned(),
        Reason::PolicyError => "the policies could not be evaluated".to_owned(),
        Reason::ToolQuarantined | Reason::UnknownTool | Reason::Granted => "it is not available".to_owned(),
    };
    format!("The call to `{tool}` was refused: {why}.")
}
