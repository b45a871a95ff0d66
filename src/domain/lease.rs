//! Health as a lease: a monitor is healthy while its last acknowledgement is young and its backlog small.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Health of one monitor, written by the part that talks to it and read on every use.
///
/// Lock-free. Times are monotonic milliseconds since the lease was made; a lease begins unhealthy.
#[derive(Debug)]
pub struct Lease {
    origin: Instant,
    length: Duration,
    bound: u64,
    /// Milliseconds since `origin`, plus one; 0 means never.
    acknowledged: AtomicU64,
    backlog: AtomicU64,
    failed: AtomicBool,
}

impl Lease {
    /// A lease that holds for `length` after each acknowledgement while the backlog stays within `bound`.
    #[must_use]
    pub fn new(length: Duration, bound: u64) -> Self {
        Self {
            origin: Instant::now(),
            length,
            bound,
            acknowledged: AtomicU64::new(0),
            backlog: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// The monitor acknowledged something just now.
    pub fn acknowledge(&self) {
        let elapsed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.acknowledged.store(elapsed.saturating_add(1), Ordering::Release);
        self.failed.store(false, Ordering::Release);
    }

    /// The monitor failed just now; the lease is lost at once, until the next acknowledgement.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// How much waits for an acknowledgement now.
    pub fn set_backlog(&self, waiting: u64) {
        self.backlog.store(waiting, Ordering::Release);
    }

    /// Whether the lease holds at this moment.
    #[must_use]
    pub fn holds(&self) -> bool {
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        if acknowledged == 0 || self.failed.load(Ordering::Acquire) || self.backlog.load(Ordering::Acquire) > self.bound
        {
            return false;
        }
        let at = self.origin + Duration::from_millis(acknowledged - 1);
        at.elapsed() <= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;
    use std::time::Duration;

    #[test]
    fn a_lease_begins_lost_and_is_lost_again_by_failure_or_backlog() {
        let lease = Lease::new(Duration::from_secs(60), 10);
        assert!(!lease.holds());
        lease.acknowledge();
        assert!(lease.holds());
        lease.set_backlog(11);
        assert!(!lease.holds());
        lease.set_backlog(0);
        lease.fail();
        assert!(!lease.holds());
    }
}
