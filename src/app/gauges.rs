//! Measures what nobody is told of: the disk, the queue of the journal, destinations that lag, budgets.

use std::{sync::Arc, time::Duration};

use super::house::House;
use super::replay::CURSOR;
use crate::upstream::Meter;

const PACE: Duration = Duration::from_secs(1);
/// Turns between two looks at what costs more: the disk, budgets, destinations.
const SELDOM: u32 = 5;

/// Measures until it is dropped.
pub(super) async fn keep(house: Arc<House>) {
    let metrics = Arc::clone(house.telemetry.metrics());
    house.store.measure(&metrics);
    let told = Arc::clone(&metrics);
    let meter: Meter = Arc::new(move |server, version, lasted| told.talk_ended(server, version, lasted));
    house.upstreams.measure(&meter);
    let mut checkpoints = house.store.checkpoints();
    checkpoints.mark_changed();
    for turn in 0_u32.. {
        metrics.audit().queued(house.store.waiting());
        metrics.refresh(house.clock.now());
        house.offsite.measure(house.store.checkpoint().as_ref());
        if checkpoints.has_changed().unwrap_or_default() && checkpoints.borrow_and_update().is_some() {
            metrics.audit().checkpointed(house.clock.now());
        }
        if turn % SELDOM == 0 {
            seldom(&house).await;
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn seldom(house: &House) {
    let metrics = house.telemetry.metrics();
    if let Some(bytes) = house.store.disk_free() {
        metrics.audit().disk_free(bytes);
    }
    let head = *house.store.head().borrow();
    if let Ok(cursors) = house.store.cursors().await {
        // The follower of traces knows which records carry a use, and says its lag itself.
        for (sink, seq) in cursors.into_iter().filter(|(sink, _)| sink != CURSOR) {
            metrics.lag(&sink, head.saturating_sub(seq));
        }
    }
    for (exception, budget) in metrics.budgets() {
        if let Ok(used) = house.desk.uses(&exception).await {
            metrics.left(&exception, budget.saturating_sub(used));
        }
    }
}
