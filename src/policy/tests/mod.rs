//! Promises of the policy room.

mod cases;
mod deeds;
mod faults;
mod grant;
pub(super) mod house;
mod input;
mod precedence;
mod properties;
mod visibility;
