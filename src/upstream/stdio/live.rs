//! One life of a child that was greeted, and the calls that it takes.

use std::sync::Arc;

use tokio::time::timeout;

use super::keeper::StdioServer;
use crate::{
    mcp::{
        Era, Filter, Mirrors, Version,
        client::{self, Answer, Outgoing, Server, Speaker},
        code,
    },
    upstream::{
        CallEnd, Dispatch, FailureKind, ServerState,
        board::Board,
        conclude::conclude,
        errand::Errand,
        link::{Link, LinkFlight},
        list::Ask,
        rounds::{Level, Step, begin, resume},
        watches::Listen,
    },
};

/// A child that was greeted.
pub(super) struct Live {
    pub(super) says: Server,
    link: Arc<Link>,
    board: Arc<Board>,
    version: Version,
    level: Level,
}

impl Live {
    pub(super) fn new(link: Arc<Link>, board: Arc<Board>, version: Version, says: Server) -> Self {
        Self { says, link, board, version, level: Level::default() }
    }

    const fn speaker(&self) -> Speaker<'static> {
        Speaker { version: self.version, session: None }
    }
}

impl StdioServer {
    /// Sends a request to the child.
    pub(in crate::upstream) async fn send(&self, errand: Errand, dispatch: Dispatch) -> CallEnd {
        let Some(live) = self.live.load_full() else {
            let disabled = self.board.state() == ServerState::Disabled;
            return CallEnd::unsent(if disabled { FailureKind::Disabled } else { FailureKind::Down });
        };
        let legacy = live.version.era == Era::Legacy;
        if !errand.known_to(live.version.era) {
            return CallEnd::unsent(FailureKind::Unsupported);
        }
        let (cancelled, deadline) = (&dispatch.cancelled, dispatch.deadline);
        if let Some(given) = dispatch.input.as_ref().filter(|given| legacy && given.state.is_some()) {
            return tokio::select! {
                biased;
                end = resume(&self.lot, given, (&errand, &dispatch)) => end,
                () = cancelled.cancelled() => CallEnd::Cancelled,
                () = tokio::time::sleep_until(deadline) => CallEnd::TimedOut,
            };
        }
        let slot = tokio::select! {
            biased;
            slot = self.slots.clone().acquire_owned() => slot.ok(),
            () = cancelled.cancelled() => return CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => return CallEnd::unsent(FailureKind::Busy),
        };
        let Some(slot) = slot else { return CallEnd::unsent(FailureKind::Down) };
        if legacy {
            self.set_level(&live, &dispatch).await;
        }
        let id = live.link.next();
        let request = client::carry(live.speaker(), errand.carried(id, &dispatch), &Mirrors::default());
        let flight = LinkFlight::new(&live.link, id, (&errand, &dispatch), (slot, None), legacy);
        let Some(mut flight) = flight else { return CallEnd::unsent(FailureKind::Down) };
        let step = tokio::select! {
            biased;
            step = flight.begin(request) => step,
            () = cancelled.cancelled() => return CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => {
                return if flight.sent() { CallEnd::TimedOut } else { CallEnd::unsent(FailureKind::Busy) };
            }
        };
        match step {
            Ok(Step::Answer(answer)) => {
                if matches!(&answer, Answer::Error(error) if error.code == i64::from(code::UNSUPPORTED_VERSION)) {
                    self.board.strange.notify_one();
                }
                conclude(answer, errand.method(), live.version.era, &dispatch.capabilities)
            }
            Err(kind) if !flight.sent() => CallEnd::unsent(kind),
            step => begin(&self.lot, flight, step, (&errand, &dispatch)),
        }
    }

    /// Asks a legacy child for log messages, once for each level that is less severe than all before.
    async fn set_level(&self, live: &Live, dispatch: &Dispatch) {
        let Some(level) = dispatch.log_level.filter(|_| live.says.logging) else { return };
        if live.level.lower(level) {
            let id = live.link.next();
            let request = client::set_level(live.speaker(), id, level);
            // Without it the call has no log messages, and that is all.
            let _set = timeout(self.settings.timeout, live.ask(id, request)).await;
        }
    }
}

impl Ask for Live {
    fn speaker(&self) -> Speaker<'_> {
        Self::speaker(self)
    }

    fn next(&self) -> u64 {
        self.link.next()
    }

    async fn ask(&self, id: u64, request: Outgoing) -> Result<Answer, FailureKind> {
        let mut ticket = self.link.announce(id, None, None).ok_or(FailureKind::Closed)?;
        ticket.exchange(request.body).await
    }
}

impl Listen for Live {
    async fn listen(&self, filter: Filter) -> Result<(), FailureKind> {
        if self.version.era == Era::Legacy {
            // All that the child says comes over the one pipe, and ends with it.
            return std::future::pending().await;
        }
        let id = self.next();
        self.board.watches.opening(id, &filter);
        match self.ask(id, client::listen(id, &filter)).await {
            // It does not know such a stream.
            Ok(Answer::Error(_)) => Ok(()),
            Ok(Answer::Result(_)) => Err(FailureKind::Closed),
            Err(kind) => Err(kind),
        }
    }
}
