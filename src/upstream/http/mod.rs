//! Tool servers that speak Streamable HTTP, and bounded reading of small files over HTTP.

mod address;
mod call;
mod connect;
mod detect;
mod exchange;
mod fetch;
mod keeper;
mod listen;
mod session;

pub use connect::{CheckedClient, client_of_gateway};
pub use fetch::{FetchError, HttpFetch};
pub(super) use keeper::HttpServer;
