//! Standing streams that tell of changes: `subscriptions/listen` and the legacy GET.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::request::Parts;
use serde_json::value::RawValue;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::limits,
    mcp::{Id, Version, emit, sse},
};

use super::{
    Endpoint, Filter, Handler, ListenRequest, Listening, Origin,
    context::Context,
    reply::{self, Answer, Refused},
    session::Session,
    stream::{Events, Gone, Place},
};

const CHANGED: &str = "notifications/tools/list_changed";

/// One standing stream.
pub(super) struct Standing {
    handler: Arc<dyn Handler>,
    head: Parts,
    peer: SocketAddr,
    changes: Listening,
    /// The id of the `subscriptions/listen`, and whether changes of tools are wanted.
    listen: Option<(Box<RawValue>, bool)>,
    session: Option<Arc<Session>>,
    closing: CancellationToken,
    _place: Place,
}

impl Standing {
    /// Answers `subscriptions/listen`.
    pub(super) async fn listen(
        endpoint: &Endpoint,
        context: Context,
        id: Id<'_>,
        tools: bool,
    ) -> Result<Answer, Refused> {
        let origin = context.origin(Version::MODERN, id, None);
        Self::open(endpoint, context, (Some((id.raw().to_owned(), tools)), None), origin).await
    }

    /// Answers the GET of a legacy session.
    pub(super) async fn session(
        endpoint: &Endpoint,
        context: Context,
        session: Arc<Session>,
    ) -> Result<Answer, Refused> {
        let origin = Origin {
            version: session.version.name,
            id_text: String::new(),
            session: Some(session.id.clone()),
            peer: context.peer,
            received: context.received,
        };
        Self::open(endpoint, context, (None, Some(session)), origin).await
    }

    async fn open(
        endpoint: &Endpoint,
        context: Context,
        (listen, session): (Option<(Box<RawValue>, bool)>, Option<Arc<Session>>),
        origin: Origin,
    ) -> Result<Answer, Refused> {
        let place = endpoint.streams().take(&context.subject.agent)?;
        let filter = Filter { tools: true, ..Filter::default() };
        let request = ListenRequest { scope: context.scope.clone(), filter, origin };
        let listening = endpoint.handler().listen(&context.subject, request).await;
        let changes = listening.map_err(|error| Refused::from(reply::error(None, &error)))?;
        let (events, answer) = Events::open();
        let standing = Self {
            handler: Arc::clone(endpoint.handler()),
            head: context.head,
            peer: context.peer,
            changes,
            listen,
            session,
            closing: endpoint.closing().clone(),
            _place: place,
        };
        tokio::spawn(async move {
            let _gone = standing.pump(&events).await;
        });
        Ok(answer)
    }

    async fn pump(mut self, events: &Events) -> Result<(), Gone> {
        let wanted = self.listen.as_ref().is_none_or(|(_, tools)| *tools);
        events.send(self.opening()).await?;
        let ended = self.session.as_ref().map_or_else(CancellationToken::new, |session| session.ended.clone());
        let mut alive = interval(limits::KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        loop {
            tokio::select! {
                biased;
                () = events.gone() => return Err(Gone),
                () = ended.cancelled() => return Ok(()),
                () = self.closing.cancelled() => return self.close(events).await,
                changed = self.changes.events.recv(), if wanted => match changed {
                    Some(_) => events.send(self.changed()).await?,
                    None => return self.close(events).await,
                },
                _ = alive.tick() => {
                    // A credential that no longer holds ends its streams.
                    if self.handler.identify(&self.head, self.peer).await.is_err() {
                        return Ok(());
                    }
                    if let Some(session) = &self.session {
                        session.touch();
                    }
                    events.send(sse::comment()).await?;
                }
            }
        }
    }

    /// The first event: a listen is acknowledged, with what of it is served.
    fn opening(&self) -> Bytes {
        let Some((id, tools)) = &self.listen else { return sse::comment() };
        let granted: &[u8] = if *tools { br#"{"toolsListChanged":true}"# } else { b"{}" };
        let params: emit::Pieces<'_> = &[("_meta", &subscription(id)), ("notifications", granted)];
        sse::event(&emit::notification("notifications/subscriptions/acknowledged", params))
    }

    fn changed(&self) -> Bytes {
        sse::event(&match &self.listen {
            Some((id, _)) => emit::notification(CHANGED, &[("_meta", &subscription(id))]),
            None => emit::notification(CHANGED, &[]),
        })
    }

    /// We end the stream: a listen gets its result.
    async fn close(&self, events: &Events) -> Result<(), Gone> {
        let Some((raw, _)) = &self.listen else { return Ok(()) };
        let Ok(id) = Id::read(raw) else { return Ok(()) };
        let result = emit::object(&[("resultType", br#""complete""#), ("_meta", &subscription(raw))]);
        events.send(sse::event(&emit::result(id, &result))).await
    }
}

fn subscription(id: &RawValue) -> Vec<u8> {
    emit::object(&[("io.modelcontextprotocol/subscriptionId", id.get().as_bytes())]).into()
}
