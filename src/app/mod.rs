//! Puts the parts together: build, serve, reload, drain.

mod admin;
mod background;
mod build;
mod changes;
mod check;
mod clock;
mod convert;
mod copies;
mod explain;
mod house;
mod keeper;
mod listen;
mod operations;
mod overview;
mod pilots;
mod ports;
mod serve;
mod view;

pub use check::{Checked, check};
pub use clock::SystemClock;
pub use serve::{Running, serve, start};
