//! Tool servers: connect, supervise, list, call, watch.
//!
//! [`Upstreams`] presents every configured server as a modern one with stateless rounds, whatever its era and
//! transport: children on stdio are started, watched and restarted with growing pauses; HTTP servers (streamable, or
//! with server-sent events) are asked with pooled connections to checked addresses. A keeper task per server finds
//! out its era, reads its lists, reads them again when they change, and keeps it telling of what is watched. A
//! request travels under an id and a progress token of our own, and whatever comes back is read strictly or not at
//! all. A call of a legacy server that asks something waits in a place of its own until its caller answers.
//!
//! Absent on purpose: retries of calls that may have had an effect, redirects, proxies from the environment, and
//! anything of the agent's own credentials.

mod backoff;
mod board;
mod clean;
mod conclude;
mod dispatch;
mod errand;
mod greet;
mod http;
mod lasting;
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
pub use dispatch::{CallEnd, Dispatch, FailureKind, Leash, PrincipalKey};
pub use http::{FetchError, HttpFetch, HttpPost, PostError};
pub use lasting::Meter;
pub use offered::{Offered, Watch};
pub use openapi::{Choice, OpenApiSettings, Source, check_document};
pub use settings::{HttpSettings, Patience, ServerSettings, SettingsError, StdioSettings, Transport};
pub use upstreams::Upstreams;

// For the command line, which reaches a gateway and no tool server.
pub use http::{CheckedClient, client_of_gateway};
