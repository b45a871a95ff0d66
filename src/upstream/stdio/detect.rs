//! Which era a child speaks: it is asked as a modern server first, and greeted as a legacy one if it does not
//! understand (MCP 2026-07-28, basic/versioning).

use std::time::Duration;

use tokio::time::timeout;

use super::link::Link;
use crate::{
    mcp::{
        Version,
        client::{self, Answer, Outgoing, Server, Speaker},
    },
    upstream::{FailureKind, greet},
};

/// How long a child has for the first answer before it is taken for a legacy one.
const PROBE: Duration = Duration::from_secs(10);

/// Finds out the era. `legacy` skips the probe, for a child that did not survive it.
pub(super) async fn detect(link: &Link, time: Duration, legacy: bool) -> Result<(Version, Server), FailureKind> {
    if !legacy {
        let id = link.next();
        match timeout(time.min(PROBE), ask(link, id, client::discover(id))).await {
            Ok(Ok(answer)) => {
                if let Some(server) = greet::modern(&answer)? {
                    return Ok((Version::MODERN, server));
                }
            }
            Ok(Err(kind)) => return Err(kind),
            Err(_elapsed) => {}
        }
    }
    let id = link.next();
    let greeting = client::initialize(id, Version::NEWEST_LEGACY, None);
    let answer = timeout(time, ask(link, id, greeting)).await.map_err(|_| FailureKind::Closed)??;
    let (version, server) = greet::legacy(&answer)?;
    link.tell(client::initialized(Speaker { version, session: None }).body).await?;
    Ok((version, server))
}

async fn ask(link: &Link, id: u64, request: Outgoing) -> Result<Answer, FailureKind> {
    let ticket = link.announce(id, None).ok_or(FailureKind::Closed)?;
    ticket.uncancelled().exchange(request.body).await
}
