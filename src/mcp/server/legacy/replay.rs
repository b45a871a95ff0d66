//! The event streams of a session: what was sent on each is kept for a while, for a client whose connection broke. Ids
//! of events are ours only, `stream:counter` (T032).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    domain::limits,
    mcp::{server::lock::held, sse},
};

use crate::mcp::server::{
    reply::Answer,
    stream::{self, Place},
};

/// The stream of what belongs to no request.
const STANDING: u64 = 0;
/// After how many milliseconds a client shall come back.
const RETRY: u32 = 1_000;

/// The streams of one session.
#[derive(Debug)]
pub(super) struct Lines {
    /// Whether a stream begins with an event that primes the client to come back (2025-11-25).
    primes: bool,
    book: Mutex<Book>,
    /// Bytes kept, over all sessions.
    all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    lines: BTreeMap<u64, State>,
    events: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the last event.
    last: u64,
    /// The number of the last event that was handed to a connection.
    handed: u64,
    kept: VecDeque<(u64, Bytes)>,
    connection: Option<mpsc::Sender<Bytes>>,
    ended: Option<Instant>,
}

/// The writing end of a stream, whether or not anybody reads it; dropping it ends the stream.
#[derive(Debug)]
pub(super) struct Line {
    lines: Arc<Lines>,
    number: u64,
    /// Keeps the order of events where several write.
    order: tokio::sync::Mutex<()>,
}

impl Lines {
    pub(super) fn new(primes: bool, all: Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self { primes, book: Mutex::default(), all })
    }

    /// A new stream. The first one of a session is [`STANDING`].
    pub(super) fn open(self: &Arc<Self>) -> Line {
        self.sweep();
        let mut book = held(&self.book);
        let number = book.next;
        book.next += 1;
        book.lines.insert(number, State::default());
        Line { lines: Arc::clone(self), number, order: tokio::sync::Mutex::default() }
    }

    /// A connection that goes on where an event of this id was the last; none if nothing is known of it.
    pub(super) fn resume(&self, last: &str, place: Place) -> Option<Answer> {
        let (number, after) = read(last)?;
        self.connect(number, Some(after), Some(place))
    }

    /// Gives a stream a new connection, which takes the place of the one before.
    fn connect(&self, number: u64, after: Option<u64>, place: Option<Place>) -> Option<Answer> {
        let mut book = held(&self.book);
        let state = book.lines.get_mut(&number)?;
        if after.is_some_and(|after| after > state.last) {
            return None;
        }
        let fresh = after.is_none();
        let after = after.unwrap_or(state.handed);
        let missed: Vec<_> = state.kept.iter().filter(|(at, _)| *at > after).map(|(_, event)| event.clone()).collect();
        let (connection, answer) = stream::open(missed.len(), place);
        if fresh && self.primes {
            let _fits = connection.try_send(sse::primer(&id(number, after), RETRY));
        } else if fresh {
            let _fits = connection.try_send(sse::comment());
        }
        for event in missed {
            let _fits = connection.try_send(event);
        }
        state.handed = state.last;
        if state.ended.is_none() {
            state.connection = Some(connection);
        }
        Some(answer)
    }

    /// Forgets streams that ended a while ago.
    pub(super) fn sweep(&self) {
        let mut book = held(&self.book);
        let old = |state: &State| state.ended.is_some_and(|ended| ended.elapsed() >= limits::REPLAY_TIME);
        let over: Vec<_> = book.lines.iter().filter(|(_, state)| old(state)).map(|(number, _)| *number).collect();
        for number in over {
            while self.forget_oldest_of(&mut book, number) {}
            book.lines.remove(&number);
        }
    }

    /// Ends all streams and forgets what was kept.
    pub(super) fn close(&self) {
        let mut book = held(&self.book);
        self.all.fetch_sub(book.bytes, Ordering::Relaxed);
        *book = Book { next: book.next, ..Book::default() };
    }

    /// Keeps an event, in place of the oldest ones where there is no room. What is larger than all room is not kept.
    fn keep(&self, book: &mut Book, number: u64, at: u64, event: &Bytes) {
        let size = event.len();
        while book.events >= limits::REPLAY_EVENTS || book.bytes + size > limits::REPLAY_BYTES {
            let ended = book.lines.iter().find(|(_, state)| state.ended.is_some() && !state.kept.is_empty());
            let oldest = ended.or_else(|| book.lines.iter().find(|(_, state)| !state.kept.is_empty()));
            let Some(oldest) = oldest.map(|(number, _)| *number) else { break };
            self.forget_oldest_of(book, oldest);
        }
        if size > limits::REPLAY_BYTES {
            return;
        }
        if self.all.fetch_add(size, Ordering::Relaxed) + size > limits::REPLAY_ALL_BYTES {
            self.all.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        if let Some(state) = book.lines.get_mut(&number) {
            state.kept.push_back((at, event.clone()));
            book.events += 1;
            book.bytes += size;
        }
    }

    /// Forgets the oldest event of a stream; whether there was one.
    fn forget_oldest_of(&self, book: &mut Book, number: u64) -> bool {
        let Some(state) = book.lines.get_mut(&number) else { return false };
        let Some((_, event)) = state.kept.pop_front() else { return false };
        if state.ended.is_some() && state.kept.is_empty() {
            book.lines.remove(&number);
        }
        book.events -= 1;
        book.bytes -= event.len();
        self.all.fetch_sub(event.len(), Ordering::Relaxed);
        true
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.close();
    }
}

impl Line {
    /// The first connection of a stream, or another one that asks for nothing that was sent.
    pub(super) fn connect(&self, place: Option<Place>) -> Option<Answer> {
        self.lines.connect(self.number, None, place)
    }

    /// Sends a message: it is kept, and goes to whoever reads. A reader that is too slow is given up.
    pub(super) async fn send(&self, json: &[u8]) {
        let _order = self.order.lock().await;
        let (at, event, connection) = {
            let mut book = held(&self.lines.book);
            let Some(state) = book.lines.get_mut(&self.number) else { return };
            state.last += 1;
            let at = state.last;
            let event = sse::numbered(&id(self.number, at), json);
            let connection = state.connection.clone();
            if connection.is_some() {
                state.handed = at;
            }
            self.lines.keep(&mut book, self.number, at, &event);
            (at, event, connection)
        };
        if let Some(connection) = connection
            && !stream::send(&connection, event).await
        {
            self.lost(&connection, at);
        }
    }

    /// A connection is lost: what was for it waits for the next one.
    fn lost(&self, connection: &mpsc::Sender<Bytes>, at: u64) {
        let mut book = held(&self.lines.book);
        let Some(state) = book.lines.get_mut(&self.number) else { return };
        if state.connection.as_ref().is_some_and(|current| current.same_channel(connection)) {
            state.connection = None;
            state.handed = state.handed.min(at.saturating_sub(1));
        }
    }

    /// Keeps the connection alive; whether there is one.
    pub(super) fn alive(&self) -> bool {
        let mut book = held(&self.lines.book);
        let Some(state) = book.lines.get_mut(&self.number) else { return false };
        let full_or_sent = |connection: &mpsc::Sender<Bytes>| {
            !matches!(connection.try_send(sse::comment()), Err(mpsc::error::TrySendError::Closed(_)))
        };
        let alive = state.connection.as_ref().is_some_and(full_or_sent);
        if !alive {
            state.connection = None;
        }
        alive
    }

    /// Ends the connection, not the stream; tells the client when to come back, if it may.
    pub(super) fn disconnect(&self, comes_back: bool) {
        let mut book = held(&self.lines.book);
        let connection = book.lines.get_mut(&self.number).and_then(|state| state.connection.take());
        if let Some(connection) = connection
            && comes_back
        {
            let _full = connection.try_send(sse::retry(RETRY));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut book = held(&self.lines.book);
        let Some(state) = book.lines.get_mut(&self.number) else { return };
        state.connection = None;
        state.ended = Some(Instant::now());
        if state.kept.is_empty() {
            book.lines.remove(&self.number);
        }
    }
}

/// Whether an event is of the standing stream.
pub(super) fn is_standing(id: &str) -> bool {
    read(id).is_some_and(|(number, _)| number == STANDING)
}

fn id(number: u64, at: u64) -> String {
    format!("{number}:{at}")
}

fn read(id: &str) -> Option<(u64, u64)> {
    let (number, at) = id.split_once(':')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some((digits(number)?, digits(at)?))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::Ordering};

    use super::{Lines, limits};

    /// T024
    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded_and_given_back() {
        let all = Arc::default();
        let lines = Lines::new(true, Arc::clone(&all));
        let standing = lines.open();
        for _ in 0..2 * limits::REPLAY_EVENTS {
            let line = lines.open();
            line.send(b"{}").await;
        }
        standing.send(&vec![b'1'; limits::ANSWER]).await;
        standing.send(&vec![b'1'; limits::REPLAY_BYTES]).await;
        {
            let book = lines.book.lock().unwrap();
            assert!(book.events <= limits::REPLAY_EVENTS && book.bytes <= limits::REPLAY_BYTES);
            assert!(book.lines.len() <= limits::REPLAY_EVENTS + 1);
            assert_eq!(book.bytes, all.load(Ordering::Relaxed));
        }
        drop(lines.open());
        let line = lines.open();
        line.send(b"{}").await;
        drop(line);
        tokio::time::advance(limits::REPLAY_TIME).await;
        lines.sweep();
        assert_eq!(lines.book.lock().unwrap().lines.len(), 1);
        drop((standing, lines));
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }

    /// T024
    #[tokio::test]
    async fn what_all_sessions_keep_is_bounded_together() {
        let all = Arc::default();
        let sessions: Vec<_> = (0..10).map(|_| Lines::new(false, Arc::clone(&all))).collect();
        for lines in &sessions {
            lines.open().send(&vec![b'1'; limits::ANSWER]).await;
        }
        assert!(all.load(Ordering::Relaxed) <= limits::REPLAY_ALL_BYTES);
        drop(sessions);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
