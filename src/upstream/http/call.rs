//! A request to an HTTP server.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use tokio::time::timeout;

use super::{
    address::Rule,
    connect::{Authorities, client, literal_allowed},
    exchange::{Around, Lost, Reply, Wire},
    keeper::HttpServer,
    session::Session,
};
use crate::{
    catalog::{Tool, ToolCall},
    domain::{Digest, Secret, ServerName},
    mcp::{
        Era, Mirrors,
        client::{self as wire, Speaker},
        code, headers,
    },
    upstream::{
        CallEnd, Dispatch, FailureKind, HttpSettings, ServerSettings, SettingsError, board::Board, conclude::conclude,
        errand::Errand,
    },
};

/// Mirrored headers by the digest of the tool's definition, so that a schema is walked once.
#[derive(Debug, Default)]
pub(super) struct Mirroring(Mutex<HashMap<Digest, Arc<Mirrors>>>);

impl Mirroring {
    fn of(&self, errand: &Errand) -> Result<Arc<Mirrors>, FailureKind> {
        let Errand::Call(call) = errand else { return Ok(Arc::default()) };
        let tool = call.tool();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirrors) = known.get(&tool.digest) {
            return Ok(mirrors.clone());
        }
        let mirrors = Arc::new(Mirrors::of(&tool.input_schema).map_err(|_| FailureKind::Unsupported)?);
        known.insert(tool.digest, mirrors.clone());
        Ok(mirrors)
    }

    fn put(&self, tool: &Tool, mirrors: Arc<Mirrors>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tool.digest, mirrors);
    }

    /// Forgets all, when the list was read anew.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl HttpServer {
    /// Checks the settings and makes the server; nothing is connected yet.
    ///
    /// # Errors
    /// A URL or header that cannot be used, or certificate authorities that cannot be read.
    pub(in crate::upstream) fn new(
        settings: ServerSettings,
        http: HttpSettings,
        board: Arc<Board>,
    ) -> Result<Self, SettingsError> {
        let server = settings.name.clone();
        let headers = own_headers(&server, &http.headers)?;
        let (rule, authorities) = rule(&server, &http)?;
        let client = client(rule, authorities).map_err(|_| SettingsError::Authorities(server))?;
        Ok(Self::with(settings, Arc::new(Wire::new(client, http.url, headers, board))))
    }

    /// Sends a request to the server.
    pub(in crate::upstream) async fn send(&self, errand: Errand, dispatch: Dispatch) -> CallEnd {
        let Some(era) = self.era.load_full() else { return CallEnd::unsent(FailureKind::Down) };
        if !errand.known_to(*era) {
            return CallEnd::unsent(FailureKind::Unsupported);
        }
        let (cancelled, deadline) = (dispatch.cancelled.clone(), dispatch.deadline);
        let _slot = tokio::select! {
            slot = self.slots.acquire() => slot,
            () = cancelled.cancelled() => return CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => return CallEnd::unsent(FailureKind::Busy),
        };
        tokio::select! {
            biased;
            end = self.attempt(*era, &errand, &dispatch) => end,
            () = cancelled.cancelled() => CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => CallEnd::TimedOut,
        }
    }

    async fn attempt(&self, era: Era, errand: &Errand, dispatch: &Dispatch) -> CallEnd {
        let ended = match era {
            Era::Modern => self.modern(errand, dispatch).await,
            Era::Legacy => self.legacy(errand, dispatch).await,
        };
        match ended {
            Ok(reply) => conclude(reply.answer, errand.method(), era, &dispatch.capabilities),
            Err(Lost { kind, sent }) => CallEnd::Failed { kind, effect_possible: sent },
        }
    }

    /// To a modern server; once more if it refused the headers unread, for they come from a schema that may be old.
    async fn modern(&self, errand: &Errand, dispatch: &Dispatch) -> Result<Reply, Lost> {
        let unsent = |kind| Lost { kind, sent: false };
        let mirrors = self.mirroring.of(errand).map_err(unsent)?;
        let reply = self.exchange(errand, dispatch, Speaker::MODERN, &mirrors).await?;
        let code = match &reply.answer {
            wire::Answer::Error(error) => i32::try_from(error.code).unwrap_or(0),
            wire::Answer::Result(_) => return Ok(reply),
        };
        match (code, errand) {
            (code::UNSUPPORTED_VERSION, _) => {
                self.wire.board.strange.notify_one();
                Ok(reply)
            }
            (code::HEADER_MISMATCH, Errand::Call(call)) => match self.fresh_mirrors(call).await {
                Some(fresh) if fresh != mirrors => self.exchange(errand, dispatch, Speaker::MODERN, &fresh).await,
                _ => Ok(reply),
            },
            _ => Ok(reply),
        }
    }

    /// The mirrored headers of a tool after its list was read anew.
    async fn fresh_mirrors(&self, call: &ToolCall) -> Option<Arc<Mirrors>> {
        let board = &self.wire.board;
        let mut readings = board.readings.subscribe();
        board.stale.notify_one();
        timeout(self.settings.timeout, readings.changed()).await.ok()?.ok()?;
        let offered = board.offered()?;
        let name = call.tool().reference.tool.as_str();
        let schema = offered.tools.iter().find_map(|raw| {
            let definition: serde_json::Value = serde_json::from_str(raw.get()).ok()?;
            (definition.get("name")?.as_str()? == name).then(|| definition.get("inputSchema").cloned())?
        })?;
        let mirrors = Arc::new(Mirrors::of(&schema).ok()?);
        self.mirroring.put(call.tool(), mirrors.clone());
        Some(mirrors)
    }

    /// In the principal's session; once more in a new one if the server has forgotten it, and so did nothing.
    async fn legacy(&self, errand: &Errand, dispatch: &Dispatch) -> Result<Reply, Lost> {
        let unsent = |kind| Lost { kind, sent: false };
        let mut again = true;
        loop {
            let place = self.place(&dispatch.principal).await.map_err(unsent)?;
            let session = place.cell.get().ok_or(unsent(FailureKind::Closed))?;
            let ended = self.exchange(errand, dispatch, session.speaker(), &Mirrors::default()).await;
            if !(std::mem::take(&mut again) && forgotten(session, &ended)) {
                return ended;
            }
            self.sessions.forget(&dispatch.principal, &place);
        }
    }

    async fn exchange(
        &self,
        errand: &Errand,
        dispatch: &Dispatch,
        speaker: Speaker<'_>,
        mirrors: &Mirrors,
    ) -> Result<Reply, Lost> {
        let id = self.next();
        let request = wire::carry(speaker, errand.carried(id, dispatch), mirrors);
        // A modern server stops when its stream is closed, which dropping the exchange does; a legacy one is told.
        let mut farewell = Farewell { wire: &self.wire, speaker, id, armed: speaker.version.era == Era::Legacy };
        let around = Around { speaker, notices: dispatch.notices.as_ref(), log_level: dispatch.log_level };
        let ended = self.wire.exchange(id, &request, around).await;
        farewell.armed = false;
        ended
    }
}

/// Tells a legacy server that nobody waits any more, unless the exchange came to its end.
struct Farewell<'a> {
    wire: &'a Arc<Wire>,
    speaker: Speaker<'a>,
    id: u64,
    armed: bool,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.wire.tell_aside(wire::cancelled(self.speaker, self.id));
        }
    }
}

/// Whether the server says that it does not know the session.
fn forgotten(session: &Session, ended: &Result<Reply, Lost>) -> bool {
    let not_found = match ended {
        Ok(reply) => reply.status == StatusCode::NOT_FOUND,
        Err(lost) => lost.kind == FailureKind::Status(404),
    };
    session.id.is_some() && not_found
}

/// Headers of the configuration, none of which the protocol owns.
pub(in crate::upstream) fn own_headers(
    server: &ServerName,
    configured: &BTreeMap<String, Secret<String>>,
) -> Result<HeaderMap, SettingsError> {
    let reserved = [
        headers::VERSION,
        headers::METHOD,
        headers::NAME,
        headers::SESSION,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::CONTENT_TYPE,
        header::ACCEPT,
        header::ACCEPT_ENCODING,
    ];
    let mut out = HeaderMap::new();
    for (name, secret) in configured {
        let fault = || SettingsError::Header { server: server.clone(), header: name.clone() };
        let header: HeaderName = name.parse().map_err(|_| fault())?;
        if reserved.contains(&header) || header.as_str().starts_with(headers::PARAMETER) {
            return Err(fault());
        }
        let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| fault())?;
        value.set_sensitive(true);
        out.insert(header, value);
    }
    Ok(out)
}

/// Which addresses the URL may lead to, and who is trusted to name them.
pub(super) fn rule<'a>(server: &ServerName, http: &'a HttpSettings) -> Result<(Rule, Authorities<'a>), SettingsError> {
    let bad = |fault| SettingsError::Url { server: server.clone(), fault };
    let url: &Uri = &http.url;
    let inner = http.allow_private;
    let (rule, authorities) = match url.scheme_str() {
        Some("https") => {
            let authorities = http.authorities.as_deref().map_or(Authorities::Machine, Authorities::These);
            (Rule { public: true, private: inner, loopback: inner }, authorities)
        }
        Some("http") if inner => (Rule { public: false, private: true, loopback: true }, Authorities::None),
        Some("http") => return Err(bad("must be https; http is for private addresses, with `allow_private: true`")),
        _ => return Err(bad("must begin with https:// or http://")),
    };
    if url.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(bad("must not hold a user or password; use `headers`"));
    }
    if !literal_allowed(url, rule) {
        return Err(bad("leads to an address that is not allowed; see `allow_private`"));
    }
    Ok((rule, authorities))
}
