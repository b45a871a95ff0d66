//! What goes on beside the calls: lists that change, policies that change, exceptions that end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use super::{build::Loose, freeze, gauges, hold, house::House, watchdog};
use crate::{
    domain::ExceptionId,
    evidence::{Alarm, AlarmKind, Journal as _, Record},
    exception::Exception,
    gateway::Changes,
    telemetry::TracedException,
};

/// States whose gauge goes back to nothing when no exception is in them.
const STATES: [&str; 4] = ["pending_approval", "scheduled", "active", "suspended"];
/// Between two looks at the policies folder.
const POLICIES: Duration = Duration::from_secs(2);
/// The longest time between two looks at what the clock brought.
const LOOK: Duration = Duration::from_secs(60);
/// Exceptions that are read at once.
const PAGE: usize = 1_000;
/// Between two looks at who watches and at the clock.
const WATCHERS: Duration = Duration::from_millis(250);

/// Starts everything; the tasks end with the set.
pub(super) fn start(house: &Arc<House>, loose: Loose, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let Loose { mut exhausted, changes, alerts, exports, marker } = loose;
    alerts.run(&mut tasks, stop);
    exports.run(&mut tasks, stop);
    if let Some(marker) = marker {
        tasks.spawn(marker.run());
    }
    tasks.spawn(lists(Arc::clone(house)));
    tasks.spawn(policies(Arc::clone(house)));
    tasks.spawn(watchdog::controls(Arc::clone(house)));
    tasks.spawn(clock(Arc::clone(house)));
    tasks.spawn(super::drift::follow(Arc::clone(house), changes.subscribe()));
    tasks.spawn(exceptions(Arc::clone(house), changes));
    tasks.spawn(watching(Arc::clone(house)));
    tasks.spawn(super::routine::run(Arc::clone(house)));
    tasks.spawn(super::shadow::run(Arc::clone(house)));
    tasks.spawn(gauges::keep(Arc::clone(house)));
    tasks.spawn(super::ahead::keep(Arc::clone(house)));
    tasks.spawn(super::retention::run(Arc::clone(house)));
    let tiles = (house.tiles.clone(), Arc::clone(&house.laying));
    tasks.spawn(super::tiles::keep(Arc::clone(&house.store), tiles, house.offsite.witnessing.clone()));
    house.offsite.run(&mut tasks, &house.store.checkpoints());
    tasks.spawn(hold::follow(Arc::clone(house)));
    tasks.spawn(freeze::follow(Arc::clone(house)));
    if let Some(copies) = &house.copies {
        tasks.spawn(Arc::clone(copies).keep(house.store.checkpoints()));
    }
    let spent = Arc::clone(house);
    tasks.spawn(async move {
        while let Some(id) = exhausted.recv().await {
            match spent.desk.exhausted(&id).await {
                Ok(true) => tracing::info!(exception = %id, "the budget of an exception is spent"),
                Ok(false) => {}
                Err(error) => tracing::warn!(exception = %id, %error, "the end of a budget is not noted yet"),
            }
        }
    });
    tasks
}

async fn lists(house: Arc<House>) {
    let mut changed = house.upstreams.definitions();
    loop {
        if let Err(error) = house.keeper.refresh("tool servers").await {
            tracing::error!(%error, "the catalog could not be refreshed");
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}

async fn policies(house: Arc<House>) {
    loop {
        tokio::time::sleep(POLICIES).await;
        if let Ok(true) = house.keeper.reload("policies folder").await {
            tracing::info!("the policies were read again");
        }
        if house.keeper.sources.lock().await.sound
            && let Err(error) = house.desk.owners().await
        {
            tracing::warn!(%error, "owners who left are not noted yet; decisions know already");
        }
        if house.keeper.sources.lock().await.sound {
            match house.desk.guardrails().await {
                Ok(changed) => {
                    for (id, why) in changed {
                        alarm(&house, AlarmKind::ExceptionChanged, Some(id), why).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "guardrails that changed hands are not noted yet; decisions know"),
            }
        }
        for document in house.keeper.exception_files().await {
            let id = document.value.get("id").and_then(|id| id.as_str()).and_then(|id| id.parse::<ExceptionId>().ok());
            let Some(id) = id else { continue };
            match house.desk.compare(&id, &document).await {
                Ok(true) => {
                    alarm(
                        &house,
                        AlarmKind::ExceptionChanged,
                        Some(id),
                        format!("the file {} is not what was approved", document.file),
                    )
                    .await
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(exception = %id, %error, "a file of an exception could not be compared"),
            }
        }
    }
}

/// Raises an alarm each time the wall clock falls behind what was seen: exceptions are refused for as long (T087).
async fn clock(house: Arc<House>) {
    let mut suspect = false;
    loop {
        let was = std::mem::replace(&mut suspect, house.clock.is_suspect());
        match (was, suspect) {
            (false, true) => {
                let detail = "the wall clock is behind what was seen; exceptions are refused until it has caught up";
                alarm(&house, AlarmKind::ClockSuspect, None, detail.to_owned()).await;
            }
            (true, false) => tracing::info!("the wall clock has caught up; exceptions are no longer refused for it"),
            (true, true) | (false, false) => {}
        }
        tokio::time::sleep(WATCHERS).await;
    }
}

/// Tells agents when an exception begins or ends, and keeps the metrics of live exceptions.
async fn exceptions(house: Arc<House>, changes: watch::Sender<Changes>) {
    let index = house.desk.index();
    let mut changed = index.changes();
    loop {
        if let Err(error) = house.desk.tick().await {
            tracing::warn!(%error, "what the clock brought is not noted yet");
        }
        announce(&house).await;
        let now = house.clock.now();
        let next = index.next_change(now).and_then(|at| (at - now).to_std().ok()).unwrap_or(LOOK);
        let wait = next.clamp(Duration::from_millis(50), LOOK);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            done = changed.changed() => if done.is_err() { return },
        }
        changes.send_modify(|changes| changes.tools = changes.tools.wrapping_add(1));
    }
}

async fn announce(house: &House) {
    let now = house.clock.now();
    let mut all: Vec<Exception> = Vec::new();
    loop {
        let after = all.last().map(|exception| exception.id.clone());
        match house.desk.list(after.as_ref(), PAGE).await {
            Ok(page) if page.is_empty() => break,
            Ok(page) => all.extend(page),
            Err(_) => return,
        }
    }
    let live = all.iter().filter(|exception| exception.is_live(now));
    let traced: Vec<TracedException> = live
        .map(|exception| TracedException {
            id: exception.id.clone(),
            pilot: exception.spec.pilot.clone(),
            not_after: exception.spec.window.not_after,
            budget: exception.spec.budget.calls,
        })
        .collect();
    house.telemetry.metrics().register_exceptions(&traced);
    let mut states = BTreeMap::from(STATES.map(|state| (state, 0)));
    for exception in &all {
        *states.entry(exception.phase(now).as_str()).or_default() += 1;
    }
    for (state, count) in states {
        house.telemetry.metrics().in_state(state, count);
    }
}

/// A person must look: on record, and in the log.
pub(super) async fn alarm(house: &House, about: AlarmKind, exception: Option<ExceptionId>, detail: String) {
    tracing::error!(?about, detail, "alarm");
    let alarm = Alarm { at: house.clock.now(), about, exception, decision: None, detail };
    if let Err(error) = house.store.append(Record::Alarm(alarm)).await {
        tracing::error!(%error, "an alarm is not durable");
    }
}

/// Notes who ceased to watch.
async fn watching(house: Arc<House>) {
    loop {
        tokio::time::sleep(WATCHERS).await;
        house.lapses().await;
    }
}
