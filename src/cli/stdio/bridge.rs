//! What all requests share, and how one is followed to its answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use hyper::body::Incoming;
use tokio::{sync::mpsc, time::timeout};

use super::{
    gateway::Gateway,
    hear::{Events, Final, Reply, Wanted, is_stream, reply},
    legacy::{Legacy, Session},
    lost::Lost,
    pause::Pause,
    running::{Running, Table},
    said::{Ident, Told},
    tools::Tools,
};
use crate::domain::limits;

/// Where a stream that broke is to go on.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Attempts to go on with a stream that brings nothing new.
const ATTEMPTS: usize = 6;

/// The bridge.
pub(super) struct Bridge {
    pub(super) gateway: Arc<Gateway>,
    pub(super) out: mpsc::Sender<Bytes>,
    pub(super) table: Table,
    pub(super) tools: Tools,
    pub(super) legacy: Legacy,
}

impl Bridge {
    pub(super) fn new(gateway: Gateway, out: mpsc::Sender<Bytes>) -> Self {
        let gateway = Arc::new(gateway);
        let legacy = Legacy::new(gateway.clone());
        Self { gateway, out, table: Table::default(), tools: Tools::default(), legacy }
    }

    /// Writes a message. That nobody reads any more is seen where the bridge is run.
    pub(super) async fn write(&self, message: Bytes) {
        let _gone = self.out.send(message).await;
    }

    /// A legacy request, or a batch of them.
    pub(super) async fn ask_legacy(&self, body: Bytes, ids: Vec<Ident>, running: Running) {
        let mut wanted = Wanted::new(ids);
        let ended = match self.legacy.post(body).await {
            Ok((response, session)) => self.hear(response, &mut wanted, session.as_deref()).await,
            Err(lost) => Err(lost),
        };
        self.finish(running, ended, &wanted).await;
    }

    /// Ends a request: its id is free before the client reads the answer.
    pub(super) async fn finish(&self, running: Running, ended: Result<Final, Lost>, wanted: &Wanted) {
        let messages = match ended {
            Ok(ended) => ended.messages,
            Err(lost) => {
                tracing::warn!(reason = %lost, "a request has no answer");
                wanted.missing().map(|id| lost.message(id)).collect()
            }
        };
        drop(running);
        for message in messages {
            self.write(message).await;
        }
    }

    /// Writes what comes before the answer, and gives back the answer. The stream of a session that breaks goes on
    /// where it stood, if its events have ids.
    pub(super) async fn hear(
        &self,
        response: Response<Incoming>,
        wanted: &mut Wanted,
        session: Option<&Session>,
    ) -> Result<Final, Lost> {
        let mut events = match reply(response).await? {
            Reply::Whole(status, body) => return wanted.whole(status, &body),
            Reply::Events(events) => events,
        };
        let (mut last, mut retry, mut attempts, mut pause) = (None, None, 0, Pause::new());
        loop {
            let lost = match wanted.follow(&mut events, Some(&self.out)).await {
                Err(lost @ (Lost::Broken | Lost::Silent)) => lost,
                ended => return ended,
            };
            let Some(session) = session else { return Err(lost) };
            retry = events.retry().or(retry);
            if let Some(id) = events.last_event_id().filter(|id| last.as_deref() != Some(*id)) {
                (last, attempts, pause) = (Some(id.to_owned()), 0, Pause::new());
            }
            let Some(id) = &last else { return Err(lost) };
            events = loop {
                attempts += 1;
                if attempts > ATTEMPTS {
                    return Err(lost);
                }
                pause.wait(retry).await;
                if let Some(events) = self.resume(session, id).await? {
                    break events;
                }
            };
        }
    }

    /// Goes on with a stream of a session; nothing if it may work later.
    async fn resume(&self, session: &Session, last: &str) -> Result<Option<Events>, Lost> {
        let mut headers = session.headers();
        headers.push((LAST_EVENT_ID, HeaderValue::from_str(last).map_err(|_| Lost::Broken)?));
        match self.gateway.get(headers).await {
            Ok(response) if response.status().is_success() && is_stream(response.headers()) => {
                tracing::info!("a stream goes on where it broke");
                Ok(Some(Events::of(response)))
            }
            Ok(response) if Lost::Status(response.status()).passes() => Ok(None),
            Err(lost) if lost.passes() => Ok(None),
            Ok(_) | Err(_) => Err(Lost::Broken),
        }
    }

    /// Sends a message that wants no answer.
    pub(super) async fn tell(&self, told: Told) {
        let sent = timeout(limits::CALL_TIME, async {
            match &told.modern {
                Some(mirror) => {
                    let headers = mirror.headers(told.method.as_deref().unwrap_or_default());
                    self.gateway.post(headers, told.body).await
                }
                None => self.legacy.post(told.body).await.map(|(response, _)| response),
            }
        });
        match sent.await {
            Ok(Ok(response)) if response.status().is_success() => {}
            Ok(Ok(response)) => {
                tracing::warn!(method = told.method, status = %response.status(), "the gateway did not take a message");
            }
            Ok(Err(lost)) => tracing::warn!(method = told.method, reason = %lost, "a message was lost"),
            Err(_) => tracing::warn!(method = told.method, "the gateway did not take a message in time"),
        }
    }

    /// Ends what the gateway keeps for this client.
    pub(super) async fn end(&self, time: Duration) {
        let _late = timeout(time, self.legacy.end()).await;
    }
}
