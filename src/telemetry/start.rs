//! The telemetry of a gateway: its exporter, its lease and its metrics.

use std::{sync::Arc, time::Duration};

use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, resource::EnvResourceDetector, trace::RandomIdGenerator};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tonic::transport::Endpoint;

use super::{
    collector::Collector,
    export::{Exporter, Stop},
    facts::SpanFacts,
    metrics::Metrics,
    queue,
    sample::Sampler,
    span::{Recorder, ServerSpan},
    uses::Uses,
};
use crate::domain::{Fault, Lease, Verdict, names};

/// Calls whose spans may wait for the collector before the lease is lost.
const BACKLOG: u64 = 1_024;

/// Where spans go, and how many.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector, as `http://host:port`; none means that no span is made and the lease never holds.
    pub endpoint: Option<String>,
    /// The share of the traces of calls that roles allow, 0 to 1; exceptions and refusals are always recorded.
    pub ratio: f64,
    /// How long an answer of the collector counts.
    pub lease: Duration,
}

/// Telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be used.
    #[error("the collector `{0}` must be given as `http://host:port`")]
    Endpoint(String),
    /// There is no runtime to run the exporter in.
    #[error("telemetry starts inside a tokio runtime only")]
    NoRuntime,
    /// Two metrics have one name.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

impl StartError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Endpoint(_) => Fault::Caller,
            Self::NoRuntime | Self::Metrics(_) => Fault::Internal,
        }
    }
}

/// Spans, metrics and the lease of the exporter.
#[derive(Debug)]
pub struct Telemetry {
    lease: Arc<Lease>,
    metrics: Arc<Metrics>,
    pub(super) recorder: Option<Arc<Recorder>>,
    uses: Arc<Uses>,
    stop: mpsc::Sender<Stop>,
}

impl Telemetry {
    /// Starts the exporter, if there is a collector. The collector need not be there yet.
    ///
    /// # Errors
    /// A faulty address, or no runtime.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new()?);
        let lease = Arc::new(Lease::new(settings.lease, BACKLOG));
        let (stop, stopped) = mpsc::channel(1);
        let uses = Arc::<Uses>::default();
        let Some(address) = &settings.endpoint else {
            return Ok(Self { lease, metrics, recorder: None, uses, stop });
        };
        let endpoint = endpoint(address).ok_or_else(|| StartError::Endpoint(address.clone()))?;
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let patience = (settings.lease / 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
        let (queues, outlets) = queue::queues();
        let collector = Collector::new(endpoint, &resource(), patience);
        let trace = Arc::clone(&metrics.trace);
        runtime.spawn(Exporter::new(collector, outlets, Arc::clone(&lease), Arc::clone(&trace)).run(stopped));
        let sampler = Sampler::new(settings.ratio);
        let ids = RandomIdGenerator::default();
        let recorder = Arc::new(Recorder { queues, sampler, ids, metrics: trace, uses: Arc::clone(&uses) });
        Ok(Self { lease, metrics, recorder: Some(recorder), uses, stop })
    }

    /// The health of the exporter.
    #[must_use]
    pub const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Whether there is a collector, so that spans are made.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.recorder.is_some()
    }

    /// What became of the traces of exceptions' uses.
    #[must_use]
    pub const fn uses(&self) -> &Arc<Uses> {
        &self.uses
    }

    /// The metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Starts the SERVER span of a request, after the decision. `verdict` says what was decided, so that exceptions
    /// and refusals are recorded whatever the caller's flag says; requests without a decision have none.
    #[must_use]
    pub fn server_span(&self, facts: SpanFacts, verdict: Option<&Verdict>) -> ServerSpan {
        match &self.recorder {
            Some(recorder) => ServerSpan::start(Arc::clone(recorder), facts, verdict),
            None => ServerSpan::off(&facts),
        }
    }

    /// Everything in the text format of OpenMetrics, with exemplars.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        self.metrics.open_metrics()
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn metrics_text(&self) -> Result<String, prometheus::Error> {
        self.metrics.text()
    }

    /// Sends what waits, once, and stops the exporter; gives up after `within`. The lease is lost for good.
    pub async fn stop(&self, within: Duration) {
        let (done, finished) = oneshot::channel();
        if self.recorder.is_some() && self.stop.try_send(done).is_ok() {
            // What was not sent in time stays unsent; evidence has it all.
            let _late = tokio::time::timeout(within, finished).await;
        }
    }
}

pub(super) fn endpoint(address: &str) -> Option<Endpoint> {
    let uri: http::Uri = address.parse().ok()?;
    let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
    let whole = plain && uri.port_u16().is_some() && uri.host().is_some_and(|host| !host.is_empty());
    whole.then(|| Endpoint::from_shared(address.to_owned()).ok()).flatten()
}

fn resource() -> Resource {
    let attributes = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    // `OTEL_RESOURCE_ATTRIBUTES` says to which project, tenant or environment of a backend the spans belong.
    let builder = Resource::builder_empty().with_detector(Box::new(EnvResourceDetector::new()));
    builder.with_service_name(names::SCOPE).with_attributes(attributes).build()
}
