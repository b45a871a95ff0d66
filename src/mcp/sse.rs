//! Event streams: events are encoded whole, and decoded piece by piece within a bound.

use std::time::Duration;

use bytes::Bytes;

use crate::domain::limits;

/// Bytes of an event's id that is kept.
const EVENT_ID: usize = 1_024;

/// An event stream that is not read any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// One event is longer than the bound.
    #[error("an event is longer than {0} bytes")]
    TooLong(usize),
    /// The bytes are not UTF-8.
    #[error("an event is not valid UTF-8")]
    NotUtf8,
}

/// One event. Its id and its retry time belong to the peer's stream, not to ours (T032): the decoder keeps the last
/// ones, for whoever asks the peer to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` where none was given.
    pub name: String,
    /// Its data, lines joined by line feeds.
    pub data: String,
}

/// One event that carries a JSON message.
///
/// JSON has line ends only between its tokens, where a space means the same: the event is one line always.
#[must_use]
pub fn event(json: &[u8]) -> Bytes {
    event_after(b"event: message\ndata: ", json)
}

/// The same with an id of ours, from which a client can go on.
#[must_use]
pub fn numbered(id: &str, json: &[u8]) -> Bytes {
    event_after(format!("event: message\nid: {id}\ndata: ").as_bytes(), json)
}

/// An event without data: a client knows from it where it can go on, and after how many milliseconds.
#[must_use]
pub fn primer(id: &str, retry: u32) -> Bytes {
    format!("id: {id}\nretry: {retry}\ndata: \n\n").into()
}

/// After how many milliseconds a client shall come back to a stream whose connection ends.
#[must_use]
pub fn retry(milliseconds: u32) -> Bytes {
    format!("retry: {milliseconds}\n\n").into()
}

fn event_after(head: &[u8], json: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(head.len() + json.len() + 2);
    out.extend_from_slice(head);
    out.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// A comment, which keeps a stream alive.
#[must_use]
pub fn comment() -> Bytes {
    Bytes::from_static(b": keep-alive\n\n")
}

/// Reads events from pieces of a stream (WHATWG HTML, section 9.2.6).
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line: Vec<u8>,
    name: String,
    data: String,
    filled: bool,
    after_return: bool,
    begun: bool,
    id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(limits::EVENT)
    }
}

impl Decoder {
    /// A decoder whose events hold at most this many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let (line, name, data) = (Vec::new(), String::new(), String::new());
        let (filled, after_return, begun) = (false, false, false);
        Self { limit, line, name, data, filled, after_return, begun, id: None, last_id: None, retry: None }
    }

    /// The id of the last complete event that had one; one that no header can carry counts as none.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the peer wants to be left alone before it is asked to go on.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes and gives back the events that they complete. What is incomplete at the end of the
    /// stream is no event.
    ///
    /// # Errors
    /// An event beyond the bound, or one that is not UTF-8. The stream is of no use then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, StreamFault> {
        let mut events = Vec::new();
        while let Some((first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                bytes = rest;
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (piece, ended) = end.and_then(|at| bytes.split_at_checked(at)).unwrap_or((bytes, &[]));
            if self.line.len() + piece.len() + self.data.len() + self.name.len() > self.limit {
                return Err(StreamFault::TooLong(self.limit));
            }
            self.line.extend_from_slice(piece);
            let Some((ending, rest)) = ended.split_first() else { break };
            self.after_return = *ending == b'\r';
            bytes = rest;
            events.extend(self.line()?);
        }
        Ok(events)
    }

    /// Takes the line that is complete.
    fn line(&mut self) -> Result<Option<Event>, StreamFault> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| StreamFault::NotUtf8)?;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            if let Some(id) = self.id.take() {
                self.last_id = Some(id).filter(|id| !id.is_empty());
            }
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            if !std::mem::take(&mut self.filled) {
                return Ok(None);
            }
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return Ok(Some(Event { name, data }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if std::mem::replace(&mut self.filled, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if value.len() <= EVENT_ID && value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
                self.id = Some(value.to_owned());
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
        Ok(None)
    }
}
