//! Keeps one HTTP server: finds out its era, reads its list, listens for changes, and says when it is down.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use http::Method;
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    call::Mirroring,
    detect,
    exchange::{Around, Wire},
    listen::listen,
    session::{Place, Session, Sessions},
};
use crate::{
    mcp::{
        Era, Version,
        client::{self, Answer, Filter, Outgoing, Server, Speaker, farewell},
    },
    upstream::{
        FailureKind, PrincipalKey, ServerSettings,
        backoff::{Backoff, jitter},
        board::Board,
        list::{Ask, read_offered, without_bad_mirrors},
    },
};

/// Until a server has answered the question for its era.
const PROBE: Duration = Duration::from_secs(10);
/// For the closing of sessions when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// A tool server on Streamable HTTP.
pub(in crate::upstream) struct HttpServer {
    pub(super) settings: ServerSettings,
    pub(super) wire: Arc<Wire>,
    pub(super) sessions: Sessions,
    pub(super) era: ArcSwapOption<Era>,
    pub(super) slots: Semaphore,
    pub(super) mirroring: Mirroring,
    board: Arc<Board>,
    ids: AtomicU64,
}

impl HttpServer {
    pub(super) fn with(settings: ServerSettings, wire: Arc<Wire>) -> Self {
        Self {
            sessions: Sessions::default(),
            era: ArcSwapOption::empty(),
            slots: Semaphore::new(settings.concurrency),
            mirroring: Mirroring::default(),
            board: wire.board.clone(),
            ids: AtomicU64::new(1),
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
        self.close_sessions().await;
    }

    /// Finds out the era, then reads the list, and again whenever it may have changed. Ends only by failure.
    async fn work(&self) -> FailureKind {
        match self.greet().await {
            Ok(talk) => self.follow(&talk).await,
            Err(kind) => kind,
        }
    }

    async fn greet(&self) -> Result<Talk<'_>, FailureKind> {
        let time = self.settings.timeout;
        if let Some(server) = detect::modern(&self.wire, self.next(), time.min(PROBE)).await? {
            self.era.store(Some(Arc::new(Era::Modern)));
            return Ok(Talk { keeper: self, place: None, server });
        }
        // A session from before may be one that the server forgot.
        let (old, _) = self.sessions.place(&PrincipalKey::GATEWAY, Instant::now());
        self.sessions.forget(&PrincipalKey::GATEWAY, &old);
        let place = self.place(&PrincipalKey::GATEWAY).await?;
        let session = place.cell.get().ok_or(FailureKind::Closed)?;
        let server = session.server.clone();
        self.era.store(Some(Arc::new(Era::Legacy)));
        Ok(Talk { keeper: self, place: Some(place), server })
    }

    async fn follow(&self, talk: &Talk<'_>) -> FailureKind {
        let version = talk.speaker().version;
        let listening = self.keep_listening(talk);
        tokio::pin!(listening);
        loop {
            let known = self.board.offered();
            let mut offered = match read_offered(talk, &talk.server, known.as_deref(), self.settings.timeout).await {
                Ok(offered) => offered,
                Err(kind) => return kind,
            };
            if version.era == Era::Modern {
                without_bad_mirrors(&mut offered.tools);
            }
            self.mirroring.forget();
            self.board.publish(offered);
            tokio::select! {
                () = self.board.stale.notified() => {}
                () = self.board.strange.notified() => return FailureKind::Unsupported,
                () = sleep(jitter(self.settings.refresh)) => {}
                () = &mut listening => {}
            }
        }
    }

    /// Listens for changes, anew whenever the stream ends. Never ends.
    async fn keep_listening(&self, talk: &Talk<'_>) {
        let mut backoff = Backoff::new(self.settings.patience);
        if !talk.server.tells() {
            return std::future::pending().await;
        }
        loop {
            let begun = Instant::now();
            let offer = |offer: Option<client::Offer>| offer.is_some_and(|offer| offer.list_changed);
            let filter = Filter {
                tools: offer(talk.server.tools),
                prompts: offer(talk.server.prompts),
                resources: offer(talk.server.resources),
                ..Filter::default()
            };
            if listen(&self.wire, self.next(), talk.speaker(), &filter, self.settings.timeout).await.is_ok() {
                return std::future::pending().await;
            }
            if begun.elapsed() > self.settings.patience.ceiling {
                backoff.worked();
            }
            sleep(jitter(backoff.pause())).await;
            // What changed meanwhile was told to nobody.
            self.board.stale.notify_one();
        }
    }

    /// The number of the next request.
    pub(super) fn next(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The legacy session of a principal, opened if there is none.
    pub(super) async fn place(&self, who: &PrincipalKey) -> Result<Arc<Place>, FailureKind> {
        let (place, gone) = self.sessions.place(who, Instant::now());
        for session in gone.iter().filter_map(|place| place.cell.get()).filter(|session| session.id.is_some()) {
            let (wire, message) = (self.wire.clone(), farewell(session.speaker()));
            tokio::spawn(async move { timeout(FAREWELL, wire.open(Method::DELETE, &message)).await.is_ok() });
        }
        let open = || detect::initialize(&self.wire, self.next(), self.settings.timeout);
        place.cell.get_or_try_init(open).await?;
        Ok(place)
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

/// The gateway's own talk with a server, for lists.
struct Talk<'a> {
    keeper: &'a HttpServer,
    place: Option<Arc<Place>>,
    server: Server,
}

impl Ask for Talk<'_> {
    fn speaker(&self) -> Speaker<'_> {
        let session = self.place.as_ref().and_then(|place| place.cell.get());
        session.map_or(Speaker { version: Version::MODERN, session: None }, Session::speaker)
    }

    fn next(&self) -> u64 {
        self.keeper.next()
    }

    async fn ask(&self, id: u64, request: Outgoing) -> Result<Answer, FailureKind> {
        let around = Around::own(self.speaker());
        let reply = self.keeper.wire.exchange(id, &request, around).await.map_err(|lost| lost.kind)?;
        Ok(reply.answer)
    }
}
