//! Followers against a feed that is held by hand.

mod departure;
mod follow;
mod support;
mod unusual;
mod webhook;
mod witness;
