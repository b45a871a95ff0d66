//! Promises of the wire that need more room than a unit test.

mod bridge;
mod client;
mod endpoint;
mod fake;
mod fidelity;
mod legacy;
mod legacy_methods;
mod listening;
mod message;
mod methods;
mod mirror;
mod modern;
mod replay;
mod sse;
mod standing;
mod strict;
mod support;
mod wire;
