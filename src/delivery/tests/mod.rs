//! Followers against a feed that is held by hand.

mod follow;
mod support;
mod unusual;
mod webhook;
