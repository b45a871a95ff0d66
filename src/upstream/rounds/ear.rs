//! Who listens to a server while it works on a call.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    domain::Method,
    mcp::{Capabilities, Feature, LogLevel, Notice},
    upstream::Dispatch,
};

/// The listener of one call, to be kept.
#[derive(Debug, Clone)]
pub(in crate::upstream) struct Ear {
    pub(in crate::upstream) notices: Option<mpsc::Sender<Notice>>,
    pub(in crate::upstream) log_level: Option<LogLevel>,
    pub(in crate::upstream) capabilities: Arc<Capabilities>,
    /// Whether the request is one that may be asked back.
    pub(in crate::upstream) takes_input: bool,
}

impl Ear {
    pub(in crate::upstream) fn of(dispatch: &Dispatch, method: Method) -> Self {
        Self {
            notices: dispatch.notices.clone(),
            log_level: dispatch.log_level,
            capabilities: dispatch.capabilities.clone(),
            takes_input: method.takes_input(),
        }
    }

    pub(in crate::upstream) fn by_ref(&self) -> EarRef<'_> {
        EarRef {
            notices: self.notices.as_ref(),
            log_level: self.log_level,
            capabilities: &self.capabilities,
            takes_input: self.takes_input,
        }
    }
}

/// The listener of one call, for as long as it is waited for.
#[derive(Debug, Clone, Copy)]
pub(in crate::upstream) struct EarRef<'a> {
    notices: Option<&'a mpsc::Sender<Notice>>,
    log_level: Option<LogLevel>,
    pub(in crate::upstream) capabilities: &'a Arc<Capabilities>,
    pub(in crate::upstream) takes_input: bool,
}

impl<'a> EarRef<'a> {
    pub(in crate::upstream) fn of(dispatch: &'a Dispatch, method: Method) -> Self {
        Self {
            notices: dispatch.notices.as_ref(),
            log_level: dispatch.log_level,
            capabilities: &dispatch.capabilities,
            takes_input: method.takes_input(),
        }
    }

    /// The same, to be kept.
    pub(in crate::upstream) fn keep(self) -> Ear {
        Ear {
            notices: self.notices.cloned(),
            log_level: self.log_level,
            capabilities: self.capabilities.clone(),
            takes_input: self.takes_input,
        }
    }

    /// What is told is worth less than the reading of the answer: a slow listener loses some.
    pub(in crate::upstream) fn progress(self, params: Bytes) {
        let _sent = self.notices.map(|notices| notices.try_send(Notice::Progress(params)));
    }

    /// A log message, if it is wanted and severe enough.
    pub(in crate::upstream) fn log(self, level: LogLevel, params: Bytes) {
        if self.log_level.is_some_and(|least| level >= least) {
            let _sent = self.notices.map(|notices| notices.try_send(Notice::Log(level, params)));
        }
    }
}

/// Whether a client of these capabilities can be asked anything.
pub(in crate::upstream) fn can_be_asked(capabilities: &Capabilities) -> bool {
    [Feature::Elicitation, Feature::Sampling, Feature::Roots].into_iter().any(|feature| capabilities.has(feature))
}

/// The least severe level of log messages that a legacy session was asked for so far.
#[derive(Debug)]
pub(in crate::upstream) struct Level(AtomicU8);

impl Default for Level {
    fn default() -> Self {
        Self(AtomicU8::new(u8::MAX))
    }
}

impl Level {
    /// Whether the server has to be asked for this level, which counts as asked from now on.
    pub(in crate::upstream) fn lower(&self, level: LogLevel) -> bool {
        let level = level as u8;
        self.0.fetch_min(level, Ordering::Relaxed) > level
    }
}
