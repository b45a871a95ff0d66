//! Arrays of messages (2025-03-26): each is judged on its own, and the responses come together.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use crate::mcp::{Message, ParseError, code, emit};

use crate::mcp::server::{
    Endpoint, RpcError,
    context::Context,
    reply::{self, Outcome, Refused},
};

use super::{
    answer::{answered, carried, notified, plain, served, session},
    results,
    serving::{self, First},
};

/// Messages that one batch may hold.
const BATCH: usize = 32;

/// Answers an array of messages. It has no stream: nothing is told before the end, and nobody is asked back.
pub(in crate::mcp::server) async fn batch(
    endpoint: &Endpoint,
    context: Context,
    body: &[u8],
    share: OwnedSemaphorePermit,
) -> Outcome {
    let session = session(endpoint, &context)?;
    if !session.version.batches() {
        return Err(reply::error(None, &ParseError::Batch.into()).into());
    }
    let messages = Message::parse_batch(body).map_err(|fault| Refused::from(reply::error(None, &fault.into())))?;
    if messages.is_empty() || messages.len() > BATCH {
        return Err(reply::refuse(StatusCode::BAD_REQUEST, "a batch holds 1 to 32 messages").into());
    }
    let share = Arc::new(share);
    let (mut responses, mut calls) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            Ok(Message::Request { id, method, params }) => {
                let refuse = |error: RpcError| {
                    let error = results::fault(error, None);
                    error.response(Some(id))
                };
                if let Some(method) = carried(&method) {
                    let asked = serving::Asked { id, method, params: &params, streams: false };
                    let started = served(endpoint, &context, method.as_str())
                        .and_then(|()| serving::start(endpoint, &context, &session, asked, Arc::clone(&share)));
                    match started {
                        Ok(first) => calls.push((refuse(RpcError::internal()), first)),
                        Err(error) => responses.push(refuse(error)),
                    }
                    continue;
                }
                let result = plain(endpoint, &context, &session, (id, &method, &params)).await;
                responses.push(result.map_or_else(refuse, |result| emit::result(id, &result)));
            }
            Ok(Message::Notification { method, params }) => notified(&session, &method, &params),
            Ok(Message::Response { id, answer }) => {
                if !answered(&session, &context.subject, id, answer) {
                    responses.push(emit::error(None, code::INVALID_REQUEST, "no such response is awaited", None));
                }
            }
            Err(fault) => responses.push(emit::error(None, fault.code(), &fault.to_string(), None)),
        }
    }
    for (broken, call) in calls {
        responses.push(match call.await {
            Ok(First::Whole(_, body)) => body,
            Ok(First::Stream(_)) | Err(_) => broken,
        });
    }
    if responses.is_empty() {
        return Ok(reply::empty(StatusCode::ACCEPTED));
    }
    Ok(reply::whole(context.accepts, StatusCode::OK, emit::one_line(emit::array(&responses).into())))
}
