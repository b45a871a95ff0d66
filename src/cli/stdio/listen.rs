//! `subscriptions/listen`: kept as long as the client wants, whatever the gateway goes through.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    bridge::Bridge,
    gateway::Headers,
    hear::{Events, Final, Reply, Wanted, reply},
    lost::Lost,
    pause::Pause,
    said::{Asked, Mirror},
};
use crate::mcp::{Limits, Message, emit, members};

const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const CHANGES: [(&str, &str); 3] = [
    ("toolsListChanged", "notifications/tools/list_changed"),
    ("promptsListChanged", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "notifications/resources/list_changed"),
];

impl Bridge {
    /// Listens. Once it was acknowledged, only an error ends it: where the stream breaks or the gateway ends it, as one
    /// that stops does, it is sent again after growing pauses.
    pub(super) async fn listen(&self, asked: &Asked, mirror: &Mirror, wanted: &mut Wanted) -> Result<Final, Lost> {
        let (mut pause, mut known) = (Pause::new(), false);
        loop {
            pause.begin();
            *wanted = Wanted::new(vec![asked.id.clone()]);
            match self.listen_once(asked, mirror, wanted, &mut known).await {
                Err(lost) if known && lost.passes() => tracing::info!(reason = %lost, "the listening broke off"),
                Ok(ended) if known && Lost::Status(ended.status).passes() => {
                    tracing::info!(status = %ended.status, "the gateway does not listen yet");
                }
                Ok(ended) if known && ended.code.is_none() => tracing::info!("the gateway ended the listening"),
                ended => return ended,
            }
            *wanted = Wanted::new(vec![asked.id.clone()]);
            pause.wait(None).await;
        }
    }

    async fn listen_once(
        &self,
        asked: &Asked,
        mirror: &Mirror,
        wanted: &mut Wanted,
        known: &mut bool,
    ) -> Result<Final, Lost> {
        let headers: Headers = mirror.headers(&asked.method);
        let response = self.gateway.post(headers, asked.body.clone()).await?;
        let mut events = match reply(response).await? {
            Reply::Whole(status, body) => return wanted.whole(status, &body),
            Reply::Events(events) => events,
        };
        if *known {
            self.renewed(&mut events).await?;
        } else if let Some(first) = events.next().await? {
            *known = granted(&first).is_some();
            if *known {
                self.write(first).await;
            } else {
                return wanted.whole(http::StatusCode::OK, &first);
            }
        }
        wanted.follow(&mut events, Some(&self.out)).await
    }

    /// Takes the acknowledgement of a listening that was sent again. The client does not see it, but is told that
    /// everything it listens for may have changed in the meantime.
    async fn renewed(&self, events: &mut Events) -> Result<(), Lost> {
        let Some(first) = events.next().await? else { return Err(Lost::Broken) };
        let Some((meta, granted)) = granted(&first) else { return Err(Lost::Garbage) };
        let list = members(granted.get()).map_err(|_| Lost::Garbage)?;
        let is = |key: &str| list.iter().any(|(name, value)| name == key && value.get() == "true");
        let meta = meta.get().as_bytes();
        for (_, method) in CHANGES.into_iter().filter(|(key, _)| is(key)) {
            self.write(emit::notification(method, &[("_meta", meta)])).await;
        }
        let uris = list.iter().find(|(name, _)| name == "resourceSubscriptions").map(|(_, value)| value.get());
        let uris: Vec<&RawValue> = uris.and_then(|uris| serde_json::from_str(uris).ok()).unwrap_or_default();
        for uri in uris {
            let params: emit::Pieces<'_> = &[("uri", uri.get().as_bytes()), ("_meta", meta)];
            self.write(emit::notification("notifications/resources/updated", params)).await;
        }
        Ok(())
    }
}

/// What an acknowledgement grants, with its `_meta`.
fn granted(message: &Bytes) -> Option<(&RawValue, &RawValue)> {
    match Message::parse(message, Limits::ANSWER) {
        Ok(Message::Notification { method, params }) if method == ACKNOWLEDGED => {
            Some((params.get("_meta")?, params.get("notifications")?))
        }
        Ok(_) | Err(_) => None,
    }
}
