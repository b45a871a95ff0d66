//! Promises of the wire that need more room than a unit test.

mod client;
mod endpoint;
mod fake;
mod fidelity;
mod legacy;
mod listening;
mod message;
mod methods;
mod mirror;
mod modern;
mod sse;
mod strict;
mod support;
mod wire;
