//! Tool servers: connect, supervise, call.
//!
//! [`Upstreams`] keeps every configured server: children on stdio are started, watched and restarted with
//! growing pauses; HTTP servers are asked with pooled connections to checked addresses. A keeper task per server
//! finds out its era, reads its list of tools and reads it again when it changes. A call travels under an id and
//! a progress token of our own, and whatever comes back is read strictly or not at all.
//!
//! Absent on purpose: retries of calls, redirects, proxies from the environment, and anything of the agent's own
//! credentials.

mod backoff;
mod board;
mod clean;
mod conclude;
mod dispatch;
mod errand;
mod greet;
mod http;
mod link;
mod list;
mod offered;
mod openapi;
mod rounds;
mod settings;
mod stdio;
#[cfg(test)]
mod tests;
mod upstreams;
mod watches;

pub use board::{ServerHealth, ServerState};
pub use dispatch::{CallEnd, Dispatch, FailureKind, PrincipalKey};
pub use http::{FetchError, HttpFetch};
pub use offered::{Offered, Watch};
pub use openapi::{Choice, OpenApiSettings, Source, check_document};
pub use settings::{HttpSettings, Patience, ServerSettings, SettingsError, StdioSettings, Transport};
pub use upstreams::Upstreams;

// For the command line, which reaches a gateway and no tool server.
pub use http::{CheckedClient, client_of_gateway};
