//! What is known of one request once its sender is.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use http::request::Parts;

use crate::{
    domain::{SessionId, Subject},
    mcp::{Id, Version},
};

use super::{Origin, Scope, guard::Accepts};

/// One request over HTTP.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) head: Parts,
    pub(super) subject: Arc<Subject>,
    pub(super) scope: Scope,
    pub(super) accepts: Accepts,
    pub(super) peer: SocketAddr,
    pub(super) received: Instant,
}

impl Context {
    /// Where a message of this request came from.
    pub(super) fn origin(&self, version: Version, id: Id<'_>, session: Option<&SessionId>) -> Origin {
        Origin {
            version: version.name,
            id_text: id.to_string(),
            session: session.cloned(),
            peer: self.peer,
            received: self.received,
        }
    }
}
