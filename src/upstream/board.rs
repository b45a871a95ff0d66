//! What is known about one server: what it offers, its health, and signals to whoever keeps it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::{FailureKind, Meter, Offered, watches::Watches};
use crate::domain::ServerName;

const STDERR: usize = 64 << 10;

/// Where a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It was never ready since it was started last.
    Starting,
    /// Its tools are known and it takes calls.
    Ready,
    /// It failed and is tried again.
    Down,
    /// It failed too often; a person must restart it.
    Disabled,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Down => "down",
            Self::Disabled => "disabled",
        })
    }
}

/// The health of a server, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    /// Where it stands.
    pub state: ServerState,
    /// The revision of the protocol that it speaks, once known.
    pub version: Option<&'static str>,
    /// How many tools it lists.
    pub tools: usize,
    /// How often it failed since the start.
    pub failures: u64,
    /// What went wrong last.
    pub last_failure: Option<FailureKind>,
}

pub(super) struct Board {
    pub(super) name: ServerName,
    /// The lists should be read again.
    pub(super) stale: Notify,
    /// The era should be found out anew.
    pub(super) strange: Notify,
    /// A person wants it started anew.
    pub(super) restart: Notify,
    /// What is watched.
    pub(super) watches: Watches,
    /// How often the lists were read.
    pub(super) readings: watch::Sender<u64>,
    /// Is told of sessions that ended.
    pub(super) meter: OnceLock<Meter>,
    offered: ArcSwapOption<Offered>,
    health: Mutex<ServerHealth>,
    stderr: Mutex<VecDeque<u8>>,
    changes: watch::Sender<u64>,
}

impl Board {
    pub(super) fn new(name: ServerName, changes: watch::Sender<u64>) -> Self {
        let health =
            ServerHealth { state: ServerState::Starting, version: None, tools: 0, failures: 0, last_failure: None };
        Self {
            name,
            stale: Notify::new(),
            strange: Notify::new(),
            restart: Notify::new(),
            watches: Watches::default(),
            readings: watch::channel(0).0,
            meter: OnceLock::new(),
            offered: ArcSwapOption::empty(),
            health: Mutex::new(health),
            stderr: Mutex::new(VecDeque::new()),
            changes,
        }
    }

    /// What the server offers, if it was ready once.
    pub(super) fn offered(&self) -> Option<Arc<Offered>> {
        self.offered.load_full()
    }

    pub(super) fn health(&self) -> ServerHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn state(&self) -> ServerState {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).state
    }

    /// Whether this is something else than what is known.
    pub(super) fn is_new(&self, offered: &Offered) -> bool {
        !self.offered.load().as_ref().is_some_and(|known| known.same(offered))
    }

    /// The server is ready and offers this.
    pub(super) fn publish(&self, offered: Offered) {
        {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            let (version, tools) = (offered.version, offered.tools.len());
            if health.state != ServerState::Ready {
                tracing::info!(server = %self.name, version, tools, "tool server ready");
            }
            health.state = ServerState::Ready;
            health.version = Some(version);
            health.tools = tools;
        }
        if self.is_new(&offered) {
            self.offered.store(Some(Arc::new(offered)));
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        self.readings.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The server failed; what it listed stays known.
    pub(super) fn fail(&self, kind: FailureKind) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if health.state != ServerState::Down {
            tracing::warn!(server = %self.name, reason = %kind, "tool server failed");
        }
        health.state = ServerState::Down;
        health.failures = health.failures.saturating_add(1);
        health.last_failure = Some(kind);
    }

    pub(super) fn disable(&self) {
        tracing::error!(server = %self.name, "tool server disabled after repeated failures; restart it when mended");
        self.health.lock().unwrap_or_else(PoisonError::into_inner).state = ServerState::Disabled;
    }

    pub(super) fn starting(&self) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).state = ServerState::Starting;
    }

    /// Keeps the newest bytes that a child wrote to its standard error (T134).
    pub(super) fn keep_stderr(&self, bytes: &[u8]) {
        let mut ring = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = bytes.get(bytes.len().saturating_sub(STDERR)..).unwrap_or_default();
        let surplus = (ring.len() + newest.len()).saturating_sub(STDERR);
        ring.drain(..surplus);
        ring.extend(newest);
    }

    /// What a child wrote to its standard error last, made safe to show.
    pub(super) fn stderr(&self) -> String {
        let ring = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = ring.iter().copied().collect();
        let shown = |c: char| if c == '\n' || !c.is_control() { c } else { '\u{fffd}' };
        String::from_utf8_lossy(&bytes).chars().map(shown).collect()
    }
}
