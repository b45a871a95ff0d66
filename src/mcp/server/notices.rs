//! What a tool server tells while it works, as the client that asked is to hear it.

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::mcp::{LogLevel, Notice, emit, members};

use super::CallMeta;

/// Notices that wait for a slow reader; what comes then is the sender's to drop.
const WAITING: usize = 64;

/// The notices of one request.
#[derive(Debug)]
pub(super) struct Notices {
    token: Option<Box<RawValue>>,
    level: Option<LogLevel>,
    receiver: mpsc::Receiver<Notice>,
}

impl Notices {
    /// A way for notices, if the client wants any.
    pub(super) fn wanted(meta: &CallMeta) -> Option<(mpsc::Sender<Notice>, Self)> {
        if meta.progress_token.is_none() && meta.log_level.is_none() {
            return None;
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        Some((sender, Self { token: meta.progress_token.clone(), level: meta.log_level, receiver }))
    }

    /// The next notice as a message; none when no more can come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let notice = self.receiver.recv().await?;
            if let Some(message) = self.message(&notice) {
                return Some(message);
            }
        }
    }

    /// The next notice that is here already.
    pub(super) fn here(&mut self) -> Option<Bytes> {
        loop {
            let notice = self.receiver.try_recv().ok()?;
            if let Some(message) = self.message(&notice) {
                return Some(message);
            }
        }
    }

    /// A notice in the client's words; none for what it did not ask for, or what is no object.
    fn message(&self, notice: &Notice) -> Option<Bytes> {
        match notice {
            Notice::Progress(params) => {
                let token = self.token.as_deref()?;
                let read = read(params)?;
                let mut told: Vec<(&str, &[u8])> = vec![("progressToken", token.get().as_bytes())];
                told.extend(pieces(&read).filter(|(key, _)| *key != "progressToken"));
                Some(emit::notification("notifications/progress", &told))
            }
            Notice::Log(level, params) if self.level.is_some_and(|least| *level >= least) => {
                Some(emit::notification("notifications/message", &pieces(&read(params)?).collect::<Vec<_>>()))
            }
            Notice::Log(..) => None,
        }
    }
}

type Read<'a> = Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>;

fn read(params: &[u8]) -> Option<Read<'_>> {
    members(std::str::from_utf8(params).ok()?).ok()
}

fn pieces<'a>(read: &'a Read<'_>) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    read.iter().map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
}

/// The next notice of a request that may have none; never comes where none is told.
pub(super) async fn next(notices: &mut Option<Notices>) -> Option<Bytes> {
    match notices {
        Some(notices) => notices.next().await,
        None => std::future::pending().await,
    }
}
