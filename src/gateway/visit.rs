//! What one call carries along its road.

use std::{sync::Arc, time::Instant};

use aws_lc_rs::rand;

use super::{Gateway, World};
use crate::{
    domain::{Basis, DecisionId, Digest, ExposedName, Method, Reason, ServerName, Subject, Timestamp, Verdict},
    evidence::Caller,
    mcp::{
        Capabilities, LogLevel,
        server::{Origin, Request},
    },
    telemetry::{ServerSpan, SpanFacts, caller_span},
};

/// One call on its road: who, when, and what was in force when it came.
pub(super) struct Visit {
    pub(super) id: DecisionId,
    pub(super) now: Timestamp,
    pub(super) begun: Instant,
    pub(super) world: Arc<World>,
    pub(super) subject: Arc<Subject>,
    pub(super) method: Method,
    pub(super) asked: String,
    pub(super) origin: Origin,
    pub(super) traceparent: Option<String>,
    pub(super) tracestate: Option<String>,
    /// Whether the client wants progress.
    pub(super) progress: bool,
    /// What the client can do for a server that asks it back.
    pub(super) capabilities: Arc<Capabilities>,
    /// The log messages that the client wants.
    pub(super) log_level: Option<LogLevel>,
}

impl Gateway {
    pub(super) fn visit(&self, subject: Arc<Subject>, request: &Request) -> Visit {
        let now = self.parts.clock.now();
        let subject = self.labelled(subject, now);
        Visit {
            id: decision_id(now),
            now,
            begun: Instant::now(),
            world: self.parts.world.load_full(),
            subject,
            method: request.method,
            asked: request.target.chars().take(128).collect(),
            origin: request.origin.clone(),
            traceparent: request.meta.traceparent.clone(),
            tracestate: request.meta.tracestate.clone(),
            progress: request.meta.progress_token.is_some(),
            capabilities: Arc::clone(&request.capabilities),
            log_level: request.meta.log_level,
        }
    }

    /// The subject with the labels that stand on it now.
    pub(super) fn labelled(&self, subject: Arc<Subject>, now: Timestamp) -> Arc<Subject> {
        let person = subject.on_behalf_of.as_ref().map(|delegator| &delegator.person);
        match self.parts.controls.taints().of(&subject.agent, person, now) {
            Some(taints) => Arc::new(Subject { taints, ..Subject::clone(&subject) }),
            None if subject.taints.is_empty() => subject,
            None => Arc::new(Subject { taints: [].into(), ..Subject::clone(&subject) }),
        }
    }

    /// The SERVER span of a call, begun after its decision so that the sampler sees it.
    pub(super) fn span(&self, visit: &Visit, tool: Option<&crate::catalog::Tool>, verdict: &Verdict) -> ServerSpan {
        let exposed = tool.map(|tool| tool.exposed.clone());
        self.span_of(visit, (exposed, None, tool.map(|tool| tool.reference.server.clone())), verdict)
    }

    /// The same for any request: its tool or prompt, and its server, once they were resolved.
    pub(super) fn span_of(
        &self,
        visit: &Visit,
        (tool, prompt, server): (Option<ExposedName>, Option<String>, Option<ServerName>),
        verdict: &Verdict,
    ) -> ServerSpan {
        let facts = SpanFacts {
            method: visit.method.as_str(),
            tool,
            prompt,
            server,
            agent: visit.subject.agent.clone(),
            user: visit.subject.on_behalf_of.as_ref().map(|delegator| delegator.person.clone()),
            decision: visit.id.clone(),
            request_id: visit.origin.id_text.clone(),
            session: visit.origin.session.clone(),
            protocol: visit.origin.version,
            peer: visit.origin.peer,
            received: visit.origin.received,
            now: visit.now,
            traceparent: visit.traceparent.clone(),
            tracestate: visit.tracestate.clone(),
        };
        self.parts.telemetry.server_span(facts, Some(verdict))
    }
}

impl Visit {
    pub(super) fn caller(&self, trace: Option<String>) -> Caller {
        let mut caller = Caller::of(&self.subject, self.origin.version);
        caller.session = self.origin.session.clone();
        caller.parent = trace.as_ref().and(caller_span(self.traceparent.as_deref()));
        caller.trace = trace;
        caller
    }

    /// A refusal that no policy spoke of.
    pub(super) fn refusal(&self, reason: Reason) -> Verdict {
        Verdict::refusal(Basis::DefaultDeny, reason, Vec::new(), self.policy_set())
    }

    fn policy_set(&self) -> Digest {
        self.world.policies.digest()
    }
}

/// Milliseconds of the time, then 80 random bits: ids sort by time and cannot be guessed. Without random bytes the
/// id is still unique to the microsecond.
pub(super) fn decision_id(now: Timestamp) -> DecisionId {
    DecisionId::from_bits(random_bits(now))
}

/// The bits of such an id.
pub(super) fn random_bits(now: Timestamp) -> u128 {
    let millis = u128::try_from(now.timestamp_millis()).unwrap_or(0);
    let mut random = [0_u8; 16];
    let (_, low) = random.split_at_mut(6);
    if rand::fill(low).is_err() {
        return millis << 80 | u128::from(now.timestamp_subsec_nanos());
    }
    millis << 80 | u128::from_be_bytes(random)
}
