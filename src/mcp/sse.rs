//! Event streams: events are encoded whole, and decoded piece by piece within a bound.

use bytes::Bytes;

use crate::domain::limits;

/// Bytes of an event's id.
const ID: usize = 1_024;

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

/// One event. Its id and its retry time stay with the decoder: they belong to the peer's stream, not to ours (T032).
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
    let mut out = Vec::with_capacity(json.len() + 24);
    out.extend_from_slice(b"event: message\ndata: ");
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
    retry: Option<u64>,
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

    /// The id of the last event that was complete and had one; where a broken stream may go on.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// After how many milliseconds the peer wants a broken stream to be asked for again.
    #[must_use]
    pub const fn retry(&self) -> Option<u64> {
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
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            self.last_id = self.id.take().or(self.last_id.take());
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
            "id" if value.len() <= ID && !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().or(self.retry);
            }
            _ => {}
        }
        Ok(None)
    }
}
