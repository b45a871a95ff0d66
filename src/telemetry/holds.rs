//! The instruments of calls that wait for a person's yes.

use std::time::Duration;

use prometheus::{Error, Histogram, IntCounterVec, IntGauge};

use super::instrument::{Maker, whole};

/// How long people take, from seconds to the longest that a hold may last.
const WAIT: [f64; 10] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];
/// All answers; `none` if nobody gave one in time.
const ANSWERS: [&str; 3] = ["approved", "denied", "none"];

/// What is told of holds.
#[derive(Debug)]
pub struct HoldMetrics {
    waiting: IntGauge,
    answers: IntCounterVec,
    wait: Histogram,
}

impl HoldMetrics {
    pub(super) fn new(maker: &Maker<'_>) -> Result<Self, Error> {
        let answers =
            maker.counters("postern_hold_answers_total", "Calls that waited, by what people said.", &["answer"])?;
        // Each begins at zero, so that the first is an increase.
        ANSWERS.into_iter().for_each(|answer| drop(answers.with_label_values(&[answer])));
        Ok(Self {
            waiting: maker.gauge("postern_hold_waiting", "Calls that wait for a person.")?,
            answers,
            wait: maker.histogram("postern_hold_wait_seconds", "Until a person answered.", &WAIT)?,
        })
    }

    /// So many calls wait now.
    pub fn waiting(&self, calls: usize) {
        self.waiting.set(whole(u64::try_from(calls).unwrap_or(u64::MAX)));
    }

    /// A person said yes or no, this long after the call began to wait.
    pub fn answered(&self, yes: bool, after: Duration) {
        self.answers.with_label_values(&[if yes { "approved" } else { "denied" }]).inc();
        self.wait.observe(after.as_secs_f64());
    }

    /// Nobody said anything in time.
    pub fn unanswered(&self) {
        self.answers.with_label_values(&["none"]).inc();
    }
}
