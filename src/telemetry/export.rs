//! The task that carries spans to the collector and keeps the lease.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tokio::{
    sync::{mpsc::Receiver, oneshot},
    time::MissedTickBehavior,
};

use super::{
    collector::{Collector, ExportError, spans_in},
    instrument::TraceMetrics,
    queue::{Bundle, Outlets},
    tally::Tally,
    uses::Receipt,
};
use crate::domain::Lease;

/// How often the queues are emptied; the spans of many calls share one request.
const PACE: Duration = Duration::from_millis(100);
/// The collector is asked for an answer at least this often.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// After a failure the collector is left alone for this long.
const REST: Duration = Duration::from_millis(250);
/// Calls in one request.
const BATCH: usize = 256;

/// Asks the exporter to send what it has and to stop; answered when that is done.
pub(super) type Stop = oneshot::Sender<()>;

/// What it takes from, where it sends to, and whom it tells.
pub(super) struct Exporter {
    collector: Collector,
    outlets: Outlets,
    lease: Arc<Lease>,
    metrics: Arc<TraceMetrics>,
    /// Acknowledged calls that were sent and not answered; they are sent again as they are.
    unanswered: Option<Batch>,
    /// A call that is sent again and waits for a request of its own.
    aside: Option<Bundle>,
    /// The last answer.
    answered: Option<Instant>,
    /// The last time that it gave none.
    failed: Option<Instant>,
    /// After the collector refused acknowledged spans: the span that it has to take before it is trusted again.
    probe: Option<ExportTraceServiceRequest>,
}

/// The calls of one request.
struct Batch {
    request: ExportTraceServiceRequest,
    calls: usize,
    /// Dropped with the batch if the collector refuses it: the journal sends those calls again.
    receipts: Vec<Receipt>,
    tallies: Vec<Tally>,
}

impl Batch {
    /// What became of its spans is counted. Gives the receipts of uses.
    fn settled(self) -> Vec<Receipt> {
        self.tallies.into_iter().for_each(Tally::settled);
        self.receipts
    }
}

impl Exporter {
    pub(super) const fn new(
        collector: Collector,
        outlets: Outlets,
        lease: Arc<Lease>,
        metrics: Arc<TraceMetrics>,
    ) -> Self {
        Self {
            collector,
            outlets,
            lease,
            metrics,
            unanswered: None,
            aside: None,
            answered: None,
            failed: None,
            probe: None,
        }
    }

    /// Runs until it is told to stop, or until nobody is left who could tell.
    pub(super) async fn run(mut self, mut stop: Receiver<Stop>) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                done = stop.recv() => break done,
                _ = pace.tick() => self.turn().await,
            }
        };
        // Calls that hold a place may still use it; no new place is given.
        self.outlets.acknowledged.close();
        self.outlets.normal.close();
        self.failed = None;
        self.turn().await;
        self.lease.fail();
        let calls = self.unanswered.as_ref().map_or(0, |batch| batch.calls) + self.outlets.acknowledged.len();
        if calls > 0 {
            tracing::warn!(
                calls,
                "traces were not sent before the end; those of exceptions are sent at the next start"
            );
        }
        if let Some(done) = done {
            // Whoever asked may have gone.
            let _gone = done.send(());
        }
    }

    /// Sends all that waits, the acknowledged first; a failure leaves the rest to the next turn.
    async fn turn(&mut self) {
        while self.fill() {
            if self.rests() || !self.send_acknowledged().await {
                return;
            }
        }
        if self.rests() {
            return;
        }
        while let Some(batch) = self.take_normal() {
            if !self.send_normal(batch).await {
                return;
            }
        }
        if self.answered.is_none_or(|answered| answered.elapsed() >= HEARTBEAT) {
            self.beat().await;
        }
    }

    fn rests(&self) -> bool {
        self.failed.is_some_and(|failed| failed.elapsed() < REST)
    }

    /// Makes the next batch of acknowledged calls ready; `false` if there is none.
    fn fill(&mut self) -> bool {
        if self.unanswered.is_none() {
            let mut bundles = Vec::new();
            while bundles.len() < BATCH
                && let Some(bundle) = self.aside.take().or_else(|| self.outlets.acknowledged.try_recv().ok())
            {
                if bundle.again {
                    if bundles.is_empty() {
                        bundles.push(bundle);
                    } else {
                        self.aside = Some(bundle);
                    }
                    break;
                }
                bundles.push(bundle);
            }
            self.unanswered = self.batch(bundles);
        }
        let sent = self.unanswered.as_ref().map_or(0, |batch| batch.calls);
        let waiting = sent + self.outlets.acknowledged.len() + usize::from(self.aside.is_some());
        let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
        self.lease.set_backlog(waiting);
        self.metrics.unacknowledged(waiting);
        sent > 0
    }

    fn batch(&self, bundles: Vec<Bundle>) -> Option<Batch> {
        let calls = bundles.len();
        let (mut spans, mut receipts, mut tallies) = (Vec::new(), Vec::new(), Vec::with_capacity(calls));
        for bundle in bundles {
            spans.extend(bundle.spans);
            receipts.extend(bundle.receipt);
            tallies.push(bundle.tally);
        }
        (calls > 0).then(|| Batch { request: self.collector.request(spans), calls, receipts, tallies })
    }

    async fn send_acknowledged(&mut self) -> bool {
        let Some(batch) = self.unanswered.take() else { return false };
        match self.export(batch.request.clone()).await {
            Ok(()) => {
                self.metrics.exported(true, spans_in(&batch.request));
                batch.settled().into_iter().for_each(Receipt::acknowledged);
                self.probe = None;
                self.lease.acknowledge();
                true
            }
            Err(ExportError::Rejected { spans, why }) => {
                let uses = batch.receipts.len();
                tracing::error!(spans, uses, why, "the collector refuses spans; those of exceptions are sent again");
                self.metrics.rejected(spans);
                self.metrics.exported(true, spans_in(&batch.request).saturating_sub(spans));
                self.probe = probe(&batch.request);
                // Uses are sent again from the journal.
                drop(batch.settled());
                self.lease.fail();
                false
            }
            Err(ExportError::Unavailable(_) | ExportError::TimedOut(_)) => {
                self.unanswered = Some(batch);
                false
            }
        }
    }

    fn take_normal(&mut self) -> Option<Batch> {
        let mut bundles = Vec::new();
        while bundles.len() < BATCH
            && let Ok(bundle) = self.outlets.normal.try_recv()
        {
            bundles.push(bundle);
        }
        self.batch(bundles)
    }

    async fn send_normal(&mut self, batch: Batch) -> bool {
        let sent = spans_in(&batch.request);
        let Batch { request, receipts, tallies, .. } = batch;
        let result = self.export(request).await;
        tallies.into_iter().for_each(Tally::settled);
        match result {
            Ok(()) => {
                self.metrics.exported(false, sent);
                receipts.into_iter().for_each(Receipt::acknowledged);
                self.trust();
                true
            }
            Err(ExportError::Rejected { spans, .. }) => {
                self.metrics.rejected(spans);
                self.metrics.exported(false, sent.saturating_sub(spans));
                true
            }
            Err(ExportError::Unavailable(_) | ExportError::TimedOut(_)) => {
                self.metrics.lost(sent);
                false
            }
        }
    }

    /// Asks for an answer: with nothing, or with the probe.
    async fn beat(&mut self) {
        match self.export(self.probe.clone().unwrap_or_default()).await {
            Ok(()) => {
                self.probe = None;
                self.trust();
            }
            Err(ExportError::Rejected { .. } | ExportError::Unavailable(_) | ExportError::TimedOut(_)) => {
                self.lease.fail()
            }
        }
    }

    /// The collector answered, which counts unless it has to take a probe first.
    fn trust(&self) {
        if self.probe.is_none() {
            self.lease.acknowledge();
        }
    }

    async fn export(&mut self, request: ExportTraceServiceRequest) -> Result<(), ExportError> {
        let began = Instant::now();
        let result = self.collector.export(request).await;
        match &result {
            Ok(()) => {
                if self.answered.is_none() {
                    tracing::info!("the collector answers");
                }
                self.answered = Some(Instant::now());
                self.failed = None;
                self.metrics.answered(began.elapsed());
            }
            Err(ExportError::Rejected { .. }) => {}
            Err(error @ (ExportError::Unavailable(_) | ExportError::TimedOut(_))) => {
                self.lease.fail();
                self.failed = Some(Instant::now());
                if self.answered.take().is_some() {
                    tracing::warn!(%error, "the collector is lost; exceptions that demand a trace are refused");
                }
            }
        }
        result
    }
}

/// A span of its own beside the first one that was refused.
fn probe(refused: &ExportTraceServiceRequest) -> Option<ExportTraceServiceRequest> {
    let mut resource = refused.resource_spans.first()?.clone();
    let mut scope = resource.scope_spans.first()?.clone();
    let mut span = scope.spans.first()?.clone();
    span.parent_span_id =
        std::mem::replace(&mut span.span_id, RandomIdGenerator::default().new_span_id().to_bytes().to_vec());
    span.name = "postern.probe".to_owned();
    span.attributes.clear();
    scope.spans = vec![span];
    resource.scope_spans = vec![scope];
    Some(ExportTraceServiceRequest { resource_spans: vec![resource] })
}
