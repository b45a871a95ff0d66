//! `resources/subscribe` and `resources/unsubscribe`: each resource is one subscription, told on the standing stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Method, limits},
    mcp::{Filter, Id, Params, code, emit, server::lock::held},
};

use crate::mcp::server::{Endpoint, ListenRequest, Listening, RpcError, changes, context::Context, reading};

use super::session::Session;

/// The resources that a session is subscribed to.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<HashMap<String, CancellationToken>>);

/// Subscribes to a resource; a second time says nothing new.
pub(super) async fn subscribe(
    endpoint: &Endpoint,
    context: &Context,
    session: &Arc<Session>,
    (id, params): (Id<'_>, &Params<'_>),
) -> Result<(), RpcError> {
    let uri = uri(params)?;
    let ended = {
        let mut all = held(&session.subscriptions.0);
        if all.contains_key(&uri) {
            return Ok(());
        }
        if all.len() >= limits::SUBSCRIBED {
            return Err(RpcError::new(code::INVALID_REQUEST, "this session holds too many subscriptions"));
        }
        let ended = session.ended.child_token();
        all.insert(uri.clone(), ended.clone());
        ended
    };
    // Until it stands it is forgotten again, also if the client goes away meanwhile.
    let standing = Standing { session: Arc::clone(session), uri, ended };
    let uri = &standing.uri;
    let filter = Filter { uris: vec![uri.clone()], ..Filter::default() };
    let origin = context.origin(session.version, id, Some(&session.id));
    let (scope, proof) = (context.scope.clone(), session.proof.clone());
    let request = ListenRequest { scope, filter: filter.clone(), capabilities: Arc::default(), proof, origin };
    let Listening { granted, events } = endpoint.handler().listen(&context.subject, request).await?;
    let granted = changes::within(granted, &filter);
    if granted.uris.is_empty() {
        return Err(not_found(uri));
    }
    tokio::spawn(standing.tell(Listening { granted, events }));
    Ok(())
}

/// A subscription of a session; dropped, it is forgotten, and a client that asks again may have it again.
struct Standing {
    session: Arc<Session>,
    uri: String,
    ended: CancellationToken,
}

impl Standing {
    /// Tells until the client, the session or the gateway ends it.
    async fn tell(self, mut listening: Listening) {
        loop {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                event = listening.events.recv() => {
                    let Some(event) = event else { return };
                    if let Some(told) = changes::message(&event, &listening.granted, None) {
                        self.session.standing.send(&told).await;
                    }
                }
            }
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut all = held(&self.session.subscriptions.0);
        // One that was ended is not there any more; another may be in its place.
        if !self.ended.is_cancelled() {
            all.remove(&self.uri);
        }
    }
}

/// Ends a subscription, if there is one.
pub(super) fn unsubscribe(session: &Session, params: &Params<'_>) -> Result<(), RpcError> {
    forget(session, &uri(params)?);
    Ok(())
}

fn forget(session: &Session, uri: &str) {
    if let Some(ended) = held(&session.subscriptions.0).remove(uri) {
        ended.cancel();
    }
}

fn uri(params: &Params<'_>) -> Result<String, RpcError> {
    let uri = reading::target(Method::Subscribe, params)?;
    uri.map(std::borrow::Cow::into_owned).ok_or_else(RpcError::internal)
}

fn not_found(uri: &str) -> RpcError {
    let data = String::from_utf8(emit::object(&[("uri", &emit::json(uri))]).into()).ok();
    let data = data.and_then(|data| RawValue::from_string(data).ok());
    RpcError { data, ..RpcError::new(code::RESOURCE_NOT_FOUND, "resource not found") }
}
