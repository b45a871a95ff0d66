//! The count of spans that leave nowhere: whatever drops a bundle, its spans are counted.

use std::sync::Arc;

use super::instrument::TraceMetrics;

/// Goes with the spans of a bundle. Dropped before [`settled`](Self::settled), they are counted as not sent.
#[derive(Debug)]
pub(super) struct Tally {
    metrics: Arc<TraceMetrics>,
    is_acknowledged: bool,
    spans: usize,
}

impl Tally {
    pub(super) const fn new(metrics: Arc<TraceMetrics>, is_acknowledged: bool, spans: usize) -> Self {
        Self { metrics, is_acknowledged, spans }
    }

    /// What became of them is known and counted.
    pub(super) fn settled(mut self) {
        self.spans = 0;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.metrics.unsent(self.is_acknowledged, self.spans);
    }
}
