//! Which era a child speaks: it is asked as a modern server first, and greeted as a legacy one if it does not
//! understand (MCP 2026-07-28, basic/versioning).

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    mcp::{
        Version,
        client::{self, Answer, Outgoing, Server, Speaker},
    },
    upstream::{
        FailureKind,
        greet::{self, Greeting},
        link::Link,
    },
};

/// How long a child has for the first answer before it is taken for a legacy one.
const PROBE: Duration = Duration::from_secs(10);

/// Finds out the era. `legacy` skips the probe, for a child that did not survive it.
pub(super) async fn detect(link: &Arc<Link>, time: Duration, legacy: bool) -> Result<(Version, Server), FailureKind> {
    let mut asks = if legacy { 0 } else { 2_u8 };
    while asks > 0 {
        let id = link.next();
        asks = match timeout(time.min(PROBE), ask(link, id, client::discover(id))).await {
            Ok(Ok(answer)) => match greet::modern(&answer)? {
                Greeting::Modern(server) => return Ok((Version::MODERN, server)),
                Greeting::Again => asks.saturating_sub(1),
                Greeting::Legacy => 0,
            },
            Ok(Err(kind)) => return Err(kind),
            Err(_elapsed) => 0,
        };
    }
    // It may ask as soon as it is greeted.
    link.legacy();
    let id = link.next();
    let greeting = client::initialize(id, Version::NEWEST_LEGACY, None);
    let answer = timeout(time, ask(link, id, greeting)).await.map_err(|_| FailureKind::Closed)??;
    let (version, server) = greet::legacy(&answer)?;
    link.speaks(version);
    link.tell(client::initialized(Speaker { version, session: None }).body).await?;
    Ok((version, server))
}

async fn ask(link: &Arc<Link>, id: u64, request: Outgoing) -> Result<Answer, FailureKind> {
    let ticket = link.announce(id, None, None).ok_or(FailureKind::Closed)?;
    ticket.uncancelled().exchange(request.body).await
}
