//! The standing stream on which a server tells that its list of tools changed.

use std::{sync::Arc, time::Duration};

use http::Method;
use tokio::time::timeout;

use super::exchange::{Wire, is, next_bytes, stream_fault};
use crate::{
    mcp::{
        Decoder, Era,
        client::{self, Filter, Incoming, Speaker},
    },
    upstream::FailureKind,
};

/// Listens until the stream ends. `Ok` means that the server offers no such stream.
pub(super) async fn listen(
    wire: &Arc<Wire>,
    id: u64,
    speaker: Speaker<'_>,
    filter: &Filter,
    time: Duration,
) -> Result<(), FailureKind> {
    let (method, request) = match speaker.version.era {
        Era::Modern => (Method::POST, client::listen(id, filter)),
        Era::Legacy => (Method::GET, client::standing_stream(speaker, None)),
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
                Incoming::ListChanged => wire.board.stale.notify_one(),
                Incoming::Request { id, method, .. } => wire.answer_request(&id, &method, speaker)?,
                // A modern server answers when it ends the listening.
                Incoming::Answer { .. } => return Err(FailureKind::Closed),
                Incoming::Stray
                | Incoming::Progress { .. }
                | Incoming::Notification { .. }
                | Incoming::Log { .. }
                | Incoming::Acknowledged { .. }
                | Incoming::News(_)
                | Incoming::Withdrawn(_) => {}
            }
        }
    }
    Err(FailureKind::Closed)
}
