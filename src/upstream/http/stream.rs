//! The messages of one event stream, within bounds.

use std::time::Duration;

use std::collections::VecDeque;

use hyper::body::Incoming as Body;

use super::exchange::next_bytes;
use crate::{
    domain::limits,
    mcp::{
        Decoder, Event, StreamFault, Version,
        client::{self, Incoming},
    },
    upstream::FailureKind,
};

/// An event stream that is being read.
#[derive(Debug)]
pub(super) struct Stream {
    body: Body,
    decoder: Decoder,
    events: VecDeque<Event>,
    messages: VecDeque<Incoming>,
    /// Whether an event may hold an array of messages.
    batches: bool,
    /// Bytes that may still come; without a bound for a stream that stands.
    left: Option<usize>,
}

impl Stream {
    /// The stream of one answer: all of it is bounded.
    pub(super) fn answer(body: Body, version: Version) -> Self {
        Self { left: Some(limits::ANSWER), ..Self::standing(body, version) }
    }

    /// A stream that stands: each of its events is bounded.
    pub(super) fn standing(body: Body, version: Version) -> Self {
        let (events, messages) = (VecDeque::new(), VecDeque::new());
        Self { body, decoder: Decoder::default(), events, messages, batches: version.batches(), left: None }
    }

    /// The next event; nothing at the end of the stream. May be dropped at any time, nothing is lost then.
    pub(super) async fn event(&mut self) -> Result<Option<Event>, FailureKind> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(bytes) = next_bytes(&mut self.body).await? else { return Ok(None) };
            if let Some(left) = &mut self.left {
                *left = left.checked_sub(bytes.len()).ok_or(FailureKind::TooLarge)?;
            }
            self.events.extend(self.decoder.push(&bytes).map_err(|fault| match fault {
                StreamFault::TooLong(_) => FailureKind::TooLarge,
                StreamFault::NotUtf8 => FailureKind::Garbage,
            })?);
        }
    }

    /// The next message; nothing at the end of the stream. May be dropped at any time, nothing is lost then.
    pub(super) async fn message(&mut self) -> Result<Option<Incoming>, FailureKind> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(Some(message));
            }
            let Some(event) = self.event().await? else { return Ok(None) };
            if event.name != "message" || event.data.is_empty() {
                continue;
            }
            if !self.batches {
                return client::read(event.data.as_bytes()).map(Some).map_err(|_| FailureKind::Garbage);
            }
            self.messages.extend(client::read_batch(event.data.as_bytes()).map_err(|_| FailureKind::Garbage)?);
        }
    }

    /// Where it may go on if it is broken.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.decoder.last_event_id()
    }

    /// When.
    pub(super) const fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// The same answer goes on in another body.
    pub(super) fn go_on(&mut self, body: Body) {
        let (decoder, events) = (Decoder::default(), VecDeque::new());
        (self.body, self.decoder, self.events) = (body, decoder, events);
    }
}
