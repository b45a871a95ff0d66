//! Reading a server's lists, page by page, within bounds.

use std::{collections::BTreeSet, future::Future, time::Duration};

use serde_json::{Value, value::RawValue};
use tokio::time::timeout;

use super::{FailureKind, Offered, clean};
use crate::{
    domain::limits,
    mcp::{
        List, Mirrors,
        client::{self, Answer, Outgoing, Server, Speaker},
    },
};

/// Bytes of all pages of a list.
const TOTAL: usize = 4 * limits::ANSWER;

/// How long the tools wait for the other lists when nothing is known yet.
const FIRST: Duration = Duration::from_secs(3);

/// A server that can be asked.
pub(super) trait Ask: Sync {
    /// How it is spoken to.
    fn speaker(&self) -> Speaker<'_>;
    /// The number of the next request.
    fn next(&self) -> u64;
    /// Sends a request and waits for its answer.
    fn ask(&self, id: u64, request: Outgoing) -> impl Future<Output = Result<Answer, FailureKind>> + Send;
}

/// Reads every list that the server keeps. A list that fails stays as it was known and hides no other; it is a
/// failure of the server only if all of them fail. The first time no list waits long for one that is not of tools:
/// then it is to be read again at once, which the second value says.
pub(super) async fn read_offered(
    server: &impl Ask,
    says: &Server,
    known: Option<&Offered>,
    page_time: Duration,
) -> Result<(Offered, bool), FailureKind> {
    let version = server.speaker().version;
    let mut offered = Offered::by(version.name, version.era, says);
    let first = known.is_none() && says.keeps(List::Tools);
    let one = async |list: List| {
        if !says.keeps(list) {
            return None;
        }
        let reading = read_list(server, list, page_time);
        if !first || list == List::Tools {
            return Some(reading.await);
        }
        Some(timeout(FIRST, reading).await.unwrap_or(Err(FailureKind::Busy)))
    };
    let (tools, prompts, resources, templates) =
        tokio::join!(one(List::Tools), one(List::Prompts), one(List::Resources), one(List::Templates));
    let (mut failure, mut read, mut late) = (None, false, false);
    let places = [
        (List::Tools, tools, &mut offered.tools),
        (List::Prompts, prompts, &mut offered.prompts),
        (List::Resources, resources, &mut offered.resources),
        (List::Templates, templates, &mut offered.templates),
    ];
    for (list, result, place) in places {
        match result {
            Some(Ok(items)) => {
                *place = items;
                read = true;
            }
            Some(Err(kind)) => {
                tracing::debug!(list = list.method(), reason = %kind, "a list of a tool server cannot be read");
                failure = failure.or(Some(kind));
                late |= kind == FailureKind::Busy;
                known.map(|known| known.list(list)).unwrap_or(&Vec::new()).clone_into(place);
            }
            None => {}
        }
    }
    match failure {
        Some(kind) if !read => Err(kind),
        _ => Ok((offered, late)),
    }
}

/// A whole list, in the server's order.
async fn read_list(server: &impl Ask, list: List, page_time: Duration) -> Result<Vec<Box<RawValue>>, FailureKind> {
    let mut items: Vec<Box<RawValue>> = Vec::new();
    let (mut cursor, mut seen, mut total) = (None::<String>, BTreeSet::new(), 0_usize);
    loop {
        let id = server.next();
        let request = client::list(server.speaker(), id, list, cursor.as_deref());
        let answer = timeout(page_time, server.ask(id, request)).await.map_err(|_| FailureKind::Closed)??;
        let Answer::Result(result) = answer else { return Err(FailureKind::Unsupported) };
        total = total.saturating_add(result.len());
        let page = client::page(list, &result).map_err(|_| FailureKind::Garbage)?;
        if total > TOTAL || items.len() + page.items.len() > limits::TOOLS_PER_SERVER {
            return Err(FailureKind::TooLarge);
        }
        for item in page.items {
            items.push(clean::definition(item).ok_or(FailureKind::Garbage)?);
        }
        match page.next_cursor {
            None => return Ok(items),
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
