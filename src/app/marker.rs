//! The deep probe of `trace.full`: a marker span is sent, and found again where people look for traces.

use std::{sync::Arc, time::Duration};

use super::backend::{Backend, Dialect};
use crate::{
    config::{ProbeApi, ProbeSettings},
    domain::{Clock, Lease},
    monitoring::Probe,
    telemetry::Telemetry,
};

/// Between two questions to the backend about one marker.
const PACE: Duration = Duration::from_millis(250);
/// What the lease is longer than the time between two markers, so that a slow turn is not a loss.
const GRACE: Duration = Duration::from_secs(5);

/// Whether traces arrive: the exporter's lease, and that of the markers where a backend is asked.
#[derive(Debug)]
pub(super) struct Arrival {
    exporter: Arc<Lease>,
    found: Option<Arc<Lease>>,
}

/// Sends markers and looks for them.
pub(super) struct Marker {
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
    backend: Backend,
    found: Arc<Lease>,
    every: Duration,
    within: Duration,
}

impl Probe for Arrival {
    fn health(&self) -> Result<(), String> {
        self.exporter.health().map_err(|_| "the collector has not answered within its lease".to_owned())?;
        match &self.found {
            Some(found) if !found.holds() => Err("a marker span was not found in the trace backend".to_owned()),
            Some(_) | None => Ok(()),
        }
    }
}

/// What `trace.full` hangs on, and what has to run for it.
pub(super) fn arrival(
    telemetry: &Arc<Telemetry>,
    clock: &Arc<dyn Clock>,
    wanted: Option<&ProbeSettings>,
) -> anyhow::Result<(Arc<Arrival>, Option<Marker>)> {
    let exporter = Arc::clone(telemetry.lease());
    let Some(wanted) = wanted else { return Ok((Arc::new(Arrival { exporter, found: None }), None)) };
    let dialect = match wanted.api {
        ProbeApi::Phoenix => Dialect::Phoenix { project: wanted.project.clone() },
        ProbeApi::Jaeger => Dialect::Jaeger,
    };
    let backend = Backend::new(&wanted.url, dialect).map_err(|why| anyhow::anyhow!("telemetry.probe: {why}"))?;
    let found = Arc::new(Lease::new(wanted.every + wanted.within + GRACE, 0));
    let arrival = Arrival { exporter, found: Some(Arc::clone(&found)) };
    let (every, within) = (wanted.every, wanted.within);
    let (telemetry, clock) = (Arc::clone(telemetry), Arc::clone(clock));
    Ok((Arc::new(arrival), Some(Marker { telemetry, clock, backend, found, every, within })))
}

impl Marker {
    /// One marker after the other, until it is dropped.
    pub(super) async fn run(self) {
        loop {
            match tokio::time::timeout(self.within, self.turn()).await {
                Ok(Ok(())) => self.found.acknowledge(),
                Ok(Err(why)) => self.lost(&why),
                Err(_) => self.lost("it was not there in time"),
            }
            // A backend that is away is looked for more often than one that is there.
            let wait = if self.found.holds() { self.every } else { self.every.min(GRACE) };
            tokio::time::sleep(wait).await;
        }
    }

    fn lost(&self, why: &str) {
        if self.found.holds() {
            tracing::warn!(
                why,
                "a marker span is not in the trace backend; exceptions that demand a trace are refused"
            );
        }
        self.found.fail();
    }

    async fn turn(&self) -> Result<(), String> {
        let (trace, span) = self.telemetry.mark(self.clock.now()).ok_or("the queue of spans has no room")?;
        let mut why = None;
        loop {
            match self.backend.has(&trace, &span).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // It is asked again until the time is over, and the last word is told then.
                Err(told) if why.as_ref() != Some(&told) => {
                    tracing::debug!(told, "the trace backend");
                    why = Some(told);
                }
                Err(_) => {}
            }
            tokio::time::sleep(PACE).await;
        }
    }
}
