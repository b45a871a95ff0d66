//! Time as a value that comes in through the door.

use chrono::{DateTime, Utc};

/// A moment, UTC.
pub type Timestamp = DateTime<Utc>;

/// The time of day. One implementation in the program reads the machine's clock (`app`); tests bring their own.
///
/// Implementations never go backwards by themselves: `now` is the later of the wall clock and the
/// latest moment that was ever seen or stored, so an expired exception stays expired (I12, T087).
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// Whether the wall clock lags so far behind what was seen that exceptions must be refused.
    fn is_suspect(&self) -> bool {
        false
    }
}
