//! The standing stream on which a server tells that its list of tools changed.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, header};
use tokio::time::timeout;

use super::exchange::{Wire, is, next_bytes, stream_fault};
use crate::{
    mcp::{
        Decoder, Era,
        client::{self, Incoming, Outgoing, Speaker},
    },
    upstream::FailureKind,
};

/// Listens until the stream ends. `Ok` means that the server offers no such stream.
pub(super) async fn listen(wire: &Arc<Wire>, id: u64, speaker: Speaker<'_>, time: Duration) -> Result<(), FailureKind> {
    let (method, request) = match speaker.version.era {
        Era::Modern => (Method::POST, client::listen(id)),
        Era::Legacy => (Method::GET, standing(speaker)),
    };
    let opened = timeout(time, wire.open(method, &request)).await.map_err(|_| FailureKind::Closed)?;
    let response = opened.map_err(|lost| lost.kind)?;
    if !response.status().is_success() || !is(response.headers(), "text/event-stream") {
        return Ok(());
    }
    let (mut body, mut decoder) = (response.into_body(), Decoder::default());
    while let Some(bytes) = next_bytes(&mut body).await? {
        for event in decoder.push(&bytes).map_err(|fault| stream_fault(&fault))? {
            if event.name != "message" || event.data.is_empty() {
                continue;
            }
            match client::read(event.data.as_bytes()).map_err(|_| FailureKind::Garbage)? {
                Incoming::ToolsChanged => wire.board.stale.notify_one(),
                Incoming::Request { id, method } => wire.answer_request(&id, &method, speaker)?,
                // A modern server answers when it ends the listening.
                Incoming::Answer { .. } => return Err(FailureKind::Closed),
                Incoming::Stray | Incoming::Progress { .. } | Incoming::Notification { .. } => {}
            }
        }
    }
    Err(FailureKind::Closed)
}

/// The GET of a legacy session.
fn standing(speaker: Speaker<'_>) -> Outgoing {
    let Outgoing { mut headers, body: _ } = client::initialized(speaker);
    headers.retain(|(name, _)| name != header::CONTENT_TYPE && name != header::ACCEPT);
    headers.push((header::ACCEPT, HeaderValue::from_static("text/event-stream")));
    Outgoing { headers, body: bytes::Bytes::new() }
}

/// The DELETE that ends a legacy session.
pub(super) fn farewell(speaker: Speaker<'_>) -> Outgoing {
    let Outgoing { mut headers, body: _ } = client::initialized(speaker);
    headers.retain(|(name, _)| name != header::CONTENT_TYPE && name != header::ACCEPT);
    Outgoing { headers, body: bytes::Bytes::new() }
}
