//! The one place that reads the machine's clock.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

use crate::domain::{Clock, Timestamp};

/// How far the wall clock may lag behind what was seen before exceptions are refused (T087).
const TOLERATED_LAG_MICROS: i64 = 5_000_000;

/// The machine's clock, which never goes backwards: the later of the wall clock and the latest moment seen (I12).
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicI64,
}

impl SystemClock {
    /// A clock that has already seen this moment, as the store remembers it.
    #[must_use]
    pub fn since(latest: Timestamp) -> Self {
        let clock = Self::default();
        clock.raise(latest);
        clock
    }

    /// The clock has seen this moment: it will show no earlier one.
    pub fn raise(&self, latest: Timestamp) {
        self.latest.fetch_max(latest.timestamp_micros(), Ordering::AcqRel);
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let wall = wall_micros();
        let latest = self.latest.fetch_max(wall, Ordering::AcqRel).max(wall);
        DateTime::from_timestamp_micros(latest).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn is_suspect(&self) -> bool {
        let wall = wall_micros();
        self.latest.load(Ordering::Acquire).saturating_sub(wall) > TOLERATED_LAG_MICROS
    }
}

fn wall_micros() -> i64 {
    Utc::now().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::SystemClock;
    use crate::domain::Clock as _;
    use chrono::{Duration, Utc};

    /// T087
    #[test]
    fn a_clock_that_was_set_back_shows_no_earlier_moment_and_is_suspect() {
        let ahead = Utc::now() + Duration::hours(1);
        let clock = SystemClock::since(ahead);
        assert!(clock.now() >= ahead - Duration::microseconds(1));
        assert!(clock.is_suspect());
        assert!(!SystemClock::default().is_suspect());
    }
}
