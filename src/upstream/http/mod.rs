//! Tool servers that speak Streamable HTTP, and bounded reading of small files over HTTP.

mod address;
mod call;
mod connect;
mod detect;
mod exchange;
mod fetch;
mod flight;
mod keeper;
mod listen;
mod mirroring;
mod passage;
mod session;
mod settle;
mod sse;
mod standing;
mod stream;

pub use fetch::{FetchError, HttpFetch};
pub(super) use keeper::HttpServer;
