//! Standard input and output, each on a thread of its own: lines within a bound come in, messages go out.

use std::io::{self, BufRead, Write};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, error::TryRecvError};

/// A line from the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line that is not empty, without its end.
    Text(Bytes),
    /// One beyond the bound; it was skipped.
    TooLong,
}

/// Reads lines until the end of the input, or until nobody takes them.
pub(super) fn read_lines(mut from: impl BufRead, limit: usize, to: &Sender<Line>) -> io::Result<()> {
    let (mut line, mut long) = (Vec::new(), false);
    loop {
        let bytes = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let ended = bytes.is_empty();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = end.and_then(|at| bytes.get(..at)).unwrap_or(bytes);
        long |= line.len() + piece.len() > limit;
        if !long {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_none() && !ended {
            continue;
        }
        // The last line may do without an end.
        let text = std::mem::take(&mut line);
        let text = text.trim_ascii();
        let read = if std::mem::take(&mut long) { Some(Line::TooLong) } else { None };
        let read = read.or_else(|| (!text.is_empty()).then(|| Line::Text(Bytes::copy_from_slice(text))));
        if read.is_some_and(|line| to.blocking_send(line).is_err()) || ended {
            return Ok(());
        }
    }
}

/// Writes messages, one per line, until there are no more. None holds a line end.
pub(super) fn write_lines(mut from: Receiver<Bytes>, mut to: impl Write) -> io::Result<()> {
    while let Some(mut message) = from.blocking_recv() {
        loop {
            to.write_all(&message)?;
            to.write_all(b"\n")?;
            match from.try_recv() {
                Ok(next) => message = next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        to.flush()?;
    }
    Ok(())
}
