//! Keeps one HTTP server: finds out its era, reads its lists, listens for changes, and says when it is down.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::Method;
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    detect::{self, Way},
    exchange::{Around, Wire},
    listen::listen,
    mirroring::Mirroring,
    passage::Passage,
    session::{Place, Session, SessionKey, Sessions},
};
use crate::{
    mcp::{
        Era, Filter,
        client::{Answer, Outgoing, Server, Speaker, farewell},
    },
    upstream::{
        FailureKind, ServerSettings,
        backoff::{Backoff, jitter},
        board::Board,
        list::{Ask, read_offered, without_bad_mirrors},
        rounds::Lot,
        watches::{Beat, Listen, follow},
    },
};

/// Until a server has answered the question for its era.
const PROBE: Duration = Duration::from_secs(10);
/// For the closing of sessions when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// A tool server on HTTP.
pub(in crate::upstream) struct HttpServer {
    pub(super) settings: ServerSettings,
    pub(super) wire: Arc<Wire>,
    pub(super) sessions: Sessions,
    pub(super) era: ArcSwapOption<Era>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) lot: Lot<Passage>,
    pub(super) mirroring: Mirroring,
    pub(super) ids: Arc<AtomicU64>,
    way: ArcSwap<Way>,
    board: Arc<Board>,
}

impl HttpServer {
    /// The host of its URL.
    pub(in crate::upstream) fn host(&self) -> Option<&str> {
        self.wire.url.host().map(|host| host.trim_matches(['[', ']']))
    }

    pub(super) fn with(settings: ServerSettings, wire: Arc<Wire>) -> Self {
        Self {
            sessions: Sessions::default(),
            era: ArcSwapOption::empty(),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            lot: Lot::new(settings.concurrency),
            mirroring: Mirroring::default(),
            ids: Arc::new(AtomicU64::new(1)),
            way: ArcSwap::from_pointee(Way::Streamable),
            board: wire.board.clone(),
            settings,
            wire,
        }
    }

    /// Keeps the server until `stop`.
    pub(in crate::upstream) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.settings.patience);
        loop {
            let begun = Instant::now();
            let kind = tokio::select! {
                kind = self.work() => kind,
                () = stop.cancelled() => break,
            };
            self.board.fail(kind);
            if begun.elapsed() > self.settings.patience.ceiling {
                backoff.worked();
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.board.restart.notified() => backoff.forget(),
                () = sleep(jitter(backoff.pause())) => {}
            }
        }
        self.lot.clear();
        self.close_sessions().await;
    }

    /// Finds out the era, then reads the lists, and again whenever they may have changed. Ends only by failure.
    async fn work(&self) -> FailureKind {
        match self.greet().await {
            Ok(talk) => self.follow(&talk).await,
            Err(kind) => kind,
        }
    }

    async fn greet(&self) -> Result<Talk<'_>, FailureKind> {
        if let Some(server) = detect::modern(self, self.settings.timeout.min(PROBE)).await? {
            self.era.store(Some(Arc::new(Era::Modern)));
            return Ok(Talk { keeper: self, place: None, server });
        }
        // A session from before may be one that the server forgot.
        let (old, _) = self.sessions.place(&SessionKey::GATEWAY, Instant::now());
        self.sessions.forget(&SessionKey::GATEWAY, &old);
        let (way, session) = detect::first(self).await?;
        self.way.store(Arc::new(way));
        let (place, gone) = self.sessions.place(&SessionKey::GATEWAY, Instant::now());
        self.leave(&gone);
        let server = session.server.clone();
        place.cell.set(session).map_err(|_| FailureKind::Closed)?;
        self.era.store(Some(Arc::new(Era::Legacy)));
        Ok(Talk { keeper: self, place: Some(place), server })
    }

    async fn follow(&self, talk: &Talk<'_>) -> FailureKind {
        let version = talk.speaker().version;
        let beat = Beat { board: &self.board, patience: self.settings.patience, time: self.settings.timeout };
        let (following, over) = (follow(talk, &talk.server, beat), talk.over());
        tokio::pin!(following, over);
        loop {
            let known = self.board.offered();
            let reading = read_offered(talk, &talk.server, known.as_deref(), self.settings.timeout);
            tokio::pin!(reading);
            let read = loop {
                tokio::select! {
                    biased;
                    read = &mut reading => break read,
                    () = &mut following => {}
                }
            };
            match read {
                Ok((mut offered, late)) => {
                    if version.era == Era::Modern {
                        without_bad_mirrors(&mut offered.tools);
                    }
                    if self.board.is_new(&offered) {
                        self.mirroring.forget();
                    }
                    self.board.publish(offered);
                    if late {
                        self.board.stale.notify_one();
                    }
                }
                Err(kind) => return kind,
            }
            tokio::select! {
                () = self.board.stale.notified() => {}
                () = self.board.strange.notified() => return FailureKind::Unsupported,
                () = sleep(jitter(self.settings.refresh)) => {}
                () = &mut over => return FailureKind::Closed,
                () = &mut following => {}
            }
        }
    }

    /// The number of the next request.
    pub(super) fn next(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// A legacy session, opened if there is none.
    pub(super) async fn place(&self, key: &SessionKey) -> Result<Arc<Place>, FailureKind> {
        let (mut place, gone) = self.sessions.place(key, Instant::now());
        self.leave(&gone);
        if place.cell.get().is_some_and(|session| !session.is_open()) {
            self.sessions.forget(key, &place);
            place = self.sessions.place(key, Instant::now()).0;
        }
        let way = **self.way.load();
        place.cell.get_or_try_init(|| detect::initialize(self, way, key.declared.as_deref())).await?;
        Ok(place)
    }

    /// Sends a request of the gateway's own in a session.
    pub(super) async fn ask_in(&self, session: &Session, id: u64, request: Outgoing) -> Result<Answer, FailureKind> {
        if let Some(conversation) = &session.conversation {
            let mut ticket = conversation.link.announce(id, None, None).ok_or(FailureKind::Closed)?;
            return ticket.exchange(request.body).await;
        }
        let around = Around::own(session.speaker());
        Ok(self.wire.exchange(id, &request, around).await.map_err(|lost| lost.kind)?.answer)
    }

    /// Closes sessions that were given up.
    fn leave(&self, gone: &[Arc<Place>]) {
        for session in gone.iter().filter_map(|place| place.cell.get()).filter(|session| session.id.is_some()) {
            let (wire, message) = (self.wire.clone(), farewell(session.speaker()));
            tokio::spawn(async move { timeout(FAREWELL, wire.open(Method::DELETE, &message)).await.is_ok() });
        }
    }

    async fn close_sessions(&self) {
        let places = self.sessions.take();
        let close = async {
            for session in places.iter().filter_map(|place| place.cell.get()).filter(|session| session.id.is_some()) {
                if self.wire.open(Method::DELETE, &farewell(session.speaker())).await.is_err() {
                    return;
                }
            }
        };
        let _closed = timeout(FAREWELL, close).await;
    }
}

/// The gateway's own talk with a server, for lists and news.
struct Talk<'a> {
    keeper: &'a HttpServer,
    place: Option<Arc<Place>>,
    server: Server,
}

impl Talk<'_> {
    fn session(&self) -> Option<&Session> {
        self.place.as_ref().and_then(|place| place.cell.get())
    }

    /// Waits until the conversation is over, if the talk is one.
    async fn over(&self) {
        match self.session().and_then(|session| session.conversation.as_ref()) {
            Some(conversation) => conversation.over.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

impl Ask for Talk<'_> {
    fn speaker(&self) -> Speaker<'_> {
        self.session().map_or(Speaker::MODERN, Session::speaker)
    }

    fn next(&self) -> u64 {
        self.keeper.next()
    }

    async fn ask(&self, id: u64, request: Outgoing) -> Result<Answer, FailureKind> {
        if let Some(session) = self.session() {
            return self.keeper.ask_in(session, id, request).await;
        }
        let around = Around::own(Speaker::MODERN);
        Ok(self.keeper.wire.exchange(id, &request, around).await.map_err(|lost| lost.kind)?.answer)
    }
}

impl Listen for Talk<'_> {
    async fn listen(&self, filter: Filter) -> Result<(), FailureKind> {
        if self.session().is_some_and(|session| session.conversation.is_some()) {
            // All that the server says comes over the conversation.
            self.over().await;
            return Err(FailureKind::Closed);
        }
        listen(&self.keeper.wire, self.next(), self.speaker(), &filter, self.keeper.settings.timeout).await
    }
}
