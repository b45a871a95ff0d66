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
    let filter = Filter { uris: vec![uri.clone()], ..Filter::default() };
    let origin = context.origin(session.version, id, Some(&session.id));
    let request = ListenRequest { scope: context.scope.clone(), filter: filter.clone(), origin };
    let listening = endpoint.handler().listen(&context.subject, request).await;
    let listening = listening.and_then(|Listening { granted, events }| {
        let granted = changes::within(granted, &filter);
        if granted.uris.is_empty() { Err(not_found(&uri)) } else { Ok(Listening { granted, events }) }
    });
    match listening {
        Ok(listening) => {
            tokio::spawn(tell(Arc::clone(session), uri, listening, ended));
            Ok(())
        }
        Err(error) => {
            forget(session, &uri);
            Err(error)
        }
    }
}

/// Ends a subscription, if there is one.
pub(super) fn unsubscribe(session: &Session, params: &Params<'_>) -> Result<(), RpcError> {
    forget(session, &uri(params)?);
    Ok(())
}

async fn tell(session: Arc<Session>, uri: String, mut listening: Listening, ended: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            event = listening.events.recv() => {
                let Some(event) = event else { break };
                if let Some(told) = changes::message(&event, &listening.granted, None) {
                    session.standing.send(&told).await;
                }
            }
        }
    }
    // The gateway ended it; a client that asks again may have it again.
    let mut all = held(&session.subscriptions.0);
    if !ended.is_cancelled() {
        all.remove(&uri);
    }
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
