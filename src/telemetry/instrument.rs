//! The instruments of the journal and of the exporter.

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use super::exemplar::Exemplars;
use crate::domain::Timestamp;

/// A metric that is registered: its name, its kind, its labels and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The name on the exposition.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
}

/// Makes instruments and registers them.
pub(super) struct Maker<'a>(pub(super) &'a Registry, pub(super) RefCell<Vec<Registered>>);

impl Maker<'_> {
    fn note(&self, kind: &'static str, name: &str, help: &str, labels: &[&str]) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.1.borrow_mut().push(Registered { name: name.to_owned(), kind, labels, help: help.to_owned() });
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.note("counter", name, help, &[]);
        let made = IntCounter::new(name, help)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.note("counter", name, help, labels);
        let made = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.note("gauge", name, help, &[]);
        let made = IntGauge::new(name, help)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.note("gauge", name, help, labels);
        let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn moment(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.note("gauge", name, help, &[]);
        let made = Gauge::new(name, help)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn moments(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.note("gauge", name, help, labels);
        let made = GaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        self.note("histogram", name, help, &[]);
        let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, Error> {
        self.note("histogram", name, help, labels);
        let made = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

/// Seconds of work on a disk or a local connection.
const QUICK: [f64; 12] = [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0];

/// What the store says of the journal.
#[derive(Debug)]
pub struct AuditMetrics {
    append: Histogram,
    commit: Histogram,
    batch: Histogram,
    queue: IntGauge,
    failures: IntCounter,
    sequence: IntGauge,
    checkpoint: Gauge,
    disk: IntGauge,
    orphans: IntGauge,
}

impl AuditMetrics {
    pub(super) fn new(maker: &Maker<'_>) -> Result<Self, Error> {
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
        Ok(Self {
            append: maker.histogram(
                "postern_audit_append_duration_seconds",
                "From asking for a record until it is durable.",
                &QUICK,
            )?,
            commit: maker.histogram("postern_audit_fsync_duration_seconds", "Duration of a commit to disk.", &QUICK)?,
            batch: maker.histogram("postern_audit_batch_size", "Records of one commit.", &sizes)?,
            queue: maker.gauge("postern_audit_queue_depth", "Records that wait for the writer.")?,
            failures: maker.counter("postern_audit_write_failures_total", "Commits that failed.")?,
            sequence: maker.gauge("postern_audit_seq", "Sequence number of the last durable record.")?,
            checkpoint: maker
                .moment("postern_audit_checkpoint_timestamp_seconds", "When the last checkpoint was signed.")?,
            disk: maker.gauge("postern_audit_disk_free_bytes", "Room on the disk of the journal.")?,
            orphans: maker
                .gauge("postern_audit_orphan_intents", "Intents that were found without an outcome at start.")?,
        })
    }

    /// A record became durable this long after it was asked for.
    pub fn appended(&self, elapsed: Duration) {
        self.append.observe(elapsed.as_secs_f64());
    }

    /// A commit of so many records took this long; the last has this sequence number.
    pub fn committed(&self, records: usize, elapsed: Duration, sequence: u64) {
        self.commit.observe(elapsed.as_secs_f64());
        self.batch.observe(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
        self.sequence.set(whole(sequence));
    }

    /// A commit failed.
    pub fn write_failed(&self) {
        self.failures.inc();
    }

    /// So many records wait for the writer.
    pub fn queued(&self, records: usize) {
        self.queue.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// A checkpoint was signed.
    pub fn checkpointed(&self, at: Timestamp) {
        self.checkpoint.set(seconds(at));
    }

    /// So many bytes are free on the disk.
    pub fn disk_free(&self, bytes: u64) {
        self.disk.set(whole(bytes));
    }

    /// So many intents had no outcome at the last start.
    pub fn orphans(&self, intents: u64) {
        self.orphans.set(whole(intents));
    }
}

/// What the exporter says of itself.
#[derive(Debug)]
pub(super) struct TraceMetrics {
    spans: [IntCounter; 2],
    dropped: [IntCounter; 2],
    unsent: [IntCounter; 2],
    late: IntCounter,
    lost: IntCounter,
    rejected: IntCounter,
    again: IntCounter,
    without: IntGauge,
    unacknowledged: IntGauge,
    last: Gauge,
    /// The last answer of the collector.
    answer: Mutex<Option<Instant>>,
    pub(super) exemplars: Exemplars,
    answers: Histogram,
}

impl TraceMetrics {
    pub(super) fn new(maker: &Maker<'_>) -> Result<Self, Error> {
        let labels = ["queue", "result"];
        let spans = maker.counters("postern_trace_spans_total", "Spans by what became of them.", &labels)?;
        let child = |queue, result| spans.get_metric_with_label_values(&[queue, result]);
        Ok(Self {
            spans: [child("normal", "exported")?, child("acknowledged", "exported")?],
            dropped: [child("normal", "queue_full")?, child("acknowledged", "queue_full")?],
            unsent: [child("normal", "unsent")?, child("acknowledged", "unsent")?],
            late: child("normal", "late")?,
            lost: child("normal", "lost")?,
            rejected: maker.counter("postern_trace_rejected_spans_total", "Spans that the collector refused.")?,
            again: maker
                .counter("postern_trace_replayed_calls_total", "Uses of exceptions whose trace was sent again.")?,
            without: maker.gauge(
                "postern_exception_uses_without_trace",
                "Uses of exceptions whose trace was not acknowledged in time, or never will be.",
            )?,
            last: maker.moment("postern_trace_last_ack_timestamp_seconds", "When the collector last answered.")?,
            answer: Mutex::default(),
            exemplars: Exemplars::default(),
            unacknowledged: maker.gauge("postern_trace_unacked", "Calls whose spans wait for an acknowledgement.")?,
            answers: maker.histogram("postern_trace_ack_duration_seconds", "Until the collector answers.", &QUICK)?,
        })
    }

    /// The queue was full.
    pub(super) fn dropped(&self, is_acknowledged: bool, spans: usize) {
        let [normal, acknowledged] = &self.dropped;
        let counter = if is_acknowledged { acknowledged } else { normal };
        counter.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }

    /// The process ended, or the exporter did, with these in its hands.
    pub(super) fn unsent(&self, is_acknowledged: bool, spans: usize) {
        let [normal, acknowledged] = &self.unsent;
        let counter = if is_acknowledged { acknowledged } else { normal };
        counter.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }

    /// A span ended when the others of its call had left.
    pub(super) fn late(&self) {
        self.late.inc();
    }

    pub(super) fn exported(&self, is_acknowledged: bool, spans: u64) {
        let [normal, acknowledged] = &self.spans;
        if is_acknowledged { acknowledged } else { normal }.inc_by(spans);
    }

    /// They were sent, best effort, and not answered.
    pub(super) fn lost(&self, spans: u64) {
        self.lost.inc_by(spans);
    }

    pub(super) fn rejected(&self, spans: u64) {
        self.rejected.inc_by(spans);
    }

    pub(super) fn told_again(&self) {
        self.again.inc();
    }

    pub(super) fn without(&self, uses: u64) {
        self.without.set(whole(uses));
    }

    /// Says when the collector last answered, as seen from the present moment.
    pub(super) fn refresh(&self, now: Timestamp) {
        let answer = *self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answer {
            self.last.set(seconds(now) - answer.elapsed().as_secs_f64());
        }
    }

    pub(super) fn unacknowledged(&self, calls: u64) {
        self.unacknowledged.set(whole(calls));
    }

    pub(super) fn answered(&self, elapsed: Duration) {
        self.answers.observe(elapsed.as_secs_f64());
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// A count as a gauge holds it.
pub(super) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A moment as Prometheus has it.
pub(super) fn seconds(at: Timestamp) -> f64 {
    std::time::SystemTime::from(at).duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
