//! The pipes of a child, as a conversation.

use std::sync::{Arc, atomic::AtomicU64};

use bytes::Bytes;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout},
    sync::mpsc,
    task::JoinHandle,
};

use super::line::next_line;
use crate::{
    domain::limits,
    upstream::{FailureKind, board::Board, link::Link},
};

/// Begins to write to a child. The task ends when the child no longer reads, or the link is gone.
pub(super) fn open(stdin: ChildStdin, ids: Arc<AtomicU64>, board: Arc<Board>) -> (Arc<Link>, JoinHandle<()>) {
    let (link, queue) = Link::new(ids, board);
    (link, tokio::spawn(write(stdin, queue)))
}

/// Reads until the child stops, or says what no tool server may say.
pub(super) async fn read(link: Arc<Link>, stdout: ChildStdout) -> FailureKind {
    let mut pipe = BufReader::with_capacity(64 << 10, stdout);
    let mut line = Vec::new();
    loop {
        match next_line(&mut pipe, &mut line, limits::ANSWER).await {
            Ok(true) => {}
            Ok(false) => return FailureKind::Closed,
            Err(kind) => return kind,
        }
        if let Err(kind) = link.take(&line) {
            return kind;
        }
        // One large answer does not hold its memory for ever.
        line.shrink_to(1 << 20);
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
