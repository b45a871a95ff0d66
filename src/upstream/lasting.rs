//! How long legacy sessions with a server last.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::board::Board;
use crate::{
    domain::ServerName,
    mcp::{Era, Version},
};

/// Is told of each session that ended: with which server, in which revision, how long it lasted.
pub type Meter = Arc<dyn Fn(&ServerName, &'static str, Duration) + Send + Sync>;

/// A session that lasts until this is dropped.
pub(super) struct Lasting {
    board: Arc<Board>,
    version: Version,
    begun: Instant,
}

impl Lasting {
    /// A session begins; none in an era that has no sessions.
    pub(super) fn begin(board: &Arc<Board>, version: Version) -> Option<Self> {
        (version.era == Era::Legacy).then(|| Self { board: Arc::clone(board), version, begun: Instant::now() })
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        if let Some(meter) = self.board.meter.get() {
            meter(&self.board.name, self.version.name, self.begun.elapsed());
        }
    }
}
