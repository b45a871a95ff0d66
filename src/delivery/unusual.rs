//! Follows decisions and puts what is unusual about them on record, as an alarm.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::follow::{Setback, Sink, Taken};
use crate::{
    domain::{Clock, ToolRef},
    evidence::{Alarm, AlarmKind, Called, Feed, Intent, Journal, Record, Row},
    monitoring::{Anomalies, Seen, Unusual},
};

/// Records that are read at the start to know what is usual.
pub const LEARNT: u64 = 10_000;
/// Records at once.
const PAGE: u32 = 500;

/// The names and types of the arguments of a call, where they can be told.
pub type Shape = Box<dyn Fn(&Intent) -> Option<String> + Send + Sync>;

/// The sink that looks for what is unusual.
pub struct Lookout {
    anomalies: Anomalies,
    feed: Arc<dyn Feed>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    shape: Shape,
    /// The last record that was learnt from; none before the first batch.
    learnt: Option<u64>,
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("learnt", &self.learnt).finish_non_exhaustive()
    }
}

impl Lookout {
    /// A lookout that knows nothing yet.
    #[must_use]
    pub fn new(
        unusual: Unusual,
        feed: Arc<dyn Feed>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        shape: Shape,
    ) -> Self {
        Self { anomalies: Anomalies::new(unusual), feed, journal, clock, shape, learnt: None }
    }

    /// What was usual before: the last records before the first that is looked at, without an alarm.
    async fn learn(&mut self, first: u64) -> Result<(), Setback> {
        let mut at = first.saturating_sub(LEARNT + 1);
        while at + 1 < first {
            let rows = self.feed.after(at, PAGE).await.map_err(|error| Setback::new(error.to_string()))?;
            for row in rows.iter().filter(|row| row.seq < first) {
                if let Some((seen, _)) = self.seen(row) {
                    let _known = self.anomalies.see(&seen);
                }
            }
            at = rows.last().map_or(first, |row| row.seq);
        }
        self.learnt = Some(first - 1);
        Ok(())
    }

    fn seen(&self, row: &Row) -> Option<(Seen, crate::domain::DecisionId)> {
        if row.index.as_ref().is_some_and(|index| index.kind != "intent" && index.kind != "denial") {
            return None;
        }
        let tool = |call: &Called| ToolRef { server: call.server.clone(), tool: call.tool.clone() };
        let record: Record = serde_json::from_slice(&row.payload).ok()?;
        if let Record::Intent(intent) = record {
            let shape = intent.charged().and_then(|_| (self.shape)(&intent));
            let seen = Seen {
                at: intent.at,
                agent: intent.caller.agent.clone(),
                exception: intent.charged().cloned(),
                tool: Some(tool(&intent.call)),
                shape,
                refused: false,
            };
            Some((seen, intent.decision))
        } else if let Record::Denial(denial) = record {
            let seen = Seen {
                at: denial.at,
                agent: denial.caller.agent.clone(),
                exception: denial.verdict.exception.clone(),
                tool: denial.call.as_ref().map(tool),
                shape: None,
                refused: true,
            };
            Some((seen, denial.decision))
        } else {
            None
        }
    }
}

#[async_trait]
impl Sink for Lookout {
    async fn take(&mut self, rows: &[Row]) -> Result<Taken, Setback> {
        let Some(first) = rows.first().map(|row| row.seq) else { return Ok(Taken::Passed) };
        if self.learnt.is_none() {
            self.learn(first).await?;
        }
        let (mut through, mut sent) = (None, false);
        for row in rows {
            let known = self.learnt.is_some_and(|learnt| row.seq <= learnt);
            if let Some((seen, decision)) = self.seen(row).filter(|_| !known) {
                for anomaly in self.anomalies.see(&seen) {
                    let alarm = Alarm {
                        at: self.clock.now(),
                        about: AlarmKind::Anomaly,
                        exception: anomaly.exception,
                        decision: Some(decision.clone()),
                        detail: format!("{}: {}", anomaly.kind, anomaly.detail),
                    };
                    tracing::warn!(detail = alarm.detail, "something unusual");
                    let kept = self.journal.append(Record::Alarm(alarm)).await;
                    kept.map_err(|error| Setback { through, why: error.to_string(), wait: None })?;
                    sent = true;
                }
                self.learnt = Some(row.seq);
            }
            through = Some(row.seq);
        }
        Ok(if sent { Taken::Sent } else { Taken::Passed })
    }
}
