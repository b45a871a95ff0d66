//! Calls of legacy servers that ask before they answer: a call becomes rounds, as the modern era has them.

mod ear;
mod flight;
mod lot;
mod question;
mod route;

pub(super) use ear::{Ear, EarRef, Level, can_be_asked};
pub(super) use flight::{Flight, Step, begin, resume};
pub(super) use lot::Lot;
pub(super) use question::Question;
pub(super) use route::{Caller, route};
