//! The standing stream on which a server tells of changes and news.

use std::{sync::Arc, time::Duration};

use http::Method;
use tokio::time::timeout;

use super::{
    exchange::{Wire, is},
    stream::Stream,
};
use crate::{
    mcp::{
        Era, Filter,
        client::{self, Incoming, Speaker},
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
    let watches = &wire.board.watches;
    let (method, request) = match speaker.version.era {
        Era::Modern => {
            watches.opening(id, filter);
            (Method::POST, client::listen(id, filter))
        }
        Era::Legacy => (Method::GET, client::standing_stream(speaker, None)),
    };
    let opened = timeout(time, wire.open(method, &request)).await.map_err(|_| FailureKind::Closed)?;
    let response = opened.map_err(|lost| lost.kind)?;
    if !response.status().is_success() || !is(response.headers(), "text/event-stream") {
        return if response.status().is_server_error() { Err(FailureKind::Closed) } else { Ok(()) };
    }
    let mut stream = Stream::standing(response.into_body(), speaker.version);
    while let Some(incoming) = stream.message().await? {
        match incoming {
            Incoming::ListChanged => wire.board.stale.notify_one(),
            Incoming::Acknowledged { filter, .. } => watches.acknowledged(Some(id), &filter),
            Incoming::News(news) => watches.tell(&news),
            Incoming::Request { id, method, .. } => wire.answer_request(&id, &method, speaker)?,
            // A modern server answers when it ends the listening.
            Incoming::Answer { .. } => return Err(FailureKind::Closed),
            Incoming::Stray | Incoming::Progress { .. } | Incoming::Notification { .. } | Incoming::Log { .. } => {}
        }
    }
    Err(FailureKind::Closed)
}
