//! Keeps one child: starts it, reads its list, restarts it when it fails, and lets calls through while it lives.

use std::sync::{Arc, atomic::AtomicU64};

use arc_swap::ArcSwapOption;
use tokio::{
    io::AsyncReadExt as _,
    process::ChildStderr,
    sync::Semaphore,
    time::{Duration, Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    child::{Child, Pipes},
    detect::detect,
    link::Link,
};
use crate::{
    mcp::{
        Era, Mirrors, Version,
        client::{self, Answer, Filter, Offer, Outgoing, Server, Speaker},
    },
    upstream::{
        CallEnd, Dispatch, FailureKind, ServerSettings, ServerState, StdioSettings,
        backoff::{Backoff, Next, jitter},
        board::Board,
        conclude::conclude,
        errand::Errand,
        list::{Ask, read_offered},
    },
};

/// For what a child wrote before it ended.
const DRAIN: Duration = Duration::from_secs(1);

/// A tool server on stdio.
pub(in crate::upstream) struct StdioServer {
    settings: ServerSettings,
    child: StdioSettings,
    board: Arc<Board>,
    ids: Arc<AtomicU64>,
    live: ArcSwapOption<Live>,
    slots: Semaphore,
}

struct Live {
    link: Arc<Link>,
    version: Version,
}

enum End {
    Stopped,
    Restart,
    Failed(FailureKind),
}

impl StdioServer {
    pub(in crate::upstream) fn new(settings: ServerSettings, child: StdioSettings, board: Arc<Board>) -> Self {
        let slots = Semaphore::new(settings.concurrency);
        let ids = Arc::new(AtomicU64::new(1));
        Self { settings, child, board, ids, live: ArcSwapOption::empty(), slots }
    }

    /// Keeps the child until `stop`.
    pub(in crate::upstream) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.settings.patience);
        let mut legacy = false;
        loop {
            let begun = Instant::now();
            let end = self.run(&stop, &mut legacy).await;
            self.live.store(None);
            let kind = match end {
                End::Stopped => return,
                End::Restart => {
                    backoff.forget();
                    self.board.starting();
                    continue;
                }
                End::Failed(kind) => kind,
            };
            self.board.fail(kind);
            if begun.elapsed() > self.settings.patience.ceiling {
                backoff.worked();
            }
            let pause = match backoff.failed(Instant::now()) {
                Next::After(pause) => pause,
                Next::GiveUp => {
                    self.board.disable();
                    Duration::MAX
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.board.restart.notified() => {
                    backoff.forget();
                    self.board.starting();
                }
                () = sleep(pause) => {}
            }
        }
    }

    /// One life of the child.
    async fn run(&self, stop: &CancellationToken, legacy: &mut bool) -> End {
        let (mut child, pipes) = match Child::start(&self.child) {
            Ok(started) => started,
            Err(error) => {
                tracing::warn!(server = %self.board.name, %error, "the tool server cannot be started");
                return End::Failed(FailureKind::Unreachable);
            }
        };
        let Pipes { stdin, stdout, stderr } = pipes;
        let (link, mut writer) = Link::open(stdin, self.ids.clone(), self.board.clone());
        let mut reader = tokio::spawn(link.clone().read(stdout));
        let errors = tokio::spawn(keep_errors(stderr, self.board.clone()));
        let mut greeted = false;
        let end = tokio::select! {
            kind = self.work(&link, *legacy, &mut greeted) => End::Failed(kind),
            kind = &mut reader => End::Failed(kind.unwrap_or(FailureKind::Closed)),
            _closed = &mut writer => End::Failed(FailureKind::Closed),
            () = child.exited() => {
                // What it wrote last may still be in the pipe.
                let _drained = timeout(DRAIN, &mut reader).await;
                End::Failed(FailureKind::Closed)
            }
            () = stop.cancelled() => End::Stopped,
            () = self.board.restart.notified() => End::Restart,
        };
        self.live.store(None);
        link.close();
        reader.abort();
        match end {
            End::Stopped | End::Restart => {
                drop(link);
                child.end().await;
            }
            End::Failed(kind) => {
                // A child that dies of the modern question is asked the legacy one next time.
                *legacy |= !greeted && kind == FailureKind::Closed;
                child.kill();
                child.exited().await;
            }
        }
        errors.abort();
        end
    }

    /// Finds out the era, then reads the list, and again whenever it may have changed. Ends only by failure.
    async fn work(&self, link: &Arc<Link>, legacy: bool, greeted: &mut bool) -> FailureKind {
        let (version, server) = match detect(link, self.settings.timeout, legacy).await {
            Ok(found) => found,
            Err(kind) => return kind,
        };
        *greeted = true;
        if server.tells() && version.era == Era::Modern {
            let id = link.next();
            // Its answer means only that the listening ended; then the regular reading has to do.
            if let Err(kind) = link.tell(client::listen(id, &wanted(&server)).body).await {
                return kind;
            }
        }
        let live = Arc::new(Live { link: link.clone(), version });
        loop {
            let known = self.board.offered();
            let offered = match read_offered(&*live, &server, known.as_deref(), self.settings.timeout).await {
                Ok(offered) => offered,
                Err(kind) => return kind,
            };
            if self.live.load().is_none() {
                self.live.store(Some(live.clone()));
            }
            self.board.publish(offered);
            tokio::select! {
                () = self.board.stale.notified() => {}
                () = self.board.strange.notified() => return FailureKind::Unsupported,
                () = sleep(jitter(self.settings.refresh)) => {}
            }
        }
    }

    /// Sends a request to the child.
    pub(in crate::upstream) async fn send(&self, errand: Errand, dispatch: Dispatch) -> CallEnd {
        let Some(live) = self.live.load_full() else {
            let disabled = self.board.state() == ServerState::Disabled;
            return CallEnd::unsent(if disabled { FailureKind::Disabled } else { FailureKind::Down });
        };
        if !errand.known_to(live.version.era) {
            return CallEnd::unsent(FailureKind::Unsupported);
        }
        let id = live.link.next();
        let request = client::carry(live.speaker(), errand.carried(id, &dispatch), &Mirrors::default());
        let Dispatch { notices, capabilities, cancelled, deadline, .. } = dispatch;
        let _slot = tokio::select! {
            slot = self.slots.acquire() => slot,
            () = cancelled.cancelled() => return CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => return CallEnd::unsent(FailureKind::Busy),
        };
        let Some(mut ticket) = live.link.announce(id, notices) else { return CallEnd::unsent(FailureKind::Down) };
        let ended = tokio::select! {
            biased;
            answer = ticket.exchange(request.body) => Some(answer),
            () = cancelled.cancelled() => None,
            () = tokio::time::sleep_until(deadline) => {
                return if ticket.sent() { CallEnd::TimedOut } else { CallEnd::unsent(FailureKind::Busy) };
            }
        };
        match ended {
            Some(Ok(answer)) => conclude(answer, errand.method(), live.version.era, &capabilities),
            Some(Err(kind)) => CallEnd::Failed { kind, effect_possible: ticket.sent() },
            None => CallEnd::Cancelled,
        }
    }
}

/// The changes of lists that the server tells of.
fn wanted(server: &Server) -> Filter {
    let tells = |offer: Option<Offer>| offer.is_some_and(|offer| offer.list_changed);
    Filter {
        tools: tells(server.tools),
        prompts: tells(server.prompts),
        resources: tells(server.resources),
        ..Filter::default()
    }
}

impl Live {
    const fn speaker(&self) -> Speaker<'static> {
        Speaker { version: self.version, session: None }
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
        let mut ticket = self.link.announce(id, None).ok_or(FailureKind::Closed)?;
        ticket.exchange(request.body).await
    }
}

async fn keep_errors(mut stderr: ChildStderr, board: Arc<Board>) {
    let mut buffer = vec![0; 4_096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        match buffer.get(..count) {
            Some(bytes) if count > 0 => board.keep_stderr(bytes),
            _ => return,
        }
    }
}
