//! `subscriptions/listen`: a stream that tells of what was granted, and of nothing else.

use std::{net::SocketAddr, sync::Arc};

use http::{StatusCode, request::Parts};
use serde_json::value::RawValue;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::limits,
    mcp::{Capabilities, Feature, Filter, Id, Params, Version, emit, members, sse},
};

use crate::mcp::server::{
    Endpoint, Handler, ListenRequest, Listening, RpcError, changes,
    context::Context,
    declared, offered,
    reply::{self, Answer},
    stream::{Events, Gone, Place},
};

/// One subscription.
struct Subscription {
    handler: Arc<dyn Handler>,
    head: Parts,
    peer: SocketAddr,
    listening: Listening,
    id: Box<RawValue>,
    closing: CancellationToken,
    _place: Place,
}

/// Opens a subscription, and acknowledges what of it is served.
pub(super) async fn listen(
    endpoint: &Endpoint,
    context: Context,
    (id, params): (Id<'_>, &Params<'_>),
    capabilities: &Capabilities,
) -> Result<Answer, RpcError> {
    let offer = endpoint.handler().offer(&context.subject, &context.scope);
    let mut wished = filter(params)?;
    if !offered::tasks(&offer) {
        wished.tasks.clear();
    } else if !wished.tasks.is_empty() && !capabilities.has(Feature::Tasks) {
        return Err(declared::no_tasks());
    }
    if !context.accepts.stream {
        return Ok(reply::refuse(StatusCode::NOT_ACCEPTABLE, "accept text/event-stream"));
    }
    let place = match endpoint.streams().take(&context.subject.agent) {
        Ok(place) => place,
        Err(refused) => return Ok(*refused),
    };
    let origin = context.origin(Version::MODERN, id, None);
    let request = ListenRequest { scope: context.scope.clone(), filter: wished.clone(), origin };
    let Listening { granted, events: told } = endpoint.handler().listen(&context.subject, request).await?;
    let granted = changes::within(granted, &wished);
    let (events, answer) = Events::open();
    let subscription = Subscription {
        handler: Arc::clone(endpoint.handler()),
        head: context.head,
        peer: context.peer,
        listening: Listening { granted, events: told },
        id: id.raw().to_owned(),
        closing: endpoint.closing().clone(),
        _place: place,
    };
    tokio::spawn(async move {
        let _gone = subscription.pump(&events).await;
    });
    Ok(answer)
}

impl Subscription {
    async fn pump(mut self, events: &Events) -> Result<(), Gone> {
        let (tag, granted) = (changes::tag(&self.id), changes::granted(&self.listening.granted));
        let acknowledged: emit::Pieces<'_> = &[("_meta", &tag), ("notifications", &granted)];
        let acknowledged = emit::notification("notifications/subscriptions/acknowledged", acknowledged);
        events.send(sse::event(&acknowledged)).await?;
        let mut alive = interval(limits::KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        loop {
            tokio::select! {
                biased;
                () = events.gone() => return Err(Gone),
                () = self.closing.cancelled() => return self.close(events).await,
                event = self.listening.events.recv() => {
                    let Some(event) = event else { return self.close(events).await };
                    if let Some(told) = changes::message(&event, &self.listening.granted, Some(&self.id)) {
                        events.send(sse::event(&told)).await?;
                    }
                }
                _ = alive.tick() => {
                    // A credential that no longer holds ends its streams.
                    if self.handler.identify(&self.head, self.peer).await.is_err() {
                        return Ok(());
                    }
                    events.send(sse::comment()).await?;
                }
            }
        }
    }

    /// We end the subscription: the request gets its result.
    async fn close(&self, events: &Events) -> Result<(), Gone> {
        let Ok(id) = Id::read(&self.id) else { return Ok(()) };
        let result = emit::object(&[("resultType", br#""complete""#), ("_meta", &changes::tag(&self.id))]);
        events.send(sse::event(&emit::result(id, &result))).await
    }
}

/// What is wished for. What is not known is not granted.
fn filter(params: &Params<'_>) -> Result<Filter, RpcError> {
    let bad = || RpcError::invalid_params("`params.notifications` is missing or malformed");
    let wished = params.get("notifications").and_then(|raw| members(raw.get()).ok()).ok_or_else(bad)?;
    let mut filter = Filter::default();
    for (key, value) in &wished {
        match key.as_ref() {
            "toolsListChanged" => filter.tools = flag(value).ok_or_else(bad)?,
            "promptsListChanged" => filter.prompts = flag(value).ok_or_else(bad)?,
            "resourcesListChanged" => filter.resources = flag(value).ok_or_else(bad)?,
            "resourceSubscriptions" => filter.uris = names(value).ok_or_else(bad)?,
            "taskIds" => filter.tasks = names(value).ok_or_else(bad)?,
            _ => {}
        }
    }
    Ok(filter)
}

fn flag(value: &RawValue) -> Option<bool> {
    serde_json::from_str(value.get()).ok()
}

fn names(value: &RawValue) -> Option<Vec<String>> {
    let names: Vec<String> = serde_json::from_str(value.get()).ok()?;
    let fits = |name: &String| name.len() <= limits::TARGET && !name.contains(char::is_control);
    (names.len() <= limits::SUBSCRIBED && names.iter().all(fits)).then_some(names)
}
