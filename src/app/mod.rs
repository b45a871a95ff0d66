//! Puts the parts together: build, serve, reload, drain.

mod admin;
mod analyse;
mod ask;
mod authzen;
mod background;
mod build;
mod can;
mod changes;
mod check;
mod clock;
mod convert;
mod copies;
mod explain;
mod graduate;
mod house;
mod keeper;
mod listen;
mod operations;
mod overview;
mod pilots;
mod ports;
mod probes;
mod prove;
mod recorded;
mod removal;
mod report;
mod serve;
mod study;
mod view;

pub use check::{Checked, check};
pub use clock::SystemClock;
pub use prove::{Proved, prove};
pub use removal::Proposal;
pub use serve::{Running, serve, start};
