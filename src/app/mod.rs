//! Puts the parts together: build, serve, reload, drain.

mod admin;
mod ask;
mod authzen;
mod background;
mod build;
mod check;
mod clock;
mod convert;
mod explain;
mod house;
mod keeper;
mod listen;
mod operations;
mod overview;
mod ports;
mod report;
mod serve;
mod view;

pub use check::{Checked, check};
pub use clock::SystemClock;
pub use serve::{Running, serve, start};
