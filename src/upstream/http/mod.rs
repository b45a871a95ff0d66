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
mod plain;
mod post;
mod session;
mod settle;
mod sse;
mod standing;
mod stream;

pub use connect::{CheckedClient, client_of_gateway};
pub(super) use exchange::read_all;
pub use fetch::{FetchError, HttpFetch};
pub(super) use keeper::HttpServer;
pub(super) use plain::Plain;
pub use post::{HttpPost, PostError};
pub(super) use settle::own_headers;
