//! The stream of a session that belongs to no request: changes of lists, updates of resources, and the way back to a
//! stream whose connection broke.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{StatusCode, request::Parts};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::limits,
    mcp::{Filter, headers, server::lock::held},
};

use crate::mcp::server::{
    Endpoint, Handler, ListenRequest, Listening, Origin, changes,
    context::Context,
    reply::{self, Outcome, Refused},
};

use super::{answer::session, replay, session::Session};

/// Who reads the stream, for as long as it is fed.
#[derive(Debug)]
pub(super) struct Watch(Mutex<(Parts, SocketAddr)>);

/// Gives the stream a connection: the last one that broke, if the client names an event of it.
pub(in crate::mcp::server) async fn open_stream(endpoint: &Endpoint, context: Context) -> Outcome {
    let session = session(endpoint, &context)?;
    let place = endpoint.streams().take(&context.subject.agent)?;
    let unknown = || Refused::from(reply::refuse(StatusCode::BAD_REQUEST, "nothing is kept after this event"));
    let last = headers::single(&context.head.headers, &headers::LAST_EVENT).map_err(|_| unknown())?;
    let last = last.map(|last| last.to_str().map(str::to_owned)).transpose().map_err(|_| unknown())?;
    if let Some(last) = last.as_deref().filter(|last| !replay::is_standing(last)) {
        return session.lines.resume(last, place).ok_or_else(unknown);
    }
    let mut watch = session.watch.lock().await;
    let caller = (context.head.clone(), context.peer);
    if let Some(watch) = &*watch {
        *held(&watch.0) = caller;
    } else {
        let listening = listen(endpoint, &context, &session).await?;
        let fed = Arc::new(Watch(Mutex::new(caller)));
        let feeding = Feeding {
            handler: Arc::clone(endpoint.handler()),
            session: Arc::clone(&session),
            watch: Arc::clone(&fed),
            closing: endpoint.closing().clone(),
        };
        tokio::spawn(feeding.feed(listening));
        *watch = Some(fed);
    }
    match last {
        Some(last) => session.lines.resume(&last, place).ok_or_else(unknown),
        None => session.standing.connect(Some(place)).ok_or_else(unknown),
    }
}

async fn listen(endpoint: &Endpoint, context: &Context, session: &Session) -> Result<Listening, Refused> {
    let offer = endpoint.handler().offer(&context.subject, &context.scope);
    let filter = Filter { tools: true, prompts: offer.prompts, resources: offer.resources, ..Filter::default() };
    let origin = Origin {
        version: session.version.name,
        id_text: String::new(),
        session: Some(session.id.clone()),
        peer: context.peer,
        received: context.received,
    };
    let request = ListenRequest { scope: context.scope.clone(), filter: filter.clone(), origin };
    let listening = endpoint.handler().listen(&context.subject, request).await;
    let Listening { granted, events } = listening.map_err(|error| Refused::from(reply::error(None, &error)))?;
    Ok(Listening { granted: changes::within(granted, &filter), events })
}

/// What feeds the stream with changes of lists.
struct Feeding {
    handler: Arc<dyn Handler>,
    session: Arc<Session>,
    watch: Arc<Watch>,
    closing: CancellationToken,
}

impl Feeding {
    async fn feed(self, mut listening: Listening) {
        let mut alive = interval(limits::KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        let mut alone = std::time::Duration::ZERO;
        let ended = self.session.ended.clone();
        loop {
            tokio::select! {
                biased;
                () = ended.cancelled() => return,
                () = self.closing.cancelled() => break,
                event = listening.events.recv() => {
                    let Some(event) = event else { break };
                    if let Some(told) = changes::message(&event, &listening.granted, None) {
                        self.session.standing.send(&told).await;
                    }
                }
                _ = alive.tick() => {
                    alone = if self.read().await { std::time::Duration::ZERO } else { alone + limits::KEEP_ALIVE };
                    if alone >= limits::REPLAY_TIME && self.leave().await {
                        return;
                    }
                }
            }
        }
        *self.session.watch.lock().await = None;
        self.session.standing.disconnect(true);
    }

    /// Whether anybody reads the stream who may. A credential that no longer holds ends its streams.
    async fn read(&self) -> bool {
        if !self.session.standing.alive() {
            return false;
        }
        let (head, peer) = held(&self.watch.0).clone();
        if self.handler.identify(&head, peer).await.is_err() {
            self.session.standing.disconnect(false);
            return false;
        }
        self.session.touch();
        true
    }

    /// Feeds the stream no longer, unless somebody came meanwhile; whether that is so.
    async fn leave(&self) -> bool {
        let mut watch = self.session.watch.lock().await;
        let alone = !self.session.standing.alive();
        if alone {
            *watch = None;
        }
        alone
    }
}
