//! The standing stream of a legacy session.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::{
    bridge::{Bridge, LAST_EVENT_ID},
    hear::{Events, is_stream},
    legacy::Session,
    lost::Lost,
    pause::Pause,
};
use crate::mcp::{Limits, emit, scan};

/// Where the stream of a session stands.
struct Place {
    session: Arc<Session>,
    last: Option<String>,
}

impl Bridge {
    /// Reads the standing stream and writes what it brings, again and again, as long as the gateway offers one.
    pub(super) async fn stand(&self) {
        let Some(session) = self.legacy.current().await else { return };
        let (mut place, mut pause) = (Place { session, last: None }, Pause::new());
        loop {
            pause.begin();
            let over = place.session.over.clone();
            let ended = tokio::select! {
                biased;
                () = over.cancelled() => Ok(None),
                ended = self.stand_once(&mut place) => ended,
            };
            let retry = match ended {
                Ok(retry) => retry,
                Err(Lost::Status(StatusCode::NOT_FOUND)) => match self.legacy.renew(&place.session).await {
                    Ok(_) => None,
                    Err(lost) if lost.passes() => None,
                    Err(lost) => return tracing::warn!(reason = %lost, "no new session for the standing stream"),
                },
                Err(lost) if lost.passes() => None,
                Err(lost) => return tracing::info!(reason = %lost, "there is no standing stream"),
            };
            if !place.session.over.is_cancelled() {
                pause.wait(retry).await;
            }
            let Some(session) = self.legacy.current().await else { return };
            if !Arc::ptr_eq(&session, &place.session) {
                // Nobody knows what changed between the two.
                for list in &session.lists {
                    self.write(emit::notification(&format!("notifications/{list}/list_changed"), &[])).await;
                }
                place = Place { session, last: None };
            }
        }
    }

    /// Reads the stream to its end, which may come at any time.
    async fn stand_once(&self, place: &mut Place) -> Result<Option<std::time::Duration>, Lost> {
        let mut headers = place.session.headers();
        let last = place.last.as_deref().and_then(|last| HeaderValue::from_str(last).ok());
        headers.extend(last.map(|last| (LAST_EVENT_ID, last)));
        let response = self.gateway.get(headers).await?;
        if !response.status().is_success() || !is_stream(response.headers()) {
            return Err(Lost::Status(response.status()));
        }
        let mut events = Events::of(response);
        loop {
            let read = events.next().await;
            if let Some(last) = events.last_event_id() {
                place.last = Some(last.to_owned());
            }
            match read {
                Ok(Some(message)) => match scan(&message, Limits::ANSWER) {
                    Ok(_) => self.write(message).await,
                    Err(_) => tracing::warn!("the gateway sent something that is no message; it is left out"),
                },
                Ok(None) | Err(Lost::Broken | Lost::Silent) => return Ok(events.retry()),
                Err(lost) => return Err(lost),
            }
        }
    }
}
