//! What leaves the machine because of a record.
//!
//! The journal is the outbox: a [`Follower`] reads it behind a cursor of its own, hands the records to a [`Sink`], and
//! notes how far the sink acknowledged them. Nothing is queued anywhere else, so nothing is lost while a destination is
//! down, and what a crash interrupts is handed over again, under the same sequence number.
//! Deliberately absent: anything on the road of a call. Whether a destination is well is read there, from a lease.

mod backoff;
mod follow;
mod progress;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use follow::{Begin, Follower, Pace, Setback, Sink, Taken};
pub use progress::{Lag, Progress};
