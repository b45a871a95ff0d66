//! What a client was asked and has not answered yet: each question under an id that nobody can guess.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use aws_lc_rs::rand;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    domain::{AgentId, Subject, limits},
    mcp::{Id, server::lock::held},
};

use crate::mcp::server::stream::{Place, Streams};

/// The room for requests that wait for their client's answers. A client may take minutes, so that they have a room of
/// their own: bodies that are being read or served do not wait for them.
#[derive(Debug)]
pub(in crate::mcp::server) struct Waiting {
    places: Arc<Streams>,
    bytes: Arc<Semaphore>,
}

/// A place to wait in.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) place: Place,
    /// The share of the request's bytes, from now to its end.
    pub(super) share: OwnedSemaphorePermit,
}

impl Waiting {
    pub(in crate::mcp::server) fn new() -> Self {
        let places = Streams::bounded(limits::ASKING_PER_PRINCIPAL, limits::ASKING);
        Self { places, bytes: Arc::new(Semaphore::new(limits::ASKING_BYTES)) }
    }

    /// Takes a place for a request of so many bytes; none if there is none.
    pub(super) fn room(&self, agent: &AgentId, bytes: usize) -> Option<Room> {
        let place = self.places.place(agent)?;
        let share = Arc::clone(&self.bytes).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        Some(Room { place, share })
    }
}

/// What a client says to a question, and who it was.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) subject: Arc<Subject>,
    /// The result, or the code and the sentence of an error.
    pub(super) answer: Result<Box<RawValue>, (i64, String)>,
}

/// The questions of a session that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<HashMap<Box<str>, oneshot::Sender<Said>>>);

/// A question that waits; it is forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct Question {
    asked: Arc<Asked>,
    pub(super) id: Box<str>,
    pub(super) said: oneshot::Receiver<Said>,
}

impl Asked {
    /// A new question; none if there is no randomness.
    pub(super) fn question(self: &Arc<Self>) -> Option<Question> {
        let mut bits = [0; 16];
        rand::fill(&mut bits).ok()?;
        let mut id = String::from("ask_");
        for byte in bits {
            write!(id, "{byte:02x}").ok()?;
        }
        let id = id.into_boxed_str();
        let (sender, said) = oneshot::channel();
        held(&self.0).insert(id.clone(), sender);
        Some(Question { asked: Arc::clone(self), id, said })
    }

    /// Takes an answer; whether anybody waits for it.
    pub(super) fn answer(&self, id: Id<'_>, said: Said) -> bool {
        let id = id.to_string();
        held(&self.0).remove(id.as_str()).is_some_and(|waiting| waiting.send(said).is_ok())
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        held(&self.asked.0).remove(&self.id);
    }
}
