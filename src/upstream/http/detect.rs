//! Which era an HTTP server speaks, and the opening of legacy sessions.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    exchange::{Around, Lost},
    keeper::HttpServer,
    session::Session,
    sse,
    standing::Standing,
};
use crate::{
    mcp::{
        Capabilities, Version,
        client::{self, Answer, Server, Speaker},
    },
    upstream::{
        FailureKind,
        greet::{self, Greeting},
        lasting::Lasting,
        rounds::{Level, can_be_asked},
    },
};

/// Asks as a modern client; nothing if the server does not understand.
pub(super) async fn modern(server: &HttpServer, time: Duration) -> Result<Option<Server>, FailureKind> {
    for _ in 0..2 {
        let id = server.next();
        let request = client::discover(id);
        let asked = server.wire.exchange(id, &request, Around::own(Speaker::MODERN));
        match timeout(time, asked).await {
            Ok(Ok(reply)) => match greet::modern(&reply.answer)? {
                Greeting::Modern(server) => return Ok(Some(server)),
                Greeting::Again => {}
                Greeting::Legacy => return Ok(None),
            },
            // Not there, not for us, or elsewhere: a greeting would not change that.
            Ok(Err(Lost {
                kind: kind @ (FailureKind::Unreachable | FailureKind::Redirected | FailureKind::Status(401 | 403)),
                ..
            })) => return Err(kind),
            Ok(Err(_)) | Err(_) => return Ok(None),
        }
    }
    Err(FailureKind::Unsupported)
}

/// How legacy sessions are opened with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Streamable HTTP.
    Streamable,
    /// HTTP with server-sent events (2024-11-05).
    Events,
}

/// Opens a legacy session in the gateway's own name, and finds out how.
pub(super) async fn first(server: &HttpServer) -> Result<(Way, Session), FailureKind> {
    match initialize(server, Way::Streamable, None).await {
        Ok(session) => Ok((Way::Streamable, session)),
        Err(kind @ FailureKind::Status(400 | 404 | 405)) => {
            let session = initialize(server, Way::Events, None).await;
            session.map(|session| (Way::Events, session)).map_err(|_| kind)
        }
        Err(kind) => Err(kind),
    }
}

/// Opens a legacy session.
pub(super) async fn initialize(
    server: &HttpServer,
    way: Way,
    declared: Option<&Capabilities>,
) -> Result<Session, FailureKind> {
    let (wire, time, id) = (&server.wire, server.settings.timeout, server.next());
    let greeting = client::initialize(id, Version::NEWEST_LEGACY, declared);
    let level = Level::default();
    let closed = |_| FailureKind::Closed;
    if way == Way::Events {
        let conversation = sse::connect(wire, server.ids.clone(), time).await?;
        let ticket = conversation.link.announce(id, None, None).ok_or(FailureKind::Closed)?;
        let answer = timeout(time, ticket.uncancelled().exchange(greeting.body)).await.map_err(closed)??;
        let (version, says) = greet::legacy(&answer)?;
        conversation.link.speaks(version);
        let done = client::initialized(Speaker { version, session: None });
        conversation.link.tell(done.body).await?;
        return Ok(Session {
            id: None,
            version,
            server: says,
            conversation: Some(conversation),
            standing: None,
            level,
            _lasting: Lasting::begin(&wire.board, version),
        });
    }
    let speaker = Speaker { version: Version::NEWEST_LEGACY, session: None };
    let reply = timeout(time, wire.exchange(id, &greeting, Around::own(speaker))).await;
    let reply = reply.map_err(closed)?.map_err(|lost| lost.kind)?;
    if matches!(reply.answer, Answer::Error(_)) && !reply.status.is_success() {
        return Err(FailureKind::Status(reply.status.as_u16()));
    }
    let (version, says) = greet::legacy(&reply.answer)?;
    let _lasting = Lasting::begin(&wire.board, version);
    let mut session =
        Session { id: reply.session, version, server: says, conversation: None, standing: None, level, _lasting };
    timeout(time, wire.tell(&client::initialized(session.speaker()))).await.map_err(closed)??;
    if declared.is_some_and(can_be_asked) {
        session.standing = Some(Standing::open(wire, version, session.id.as_deref()).await);
    }
    Ok(session)
}
