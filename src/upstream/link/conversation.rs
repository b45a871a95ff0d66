//! Many requests at once over one stream, each matched to its answer by our own id (T028).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::Ticket;
use crate::{
    mcp::{
        Id, InputMethod, LogLevel, Version,
        client::{self, Answer, Incoming, Outgoing, Speaker},
    },
    upstream::{
        FailureKind,
        board::Board,
        rounds::{Caller, Ear, Question, route},
    },
};

/// Messages that wait for a server that does not read.
const QUEUE: usize = 64;
/// Messages of a server that are none, before it is given up.
const NOISE: usize = 1_000;

/// The conversation.
pub(in crate::upstream) struct Link {
    pub(super) messages: mpsc::Sender<Bytes>,
    waiting: Mutex<Option<HashMap<u64, Waiting>>>,
    ids: Arc<AtomicU64>,
    noise: AtomicUsize,
    /// Whether the server is of the legacy era, which may ask.
    legacy: AtomicBool,
    /// Whether the server may say several things at once (2025-03-26).
    batches: AtomicBool,
    board: Arc<Board>,
}

struct Waiting {
    answer: oneshot::Sender<Answer>,
    /// Who listens meanwhile; nobody for requests of the gateway's own.
    ear: Option<Ear>,
    questions: Option<mpsc::Sender<Question>>,
}

impl Link {
    /// A conversation, and the messages that are to be sent.
    pub(in crate::upstream) fn new(ids: Arc<AtomicU64>, board: Arc<Board>) -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let (messages, queue) = mpsc::channel(QUEUE);
        let link = Self {
            messages,
            waiting: Mutex::new(Some(HashMap::new())),
            ids,
            noise: AtomicUsize::new(0),
            legacy: AtomicBool::new(false),
            batches: AtomicBool::new(false),
            board,
        };
        (Arc::new(link), queue)
    }

    /// The server is of the legacy era.
    pub(in crate::upstream) fn legacy(&self) {
        self.legacy.store(true, Ordering::Relaxed);
    }

    /// The server speaks this revision.
    pub(in crate::upstream) fn speaks(&self, version: Version) {
        self.batches.store(version.batches(), Ordering::Relaxed);
    }

    /// Nobody will be answered any more.
    pub(in crate::upstream) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether anybody can still be answered.
    pub(in crate::upstream) fn is_open(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The number of the next request.
    pub(in crate::upstream) fn next(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Announces a request; its answer is kept for the ticket, and so are questions, if they can be asked.
    pub(in crate::upstream) fn announce(
        self: &Arc<Self>,
        id: u64,
        ear: Option<Ear>,
        questions: Option<mpsc::Sender<Question>>,
    ) -> Option<Ticket> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut()?.insert(id, Waiting { answer: sender, ear, questions });
        Some(Ticket::new(self.clone(), id, answer))
    }

    /// Somebody else listens to a request from now on.
    pub(super) fn hear(&self, id: u64, ear: Ear) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = waiting.as_mut().and_then(|all| all.get_mut(&id)) {
            one.ear = Some(ear);
        }
    }

    /// Nobody listens to a request for now.
    pub(super) fn mute(&self, id: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ear) = waiting.as_mut().and_then(|all| all.get_mut(&id)).and_then(|one| one.ear.as_mut()) {
            ear.notices = None;
        }
    }

    /// Nobody waits for the answer to a request any more.
    pub(super) fn forget(&self, id: u64) {
        if let Some(all) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            all.remove(&id);
        }
    }

    /// Sends a message that wants no answer.
    pub(in crate::upstream) async fn tell(&self, body: Bytes) -> Result<(), FailureKind> {
        self.messages.send(body).await.map_err(|_| FailureKind::Closed)
    }

    /// Takes a message of the server.
    pub(in crate::upstream) fn take(&self, message: &[u8]) -> Result<(), FailureKind> {
        let message = message.trim_ascii();
        if message.is_empty() {
            return Ok(());
        }
        match message.first() {
            Some(b'{') => self.hear_of(client::read(message).map_err(|_| FailureKind::Garbage)?),
            Some(b'[') if self.batches.load(Ordering::Relaxed) => {
                let each = client::read_batch(message).map_err(|_| FailureKind::Garbage)?;
                each.into_iter().try_for_each(|one| self.hear_of(one))
            }
            _ => self.noise(),
        }
    }

    fn hear_of(&self, incoming: Incoming) -> Result<(), FailureKind> {
        match incoming {
            Incoming::Answer { id, answer } => return self.answer(id, answer),
            Incoming::Stray => return self.noise(),
            Incoming::Request { id, method, params } => return self.request(&id, &method, params),
            Incoming::Progress { id, params } => {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let ear = waiting.as_ref().and_then(|all| all.get(&id)).and_then(|one| one.ear.as_ref());
                if let Some(ear) = ear {
                    ear.by_ref().progress(params);
                }
            }
            Incoming::Log { level, params } => self.log(level, params),
            Incoming::ListChanged => self.board.stale.notify_one(),
            Incoming::Acknowledged { of, filter } => self.board.watches.acknowledged(of, &filter),
            Incoming::News(news) => self.board.watches.tell(&news),
            Incoming::Notification { .. } => {}
        }
        Ok(())
    }

    /// Hands over an answer. A late or second one is dropped; one to what was never asked ends the conversation.
    fn answer(&self, id: u64, answer: Answer) -> Result<(), FailureKind> {
        let waiting =
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|all| all.remove(&id));
        match waiting {
            Some(waiting) => {
                let _received = waiting.answer.send(answer);
                Ok(())
            }
            None if id < self.ids.load(Ordering::Relaxed) => self.noise(),
            None => Err(FailureKind::Garbage),
        }
    }

    /// Answers what the server asks, or hands it to the one call that it can belong to.
    fn request(&self, raw: &RawValue, method: &str, params: Option<Box<RawValue>>) -> Result<(), FailureKind> {
        let id = Id::read(raw).map_err(|_| FailureKind::Garbage)?;
        let speaker = Speaker::MODERN;
        let asked = InputMethod::of(method).filter(|_| self.legacy.load(Ordering::Relaxed));
        let reply = match (asked, method) {
            (_, "ping") => Some(client::pong(speaker, id)),
            (Some(asked), _) => self.ask(id, Question { id: raw.to_owned(), method: asked, params }),
            (None, _) => Some(client::refuse(speaker, id)),
        };
        // A server that asks and does not read gets no answers.
        let _queued = reply.map(|reply| self.messages.try_send(reply.body));
        Ok(())
    }

    /// Hands over a question; or what is answered to it at once.
    fn ask(&self, id: Id<'_>, question: Question) -> Option<Outgoing> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = waiting.iter().flat_map(HashMap::values).filter_map(|one| {
            let ear = one.ear.as_ref()?;
            let (takes_input, capabilities) = (ear.takes_input, ear.capabilities.as_ref());
            Some(Caller { takes_input, capabilities, questions: one.questions.as_ref() })
        });
        route(calls, question, id, Speaker::MODERN)
    }

    /// A log message: of which call it speaks can only be told if there is no other.
    fn log(&self, level: LogLevel, params: Bytes) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ears = waiting.iter().flat_map(HashMap::values).filter_map(|one| one.ear.as_ref());
        if let (Some(ear), None) = (ears.next(), ears.next()) {
            ear.by_ref().log(level, params);
        }
    }

    fn noise(&self) -> Result<(), FailureKind> {
        let count = self.noise.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            tracing::warn!(server = %self.board.name, "the tool server writes what is no message; it is ignored");
        }
        if count < NOISE { Ok(()) } else { Err(FailureKind::Garbage) }
    }
}
