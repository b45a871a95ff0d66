//! Event streams to agents: bounded, kept alive, and ended when nobody reads them (T012, T013).

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, combinators::BoxBody};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use crate::domain::{AgentId, limits};

use super::{
    reply::{self, Answer, Refused},
    session::held,
};

/// Events that wait for a slow reader.
const WAITING: usize = 64;
/// How long a reader may take for one event.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// The writing end of an event stream.
#[derive(Debug)]
pub(super) struct Events(mpsc::Sender<Bytes>);

/// Nobody reads any more.
#[derive(Debug)]
pub(super) struct Gone;

impl Events {
    /// A stream, and the answer that carries it.
    pub(super) fn open() -> (Self, Answer) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), reply::stream(BoxBody::new(Reading(receiver).boxed())))
    }

    /// Sends what was encoded.
    pub(super) async fn send(&self, event: Bytes) -> Result<(), Gone> {
        self.0.send_timeout(event, WRITE_TIME).await.map_err(|_| Gone)
    }

    /// Waits until nobody reads any more.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

struct Reading(mpsc::Receiver<Bytes>);

impl Body for Reading {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// The standing streams that are open: so many in all, so many of one agent.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<HashMap<AgentId, usize>>);

impl Streams {
    /// Takes a place, given back when it is dropped.
    pub(super) fn take(self: &Arc<Self>, agent: &AgentId) -> Result<Place, Refused> {
        let mut open = held(&self.0);
        let own = open.get(agent).copied().unwrap_or_default();
        if own >= limits::STREAMS_PER_PRINCIPAL || open.values().sum::<usize>() >= limits::STREAMS {
            return Err(reply::refuse(StatusCode::TOO_MANY_REQUESTS, "too many streams are open").into());
        }
        open.insert(agent.clone(), own + 1);
        Ok(Place { streams: Arc::clone(self), agent: agent.clone() })
    }
}

/// A place among the standing streams.
#[derive(Debug)]
pub(super) struct Place {
    streams: Arc<Streams>,
    agent: AgentId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = held(&self.streams.0);
        match open.get_mut(&self.agent) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.agent);
            }
        }
    }
}
