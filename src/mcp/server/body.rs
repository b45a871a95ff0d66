//! The body of a request, read whole within bounds of size, time and memory (T011, T024).

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::limits;

use super::reply::{self, Refused};

/// A body, and its share of the bytes that may be in flight: given back when this is dropped.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) share: OwnedSemaphorePermit,
}

/// Reads a body.
pub(super) async fn receive<B>(headers: &HeaderMap, body: B, all: &Arc<Semaphore>) -> Result<Received, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let bound = limits::BODY as u64;
    if declared.is_some_and(|length| length > bound) {
        return Err(too_large());
    }
    // What has no length takes the most that it may.
    let share = u32::try_from(declared.unwrap_or(bound)).unwrap_or(u32::MAX);
    let Ok(share) = Arc::clone(all).try_acquire_many_owned(share) else {
        let message = "too much is being read now; try again";
        return Err(reply::refuse_and_close(StatusCode::SERVICE_UNAVAILABLE, message).into());
    };
    match tokio::time::timeout(limits::BODY_TIME, collect(body)).await {
        Ok(bytes) => Ok(Received { bytes: bytes?, share }),
        Err(_) => Err(reply::refuse_and_close(StatusCode::REQUEST_TIMEOUT, "the body took too long").into()),
    }
}

async fn collect<B>(mut body: B) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(reply::refuse_and_close(StatusCode::BAD_REQUEST, "the body is broken").into());
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.remaining() > limits::BODY {
            return Err(too_large());
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn too_large() -> Refused {
    reply::refuse_and_close(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB").into()
}
