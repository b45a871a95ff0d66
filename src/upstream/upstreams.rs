//! All tool servers of the gateway.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    CallEnd, Dispatch, FailureKind, Meter, Offered, ServerHealth, ServerSettings, ServerState, SettingsError,
    Transport, Watch, board::Board, errand::Errand, http::HttpServer, openapi::OpenApiServer, stdio::StdioServer,
    watches::Watches,
};
use crate::{
    catalog::ToolCall,
    domain::{Method, ServerName},
    mcp::client::Topic,
    policy::{Clearance, Permit},
};

/// For keepers to end when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// For the word of a server on what is to be watched.
const WORD: Duration = Duration::from_secs(10);

/// The tool servers, each with its keeper.
pub struct Upstreams {
    servers: BTreeMap<ServerName, Server>,
    changes: watch::Sender<u64>,
    stop: CancellationToken,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

struct Server {
    board: Arc<Board>,
    road: Road,
    /// How long a word of it is waited for.
    patience: Duration,
}

#[derive(Clone)]
enum Road {
    Stdio(Arc<StdioServer>),
    Http(Arc<HttpServer>),
    OpenApi(Arc<OpenApiServer>),
}

impl Upstreams {
    /// Starts a keeper for every server; must be called within the runtime. A server that does not answer is no
    /// error: it is tried again.
    ///
    /// # Errors
    /// The first settings that cannot be used; then nothing was started.
    pub fn start(settings: Vec<ServerSettings>) -> Result<Self, SettingsError> {
        let (changes, _) = watch::channel(0);
        let mut servers = BTreeMap::new();
        for one in settings {
            let name = one.name.clone();
            let board = Arc::new(Board::new(name.clone(), changes.clone()));
            let patience = one.timeout.min(WORD);
            let road = Road::new(one, board.clone())?;
            if servers.insert(name.clone(), Server { board, road, patience }).is_some() {
                return Err(SettingsError::Twice(name));
            }
        }
        let stop = CancellationToken::new();
        let keepers = servers.values().map(|server| server.road.keep(stop.clone())).collect();
        Ok(Self { servers, changes, stop, keepers: Mutex::new(keepers) })
    }

    /// From now on this is told of sessions with legacy servers that ended.
    pub fn measure(&self, meter: &Meter) {
        for server in self.servers.values() {
            // Whoever was first stays.
            let _set = server.board.meter.set(Arc::clone(meter));
        }
    }

    /// A number that changes whenever what a server offers did.
    #[must_use]
    pub fn definitions(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The tool definitions of every server that was ready once, as they were sent.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<ServerName, Vec<Box<RawValue>>> {
        let known =
            |(name, server): (&ServerName, &Server)| Some((name.clone(), server.board.offered()?.tools.clone()));
        self.servers.iter().filter_map(known).collect()
    }

    /// Where every server stands.
    #[must_use]
    pub fn health(&self) -> BTreeMap<ServerName, ServerHealth> {
        self.servers.iter().map(|(name, server)| (name.clone(), server.board.health())).collect()
    }

    /// What a child wrote to its standard error last (64 KiB), made safe to show; for operators.
    #[must_use]
    pub fn errors_of(&self, server: &ServerName) -> Option<String> {
        self.servers.get(server).map(|server| server.board.stderr())
    }

    /// Starts a server anew at once, also one that was disabled. `false` if there is none of that name.
    pub fn restart(&self, server: &ServerName) -> bool {
        let Some(server) = self.servers.get(server) else { return false };
        server.board.restart.notify_one();
        true
    }

    /// How long a request to this server may take.
    #[must_use]
    pub fn patience(&self, server: &ServerName) -> Option<Duration> {
        self.servers.get(server).map(|server| server.patience)
    }

    /// Makes the call that the permit allows, and spends it.
    pub async fn call(&self, permit: Permit, dispatch: Dispatch) -> CallEnd {
        self.send(permit.into_call(), dispatch).await
    }

    /// Makes the inquiry that the clearance allows, and spends it.
    pub async fn ask(&self, clearance: Clearance, dispatch: Dispatch) -> CallEnd {
        self.carry(Errand::Inquiry(clearance.into_inquiry()), dispatch).await
    }

    /// Watches what the clearance allows: a resource for updates, a task for news.
    ///
    /// # Errors
    /// The server cannot be watched for it.
    pub async fn watch(&self, clearance: Clearance) -> Result<Watch, FailureKind> {
        let inquiry = clearance.into_inquiry();
        let topic = match inquiry.method() {
            Method::Subscribe => Topic::Resource(inquiry.name().to_owned()),
            Method::GetTask => Topic::Task(inquiry.name().to_owned()),
            Method::CallTool
            | Method::GetPrompt
            | Method::ReadResource
            | Method::Complete
            | Method::UpdateTask
            | Method::CancelTask => return Err(FailureKind::Unsupported),
        };
        self.follow(inquiry.server(), topic).await
    }

    /// Watches what may be watched.
    pub(super) async fn follow(&self, server: &ServerName, topic: Topic) -> Result<Watch, FailureKind> {
        let server = self.servers.get(server).ok_or(FailureKind::Down)?;
        if server.board.state() == ServerState::Disabled {
            return Err(FailureKind::Disabled);
        }
        timeout(server.patience, Watches::watch(&server.board, topic)).await.map_err(|_| FailureKind::Down)?
    }

    /// What every server that was ready once offers.
    #[must_use]
    pub fn offered(&self) -> BTreeMap<ServerName, Arc<Offered>> {
        let known = |(name, server): (&ServerName, &Server)| Some((name.clone(), server.board.offered()?));
        self.servers.iter().filter_map(known).collect()
    }

    /// `network.transport` of a server: `pipe` for a child, `tcp` for HTTP.
    #[must_use]
    pub fn transport(&self, server: &ServerName) -> &'static str {
        match self.servers.get(server).map(|server| &server.road) {
            Some(Road::Stdio(_)) => "pipe",
            Some(Road::Http(_) | Road::OpenApi(_)) | None => "tcp",
        }
    }

    /// The host at which a server is contacted, as its URL names it; none for a child process.
    #[must_use]
    pub fn host(&self, server: &ServerName) -> Option<String> {
        match &self.servers.get(server)?.road {
            Road::Stdio(_) => None,
            Road::Http(server) => server.host().map(str::to_owned),
            Road::OpenApi(server) => server.host(),
        }
    }

    /// Sends a call that was permitted and waits for its end. Dropping the future cancels the call.
    pub(super) async fn send(&self, call: ToolCall, dispatch: Dispatch) -> CallEnd {
        self.carry(Errand::Call(call), dispatch).await
    }

    /// Sends a request that was allowed.
    pub(super) async fn carry(&self, errand: Errand, dispatch: Dispatch) -> CallEnd {
        if errand.method() == Method::Subscribe {
            // That is watched, and no single request.
            return CallEnd::unsent(FailureKind::Unsupported);
        }
        match self.servers.get(errand.server()).map(|server| &server.road) {
            Some(Road::Stdio(server)) => server.send(errand, dispatch).await,
            Some(Road::Http(server)) => server.send(errand, dispatch).await,
            Some(Road::OpenApi(server)) => match errand {
                Errand::Call(call) => server.send(call, dispatch).await,
                Errand::Inquiry(_) => CallEnd::unsent(FailureKind::Unsupported),
            },
            None => CallEnd::unsent(FailureKind::Down),
        }
    }

    /// Ends every child and session, politely first.
    pub async fn stop(&self) {
        self.stop.cancel();
        let keepers = std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner));
        for mut keeper in keepers {
            if timeout(FAREWELL, &mut keeper).await.is_err() {
                keeper.abort();
            }
        }
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Road {
    fn new(settings: ServerSettings, board: Arc<Board>) -> Result<Self, SettingsError> {
        Ok(match settings.transport.clone() {
            Transport::Stdio(child) => {
                if !child.command.is_absolute() {
                    return Err(SettingsError::RelativeCommand(settings.name));
                }
                Self::Stdio(Arc::new(StdioServer::new(settings, child, board)))
            }
            Transport::Http(http) => Self::Http(Arc::new(HttpServer::new(settings, http, board)?)),
            Transport::OpenApi(api) => Self::OpenApi(Arc::new(OpenApiServer::new(settings, *api, board)?)),
        })
    }

    fn keep(&self, stop: CancellationToken) -> JoinHandle<()> {
        match self {
            Self::Stdio(server) => tokio::spawn(server.clone().keep(stop)),
            Self::Http(server) => tokio::spawn(server.clone().keep(stop)),
            Self::OpenApi(server) => tokio::spawn(server.clone().keep(stop)),
        }
    }
}
