//! The instruments of checkpoints that leave the machine and of witnesses.

use std::time::Duration;

use prometheus::{Error, GaugeVec, IntCounterVec};

use super::instrument::Maker;

/// What is measured of receivers of checkpoints. Labels are the names of postern.yaml.
#[derive(Debug)]
pub struct OffsiteMetrics {
    lag: GaugeVec,
    failures: IntCounterVec,
}

impl OffsiteMetrics {
    pub(super) fn new(maker: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            lag: maker.moments(
                "postern_checkpoint_lag_seconds",
                "For how long a receiver of checkpoints or a witness has lacked what is signed.",
                &["to"],
            )?,
            failures: maker.counters(
                "postern_checkpoint_failures_total",
                "Checkpoints that a receiver or a witness did not take.",
                &["to"],
            )?,
        })
    }

    /// There is such a receiver: its series begin at zero.
    pub fn begin(&self, to: &str) {
        self.lag.with_label_values(&[to]).set(0.0);
        self.failures.with_label_values(&[to]);
    }

    /// For so long it has lacked what is signed.
    pub fn lag(&self, to: &str, lacking: Duration) {
        self.lag.with_label_values(&[to]).set(lacking.as_secs_f64());
    }

    /// It did not take a checkpoint.
    pub fn failed(&self, to: &str) {
        self.failures.with_label_values(&[to]).inc();
    }
}
