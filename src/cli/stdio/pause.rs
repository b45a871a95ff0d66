//! Growing pauses between attempts.

use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// What lasted this long was no failed attempt.
const LASTING: Duration = Duration::from_secs(60);

/// The pauses of one thing that is tried again and again.
#[derive(Debug)]
pub(super) struct Pause {
    next: Duration,
    begun: Instant,
}

impl Pause {
    pub(super) fn new() -> Self {
        Self { next: FIRST, begun: Instant::now() }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// Waits before the next attempt; `least` is what the gateway asked for.
    pub(super) async fn wait(&mut self, least: Option<Duration>) {
        if self.begun.elapsed() >= LASTING {
            self.next = FIRST;
        }
        // Up to a half more, so that many bridges do not come back at once.
        let mut bits = [0_u8; 1];
        let share = if rand::fill(&mut bits).is_ok() { bits.iter().copied().map(u32::from).sum() } else { 0 };
        let pause = self.next + self.next * share / 512;
        tokio::time::sleep(pause.max(least.unwrap_or_default().min(2 * LONGEST))).await;
        self.next = (self.next * 2).min(LONGEST);
    }
}
