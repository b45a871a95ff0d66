//! The spans of one call, from the decision to the answer.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

use super::{
    attribute, context,
    ending::Ending,
    facts::{Peer, SpanFacts, TraceIds},
    ids::{Part, span_id},
    instrument::TraceMetrics,
    queue::{Bundle, Place, Queues},
    sample::{Class, Sampler},
    tally::Tally,
    uses::{Receipt, Uses},
};
use crate::domain::{Effect, ExposedName, Verdict, names};

/// What all spans share.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) queues: Queues,
    pub(super) sampler: Sampler,
    pub(super) ids: RandomIdGenerator,
    pub(super) metrics: Arc<TraceMetrics>,
    pub(super) uses: Arc<Uses>,
}

/// The SERVER span of a request. Dropped without [`end`](Self::end), it ends as `abandoned`.
#[derive(Debug)]
pub struct ServerSpan(State);

#[derive(Debug)]
enum State {
    /// Without a collector: what the caller sent is passed on.
    Off(Option<SpanContext>),
    On(Box<Call>),
    Ended,
}

#[derive(Debug)]
struct Call {
    recorder: Arc<Recorder>,
    facts: SpanFacts,
    parent: Option<SpanContext>,
    context: SpanContext,
    start: SystemTime,
    class: Class,
    place: Option<Place>,
    /// Held from before the intent is durable until the collector's answer.
    receipt: Option<Receipt>,
    decision: Vec<KeyValue>,
    children: Children,
    dispatched: AtomicU32,
}

/// Ended spans below the SERVER span; they leave with it, and nothing is left then.
type Children = Arc<Mutex<Option<Vec<SpanData>>>>;

impl ServerSpan {
    /// The span of a request when no collector is configured.
    pub(super) fn off(facts: &SpanFacts) -> Self {
        Self(State::Off(context::parent(facts.traceparent.as_deref(), facts.tracestate.as_deref())))
    }

    pub(super) fn start(recorder: Arc<Recorder>, facts: SpanFacts, verdict: Option<&Verdict>) -> Self {
        let parent = context::parent(facts.traceparent.as_deref(), facts.tracestate.as_deref());
        let trace = parent.as_ref().map_or_else(|| recorder.ids.new_trace_id(), SpanContext::trace_id);
        let class = recorder.sampler.class(verdict, parent.as_ref(), trace);
        let state = parent.as_ref().map(|parent| parent.trace_state().clone()).unwrap_or_default();
        let span = span_id(&facts.decision, Part::Server);
        let context = SpanContext::new(trace, span, flags(class), false, state);
        let place = recorder.queues.place(class);
        let receipt = (class == Class::Exception).then(|| recorder.uses.hold(span));
        let now = SystemTime::from(facts.now);
        let start = now.checked_sub(facts.received.elapsed()).unwrap_or(now);
        let decision = verdict.map(attribute::decision).unwrap_or_default();
        let children = Arc::new(Mutex::new(Some(Vec::new())));
        let dispatched = AtomicU32::new(0);
        Self(State::On(Box::new(Call {
            recorder,
            facts,
            parent,
            context,
            start,
            class,
            place,
            receipt,
            decision,
            children,
            dispatched,
        })))
    }

    /// Whether the spans of this call are recorded and their place in the queue of acknowledged spans is held, so
    /// that nothing but the end of the process keeps them from the collector. This is what `trace.full` asks.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        matches!(&self.0, State::On(call) if call.place.is_some() && !call.recorder.queues.is_closed())
    }

    /// The ids of this span.
    #[must_use]
    pub fn trace_ids(&self) -> Option<TraceIds> {
        let State::On(call) = &self.0 else { return None };
        Some(TraceIds {
            trace_id: call.context.trace_id().to_string(),
            span_id: call.context.span_id().to_string(),
            recorded: call.class != Class::Unsampled,
        })
    }

    /// Adds the span `postern.authorize`, once, when the last word on the call is known: the decision itself, or
    /// the refusal by a control or by admission after it. A refusal is recorded even if the trace was not.
    pub fn authorize(&mut self, started: Instant, ended: Instant, verdict: &Verdict) {
        let State::On(call) = &mut self.0 else { return };
        if verdict.effect == Effect::Deny {
            call.upgrade();
        }
        if call.class == Class::Unsampled {
            return;
        }
        call.decision = attribute::decision(verdict);
        let context = call.below(Part::Authorize);
        let mut span = data(&context, SpanKind::Internal, "postern.authorize".into());
        span.parent_span_id = call.context.span_id();
        (span.start_time, span.end_time) = (call.at(started), call.at(ended));
        span.attributes = attribute::authorize(&call.facts.decision, verdict);
        push(&call.children, span, &call.recorder.metrics);
    }

    /// Says which duties hold, by id.
    pub fn satisfied(&mut self, duties: &[&'static str]) {
        if let State::On(call) = &mut self.0
            && call.class != Class::Unsampled
            && !duties.is_empty()
        {
            call.decision.push(KeyValue::new(names::MONITORING_SATISFIED, attribute::texts(duties.iter().copied())));
        }
    }

    /// Says where the intent stands in the journal.
    pub fn audited(&mut self, sequence: u64) {
        if let State::On(call) = &mut self.0
            && call.class != Class::Unsampled
        {
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            call.decision.push(KeyValue::new(names::AUDIT_SEQ, sequence));
        }
    }

    /// Begins the CLIENT span of a dispatch. End it before this span; what ends later is counted as late.
    pub fn client(&self, peer: Peer) -> ClientSpan {
        match &self.0 {
            State::On(call) => {
                let context = call.below(Part::Client(call.dispatched.fetch_add(1, Ordering::Relaxed)));
                let began = Instant::now();
                let open = (call.class != Class::Unsampled).then(|| Open {
                    peer,
                    parent: call.context.span_id(),
                    start: call.at(began),
                    began,
                    children: Arc::clone(&call.children),
                    metrics: Arc::clone(&call.recorder.metrics),
                });
                ClientSpan { context: Some(context), open }
            }
            State::Off(parent) => ClientSpan { context: parent.clone(), open: None },
            State::Ended => ClientSpan { context: None, open: None },
        }
    }

    /// Ends the span and queues all of the call. `true` if the spans went to a place that was held, so that they are
    /// sent until the collector answers; `false` promises nothing.
    pub fn end(mut self, ending: Ending) -> bool {
        self.finish(ending)
    }

    fn finish(&mut self, ending: Ending) -> bool {
        match std::mem::replace(&mut self.0, State::Ended) {
            State::On(call) => call.finish(ending),
            State::Off(_) | State::Ended => false,
        }
    }
}

impl Drop for ServerSpan {
    fn drop(&mut self) {
        self.finish(Ending::Abandoned);
    }
}

impl Call {
    /// The context of a span below this one.
    fn below(&self, part: Part) -> SpanContext {
        let (above, state) = (&self.context, self.context.trace_state().clone());
        SpanContext::new(above.trace_id(), span_id(&self.facts.decision, part), above.trace_flags(), false, state)
    }

    fn at(&self, moment: Instant) -> SystemTime {
        self.start + moment.saturating_duration_since(self.facts.received)
    }

    /// Makes the call a recorded refusal, if it is not acknowledged already.
    fn upgrade(&mut self) {
        if self.class.is_acknowledged() {
            return;
        }
        self.class = Class::Denial;
        self.place = self.recorder.queues.place(Class::Denial);
        let state = self.context.trace_state().clone();
        let flags = flags(self.class);
        self.context = SpanContext::new(self.context.trace_id(), self.context.span_id(), flags, false, state);
    }

    /// Joins the series that count this call to its trace.
    fn exemplify(&self, ending: Ending) {
        let trace = self.context.trace_id().to_string();
        let exemplars = &self.recorder.metrics.exemplars;
        let said = |key: &str| {
            let found = self.decision.iter().find(|pair| pair.key.as_str() == key);
            found.map(|pair| pair.value.as_str().into_owned()).unwrap_or_default()
        };
        let (decision, basis, reason) = (said(names::DECISION), said(names::BASIS), said(names::REASON));
        let labels = [("decision", &*decision), ("basis", &*basis), ("reason", &*reason)];
        exemplars.note("postern_authz_decisions_total", &labels, &trace, 1.0);
        if self.receipt.is_some() && decision == "allow" {
            let (exception, pilot) = (said(names::EXCEPTION), said(names::PILOT));
            let labels = [("exception_id", &*exception), ("pilot_id", &*pilot)];
            exemplars.note("postern_exception_uses_total", &labels, &trace, 1.0);
        }
        let (Some(server), Some(exposed)) = (&self.facts.server, &self.facts.tool) else { return };
        let own = exposed.as_str().strip_prefix(server.as_str()).and_then(|rest| rest.strip_prefix("__"));
        let labels = [
            ("mcp_method_name", attribute::CALL),
            ("postern_server", server.as_str()),
            ("gen_ai_tool_name", own.unwrap_or(exposed.as_str())),
            ("error_type", Ending::LABELS.get(ending.label()).copied().unwrap_or_default()),
        ];
        let took = self.facts.received.elapsed().as_secs_f64();
        exemplars.note("mcp_server_operation_duration_seconds", &labels, &trace, took);
    }

    fn finish(self, ending: Ending) -> bool {
        if self.class == Class::Unsampled {
            return false;
        }
        let target = self.facts.tool.as_ref().map(ExposedName::as_str).or(self.facts.prompt.as_deref());
        let name = target.map(|target| format!("{} {target}", self.facts.method).into());
        let mut span = data(&self.context, SpanKind::Server, name.unwrap_or(self.facts.method.into()));
        if let Some(parent) = &self.parent {
            (span.parent_span_id, span.parent_span_is_remote) = (parent.span_id(), true);
        }
        (span.start_time, span.end_time) = (self.start, self.at(Instant::now()));
        span.attributes = attribute::server(&self.facts);
        close(&mut span, ending, true);
        self.exemplify(ending);
        span.attributes.extend(self.decision);
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut spans = children.unwrap_or_default();
        spans.push(span);
        let (count, is_acknowledged) = (spans.len(), self.class.is_acknowledged());
        let tally = Tally::new(Arc::clone(&self.recorder.metrics), is_acknowledged, count);
        let bundle = Bundle { spans, receipt: self.receipt, again: false, tally };
        if let Some(place) = self.place {
            // Behind an exporter that has ended they would lie for good; dropped, they are counted, and a use is gone.
            let open = !self.recorder.queues.is_closed();
            if open {
                place.put(bundle);
            }
            return open;
        }
        if let Err(bundle) = self.recorder.queues.offer(bundle) {
            self.recorder.metrics.dropped(is_acknowledged, count);
            bundle.tally.settled();
        }
        false
    }
}

/// The CLIENT span of a dispatch. Dropped without [`end`](Self::end), it ends as `abandoned`.
#[derive(Debug)]
pub struct ClientSpan {
    context: Option<SpanContext>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    peer: Peer,
    parent: SpanId,
    start: SystemTime,
    began: Instant,
    children: Children,
    metrics: Arc<TraceMetrics>,
}

impl ClientSpan {
    /// The `_meta.traceparent` for the tool server: this span's, or without a collector what the agent sent.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.context.as_ref().map(context::traceparent)
    }

    /// The `_meta.tracestate` that belongs to it.
    #[must_use]
    pub fn tracestate(&self) -> Option<String> {
        self.context.as_ref().and_then(context::tracestate)
    }

    /// Ends the span.
    pub fn end(mut self, ending: Ending) {
        self.finish(ending);
    }

    fn finish(&mut self, ending: Ending) {
        let (Some(open), Some(context)) = (self.open.take(), &self.context) else { return };
        let method = open.peer.method.as_str();
        let name = open.peer.name.as_ref().map(|name| format!("{method} {name}").into());
        let mut span = data(context, SpanKind::Client, name.unwrap_or(method.into()));
        span.parent_span_id = open.parent;
        (span.start_time, span.end_time) = (open.start, open.start + open.began.elapsed());
        span.attributes = attribute::client(&open.peer);
        close(&mut span, ending, false);
        push(&open.children, span, &open.metrics);
    }
}

impl Drop for ClientSpan {
    fn drop(&mut self) {
        self.finish(Ending::Abandoned);
    }
}

const fn flags(class: Class) -> TraceFlags {
    if matches!(class, Class::Unsampled) { TraceFlags::NOT_SAMPLED } else { TraceFlags::SAMPLED }
}

pub(super) fn close(span: &mut SpanData, ending: Ending, is_server: bool) {
    span.attributes.extend(attribute::ending(ending, is_server));
    if let Some(error) = ending.error_type(is_server) {
        span.status = Status::error(error);
    }
}

fn push(children: &Children, span: SpanData, metrics: &TraceMetrics) {
    match &mut *children.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(spans) => spans.push(span),
        None => metrics.late(),
    }
}

pub(super) fn data(context: &SpanContext, span_kind: SpanKind, name: std::borrow::Cow<'static, str>) -> SpanData {
    SpanData {
        span_context: context.clone(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind,
        name,
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope(),
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(names::SCOPE).with_version(env!("CARGO_PKG_VERSION")).build()
}
