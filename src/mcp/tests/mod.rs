//! Promises of the wire that need more room than a unit test.

mod client;
mod endpoint;
mod fidelity;
mod legacy;
mod message;
mod mirror;
mod modern;
mod sse;
mod strict;
mod support;
mod wire;
