//! Which era an HTTP server speaks, and the opening of legacy sessions.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    exchange::{Around, Lost, Wire},
    session::Session,
};
use crate::{
    mcp::{
        Version,
        client::{self, Server, Speaker},
    },
    upstream::{FailureKind, greet},
};

/// Asks as a modern client; nothing if the server does not understand.
pub(super) async fn modern(wire: &Arc<Wire>, id: u64, time: Duration) -> Result<Option<Server>, FailureKind> {
    match timeout(time, wire.exchange(id, &client::discover(id), Around::own(Speaker::MODERN))).await {
        Ok(Ok(reply)) => greet::modern(&reply.answer),
        // Not there, not for us, or elsewhere: a greeting would not change that.
        Ok(Err(Lost {
            kind: kind @ (FailureKind::Unreachable | FailureKind::Redirected | FailureKind::Status(401 | 403)),
            ..
        })) => Err(kind),
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// Opens a legacy session.
pub(super) async fn initialize(wire: &Arc<Wire>, id: u64, time: Duration) -> Result<Session, FailureKind> {
    let speaker = Speaker { version: Version::NEWEST_LEGACY, session: None };
    let greeting = client::initialize(id, Version::NEWEST_LEGACY, None);
    let reply = timeout(time, wire.exchange(id, &greeting, Around::own(speaker))).await;
    let reply = reply.map_err(|_| FailureKind::Closed)?.map_err(|lost| lost.kind)?;
    let (version, server) = greet::legacy(&reply.answer)?;
    let session = Session { id: reply.session, version, server };
    let told = timeout(time, wire.tell(&client::initialized(session.speaker()))).await;
    told.map_err(|_| FailureKind::Closed)??;
    Ok(session)
}

impl Session {
    pub(super) fn speaker(&self) -> Speaker<'_> {
        Speaker { version: self.version, session: self.id.as_deref() }
    }
}
