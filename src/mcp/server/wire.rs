//! A socket whose requests are framed in one way only: what another reader could frame differently is refused before
//! the HTTP library sees it (T008).
//!
//! The library takes a bare line feed for a line end and drops `Content-Length` where `Transfer-Encoding` stands
//! beside it, so its caller cannot see either. Here the offending byte becomes a NUL, which is a syntax error
//! everywhere: the library answers 400 and closes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a line of the head that are looked at; the lines that matter are shorter.
const LINE: usize = 256;

/// A socket that is read with strict framing.
#[derive(Debug)]
pub struct Wire<IO> {
    io: IO,
    framing: Framing,
}

impl<IO> Wire<IO> {
    /// Wraps the agents' end of a connection, once it is plain text (behind TLS).
    pub fn new(io: IO) -> Self {
        Self { io, framing: Framing::default() }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.framing.refused {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let fresh = buf.filled_mut().get_mut(before..).unwrap_or_default();
        if let Some(at) = self.framing.feed(fresh) {
            self.framing.refused = true;
            if let Some(byte) = fresh.get_mut(at) {
                *byte = 0;
            }
            buf.set_filled(before + at + 1);
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A line of the head; whether the request line is behind.
    Head { begun: bool },
    /// A body of known length.
    Body(u64),
    /// The line that tells the size of a chunk.
    Size,
    /// A chunk and the line end behind it.
    Chunk(u64),
    /// A line behind the last chunk.
    Trailer,
}

/// Follows the requests of one connection, byte by byte.
#[derive(Debug)]
struct Framing {
    part: Part,
    line: Vec<u8>,
    /// The last byte of a line so far, even where the line is longer than what is kept.
    last: u8,
    length: Option<u64>,
    chunked: bool,
    refused: bool,
}

impl Default for Framing {
    fn default() -> Self {
        let (part, line) = (Part::Head { begun: false }, Vec::with_capacity(LINE));
        Self { part, line, last: 0, length: None, chunked: false, refused: false }
    }
}

impl Framing {
    /// Takes bytes; where a line breaks the rules, the place of its line feed.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.part {
                Part::Body(left) => {
                    let taken = left.min(rest.len() as u64);
                    at += usize::try_from(taken).unwrap_or(rest.len());
                    self.part = if left == taken { Part::Head { begun: false } } else { Part::Body(left - taken) };
                    continue;
                }
                Part::Chunk(left) if left > 0 => {
                    let taken = left.min(rest.len() as u64);
                    at += usize::try_from(taken).unwrap_or(rest.len());
                    self.part = Part::Chunk(left - taken);
                    continue;
                }
                Part::Head { .. } | Part::Size | Part::Chunk(_) | Part::Trailer => {}
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let piece = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
            self.last = piece.last().copied().unwrap_or(self.last);
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend(piece.iter().take(room));
            let end = end?;
            let whole = self.line.len() < LINE;
            let line = std::mem::take(&mut self.line);
            let kept = line.strip_suffix(b"\r").unwrap_or(&line);
            if self.last != b'\r' || kept.contains(&b'\r') || self.line(kept, whole).is_none() {
                return Some(at + end);
            }
            self.last = 0;
            self.line = line;
            self.line.clear();
            at += end + 1;
        }
        None
    }

    /// Takes a line without its end; none if it breaks the rules.
    fn line(&mut self, line: &[u8], whole: bool) -> Option<()> {
        self.part = match self.part {
            // Empty lines may stand before a request (RFC 9112, section 2.2).
            Part::Head { begun: false } => Part::Head { begun: !line.is_empty() },
            Part::Head { begun: true } if !line.is_empty() => {
                self.header(line, whole)?;
                self.part
            }
            Part::Head { begun: true } => match (std::mem::take(&mut self.chunked), self.length.take()) {
                (true, _) => Part::Size,
                (false, Some(length)) if length > 0 => Part::Body(length),
                (false, _) => Part::Head { begun: false },
            },
            Part::Size => {
                let digits = line.split(|byte| *byte == b';').next()?;
                let digits =
                    std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                match u64::from_str_radix(digits, 16).ok()? {
                    0 => Part::Trailer,
                    size => Part::Chunk(size),
                }
            }
            Part::Chunk(_) if line.is_empty() => Part::Size,
            Part::Trailer if line.is_empty() => Part::Head { begun: false },
            Part::Trailer => Part::Trailer,
            Part::Chunk(_) | Part::Body(_) => return None,
        };
        Some(())
    }

    fn header(&mut self, line: &[u8], whole: bool) -> Option<()> {
        if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            return None;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let length = name.eq_ignore_ascii_case(b"content-length");
        if !length && !name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Some(());
        }
        // A body is framed once, in one way.
        if self.chunked || self.length.is_some() || !whole {
            return None;
        }
        if length {
            let digits = std::str::from_utf8(value).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            self.length = Some(digits.parse().ok()?);
        } else {
            self.chunked = value.eq_ignore_ascii_case(b"chunked").then_some(true)?;
        }
        Some(())
    }
}
