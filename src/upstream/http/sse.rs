//! The transport of revision 2024-11-05: one stream for all that the server says, and an address for what is said
//! to it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fluent_uri::{Uri as Base, UriRef};
use http::{HeaderValue, Method, Uri, header};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    exchange::{Wire, is},
    stream::Stream,
};
use crate::{
    mcp::{Version, client::Outgoing},
    upstream::{FailureKind, link::Link},
};

/// A conversation; its tasks end when it is dropped.
pub(super) struct Conversation {
    pub(super) link: Arc<Link>,
    /// It is over.
    pub(super) over: CancellationToken,
    _stop: DropGuard,
}

/// Opens a conversation: the server's first event says where messages are to be sent.
pub(super) async fn connect(
    wire: &Arc<Wire>,
    ids: Arc<std::sync::atomic::AtomicU64>,
    time: Duration,
) -> Result<Conversation, FailureKind> {
    let (mut stream, endpoint) = timeout(time, open(wire)).await.map_err(|_| FailureKind::Closed)??;
    let (link, queue) = Link::new(ids, wire.board.clone());
    link.legacy();
    let (over, stop) = (CancellationToken::new(), CancellationToken::new());
    let writing = write(wire.clone(), endpoint, queue, time);
    let (read, ended, stopped) = (link.clone(), over.clone(), stop.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            kind = reading(&read, &mut stream) => {
                tracing::debug!(reason = %kind, "the conversation with a tool server ended");
            }
            () = writing => {}
        }
        read.close();
        ended.cancel();
    });
    Ok(Conversation { link, over, _stop: stop.drop_guard() })
}

async fn open(wire: &Arc<Wire>) -> Result<(Stream, Uri), FailureKind> {
    let headers = vec![(header::ACCEPT, HeaderValue::from_static("text/event-stream"))];
    let request = Outgoing { headers, body: Bytes::new() };
    let response = wire.open(Method::GET, &request).await.map_err(|lost| lost.kind)?;
    let status = response.status();
    if !status.is_success() || !is(response.headers(), "text/event-stream") {
        return Err(FailureKind::Status(status.as_u16()));
    }
    let mut stream = Stream::standing(response.into_body(), Version::NEWEST_LEGACY);
    let first = stream.event().await?.filter(|event| event.name == "endpoint").ok_or(FailureKind::Garbage)?;
    let endpoint = resolve(&wire.url, first.data.trim()).ok_or(FailureKind::Redirected)?;
    Ok((stream, endpoint))
}

/// The address that the server names, if it is the server's own: the same scheme, host and port (T122).
fn resolve(server: &Uri, named: &str) -> Option<Uri> {
    let base = Base::parse(server.to_string()).ok()?;
    let resolved = UriRef::parse(named).ok()?.resolve_against(&base).ok()?;
    let endpoint: Uri = resolved.as_str().split('#').next()?.parse().ok()?;
    let port = |uri: &Uri| uri.port_u16().or(if uri.scheme_str() == Some("https") { Some(443) } else { Some(80) });
    let same = endpoint.scheme() == server.scheme()
        && endpoint.host().is_some_and(|host| server.host().is_some_and(|own| host.eq_ignore_ascii_case(own)))
        && port(&endpoint) == port(server)
        && endpoint.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    same.then_some(endpoint)
}

async fn reading(link: &Link, stream: &mut Stream) -> FailureKind {
    loop {
        match stream.event().await {
            Ok(Some(event)) if event.name == "message" => {
                if let Err(kind) = link.take(event.data.as_bytes()) {
                    return kind;
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return FailureKind::Closed,
            Err(kind) => return kind,
        }
    }
}

/// Sends message after message, in order; ends when one is not taken.
async fn write(wire: Arc<Wire>, endpoint: Uri, mut queue: mpsc::Receiver<Bytes>, time: Duration) {
    while let Some(body) = queue.recv().await {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let request = Outgoing { headers, body };
        match timeout(time, wire.open_at(&endpoint, Method::POST, &request)).await {
            Ok(Ok(response)) if response.status().is_success() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    /// T122
    #[test]
    fn messages_are_sent_to_the_server_itself_or_not_at_all() {
        let server = "http://Host:81/a/sse".parse().unwrap();
        for (named, endpoint) in [
            ("/messages?session_id=1", "http://Host:81/messages?session_id=1"),
            ("messages/", "http://Host:81/a/messages/"),
            ("?x=1", "http://Host:81/a/sse?x=1"),
            ("http://host:81/m", "http://host:81/m"),
        ] {
            assert_eq!(resolve(&server, named).unwrap().to_string().to_lowercase(), endpoint.to_lowercase());
        }
        for bad in [
            "http://host:82/m",
            "https://host:81/m",
            "//evil:81/m",
            "http://host:81@evil/",
            "http://a@host:81/",
            "\\\\evil",
        ] {
            assert!(resolve(&server, bad).is_none(), "{bad}");
        }
    }
}
