//! Keeps one HTTP API: reads its document, offers its operations, reads the document again, and makes calls.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use serde_json::value::RawValue;
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Taken, Veil},
    argument::{encode, pair},
    collect::Api,
    load::{self, Trouble},
    operation::Operation,
    request::Stamp,
    settings::{OpenApiSettings, Source},
    url::{Base, of_document},
};
use crate::{
    catalog::ToolCall,
    domain::{Digest, Findings},
    upstream::{
        CallEnd, Dispatch, FailureKind, HttpSettings, Offered, ServerSettings, SettingsError,
        backoff::{Backoff, jitter},
        board::Board,
        http::{Plain, own_headers, read_all},
    },
};

/// What is left out is named in the log so often, each time the document is new.
const NAMED: usize = 20;

/// Bytes of an answer that are made a result without a thread of its own.
const AT_ONCE: usize = 64 << 10;

/// An HTTP API that is offered as tools.
pub(in crate::upstream) struct OpenApiServer {
    settings: ServerSettings,
    api: OpenApiSettings,
    headers: HeaderMap,
    query: String,
    veil: Arc<Veil>,
    slots: Semaphore,
    board: Arc<Board>,
    current: ArcSwapOption<Current>,
}

/// The document that is in force.
struct Current {
    digest: Digest,
    version: &'static str,
    definitions: Vec<Box<RawValue>>,
    operations: BTreeMap<String, Arc<Operation>>,
    stamp: Stamp,
    client: Plain,
}

impl OpenApiServer {
    /// The host of the API, once its document was read.
    pub(in crate::upstream) fn host(&self) -> Option<String> {
        let current = self.current.load();
        current.as_ref()?.stamp.base.url.host().map(|host| host.trim_matches(['[', ']']).to_owned())
    }

    /// Checks the settings; nothing is read yet.
    ///
    /// # Errors
    /// A URL or header that cannot be used, or certificate authorities that cannot be read.
    pub(in crate::upstream) fn new(
        settings: ServerSettings,
        api: OpenApiSettings,
        board: Arc<Board>,
    ) -> Result<Self, SettingsError> {
        let mut api = api;
        api.choice.own_headers = api.headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        api.choice.own_query = api.query.keys().cloned().collect();
        api.choice.placed = api.url.is_some();
        let document = if let Source::Url(url) = &api.document { Some(url) } else { None };
        for url in [api.url.as_ref(), document].into_iter().flatten() {
            Plain::new(&settings.name, &place(&api, url))?;
        }
        if let Some(url) = &api.url {
            let bad = |fault| SettingsError::Url { server: settings.name.clone(), fault };
            Base::new(url.clone()).map_err(bad)?;
        }
        let headers = own_headers(&settings.name, &api.headers)?;
        let mut query = String::new();
        for (name, value) in &api.query {
            pair(&mut query, &encode(name), &encode(value.expose()));
        }
        Ok(Self {
            slots: Semaphore::new(settings.concurrency),
            veil: Arc::new(Veil::new(&api.secrets)),
            current: ArcSwapOption::empty(),
            settings,
            api,
            headers,
            query,
            board,
        })
    }

    /// Keeps the API until `stop`.
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
    }

    /// Reads the document, and again whenever it may have changed. Ends only by failure; what was read last stays
    /// in force then, so that calls go on.
    async fn work(&self) -> FailureKind {
        loop {
            match self.read().await {
                Ok(current) => self.board.publish(Offered {
                    version: current.version,
                    tools: current.definitions.clone(),
                    ..Offered::default()
                }),
                Err(Trouble::Failed(kind)) => return kind,
                Err(Trouble::Faulty(findings)) => {
                    tracing::error!(server = %self.settings.name, faults = %findings, "the OpenAPI document cannot be used");
                    self.board.keep_stderr(format!("{findings}\n").as_bytes());
                    return FailureKind::Garbage;
                }
            }
            tokio::select! {
                () = self.board.stale.notified() => {}
                () = self.board.restart.notified() => {}
                () = sleep(jitter(self.settings.refresh)) => {}
            }
        }
    }

    async fn read(&self) -> Result<Arc<Current>, Trouble> {
        let bytes = load::bytes(&self.settings, &self.api, &self.headers).await?;
        let digest = Digest::of(&bytes);
        if let Some(current) = self.current.load_full().filter(|current| current.digest == digest) {
            return Ok(current);
        }
        let (server, choice) = (self.settings.name.clone(), self.api.choice.clone());
        let file = self.api.document.to_string();
        let read = spawn_blocking(move || load::api(&server, &file, &bytes, &choice)).await;
        let api = read.map_err(|_| Trouble::Failed(FailureKind::Closed))?.map_err(Trouble::Faulty)?;
        self.tell(&api.left_out);
        let current = Arc::new(self.current(digest, api)?);
        self.current.store(Some(current.clone()));
        Ok(current)
    }

    fn current(&self, digest: Digest, api: Api) -> Result<Current, Trouble> {
        let file = self.api.document.to_string();
        let faulty = |message: String| Trouble::Faulty(Findings::one(&file, 0, "/servers", message));
        let fetched = if let Source::Url(url) = &self.api.document { Some(url) } else { None };
        let url = match &self.api.url {
            Some(url) => url.clone(),
            None => of_document(api.server.as_deref(), fetched).map_err(|why| faulty(why.to_owned()))?,
        };
        let client = Plain::new(&self.settings.name, &place(&self.api, &url)).map_err(|why| faulty(why.to_string()))?;
        let base = Base::new(url).map_err(|why| faulty(format!("the url of the first server {why}")))?;
        let stamp = Stamp {
            base,
            headers: self.headers.clone(),
            query: self.query.clone(),
            encoded_slashes: self.api.encoded_slashes,
        };
        Ok(Current {
            digest,
            version: api.dialect.name(),
            definitions: api.definitions,
            operations: api.operations.into_iter().map(|(name, operation)| (name, Arc::new(operation))).collect(),
            stamp,
            client,
        })
    }

    /// Says what of the document is in no tool: in the log, and among what is kept for operators.
    fn tell(&self, left_out: &Findings) {
        for finding in left_out.0.iter().take(NAMED) {
            tracing::warn!(server = %self.settings.name, %finding, "left out of the tools of an API");
        }
        if let Some(more) = left_out.0.len().checked_sub(NAMED).filter(|more| *more > 0) {
            tracing::warn!(server = %self.settings.name, more, "more is left out of the tools of an API");
        }
        if !left_out.0.is_empty() {
            self.board.keep_stderr(format!("{left_out}\n").as_bytes());
        }
    }

    /// Sends a call to the API.
    pub(in crate::upstream) async fn send(&self, call: ToolCall, dispatch: Dispatch) -> CallEnd {
        let Some(current) = self.current.load_full() else { return CallEnd::unsent(FailureKind::Down) };
        let (cancelled, deadline) = (dispatch.cancelled.clone(), dispatch.deadline);
        let _slot = tokio::select! {
            slot = self.slots.acquire() => slot,
            () = cancelled.cancelled() => return CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => return CallEnd::unsent(FailureKind::Busy),
        };
        tokio::select! {
            biased;
            end = self.attempt(&current, &call, &dispatch) => end,
            () = cancelled.cancelled() => CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => CallEnd::TimedOut,
        }
    }

    async fn attempt(&self, current: &Current, call: &ToolCall, dispatch: &Dispatch) -> CallEnd {
        let tool = call.tool();
        let operation = current.operations.get(tool.reference.tool.as_str());
        // What was approved is what is sent: an operation that changed since is not the one that was judged.
        let Some(operation) = operation.filter(|operation| operation.digest == Some(tool.digest)) else {
            self.board.stale.notify_one();
            return CallEnd::unsent(FailureKind::Down);
        };
        let request = match current.stamp.request(operation, call, dispatch.traceparent.as_deref()) {
            Ok(request) => request,
            Err(bad) => return answer::refused(&bad),
        };
        let response = match current.client.send(request).await {
            Ok(response) => response,
            Err((kind, sent)) => return CallEnd::Failed { kind, effect_possible: sent },
        };
        let (head, body) = response.into_parts();
        let body = match read_all(body, self.api.response).await {
            Ok(body) => Some(body),
            Err(FailureKind::TooLarge) => None,
            Err(kind) => return CallEnd::lost(kind),
        };
        let taken = Taken { status: head.status, kind: answer::kind(&head.headers), body };
        if taken.body.as_ref().is_none_or(|body| body.len() <= AT_ONCE) {
            return answer::end(taken, operation, &self.veil);
        }
        let (operation, veil) = (operation.clone(), self.veil.clone());
        let ended = spawn_blocking(move || answer::end(taken, &operation, &veil)).await;
        ended.unwrap_or(CallEnd::lost(FailureKind::Closed))
    }
}

fn place(api: &OpenApiSettings, url: &http::Uri) -> HttpSettings {
    HttpSettings { url: url.clone(), headers: BTreeMap::new(), allow_private: api.allow_private, authorities: None }
}
