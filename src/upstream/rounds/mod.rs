//! Calls of legacy servers that ask before they answer: a call becomes rounds, as the modern era has them.

mod ear;
mod flight;
mod ghosts;
mod lot;
mod question;
mod route;
mod seats;

pub(super) use ear::{Ear, EarRef, Level, can_be_asked};
pub(super) use flight::{Flight, Step, begin, resume};
pub(super) use ghosts::Ghosts;
pub(super) use lot::Lot;
pub(super) use question::Question;
pub(super) use route::{Caller, route};
pub(super) use seats::Slot;
