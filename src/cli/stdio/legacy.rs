//! The session of a legacy client: opened with its `initialize`, opened anew when the gateway no longer knows it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    bridge::Bridge,
    gateway::{Gateway, Headers},
    hear::{Final, Reply, Wanted, reply},
    lost::Lost,
    running::Running,
    said::{self, Asked, Ident, Said},
};
use crate::{
    domain::limits,
    mcp::{Limits, Message, headers},
};

/// Lists that may change.
const LISTS: [&str; 3] = ["tools", "prompts", "resources"];

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    id: Option<HeaderValue>,
    version: HeaderValue,
    /// The lists whose changes the gateway tells of.
    pub(super) lists: Vec<&'static str>,
    /// Cancelled when another session takes its place.
    pub(super) over: CancellationToken,
}

/// What is known of the session.
#[derive(Debug, Default)]
pub(super) struct State {
    session: Option<Arc<Session>>,
    /// The client's `initialize`.
    initialize: Option<Bytes>,
    /// The client's `notifications/initialized`.
    initialized: Option<Bytes>,
}

/// The session of this client, if it is a legacy one.
pub(super) struct Legacy {
    gateway: Arc<Gateway>,
    state: Arc<Mutex<State>>,
}

impl Session {
    /// The session that an `initialize` opened, if it did.
    fn opened(head: &HeaderMap, ended: &Final) -> Option<Self> {
        let Ok(Message::Response { answer: Ok(result), .. }) = Message::parse(ended.messages.first()?, Limits::ANSWER)
        else {
            return None;
        };
        let members = crate::mcp::members(result.get()).ok()?;
        let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
        let version: String = serde_json::from_str(get("protocolVersion")?).ok()?;
        let offered: Value = get("capabilities").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let lists = LISTS
            .into_iter()
            .filter(|list| offered.pointer(&format!("/{list}/listChanged")) == Some(&Value::Bool(true)))
            .collect();
        let mut id = head.get(headers::SESSION).cloned();
        if let Some(id) = &mut id {
            id.set_sensitive(true);
        }
        let version = HeaderValue::from_str(&version).ok()?;
        Some(Self { id, version, lists, over: CancellationToken::new() })
    }

    /// The headers of every message in it.
    pub(super) fn headers(&self) -> Headers {
        let id = self.id.iter().map(|id| (headers::SESSION, id.clone()));
        id.chain([(headers::VERSION, self.version.clone())]).collect()
    }
}

impl Legacy {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, state: Arc::default() }
    }

    /// The session may be written; whoever needs it waits until it is.
    pub(super) async fn lock(&self) -> OwnedMutexGuard<State> {
        self.state.clone().lock_owned().await
    }

    pub(super) async fn current(&self) -> Option<Arc<Session>> {
        self.state.lock().await.session.clone()
    }

    /// Remembers the client's `notifications/initialized`.
    pub(super) async fn initialized(&self, body: Bytes) {
        self.state.lock().await.initialized = Some(body);
    }

    /// Sends a message in the session; in a new one, once, if the gateway no longer knows it.
    pub(super) async fn post(&self, body: Bytes) -> Result<(Response<Incoming>, Option<Arc<Session>>), Lost> {
        let session = self.current().await;
        let headers = session.as_ref().map(|session| session.headers()).unwrap_or_default();
        let response = self.gateway.post(headers, body.clone()).await?;
        match session {
            Some(stale) if response.status() == StatusCode::NOT_FOUND && stale.id.is_some() => {
                let fresh = self.renew(&stale).await?;
                let response = self.gateway.post(fresh.headers(), body).await?;
                Ok((response, Some(fresh)))
            }
            session => Ok((response, session)),
        }
    }

    /// The session that takes the place of one that the gateway no longer knows: whoever comes first opens it.
    pub(super) async fn renew(&self, stale: &Arc<Session>) -> Result<Arc<Session>, Lost> {
        let mut state = self.state.lock().await;
        if let Some(session) = state.session.as_ref().filter(|session| !Arc::ptr_eq(session, stale)) {
            return Ok(session.clone());
        }
        let Some(body) = state.initialize.clone() else { return Err(Lost::Status(StatusCode::NOT_FOUND)) };
        let opening = timeout(limits::CALL_TIME, self.open(body, state.initialized.clone()));
        let fresh = Arc::new(opening.await.map_err(|_| Lost::Silent)??);
        if fresh.version != stale.version {
            tracing::warn!(revision = ?fresh.version, "the gateway agreed on another revision than before");
        }
        tracing::info!("the gateway no longer knew the session; a new one is open");
        state.session = Some(fresh.clone());
        stale.over.cancel();
        Ok(fresh)
    }

    async fn open(&self, body: Bytes, initialized: Option<Bytes>) -> Result<Session, Lost> {
        let Said::Asked(Asked { id, .. }) = said::read(body.clone()) else { return Err(Lost::Garbage) };
        let response = self.gateway.post(Headers::new(), body).await?;
        let head = response.headers().clone();
        let mut wanted = Wanted::new(vec![id]);
        let ended = match reply(response).await? {
            Reply::Whole(status, body) => wanted.whole(status, &body)?,
            Reply::Events(mut events) => wanted.follow(&mut events, None).await?,
        };
        let status = if ended.status.is_success() { StatusCode::NOT_FOUND } else { ended.status };
        let session = Session::opened(&head, &ended).ok_or(Lost::Status(status))?;
        if let Some(body) = initialized {
            self.gateway.post(session.headers(), body).await?;
        }
        Ok(session)
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        let Some(session) = self.state.lock().await.session.take() else { return };
        self.leave(&session).await;
    }

    async fn leave(&self, session: &Session) {
        session.over.cancel();
        if session.id.is_some()
            && let Err(lost) = self.gateway.send(Method::DELETE, session.headers(), Bytes::new()).await
        {
            tracing::debug!(reason = %lost, "the session could not be ended");
        }
    }
}

impl Bridge {
    /// The client's `initialize`. Whatever it sends next waits until the session is open.
    pub(super) async fn open(&self, asked: Asked, running: Running, mut state: OwnedMutexGuard<State>) {
        let mut wanted = Wanted::new(vec![Ident { ..asked.id }]);
        let mut opened = None;
        let ended = async {
            let response = self.gateway.post(Headers::new(), asked.body.clone()).await?;
            let head = response.headers().clone();
            let ended = self.hear(response, &mut wanted, None).await?;
            opened = Session::opened(&head, &ended);
            Ok(ended)
        };
        let ended = ended.await;
        if let Some(session) = opened {
            let fresh = State { session: Some(Arc::new(session)), initialize: Some(asked.body), initialized: None };
            let before = std::mem::replace(&mut *state, fresh);
            drop(state);
            if let Some(before) = before.session {
                self.legacy.leave(&before).await;
            }
        }
        self.finish(running, ended, &wanted).await;
    }
}
