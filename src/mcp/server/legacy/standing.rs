//! The stream of a session that belongs to no request: changes of lists, updates of resources, and the way back to a
//! stream whose connection broke.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::limits,
    mcp::{Filter, headers},
};

use crate::mcp::server::{
    Endpoint, ListenRequest, Listening, Origin, Proof, changes,
    context::Context,
    reply::{self, Outcome, Refused},
};

use super::{answer::session, replay, session::Session};

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
    let proof = match &*watch {
        Some(proof) => proof.clone(),
        None => {
            let proof = Proof::of(&context.head.headers);
            let listening = listen(endpoint, &context, (&session, proof.clone())).await?;
            *watch = Some(proof.clone());
            let feeding = Feeding { session: Arc::clone(&session), closing: endpoint.closing().clone() };
            tokio::spawn(feeding.feed(listening));
            proof
        }
    };
    let answer = match last {
        Some(last) => session.lines.resume(&last, place),
        None => session.standing.connect(Some(place)),
    };
    let answer = answer.ok_or_else(unknown)?;
    // The one who read before reads no more: now the stream stands on what this one shows.
    proof.renew(&context.head.headers);
    Ok(answer)
}

async fn listen(
    endpoint: &Endpoint,
    context: &Context,
    (session, proof): (&Session, Proof),
) -> Result<Listening, Refused> {
    let offer = endpoint.handler().offer(&context.subject, &context.scope);
    let filter = Filter { tools: true, prompts: offer.prompts, resources: offer.resources, ..Filter::default() };
    let origin = Origin {
        version: session.version.name,
        id_text: String::new(),
        session: Some(session.id.clone()),
        peer: context.peer,
        received: context.received,
    };
    let request = ListenRequest {
        scope: context.scope.clone(),
        filter: filter.clone(),
        capabilities: Arc::default(),
        proof,
        origin,
    };
    let listening = endpoint.handler().listen(&context.subject, request).await;
    let Listening { granted, events } = listening.map_err(|error| Refused::from(reply::error(None, &error)))?;
    Ok(Listening { granted: changes::within(granted, &filter), events })
}

/// What feeds the stream with changes of lists.
struct Feeding {
    session: Arc<Session>,
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
                    alone = if self.read() { std::time::Duration::ZERO } else { alone + limits::KEEP_ALIVE };
                    if alone >= limits::REPLAY_TIME && self.leave().await {
                        return;
                    }
                }
            }
        }
        *self.session.watch.lock().await = None;
        self.session.standing.disconnect(true);
    }

    /// Whether anybody reads the stream.
    fn read(&self) -> bool {
        let read = self.session.standing.alive();
        if read {
            self.session.touch();
        }
        read
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
