//! Follows decisions and puts what is unusual about them on record, as an alarm.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

use async_trait::async_trait;

use super::follow::{Setback, Sink, Taken};
use crate::{
    domain::{Clock, DecisionId, ToolRef},
    evidence::{Alarm, AlarmKind, Called, Feed, Intent, Journal, JournalError, Record, Row},
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
    unusual: Unusual,
    anomalies: Anomalies,
    feed: Arc<dyn Feed>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    shape: Shape,
    /// The last record that was learnt from; none before the first batch.
    learnt: Option<u64>,
    /// Alarms that are not on record yet, each with the record that gave rise to it.
    owed: VecDeque<(u64, Alarm)>,
    /// Alarms that were on record at the start, about decisions that come again: decision and kind.
    kept: BTreeSet<(DecisionId, String)>,
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
        let anomalies = Anomalies::new(unusual.clone());
        let (owed, kept) = (VecDeque::new(), BTreeSet::new());
        Self { unusual, anomalies, feed, journal, clock, shape, learnt: None, owed, kept }
    }

    /// What was usual before the first record that is looked at, and which alarms are on record: those count as told,
    /// and nothing else does.
    async fn learn(&mut self, first: u64) -> Result<(), Setback> {
        let (mut anomalies, mut kept) = (Anomalies::new(self.unusual.clone()), BTreeSet::new());
        let mut before = BTreeMap::new();
        let mut at = first.saturating_sub(LEARNT + 1);
        while at < first.saturating_add(LEARNT) {
            let rows = self.feed.after(at, PAGE).await.map_err(|error| Setback::new(error.to_string()))?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            for row in &rows {
                if let Some((decision, kind)) = alarm(row) {
                    match before.get(&decision) {
                        Some(seen) => anomalies.told(seen, &kind),
                        None => drop(kept.insert((decision, kind))),
                    }
                } else if row.seq < first
                    && let Some((seen, decision)) = self.seen(row)
                {
                    anomalies.learn(&seen);
                    before.insert(decision, seen);
                }
            }
            at = last;
        }
        (self.anomalies, self.kept, self.learnt) = (anomalies, kept, Some(first - 1));
        Ok(())
    }

    /// Looks at a record once, however often it comes; what is unusual is owed from then on.
    fn look(&mut self, row: &Row) {
        if self.learnt.is_some_and(|learnt| row.seq <= learnt) {
            return;
        }
        self.learnt = Some(row.seq);
        let Some((seen, decision)) = self.seen(row) else { return };
        for anomaly in self.anomalies.see(&seen) {
            if self.kept.remove(&(decision.clone(), anomaly.kind.to_owned())) {
                continue;
            }
            let alarm = Alarm {
                at: self.clock.now(),
                about: AlarmKind::Anomaly,
                exception: anomaly.exception,
                decision: Some(decision.clone()),
                detail: format!("{}: {}", anomaly.kind, anomaly.detail),
            };
            tracing::warn!(detail = alarm.detail, "something unusual");
            self.owed.push_back((row.seq, alarm));
        }
    }

    /// Puts on record what is owed of the records up to this one; says whether there was anything.
    async fn pay(&mut self, through: u64) -> Result<bool, JournalError> {
        let mut paid = false;
        while let Some((_, alarm)) = self.owed.front().filter(|(seq, _)| *seq <= through) {
            self.journal.append(Record::Alarm(alarm.clone())).await?;
            self.owed.pop_front();
            paid = true;
        }
        Ok(paid)
    }

    fn seen(&self, row: &Row) -> Option<(Seen, DecisionId)> {
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
            self.look(row);
            let paid = self.pay(row.seq).await;
            sent |= paid.map_err(|error| Setback { through, why: error.to_string(), wait: None })?;
            through = Some(row.seq);
        }
        Ok(if sent { Taken::Sent } else { Taken::Passed })
    }
}

/// The decision and the kind of an alarm of ours.
fn alarm(row: &Row) -> Option<(DecisionId, String)> {
    if row.index.as_ref().is_some_and(|index| index.kind != "alarm") {
        return None;
    }
    let Record::Alarm(Alarm { about: AlarmKind::Anomaly, decision, detail, .. }) =
        serde_json::from_slice(&row.payload).ok()?
    else {
        return None;
    };
    let (kind, _) = detail.split_once(": ")?;
    Some((decision?, kind.to_owned()))
}
