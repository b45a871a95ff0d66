//! Live events: the journal as server-sent events, and signs of life of those who watch.
//!
//! An event's id is the record's place in the journal, so `Last-Event-ID` (HTML Living Standard, 9.2) goes on where
//! a connection broke off, and nothing is missed.

use std::{
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use hyper::body::{Body, Frame};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use super::{
    ApiError, Operations,
    serve::{Asked, id_of, json_answer},
};
use crate::{
    domain::{AgentId, DecisionId, ExceptionId, Person, PilotId},
    evidence::Record,
};

/// Decisions whose outcomes are still followed.
const FOLLOWED: usize = 4_096;

/// What people can do with live events; the part of [`Operations`] that is about them.
#[async_trait]
pub trait EventOperations: Send + Sync + 'static {
    /// The events that are wished for, from their place on; ends when the credential in `headers` does.
    async fn events(&self, by: &Arc<Person>, headers: &HeaderMap, wish: EventWish) -> Result<EventStream, ApiError>;
    /// This person watches the exception from here on, for [`WatchView::seconds`].
    async fn attend(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<WatchView, ApiError>;
    /// This person watches it no more.
    async fn leave(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<WatchView, ApiError>;
}

/// `POST` and `DELETE /api/v1/exceptions/{id}/watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchView {
    /// The exception.
    pub exception: ExceptionId,
    /// Whether this person watches now.
    pub attached: bool,
    /// Until when, in seconds from now, unless there is another sign of life.
    pub seconds: u64,
}

/// Whether calls that were let through are wished for, or those that were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Let through.
    Allow,
    /// Refused.
    Deny,
}

/// `GET /events?…`: all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventWish {
    /// Of this exception.
    pub exception: Option<ExceptionId>,
    /// Of the exceptions of this pilot, and of the pilot itself.
    pub pilot: Option<PilotId>,
    /// Of this agent's requests.
    pub agent: Option<AgentId>,
    /// Calls that were let through, with their outcomes, or refusals.
    pub decision: Option<Decision>,
    /// Of these kinds of records, with commas between.
    pub kind: Option<String>,
    /// Behind this place in the journal; without it only what is new. `Last-Event-ID` goes before it.
    pub from: Option<u64>,
}

/// Which records are wished for. It remembers the calls that it let through, so that their outcomes follow.
#[derive(Debug)]
pub struct EventFilter {
    wish: EventWish,
    kinds: Option<BTreeSet<String>>,
    followed: BTreeSet<DecisionId>,
    order: VecDeque<DecisionId>,
}

impl EventFilter {
    /// A filter for this wish.
    #[must_use]
    pub fn new(wish: EventWish) -> Self {
        let kinds = wish.kind.as_ref().map(|kinds| kinds.split(',').map(|kind| kind.trim().to_owned()).collect());
        Self { wish, kinds, followed: BTreeSet::new(), order: VecDeque::new() }
    }

    /// Whether this record is wished for; `in_pilot` says whether an exception belongs to the pilot of the wish.
    pub fn takes(&mut self, record: &Record, in_pilot: impl Fn(&ExceptionId) -> bool) -> bool {
        let kind = record.summary().kind;
        let follows = if let Record::Outcome(outcome) = record {
            Some(&outcome.decision)
        } else if let Record::Aborted(aborted) = record {
            Some(&aborted.decision)
        } else {
            None
        };
        let taken = follows.map_or_else(
            || self.fits(record, in_pilot),
            |decision| self.unfiltered() || self.followed.contains(decision),
        );
        if taken && let Record::Intent(intent) = record {
            self.follow(intent.decision.clone());
        }
        taken && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(kind))
    }

    /// The exception that a record is about, looked at or charged.
    #[must_use]
    pub fn exception(record: &Record) -> Option<ExceptionId> {
        let looked_at = || if let Record::Intent(intent) = record { intent.verdict.exception.clone() } else { None };
        record.summary().exception.or_else(looked_at)
    }

    fn unfiltered(&self) -> bool {
        let EventWish { exception, pilot, agent, decision, .. } = &self.wish;
        exception.is_none() && pilot.is_none() && agent.is_none() && decision.is_none()
    }

    fn fits(&self, record: &Record, in_pilot: impl Fn(&ExceptionId) -> bool) -> bool {
        let exception = Self::exception(record);
        let agent = record.caller().map(|caller| &caller.agent);
        let of_pilot = |pilot: &PilotId| {
            if let Record::Pilot(change) = record {
                change.pilot == *pilot
            } else {
                exception.as_ref().is_some_and(&in_pilot)
            }
        };
        let decided = match self.wish.decision {
            None => true,
            Some(Decision::Allow) => matches!(record, Record::Intent(_) | Record::Inquiry(_)),
            Some(Decision::Deny) => matches!(record, Record::Denial(_)),
        };
        decided
            && self.wish.exception.as_ref().is_none_or(|wished| exception.as_ref() == Some(wished))
            && self.wish.agent.as_ref().is_none_or(|wished| agent == Some(wished))
            && self.wish.pilot.as_ref().is_none_or(of_pilot)
    }

    fn follow(&mut self, decision: DecisionId) {
        if self.order.len() >= FOLLOWED
            && let Some(oldest) = self.order.pop_front()
        {
            self.followed.remove(&oldest);
        }
        self.order.push_back(decision.clone());
        self.followed.insert(decision);
    }
}

/// Frames of an event stream, as they come.
#[derive(Debug)]
pub struct EventStream(pub Receiver<Bytes>);

impl Body for EventStream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// What can be asked of live events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventRoute {
    /// The stream.
    Stream,
    /// A sign of life of who watches.
    Attend,
    /// The end of it.
    Leave,
}

pub(super) async fn answer(
    operations: &dyn Operations,
    route: EventRoute,
    asked: &Asked,
) -> Result<Response, ApiError> {
    match route {
        EventRoute::Stream => {
            let stream = operations.events(&asked.by, &asked.parts.headers, wish(asked)?).await?;
            let mut response = Response::new(axum::body::Body::new(stream));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
            headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
            Ok(response)
        }
        EventRoute::Attend => json_answer(&operations.attend(&asked.by, &id_of(asked)?).await?),
        EventRoute::Leave => json_answer(&operations.leave(&asked.by, &id_of(asked)?).await?),
    }
}

pub(super) fn wish(asked: &Asked) -> Result<EventWish, ApiError> {
    let query = axum::extract::Query::<EventWish>::try_from_uri(&asked.parts.uri).map_err(|error| {
        ApiError::invalid(format!(
            "the query takes `exception`, `pilot`, `agent`, `decision` (allow or deny), `kind` and `from`: {error}"
        ))
    })?;
    let mut wish = query.0;
    if let Some(last) = asked.parts.headers.get("last-event-id") {
        let place = last.to_str().ok().and_then(|last| last.parse().ok());
        wish.from = Some(place.ok_or_else(|| ApiError::invalid("`Last-Event-ID` is no place in the journal"))?);
    }
    Ok(wish)
}
