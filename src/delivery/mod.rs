//! What leaves the machine because of a record.
//!
//! The journal is the outbox: a [`Follower`] reads it behind a cursor of its own, hands the records to a [`Sink`], and
//! notes how far the sink acknowledged them. Nothing is queued anywhere else, so nothing is lost while a destination is
//! down, and what a crash interrupts is handed over again, under the same sequence number.
//! Deliberately absent: anything on the road of a call. Whether a destination is well is read there, from a lease.

mod acknowledged;
mod alert;
mod backoff;
mod courier;
mod departure;
mod export;
mod file;
mod follow;
mod hook;
mod ocsf;
mod owner;
mod progress;
mod signature;
mod standing;
mod syslog;
mod unusual;
mod webhook;
mod witness;
mod witnesses;

#[cfg(test)]
mod tests;

pub use acknowledged::Acknowledged;
pub use alert::{ALWAYS, Alert, Entry, KINDS};
pub use backoff::Backoff;
pub use courier::{ByLog, ByWebhook};
pub use departure::{Courier, Departure, Parcel};
pub use export::{Beginnings, Destination, Export};
pub use file::LineFile;
pub use follow::{Begin, Follower, Pace, Setback, Sink, Taken};
pub use hook::{Hook, Running, Wanted};
pub use ocsf::Product;
pub use owner::{OwnerNotice, Owners};
pub use progress::{Lag, Progress};
pub use signature::Signer;
pub use standing::{Standing, Stood};
pub use syslog::Syslog;
pub use unusual::{LEARNT, Lookout, Shape};
pub use webhook::{Book, Ground, Post, Receiver, Reply, Webhook};
pub use witness::{Accusation, AskWitness, Growth, Refusal, Witness, WitnessReply};
pub use witnesses::{Cosigned, Witnesses};
