//! Everything that `/metrics` shows, and how the rooms say it.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prometheus::{
    Error, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::{
    ending::Ending,
    holds::HoldMetrics,
    instrument::{AuditMetrics, Maker, Registered, TraceMetrics, seconds, whole},
    offsite::OffsiteMetrics,
    series::ToolDurations,
};
use crate::domain::{
    ExceptionId, FreezeScope, Method, Obligation, PilotId, ServerName, Timestamp, ToolRef, Verdict, limits,
};

/// Bounds of `mcp.server.operation.duration` and `mcp.client.operation.duration`, as the conventions set them.
const OPERATION: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// Bounds of `mcp.server.session.duration` and `mcp.client.session.duration`.
const SESSION: [f64; 10] = [0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];
/// Bounds for what the gateway itself adds.
const OVERHEAD: [f64; 10] = [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
/// Bounds for one decision.
const DECIDE: [f64; 10] = [0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01];

/// An exception that has its own series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedException {
    /// Which one.
    pub id: ExceptionId,
    /// The pilot it belongs to.
    pub pilot: Option<PilotId>,
    /// When it is over.
    pub not_after: Timestamp,
    /// Calls that it may have.
    pub budget: u64,
}

/// All metrics. Labels come from closed lists or from what was registered, never from a caller (T107).
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: Vec<Registered>,
    audit: AuditMetrics,
    offsite: OffsiteMetrics,
    holds: HoldMetrics,
    pub(super) trace: Arc<TraceMetrics>,
    decisions: IntCounterVec,
    decide: Histogram,
    overhead: Histogram,
    server: ToolDurations,
    client: ToolDurations,
    sessions: HistogramVec,
    talks: HistogramVec,
    uses: IntCounterVec,
    exceptions: ArcSwap<BTreeMap<ExceptionId, Tracked>>,
    active: IntGauge,
    expires: GaugeVec,
    states: IntGaugeVec,
    healthy: IntGaugeVec,
    unmet: IntCounterVec,
    left: IntGaugeVec,
    lag: IntGaugeVec,
    frozen: IntGaugeVec,
}

#[derive(Debug, Clone)]
struct Tracked {
    pilot: String,
    uses: IntCounter,
    budget: u64,
}

impl Metrics {
    pub(super) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let maker = Maker(&registry, RefCell::default());
        let durations = |name, help| maker.histograms(name, help, &OPERATION, &ToolDurations::LABELS);
        Ok(Self {
            audit: AuditMetrics::new(&maker)?,
            offsite: OffsiteMetrics::new(&maker)?,
            holds: HoldMetrics::new(&maker)?,
            trace: Arc::new(TraceMetrics::new(&maker)?),
            decisions: maker.counters(
                "postern_authz_decisions_total",
                "Decisions on calls.",
                &["decision", "basis", "reason"],
            )?,
            decide: maker.histogram("postern_authz_duration_seconds", "Duration of a decision.", &DECIDE)?,
            overhead: maker.histogram(
                "postern_gateway_overhead_seconds",
                "A call without its tool server.",
                &OVERHEAD,
            )?,
            server: ToolDurations::new(durations("mcp_server_operation_duration_seconds", "Calls by agents.")?),
            client: ToolDurations::new(durations("mcp_client_operation_duration_seconds", "Calls to tool servers.")?),
            sessions: maker.histograms(
                "mcp_server_session_duration_seconds",
                "Sessions of legacy agents that ended, until their last use.",
                &SESSION,
                &["mcp_protocol_version"],
            )?,
            talks: maker.histograms(
                "mcp_client_session_duration_seconds",
                "Sessions with legacy tool servers that ended.",
                &SESSION,
                &["mcp_protocol_version", "postern_server"],
            )?,
            uses: maker.counters(
                "postern_exception_uses_total",
                "Calls that an exception admitted.",
                &["exception_id", "pilot_id"],
            )?,
            exceptions: ArcSwap::default(),
            active: maker.gauge("postern_exception_active", "Exceptions that can be used or are suspended.")?,
            expires: maker.moments(
                "postern_exception_expires_timestamp_seconds",
                "When it is over.",
                &["exception_id"],
            )?,
            states: maker.gauges("postern_exception_state", "Exceptions by state.", &["state"])?,
            healthy: maker.gauges("postern_monitoring_healthy", "Whether a control works.", &["monitor"])?,
            left: maker.gauges(
                "postern_exception_budget_remaining",
                "Calls that are left to it.",
                &["exception_id"],
            )?,
            lag: maker.gauges("postern_export_lag_records", "Records that a destination has not got.", &["sink"])?,
            unmet: maker.counters("postern_monitoring_denials_total", "Calls that a control refused.", &["monitor"])?,
            frozen: maker.gauges("postern_frozen", "Scopes that are frozen, by their kind.", &["scope"])?,
            names: maker.1.take(),
            registry,
        })
    }

    /// What the store says of the journal.
    #[must_use]
    pub const fn audit(&self) -> &AuditMetrics {
        &self.audit
    }

    /// What is measured of receivers of checkpoints.
    #[must_use]
    pub const fn offsite(&self) -> &OffsiteMetrics {
        &self.offsite
    }

    /// What is told of calls that wait for a person.
    #[must_use]
    pub const fn holds(&self) -> &HoldMetrics {
        &self.holds
    }

    /// A decision was taken, in this time.
    pub fn decided(&self, verdict: &Verdict, elapsed: Duration) {
        self.decide.observe(elapsed.as_secs_f64());
        let labels = [verdict.word(), verdict.basis.as_str(), verdict.reason.as_str()];
        self.decisions.with_label_values(&labels).inc();
    }

    /// A call was answered: the whole of it, and the part that was not the tool server's.
    pub fn served(&self, tool: Option<&ToolRef>, ending: Ending, elapsed: Duration, overhead: Duration) {
        self.server.observe(tool, ending, elapsed);
        self.overhead.observe(overhead.as_secs_f64());
    }

    /// A tool server answered a call, or did not.
    pub fn dispatched(&self, tool: &ToolRef, ending: Ending, elapsed: Duration) {
        self.client.observe(Some(tool), ending, elapsed);
    }

    /// A request that calls no tool was answered.
    pub fn inquired(&self, method: Method, ending: Ending, elapsed: Duration, overhead: Duration) {
        self.server.observe_other(method, ending, elapsed);
        self.overhead.observe(overhead.as_secs_f64());
    }

    /// A tool server answered a request that calls no tool, or did not.
    pub fn asked(&self, method: Method, ending: Ending, elapsed: Duration) {
        self.client.observe_other(method, ending, elapsed);
    }

    /// A session of a legacy agent ended; `version` is one of the revisions that are spoken here.
    pub fn session_ended(&self, version: &'static str, lasted: Duration) {
        self.sessions.with_label_values(&[version]).observe(lasted.as_secs_f64());
    }

    /// A session with a legacy tool server ended.
    pub fn talk_ended(&self, server: &ServerName, version: &'static str, lasted: Duration) {
        self.talks.with_label_values(&[version, server.as_str()]).observe(lasted.as_secs_f64());
    }

    /// These tools have series of their own from now on; the rest is `other`.
    pub fn register_tools(&self, tools: &[ToolRef]) {
        self.server.register(tools);
        self.client.register(tools);
    }

    /// These exceptions have series of their own from now on, each counted from zero, so that the first use is an
    /// increase. Those of others are forgotten. Beyond the bound, those that have a series keep it and the rest is
    /// `other`.
    pub fn register_exceptions(&self, exceptions: &[TracedException]) {
        let before = self.exceptions.load();
        let mut next = BTreeMap::new();
        let (old, new): (Vec<_>, Vec<_>) = exceptions.iter().partition(|one| before.contains_key(&one.id));
        for exception in old.into_iter().chain(new).take(limits::SERIES) {
            let pilot = exception.pilot.as_ref().map_or("", PilotId::as_str).to_owned();
            let uses = self.uses.with_label_values(&[exception.id.as_str(), &pilot]);
            self.expires.with_label_values(&[exception.id.as_str()]).set(seconds(exception.not_after));
            next.insert(exception.id.clone(), Tracked { pilot, uses, budget: exception.budget });
        }
        for (id, tracked) in before.iter() {
            if next.get(id).is_none_or(|kept| kept.pilot != tracked.pilot) {
                // It may have gone already.
                let _gone = self.uses.remove_label_values(&[id.as_str(), &tracked.pilot]);
            }
            if !next.contains_key(id) {
                let _gone = self.expires.remove_label_values(&[id.as_str()]);
                let _gone = self.left.remove_label_values(&[id.as_str()]);
            }
        }
        self.active.set(i64::try_from(exceptions.len()).unwrap_or(i64::MAX));
        self.exceptions.store(Arc::new(next));
    }

    /// An exception admitted a call.
    pub fn used(&self, exception: &ExceptionId) {
        match self.exceptions.load().get(exception) {
            Some(tracked) => tracked.uses.inc(),
            None => self.uses.with_label_values(&["other", ""]).inc(),
        }
    }

    /// So many exceptions are in this state.
    pub fn in_state(&self, state: &'static str, exceptions: u64) {
        self.states.with_label_values(&[state]).set(whole(exceptions));
    }

    /// So many uses of exceptions have no acknowledged trace though they should.
    pub fn without_trace(&self, uses: u64) {
        self.trace.without(uses);
    }

    /// A control works, or does not. What it refuses is counted from zero.
    pub fn control(&self, id: &str, healthy: bool) {
        let _from_zero = self.unmet.with_label_values(&[control(id)]);
        self.healthy.with_label_values(&[control(id)]).set(i64::from(healthy));
    }

    /// A control refused a call.
    pub fn refused_by(&self, id: &str) {
        self.unmet.with_label_values(&[control(id)]).inc();
    }

    /// Every metric that there can be.
    #[must_use]
    pub fn names(&self) -> &[Registered] {
        &self.names
    }

    /// Says what only the present moment tells.
    pub fn refresh(&self, now: Timestamp) {
        self.trace.refresh(now);
    }

    /// So many records wait for this destination.
    pub fn lag(&self, sink: &str, records: u64) {
        self.lag.with_label_values(&[sink]).set(whole(records));
    }

    /// The live exceptions, and how many calls each may have.
    #[must_use]
    pub fn budgets(&self) -> Vec<(ExceptionId, u64)> {
        self.exceptions.load().iter().map(|(id, tracked)| (id.clone(), tracked.budget)).collect()
    }

    /// So many calls are left to a live exception.
    pub fn left(&self, exception: &ExceptionId, calls: u64) {
        if self.exceptions.load().contains_key(exception) {
            self.left.with_label_values(&[exception.as_str()]).set(whole(calls));
        }
    }

    /// Everything in the text format of OpenMetrics, with exemplars.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        self.trace.exemplars.expose(&self.registry.gather())
    }

    /// These scopes are frozen now.
    pub fn frozen<'a>(&self, scopes: impl Iterator<Item = &'a FreezeScope>) {
        let mut counts = BTreeMap::from(FreezeScope::KINDS.map(|kind| (kind, 0)));
        scopes.for_each(|scope| *counts.entry(scope.kind()).or_default() += 1);
        for (kind, count) in counts {
            self.frozen.with_label_values(&[kind]).set(count);
        }
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn control(id: &str) -> &'static str {
    Obligation::IDS.into_iter().find(|known| *known == id).unwrap_or("other")
}
