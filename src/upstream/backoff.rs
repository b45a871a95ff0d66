//! How long to wait after a failure, and when to stop trying.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::settings::Patience;

/// What follows a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this.
    After(Duration),
    /// Too many failures within the window.
    GiveUp,
}

pub(super) struct Backoff {
    patience: Patience,
    row: u32,
    strikes: VecDeque<Instant>,
}

impl Backoff {
    pub(super) const fn new(patience: Patience) -> Self {
        Self { patience, row: 0, strikes: VecDeque::new() }
    }

    /// A failure happened now.
    pub(super) fn failed(&mut self, now: Instant) -> Next {
        self.strikes.push_back(now);
        while self.strikes.front().is_some_and(|first| now.duration_since(*first) > self.patience.window) {
            self.strikes.pop_front();
        }
        if self.strikes.len() >= self.patience.strikes {
            return Next::GiveUp;
        }
        Next::After(self.pause())
    }

    /// The pause after one more failure in a row: it doubles up to the ceiling.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.patience.first.saturating_mul(1 << self.row.min(16)).min(self.patience.ceiling);
        self.row = self.row.saturating_add(1);
        pause
    }

    /// It has worked for a while: the next pause is the first again.
    pub(super) const fn worked(&mut self) {
        self.row = 0;
    }

    /// A person restarted it: everything is forgotten.
    pub(super) fn forget(&mut self) {
        self.row = 0;
        self.strikes.clear();
    }
}

/// The same time, a tenth shorter or longer at random, so that servers are not asked all at once.
pub(super) fn jitter(time: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without randomness the time is as it was.
    let share = aws_lc_rs::rand::fill(&mut random).map_or(128, |()| u32::from(random[0]));
    time.mul_f64(0.9) + time.mul_f64(0.2 * f64::from(share) / 255.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Backoff, Next};
    use crate::upstream::Patience;

    /// T134
    #[test]
    fn the_pause_doubles_to_a_minute_and_the_fifth_failure_in_ten_minutes_disables() {
        let mut backoff = Backoff::new(Patience { strikes: 9, ..Patience::default() });
        let pauses: Vec<u64> = (0..8).map(|_| backoff.pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);

        let start = Instant::now();
        let mut backoff = Backoff::new(Patience::default());
        for second in [0, 10, 20, 30] {
            assert!(matches!(backoff.failed(start + Duration::from_secs(second)), Next::After(_)));
        }
        assert!(matches!(backoff.failed(start + Duration::from_secs(605)), Next::After(_)), "the first is forgotten");
        assert_eq!(backoff.failed(start + Duration::from_secs(606)), Next::GiveUp);
    }
}
