//! How long to wait after a failure: longer each time, and never at the same moment as everybody else.

use std::time::Duration;

/// Pauses that double up to a ceiling, each up to a quarter shorter or longer at random.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    ceiling: Duration,
    row: u32,
}

impl Backoff {
    /// Pauses from `first` to `ceiling`.
    #[must_use]
    pub const fn new(first: Duration, ceiling: Duration) -> Self {
        Self { first, ceiling, row: 0 }
    }

    /// The pause after one more failure in a row.
    pub fn pause(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1 << self.row.min(16)).min(self.ceiling);
        self.row = self.row.saturating_add(1);
        let mut random = [0_u8; 1];
        // Without randomness the pause is as it was.
        let share = aws_lc_rs::rand::fill(&mut random).map_or(128, |()| u32::from(random[0]));
        pause.mul_f64(0.75) + pause.mul_f64(0.5 * f64::from(share) / 255.0)
    }

    /// It worked: the next pause is the first again.
    pub const fn worked(&mut self) {
        self.row = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn pauses_double_to_a_ceiling_and_begin_again_once_it_worked() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        for middle in [100_u64, 200, 400, 400] {
            let pause = backoff.pause();
            let (least, most) = (Duration::from_millis(middle * 74 / 100), Duration::from_millis(middle * 126 / 100));
            assert!(pause >= least && pause <= most, "{pause:?} is not about {middle} ms");
        }
        backoff.worked();
        assert!(backoff.pause() <= Duration::from_millis(126));
    }
}
