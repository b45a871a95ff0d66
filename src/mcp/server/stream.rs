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

use crate::domain::AgentId;

use super::{
    lock::held,
    reply::{self, Answer, Refused},
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
        let (sender, answer) = open(0, None);
        (Self(sender), answer)
    }

    /// Sends what was encoded.
    pub(super) async fn send(&self, event: Bytes) -> Result<(), Gone> {
        if send(&self.0, event).await { Ok(()) } else { Err(Gone) }
    }

    /// Waits until nobody reads any more.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// A stream with room for so many events more than usual, and the answer that carries it; the place is given back when
/// the connection ends.
pub(super) fn open(more: usize, place: Option<Place>) -> (mpsc::Sender<Bytes>, Answer) {
    let (sender, events) = mpsc::channel(WAITING + more);
    (sender, reply::stream(BoxBody::new(Reading { events, _place: place }.boxed())))
}

/// Sends what was encoded; whether it was taken in time.
pub(super) async fn send(connection: &mpsc::Sender<Bytes>, event: Bytes) -> bool {
    connection.send_timeout(event, WRITE_TIME).await.is_ok()
}

struct Reading {
    events: mpsc::Receiver<Bytes>,
    _place: Option<Place>,
}

impl Body for Reading {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.events.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// What is held open: so many in all, so many of one agent.
#[derive(Debug)]
pub(super) struct Streams {
    each: usize,
    all: usize,
    open: Mutex<HashMap<AgentId, usize>>,
}

impl Streams {
    pub(super) fn bounded(each: usize, all: usize) -> Arc<Self> {
        Arc::new(Self { each, all, open: Mutex::default() })
    }

    /// Takes a place, given back when it is dropped; none if there is none.
    pub(super) fn place(self: &Arc<Self>, agent: &AgentId) -> Option<Place> {
        let mut open = held(&self.open);
        let own = open.get(agent).copied().unwrap_or_default();
        if own >= self.each || open.values().sum::<usize>() >= self.all {
            return None;
        }
        open.insert(agent.clone(), own + 1);
        Some(Place { streams: Arc::clone(self), agent: agent.clone() })
    }

    /// Takes a place, or refuses.
    pub(super) fn take(self: &Arc<Self>, agent: &AgentId) -> Result<Place, Refused> {
        self.place(agent)
            .ok_or_else(|| reply::refuse(StatusCode::TOO_MANY_REQUESTS, "too many streams are open").into())
    }
}

/// A place among what is open.
#[derive(Debug)]
pub(super) struct Place {
    streams: Arc<Streams>,
    agent: AgentId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = held(&self.streams.open);
        match open.get_mut(&self.agent) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.agent);
            }
        }
    }
}
