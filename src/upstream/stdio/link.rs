//! One conversation with a child: many requests at once, each matched to its answer by our own id (T028).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::line::next_line;
use crate::{
    domain::limits,
    mcp::{
        Id, Notice,
        client::{self, Answer, Incoming, Speaker},
    },
    upstream::{FailureKind, board::Board},
};

/// Messages that wait for a child that does not read.
const QUEUE: usize = 64;
/// Lines of a child that are no message, before it is given up.
const NOISE: usize = 1_000;

/// The conversation.
pub(super) struct Link {
    lines: mpsc::Sender<Bytes>,
    waiting: Mutex<Option<HashMap<u64, Waiting>>>,
    ids: Arc<AtomicU64>,
    noise: AtomicUsize,
    board: Arc<Board>,
}

struct Waiting {
    answer: oneshot::Sender<Answer>,
    notices: Option<mpsc::Sender<Notice>>,
}

impl Link {
    /// Begins to write to a child. The task ends when the child no longer reads, or the link is gone.
    pub(super) fn open(stdin: ChildStdin, ids: Arc<AtomicU64>, board: Arc<Board>) -> (Arc<Self>, JoinHandle<()>) {
        let (lines, queue) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(write(stdin, queue));
        let waiting = Mutex::new(Some(HashMap::new()));
        (Arc::new(Self { lines, waiting, ids, noise: AtomicUsize::new(0), board }), writer)
    }

    /// Reads until the child stops, or says what no tool server may say.
    pub(super) async fn read(self: Arc<Self>, stdout: ChildStdout) -> FailureKind {
        let mut pipe = BufReader::with_capacity(64 << 10, stdout);
        let mut line = Vec::new();
        loop {
            match next_line(&mut pipe, &mut line, limits::ANSWER).await {
                Ok(true) => {}
                Ok(false) => return FailureKind::Closed,
                Err(kind) => return kind,
            }
            if let Err(kind) = self.take(&line) {
                return kind;
            }
            // One large answer does not hold its memory for ever.
            line.shrink_to(1 << 20);
        }
    }

    /// Nobody will be answered any more.
    pub(super) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The number of the next request.
    pub(super) fn next(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Announces a request; its answer is kept for the ticket.
    pub(super) fn announce(&self, id: u64, notices: Option<mpsc::Sender<Notice>>) -> Option<Ticket<'_>> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut()?.insert(id, Waiting { answer: sender, notices });
        Some(Ticket { link: self, id, answer, sent: false, told: false })
    }

    /// Sends a message that wants no answer.
    pub(super) async fn tell(&self, body: Bytes) -> Result<(), FailureKind> {
        self.lines.send(body).await.map_err(|_| FailureKind::Closed)
    }

    fn take(&self, line: &[u8]) -> Result<(), FailureKind> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if line.first() != Some(&b'{') {
            return self.noise();
        }
        match client::read(line).map_err(|_| FailureKind::Garbage)? {
            Incoming::Answer { id, answer } => self.answer(id, answer),
            Incoming::Progress { id, params } => {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let notices = waiting.as_ref().and_then(|all| all.get(&id)).and_then(|one| one.notices.as_ref());
                // Progress is worth less than the reading of answers: a slow listener loses some.
                let _sent = notices.map(|notices| notices.try_send(Notice::Progress(params)));
                Ok(())
            }
            Incoming::ListChanged => {
                self.board.stale.notify_one();
                Ok(())
            }
            Incoming::Request { id, method, .. } => {
                let id = Id::read(&id).map_err(|_| FailureKind::Garbage)?;
                let reply = if method == "ping" {
                    client::pong(Speaker::MODERN, id)
                } else {
                    client::refuse(Speaker::MODERN, id)
                };
                // A child that asks and does not read gets no answers.
                let _queued = self.lines.try_send(reply.body);
                Ok(())
            }
            Incoming::Notification { .. }
            | Incoming::Log { .. }
            | Incoming::Acknowledged { .. }
            | Incoming::News(_)
            | Incoming::Withdrawn(_) => Ok(()),
            Incoming::Stray => self.noise(),
        }
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

    fn noise(&self) -> Result<(), FailureKind> {
        let count = self.noise.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            tracing::warn!(server = %self.board.name, "the tool server writes what is no message; it is ignored");
        }
        if count < NOISE { Ok(()) } else { Err(FailureKind::Garbage) }
    }
}

async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(body) = queue.recv().await {
        let mut line = Vec::with_capacity(body.len() + 1);
        line.extend_from_slice(&body);
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// The right to one answer. A ticket that is dropped before its answer came tells the child to stop.
pub(super) struct Ticket<'a> {
    link: &'a Link,
    id: u64,
    answer: oneshot::Receiver<Answer>,
    sent: bool,
    told: bool,
}

impl Ticket<'_> {
    /// A request that must not be cancelled, as those of a handshake.
    pub(super) const fn uncancelled(mut self) -> Self {
        self.told = true;
        self
    }

    /// Whether the child may have seen the request.
    pub(super) const fn sent(&self) -> bool {
        self.sent
    }

    /// Sends the request and waits for its answer.
    pub(super) async fn exchange(&mut self, body: Bytes) -> Result<Answer, FailureKind> {
        let place = self.link.lines.reserve().await.map_err(|_| FailureKind::Closed)?;
        self.sent = true;
        place.send(body);
        let answer = (&mut self.answer).await;
        self.told = true;
        answer.map_err(|_| FailureKind::Closed)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(all) = self.link.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            all.remove(&self.id);
        }
        if self.sent && !self.told {
            let _queued = self.link.lines.try_send(client::cancelled(Speaker::MODERN, self.id).body);
        }
    }
}
