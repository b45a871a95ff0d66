//! Follows the health of the controls: what is lost suspends exactly the exceptions that need it, and gives them back.
//!
//! It only notes: a call is held against the controls themselves at its own moment.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{background::alarm, house::House};
use crate::{
    domain::{ExceptionId, Obligation, SuspendReason, Timestamp},
    evidence::AlarmKind,
    exception::Need,
    monitoring::Watch,
};

/// Between two looks at the controls.
const LOOK: Duration = Duration::from_millis(250);
/// After the start nothing is noted for so long: leases begin lost, and the first acknowledgement takes a moment.
const START: Duration = Duration::from_millis(1_500);
/// How long what an exception needs must have worked before it goes on; doubled with each loss of the last while.
const SETTLE: Duration = Duration::from_millis(500);
const SETTLE_MOST: Duration = Duration::from_secs(60);
/// Without a loss for so long, the losses before are forgotten.
const CALM: Duration = Duration::from_secs(600);

/// How one exception fared lately.
struct Fared {
    losses: u32,
    last: Instant,
    /// Since when everything has worked again.
    well: Option<Instant>,
}

/// Looks at the controls for as long as the gateway runs.
pub(super) async fn controls(house: Arc<House>) {
    let (begun, mut watch) = (Instant::now(), Watch::new(Arc::clone(&house.controls)));
    let mut fared = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if begun.elapsed() < START {
            continue;
        }
        let now = house.clock.now();
        for change in watch.look(now) {
            tell(&house, change.id, change.healthy).await;
        }
        for need in house.desk.needs() {
            if let Err(error) = follow(&house, &need, (now, &mut fared)).await {
                tracing::warn!(exception = %need.exception, %error, "the loss of a control is not noted yet; calls are refused all the same");
            }
        }
    }
}

async fn tell(house: &House, id: &'static str, healthy: bool) {
    house.telemetry.metrics().control(id, healthy);
    let kept = house.controls.declared().control_of(id).map(|(_, control)| format!("; {} keeps it", control.owner));
    let kept = kept.unwrap_or_default();
    if healthy {
        tracing::info!(control = id, "a control works");
        let detail = format!("the control `{id}` works again{kept}");
        return alarm(house, AlarmKind::ControlRestored, None, detail).await;
    }
    tracing::warn!(control = id, "a control does not work; exceptions that need it are refused");
    let why = house.controls.why(id).unwrap_or_default();
    let detail = format!("the control `{id}` does not work: {why}{kept}");
    alarm(house, AlarmKind::ControlUnhealthy, None, detail).await;
}

/// Suspends the exception if something that it needs does not work, and gives it back when all of it has worked for a
/// while; only what was suspended for this reason.
async fn follow(
    house: &House,
    need: &Need,
    (now, fared): (Timestamp, &mut BTreeMap<ExceptionId, Fared>),
) -> Result<(), crate::exception::DeskError> {
    let id = &need.exception;
    let lost = need.duties.iter().find_map(|duty| house.controls.works_for(duty, id).err().map(|why| (duty, why)));
    match lost {
        Some((duty, why)) if !need.held && need.is_current(now) => {
            let entry = fared.entry(id.clone()).or_insert(Fared { losses: 0, last: Instant::now(), well: None });
            entry.losses = if entry.last.elapsed() > CALM { 1 } else { entry.losses.saturating_add(1) };
            (entry.last, entry.well) = (Instant::now(), None);
            let detail = lost_detail(duty, &why);
            if house.desk.hold(id, SuspendReason::ControlUnhealthy, &detail).await? {
                let detail = format!("suspended: {detail}; its owner is {}", need.owner);
                alarm(house, AlarmKind::ControlUnhealthy, Some(id.clone()), detail).await;
            }
        }
        Some(_) => {
            if let Some(entry) = fared.get_mut(id) {
                entry.well = None;
            }
        }
        None if need.held => {
            let entry = fared.entry(id.clone()).or_insert(Fared { losses: 1, last: Instant::now(), well: None });
            let well = entry.well.get_or_insert_with(Instant::now).elapsed();
            if well >= settle(entry.losses) {
                let detail = "monitoring_available: all that it needs works again";
                if house.desk.release(id, SuspendReason::ControlUnhealthy, detail).await? {
                    let detail = format!("resumed: all controls that it needs work again; its owner is {}", need.owner);
                    alarm(house, AlarmKind::ControlRestored, Some(id.clone()), detail).await;
                }
            }
        }
        None => {
            if fared.get(id).is_some_and(|entry| entry.last.elapsed() > CALM) {
                fared.remove(id);
            }
        }
    }
    Ok(())
}

fn lost_detail(duty: &Obligation, why: &str) -> String {
    format!("monitoring_unavailable: the control `{}` does not work: {why}", duty.id())
}

/// How long it must have worked after so many losses.
fn settle(losses: u32) -> Duration {
    let factor = 1_u32.checked_shl(losses.saturating_sub(1).min(16)).unwrap_or(u32::MAX);
    SETTLE.saturating_mul(factor).min(SETTLE_MOST)
}

#[cfg(test)]
mod tests {
    use super::{SETTLE, SETTLE_MOST, settle};

    #[test]
    fn a_control_that_comes_and_goes_must_work_ever_longer_and_never_longer_than_the_bound() {
        assert_eq!((settle(0), settle(1), settle(2)), (SETTLE, SETTLE, SETTLE * 2));
        assert!((1..100).all(|n| settle(n) <= settle(n + 1) && settle(n) <= SETTLE_MOST));
        assert_eq!(settle(u32::MAX), SETTLE_MOST);
    }
}
