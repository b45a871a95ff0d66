//! What a client was asked and has not answered yet: each question under an id that nobody can guess.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use aws_lc_rs::rand;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::{
    domain::Subject,
    mcp::{Id, server::lock::held},
};

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
