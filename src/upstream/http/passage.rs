//! A call to a legacy server on its way, on either transport.

use serde_json::value::RawValue;

use super::flight::PostFlight;
use crate::upstream::{
    FailureKind,
    link::LinkFlight,
    rounds::{EarRef, Flight, Question, Slot, Step},
};

/// A call on its way.
pub(super) enum Passage {
    /// On the stream of its own POST.
    Post(Box<PostFlight>),
    /// Over the conversation of its session.
    Link(LinkFlight),
}

impl Flight for Passage {
    fn question(&mut self) -> &mut Option<Question> {
        match self {
            Self::Post(flight) => flight.question(),
            Self::Link(flight) => flight.question(),
        }
    }

    fn slot(&mut self) -> &mut Slot {
        match self {
            Self::Post(flight) => flight.slot(),
            Self::Link(flight) => flight.slot(),
        }
    }

    async fn reply(&mut self, to: &RawValue, answer: &RawValue) -> Result<(), FailureKind> {
        match self {
            Self::Post(flight) => flight.reply(to, answer).await,
            Self::Link(flight) => flight.reply(to, answer).await,
        }
    }

    async fn step(&mut self, ear: EarRef<'_>) -> Result<Step, FailureKind> {
        match self {
            Self::Post(flight) => flight.step(ear).await,
            Self::Link(flight) => flight.step(ear).await,
        }
    }

    async fn idle(&mut self) {
        match self {
            Self::Post(flight) => flight.idle().await,
            Self::Link(flight) => flight.idle().await,
        }
    }
}
