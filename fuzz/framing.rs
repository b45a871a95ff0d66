//! The product's line framing, which its room keeps to itself, as a function of bytes.

#[path = "../src/upstream/stdio/line.rs"]
mod line;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::upstream::FailureKind;

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The pipe was at its end.
    Closed,
    /// A line was longer than the bound.
    TooLong,
}

/// The lines of a pipe that brings `chunk` bytes with each read, and how reading ended.
pub fn lines(pipe: &[u8], chunk: usize, limit: usize) -> (Vec<Vec<u8>>, End) {
    let (mut pipe, mut line, mut lines) = (tokio::io::BufReader::with_capacity(chunk, pipe), Vec::new(), Vec::new());
    loop {
        let next = pin!(line::next_line(&mut pipe, &mut line, limit)).poll(&mut Context::from_waker(Waker::noop()));
        match next {
            Poll::Ready(Ok(true)) => lines.push(line.clone()),
            Poll::Ready(Ok(false)) => return (lines, End::Closed),
            Poll::Ready(Err(FailureKind::TooLarge)) => return (lines, End::TooLong),
            Poll::Ready(Err(kind)) => panic!("bytes in memory cannot fail: {kind:?}"),
            Poll::Pending => panic!("bytes in memory are there at once"),
        }
    }
}
