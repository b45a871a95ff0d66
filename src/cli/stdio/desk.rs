//! Where the client's lines are taken: each becomes a task, and at the end all of them are brought to an end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    bridge::Bridge,
    lost::Lost,
    modern::LISTEN,
    pipes::Line,
    running::Cancel,
    said::{self, Asked, Ident, Said, Told},
};
use crate::{
    domain::limits,
    mcp::{Id, code, emit},
};

/// Messages without an answer that wait to be sent, in order.
const TOLD: usize = 64;
/// For what is in flight when a signal says stop.
const HURRY: Duration = Duration::from_secs(1);
/// For the end of a session.
const FAREWELL: Duration = Duration::from_secs(2);

/// The desk.
pub(super) struct Desk {
    bridge: Arc<Bridge>,
    /// Requests, which have an end.
    asked: JoinSet<()>,
    /// Streams, which have none.
    standing: JoinSet<()>,
    told: Option<mpsc::Sender<Told>>,
    stands: bool,
}

impl Desk {
    pub(super) fn new(bridge: Bridge) -> Self {
        let bridge = Arc::new(bridge);
        let (told, mut queue) = mpsc::channel(TOLD);
        let mut asked = JoinSet::new();
        let teller = bridge.clone();
        asked.spawn(async move {
            while let Some(told) = queue.recv().await {
                teller.tell(told).await;
            }
        });
        Self { bridge, asked, standing: JoinSet::new(), told: Some(told), stands: false }
    }

    /// Takes lines until they end, until `stop`, or until nobody reads the answers; then brings all to an end.
    pub(super) async fn run(mut self, mut lines: mpsc::Receiver<Line>, stop: &CancellationToken) {
        let out = self.bridge.out.clone();
        let time = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break HURRY,
                () = out.closed() => break Duration::ZERO,
                Some(_) = self.asked.join_next(), if !self.asked.is_empty() => {}
                line = lines.recv() => match line {
                    // A client that does not read must not keep a signal from being heard.
                    Some(line) => tokio::select! {
                        biased;
                        () = stop.cancelled() => break HURRY,
                        () = self.take(line) => {}
                    },
                    None => break limits::DRAIN,
                },
            }
        };
        self.close(time, stop).await;
    }

    /// Lets requests finish within this time, ends the rest, and the session.
    async fn close(mut self, time: Duration, stop: &CancellationToken) {
        self.told = None;
        self.standing.shutdown().await;
        let mut end = Instant::now() + time;
        let hurry = stop.clone();
        while !self.asked.is_empty() {
            tokio::select! {
                biased;
                () = self.bridge.out.closed() => break,
                () = hurry.cancelled(), if time > HURRY && end > Instant::now() + HURRY => end = Instant::now() + HURRY,
                joined = timeout_at(end, self.asked.join_next()) => if joined.is_err() { break },
            }
        }
        let waiting = self.bridge.table.waiting();
        self.asked.shutdown().await;
        let telling = async {
            for id in waiting {
                self.bridge.write(Lost::Stopped.message(&id)).await;
            }
        };
        let _unread = timeout(FAREWELL, telling).await;
        self.bridge.end(FAREWELL).await;
    }

    async fn take(&mut self, line: Line) {
        let said = match line {
            Line::Text(text) => said::read(text),
            Line::TooLong => {
                let message = format!("a line is longer than {} bytes and was not read", limits::BODY);
                Said::Unreadable(emit::error(None, code::INVALID_REQUEST, &message, None))
            }
        };
        match said {
            Said::Unreadable(error) => self.bridge.write(error).await,
            Said::Asked(asked) => self.ask(asked).await,
            Said::Told(told) => self.tell(told).await,
            Said::Batch { body, ids } => {
                let Some(running) = self.begin(&ids, false).await else { return };
                let bridge = self.bridge.clone();
                self.asked.spawn(async move { bridge.ask_legacy(body, ids, running).await });
            }
        }
    }

    async fn ask(&mut self, mut asked: Asked) {
        let mirror = asked.modern.take();
        let ids = [asked.id.clone()];
        let Some(running) = self.begin(&ids, mirror.is_some()).await else { return };
        let bridge = self.bridge.clone();
        match mirror {
            Some(mirror) if asked.method == LISTEN => {
                while self.standing.try_join_next().is_some() {}
                self.standing.spawn(async move { bridge.ask_modern(asked, mirror, running).await });
            }
            Some(mirror) => {
                self.asked.spawn(async move { bridge.ask_modern(asked, mirror, running).await });
            }
            None if asked.method == "initialize" => {
                let state = bridge.legacy.lock().await;
                self.asked.spawn(async move { bridge.open(asked, running, state).await });
            }
            None => {
                let Asked { body, id, .. } = asked;
                self.asked.spawn(async move { bridge.ask_legacy(body, vec![id], running).await });
            }
        }
    }

    /// Requests begin, or are refused.
    async fn begin(&self, ids: &[Ident], modern: bool) -> Option<super::running::Running> {
        match self.bridge.table.begin(ids, modern) {
            Ok(running) => Some(running),
            Err(not) => {
                for id in ids {
                    let error = emit::error(Id::read(&id.raw).ok(), code::INVALID_REQUEST, &not.to_string(), None);
                    self.bridge.write(error).await;
                }
                None
            }
        }
    }

    async fn tell(&mut self, told: Told) {
        if told.cancels.as_ref().is_some_and(|id| self.bridge.table.cancel(id) == Cancel::Closed) {
            return;
        }
        let legacy = told.modern.is_none();
        if legacy && self.bridge.legacy.current().await.is_none() {
            return tracing::debug!(method = told.method, "a message outside a session is not sent");
        }
        if legacy && told.method.as_deref() == Some("notifications/initialized") {
            self.bridge.legacy.initialized(told.body.clone()).await;
            // What follows it must not overtake it.
            self.bridge.tell(told).await;
            if !std::mem::replace(&mut self.stands, true) {
                let bridge = self.bridge.clone();
                self.standing.spawn(async move { bridge.stand().await });
            }
            return;
        }
        if let Some(queue) = &self.told {
            let _gone = queue.send(told).await;
        }
    }
}
