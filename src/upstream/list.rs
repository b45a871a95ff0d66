//! Reading a server's whole list of tools, page by page, within bounds.

use std::{collections::BTreeSet, future::Future, time::Duration};

use serde_json::{Value, value::RawValue};
use tokio::time::timeout;

use super::{FailureKind, clean};
use crate::{
    domain::limits,
    mcp::{
        Mirrors,
        client::{self, Answer, Outgoing, Speaker},
    },
};

/// Bytes of all pages of a list.
const TOTAL: usize = 4 * limits::ANSWER;

/// A server that can be asked.
pub(super) trait Ask: Sync {
    /// How it is spoken to.
    fn speaker(&self) -> Speaker<'_>;
    /// The number of the next request.
    fn next(&self) -> u64;
    /// Sends a request and waits for its answer.
    fn ask(&self, id: u64, request: Outgoing) -> impl Future<Output = Result<Answer, FailureKind>> + Send;
}

/// All tools of a server, in its order.
pub(super) async fn list(server: &impl Ask, page_time: Duration) -> Result<Vec<Box<RawValue>>, FailureKind> {
    let mut tools: Vec<Box<RawValue>> = Vec::new();
    let (mut cursor, mut seen, mut total) = (None::<String>, BTreeSet::new(), 0_usize);
    loop {
        let id = server.next();
        let request = client::list_tools(server.speaker(), id, cursor.as_deref());
        let answer = timeout(page_time, server.ask(id, request)).await.map_err(|_| FailureKind::Closed)??;
        let Answer::Result(result) = answer else { return Err(FailureKind::Unsupported) };
        total = total.saturating_add(result.len());
        let page = client::tools(&result).map_err(|_| FailureKind::Garbage)?;
        if total > TOTAL || tools.len() + page.tools.len() > limits::TOOLS_PER_SERVER {
            return Err(FailureKind::TooLarge);
        }
        for tool in page.tools {
            tools.push(clean::definition(tool).ok_or(FailureKind::Garbage)?);
        }
        match page.next_cursor {
            None => return Ok(tools),
            // A cursor that comes back would never end.
            Some(next) if !seen.insert(next.clone()) => return Err(FailureKind::Garbage),
            Some(next) => cursor = Some(next),
        }
    }
}

/// Leaves out tools whose schema wants headers in a way that the protocol forbids (modern HTTP only).
pub(super) fn without_bad_mirrors(tools: &mut Vec<Box<RawValue>>) {
    tools.retain(|tool| {
        if !tool.get().contains("x-mcp-header") && !tool.get().contains("\\u") {
            return true;
        }
        let definition: Value = serde_json::from_str(tool.get()).unwrap_or_default();
        let schema = definition.get("inputSchema").unwrap_or(&Value::Null);
        Mirrors::of(schema)
            .inspect_err(|error| tracing::warn!(%error, "a tool is left out of the list for its header annotations"))
            .is_ok()
    });
}
