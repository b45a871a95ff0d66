//! Makes the sealing key of the day before a call needs it.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use super::house::House;
use crate::evidence::Under;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// How long before midnight the next day has its key.
const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// Makes them until it is dropped.
pub(super) async fn keep(house: Arc<House>) {
    loop {
        let now = house.clock.now();
        for at in [now, now + AHEAD] {
            let sealer = Arc::clone(&house.store.keyring().sealer);
            let made = tokio::task::spawn_blocking(move || sealer.key(Under { at, exception: None }).map(drop)).await;
            if let Ok(Err(error)) = made {
                tracing::warn!(%error, "the sealing key of the day is not made yet; the first call tries again");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
