//! Removal tests that are due by the plans in the records, and proposals for what lies idle: made without being asked.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::house::House;
use crate::{
    api::ApiError,
    domain::{ExceptionId, Timestamp},
};

/// Days that such a test looks back.
const DAYS: u32 = 30;
/// The longest time between two looks, if nothing is due before.
const LOOK: Duration = Duration::from_secs(600);
/// A look takes at most one part in so many of the time.
const SHARE: u32 = 20;

/// Looks after all live exceptions for as long as the gateway runs.
pub(super) async fn run(house: Arc<House>) {
    let index = house.desk.index();
    let mut changed = index.changes();
    loop {
        let begun = Instant::now();
        let mut next = None;
        // Before the policies were sound once, everything would look needed.
        if house.keeper.sources.lock().await.sound {
            changed.borrow_and_update();
            for id in house.desk.live_ids() {
                match house.look_after(&id).await {
                    Ok(due) => next = [next, due].into_iter().flatten().min(),
                    Err(error) => tracing::warn!(exception = %id, ?error, "whether it can go is not known yet"),
                }
            }
        }
        let rest = begun.elapsed().saturating_mul(SHARE).max(Duration::from_secs(1));
        sleep(rest).await;
        let now = house.clock.now();
        let wait = next.map_or(LOOK, |due| (due - now).to_std().unwrap_or_default()).min(LOOK);
        tokio::select! {
            () = sleep(wait) => {}
            done = changed.changed() => if done.is_err() { return },
        }
    }
}

impl House {
    /// Tests it if that is due, and proposes to let it go if it looks unneeded. Gives the moment of its next test.
    async fn look_after(&self, id: &ExceptionId) -> Result<Option<Timestamp>, ApiError> {
        let failed = super::view::desk_error;
        let mut exception = self.known(id).await?;
        let due = exception.test_due(self.clock.now());
        if due.is_some_and(|due| due <= self.clock.now()) {
            let report = self.judged_without(id, DAYS, None).await?;
            let test = report.test().ok_or_else(ApiError::internal)?;
            exception = self.desk.tested_by_plan(id, test).await.map_err(failed)?;
            tracing::info!(exception = %id, result = ?report.result, would_break = report.would_break, "its removal was tested by its plan");
        }
        let last_use = self.store.last_use(id).await.map_err(|error| ApiError::unavailable(error.to_string()))?;
        if exception.unneeded(last_use, self.clock.now()).is_some() {
            self.desk.propose(id, last_use).await.map_err(failed)?;
        }
        Ok(exception.test_due(self.clock.now()))
    }
}
