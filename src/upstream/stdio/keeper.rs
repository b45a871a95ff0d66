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
    live::Live,
    pipe,
};
use crate::upstream::{
    FailureKind, ServerSettings, StdioSettings,
    backoff::{Backoff, Next, jitter},
    board::Board,
    lasting::Lasting,
    link::{Link, LinkFlight},
    list::read_offered,
    rounds::Lot,
    watches::{Beat, follow},
};

/// For what a child wrote before it ended.
const DRAIN: Duration = Duration::from_secs(1);

/// A tool server on stdio.
pub(in crate::upstream) struct StdioServer {
    pub(super) settings: ServerSettings,
    pub(super) board: Arc<Board>,
    pub(super) live: ArcSwapOption<Live>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) lot: Lot<LinkFlight>,
    child: StdioSettings,
    ids: Arc<AtomicU64>,
}

enum End {
    Stopped,
    Restart,
    Failed(FailureKind),
}

impl StdioServer {
    pub(in crate::upstream) fn new(settings: ServerSettings, child: StdioSettings, board: Arc<Board>) -> Self {
        let slots = Arc::new(Semaphore::new(settings.concurrency));
        let (ids, lot) = (Arc::new(AtomicU64::new(1)), Lot::new(settings.concurrency));
        Self { settings, board, live: ArcSwapOption::empty(), slots, lot, child, ids }
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
        let (link, mut writer) = pipe::open(stdin, self.ids.clone(), self.board.clone());
        let mut reader = tokio::spawn(pipe::read(link.clone(), stdout));
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
        self.lot.clear();
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
        let _lasting = Lasting::begin(&self.board, version);
        let live = Arc::new(Live::new(link.clone(), self.board.clone(), version, server));
        let beat = Beat { board: &self.board, patience: self.settings.patience, time: self.settings.timeout };
        let following = follow(&*live, &live.says, beat);
        tokio::pin!(following);
        loop {
            let known = self.board.offered();
            let reading = read_offered(&*live, &live.says, known.as_deref(), self.settings.timeout);
            tokio::pin!(reading);
            let read = loop {
                tokio::select! {
                    biased;
                    read = &mut reading => break read,
                    () = &mut following => {}
                }
            };
            let (offered, late) = match read {
                Ok(read) => read,
                Err(kind) => return kind,
            };
            if self.live.load().is_none() {
                self.live.store(Some(live.clone()));
            }
            self.board.publish(offered);
            if late {
                self.board.stale.notify_one();
            }
            tokio::select! {
                () = self.board.stale.notified() => {}
                () = self.board.strange.notified() => return FailureKind::Unsupported,
                () = sleep(jitter(self.settings.refresh)) => {}
                () = &mut following => {}
            }
        }
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
