//! Answers over HTTP: JSON, event streams, and refusals in one shape.

use std::{convert::Infallible, future::Future};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};

use crate::{
    domain::SessionId,
    mcp::{HeaderFault, Id, ParseError, code, emit, headers, sse},
};

use super::{HttpRefusal, RpcError, guard::Accepts};

/// An answer over HTTP.
pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// What becomes of a request: an answer, or a refusal that is an answer too.
pub(super) type Outcome = Result<Answer, Refused>;

/// An answer that refuses.
pub(super) type Refused = Box<Answer>;

impl From<HeaderFault> for RpcError {
    fn from(fault: HeaderFault) -> Self {
        Self::new(code::HEADER_MISMATCH, fault.to_string()).with_status(StatusCode::BAD_REQUEST)
    }
}

impl From<ParseError> for RpcError {
    fn from(fault: ParseError) -> Self {
        Self::new(fault.code(), fault.to_string()).with_status(StatusCode::BAD_REQUEST)
    }
}

/// A message as the whole body.
pub(super) fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    private(answer)
}

/// A message as the whole body, in a form that the client reads. An event stream has no status but 200.
pub(super) fn whole(accepts: Accepts, status: StatusCode, body: Bytes) -> Answer {
    if accepts.json { json(status, body) } else { once(sse::event(&body)) }
}

/// An event stream.
pub(super) fn stream(body: BoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    private(answer)
}

/// An event stream of one event.
pub(super) fn once(event: Bytes) -> Answer {
    stream(Full::new(event).boxed())
}

/// No body.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new().boxed());
    *answer.status_mut() = status;
    private(answer)
}

/// A protocol error.
pub(super) fn error(id: Option<Id<'_>>, error: &RpcError) -> Answer {
    let body = error.response(id);
    json(error.http.unwrap_or(StatusCode::OK), emit::one_line(body))
}

/// A refusal on the level of HTTP.
pub(super) fn refuse(status: StatusCode, message: &str) -> Answer {
    json(status, emit::error(None, code::INVALID_REQUEST, message, None))
}

/// A refusal after which nothing more is read from the connection.
pub(super) fn refuse_and_close(status: StatusCode, message: &str) -> Answer {
    let mut answer = refuse(status, message);
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A refusal of the handler.
pub(super) fn refusal(refusal: &HttpRefusal) -> Answer {
    let mut answer = refuse(refusal.status, &refusal.message);
    if let Some(Ok(challenge)) = refusal.www_authenticate.as_deref().map(HeaderValue::from_str) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// A method of HTTP that is not served here.
pub(super) fn method_not_allowed(allow: &'static str) -> Answer {
    let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

/// The same answer with the id of a new session.
pub(super) fn with_session(mut answer: Answer, session: &SessionId) -> Answer {
    if let Ok(mut value) = HeaderValue::from_str(session.as_str()) {
        value.set_sensitive(true);
        answer.headers_mut().insert(headers::SESSION, value);
    }
    answer
}

/// Either side of an outcome.
pub(super) async fn settle(outcome: impl Future<Output = Outcome>) -> Answer {
    outcome.await.unwrap_or_else(|refused| *refused)
}

fn private(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
