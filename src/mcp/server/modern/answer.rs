//! One modern message, from its envelope to its answer.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    domain::Method,
    mcp::{Capabilities, Feature, Id, List, Message, Meta, Params, Version, code, emit, headers},
};

use crate::mcp::server::{
    Endpoint, RpcError,
    context::Context,
    declared, listing, offered, reading,
    reply::{self, Answer, Outcome, Refused},
    results as written,
};

use super::{agree, calling, listening, results};

/// Answers a modern message.
pub(in crate::mcp::server) async fn answer(
    endpoint: &Endpoint,
    context: Context,
    message: Message<'_>,
    meta: Meta<'_>,
    share: OwnedSemaphorePermit,
) -> Outcome {
    match message {
        Message::Request { id, method, params } => {
            let refuse = |error: RpcError| Refused::from(reply::error(Some(id), &results::fault(error)));
            let capabilities = agree::envelope(endpoint, &context, &meta, &method).map_err(refuse)?;
            let asked = Asked { id, method: &method, params: &params, meta: &meta, capabilities };
            request(endpoint, context, asked, share).await.map_err(refuse)
        }
        Message::Notification { method, .. } => {
            let refuse = |error: RpcError| Refused::from(reply::error(None, &error));
            agree::version(endpoint, &context, &meta).map_err(refuse)?;
            headers::agrees(&context.head.headers, &headers::METHOD, &method).map_err(|fault| refuse(fault.into()))?;
            // Over HTTP a modern client cancels by going away; the notification is taken and says nothing.
            if method == "notifications/cancelled" {
                return Ok(reply::empty(StatusCode::ACCEPTED));
            }
            Err(refuse(not_offered()))
        }
        Message::Response { .. } => Err(reply::refuse(StatusCode::BAD_REQUEST, "no response is awaited here").into()),
    }
}

/// A request whose envelope is in order.
struct Asked<'a> {
    id: Id<'a>,
    method: &'a str,
    params: &'a Params<'a>,
    meta: &'a Meta<'a>,
    capabilities: Arc<Capabilities>,
}

async fn request(
    endpoint: &Endpoint,
    context: Context,
    asked: Asked<'_>,
    share: OwnedSemaphorePermit,
) -> Result<Answer, RpcError> {
    let Asked { id, method, params, .. } = asked;
    if let Some(method) = Method::of(method) {
        return carried(endpoint, &context, method, asked, share).await;
    }
    if let Some(list) = List::of(method) {
        served(endpoint, &context, method)?;
        let page = listing::page(endpoint, &context, (Version::MODERN, None), (id, list, params)).await?;
        return Ok(whole(&context, id, &page));
    }
    match method {
        "server/discover" => {
            let offer = endpoint.handler().offer(&context.subject, &context.scope);
            Ok(whole(&context, id, &written::discover(endpoint.settings(), &offer)))
        }
        "subscriptions/listen" => {
            drop(share);
            listening::listen(endpoint, context, (id, params), &asked.capabilities).await
        }
        _ => Err(not_offered()),
    }
}

/// A request that is carried to a tool server.
async fn carried(
    endpoint: &Endpoint,
    context: &Context,
    method: Method,
    asked: Asked<'_>,
    share: OwnedSemaphorePermit,
) -> Result<Answer, RpcError> {
    served(endpoint, context, method.as_str())?;
    agree::name(&context.head.headers, method, asked.params)?;
    let task = matches!(method, Method::GetTask | Method::UpdateTask | Method::CancelTask);
    if task && !asked.capabilities.has(Feature::Tasks) {
        return Err(declared::no_tasks());
    }
    let level = asked.meta.log_level.map(reading::level).transpose();
    let level = level.map_err(|error| error.with_status(StatusCode::BAD_REQUEST))?;
    let meta = reading::meta(asked.meta, level);
    let caller = reading::Caller { version: Version::MODERN, session: None, capabilities: asked.capabilities };
    let request = reading::request(context, caller, (asked.id, method, asked.params), meta)?;
    let call = calling::start(endpoint.handler(), context, asked.id, request, share);
    Ok(call.answer(context.accepts).await)
}

/// A result as the whole answer.
fn whole(context: &Context, id: Id<'_>, result: &[u8]) -> Answer {
    reply::whole(context.accepts, StatusCode::OK, emit::one_line(emit::result(id, result)))
}

fn served(endpoint: &Endpoint, context: &Context, method: &str) -> Result<(), RpcError> {
    if offered::serves(endpoint, &context.subject, &context.scope, method) { Ok(()) } else { Err(not_offered()) }
}

fn not_offered() -> RpcError {
    RpcError::new(code::METHOD_NOT_FOUND, "method not offered").with_status(StatusCode::NOT_FOUND)
}
