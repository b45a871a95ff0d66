//! Exports of the journal, and what the API says of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use super::house::House;
use crate::{
    api::{ExportOperations, ExportView},
    config::{Begin, ExportTo, Settings},
    delivery::{
        self, Acknowledged, Beginnings, Destination, Export, Follower, LineFile, Pace, Product, Progress, Setback,
        Syslog,
    },
    domain::{Clock, DecisionId},
    evidence::{Feed, JournalError, Record},
    monitoring::Controls,
    store::Store,
    upstream::HttpPost,
};

/// How long a destination may take for one batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts at one that does not take records.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One export, for whoever asks how it goes.
#[derive(Debug, Clone)]
pub(super) struct Exporting {
    name: String,
    to: &'static str,
    pub(super) progress: Arc<Progress>,
}

/// Every follower that exports.
#[derive(Default)]
pub(super) struct Exports {
    followers: Vec<Follower<Export>>,
    pub(super) running: Vec<Exporting>,
}

impl Exports {
    /// The followers of the configured exports, which do not run yet.
    pub(super) fn new(settings: &Settings, store: &Arc<Store>, source: &str) -> anyhow::Result<Self> {
        let feed: Arc<dyn Feed> = store.clone();
        let beginnings: Arc<dyn Beginnings> = Arc::new(Begun(Arc::clone(store)));
        let mut exports = Self::default();
        for (name, export) in &settings.exports {
            let (to, destination): (&'static str, Box<dyn Destination>) = match &export.to {
                ExportTo::File { path, most, keep } => ("file", Box::new(LineFile::new(path.clone(), *most, *keep))),
                ExportTo::Syslog { address } => ("syslog", Box::new(Syslog::new(address.clone(), &host_of(source)))),
                ExportTo::Http { url, bearer, allow_private } => {
                    let post = HttpPost::new(url, *allow_private, PATIENCE);
                    let post = post.with_context(|| format!("the export `{name}` cannot be used"))?;
                    let mut headers = HeaderMap::new();
                    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
                    if let Some(bearer) = bearer {
                        let value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose()));
                        let mut value =
                            value.with_context(|| format!("the token of the export `{name}` cannot be sent"))?;
                        value.set_sensitive(true);
                        headers.insert(header::AUTHORIZATION, value);
                    }
                    ("http", Box::new(OverHttp { post, headers }))
                }
            };
            let begin = if export.begin == Begin::First { delivery::Begin::First } else { delivery::Begin::Now };
            let pace = Pace { begin, longest_pause: LONGEST_PAUSE, ..Pace::default() };
            let product = Product { source: source.to_owned(), version: env!("CARGO_PKG_VERSION") };
            let sink = Export::new(destination, Arc::clone(&beginnings), product);
            let follower = Follower::new(Arc::clone(&feed), format!("export:{name}"), sink, pace);
            exports.running.push(Exporting { name: name.clone(), to, progress: follower.progress() });
            exports.followers.push(follower);
        }
        Ok(exports)
    }

    /// What `export.acknowledged` asks. Syslog acknowledges nothing, so it cannot be demanded.
    pub(super) fn attach(&self, controls: Controls, clock: &Arc<dyn Clock>) -> Controls {
        let acknowledging = self.running.iter().filter(|exporting| exporting.to != "syslog");
        let exports: BTreeMap<_, _> =
            acknowledging.map(|exporting| (exporting.name.clone(), Arc::clone(&exporting.progress))).collect();
        if exports.is_empty() {
            return controls;
        }
        controls.with("export.acknowledged", Arc::new(Acknowledged::new(exports, Arc::clone(clock))))
    }

    /// Begins to export.
    pub(super) fn run(self, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        for follower in self.followers {
            tasks.spawn(follower.run(stop.clone()));
        }
    }
}

fn host_of(source: &str) -> String {
    source.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
}

struct Begun(Arc<Store>);

#[async_trait]
impl Beginnings for Begun {
    async fn begun(&self, decision: &DecisionId) -> Result<Option<Value>, JournalError> {
        let records = match self.0.decision(decision).await {
            Ok(records) => records,
            // Its beginning was removed before this destination came to its end.
            Err(JournalError::Removed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let first = records.into_iter().find(|(_, record)| matches!(record, Record::Intent(_) | Record::Inquiry(_)));
        Ok(first.and_then(|(_, record)| serde_json::to_value(record).ok()))
    }
}

struct OverHttp {
    post: HttpPost,
    headers: HeaderMap,
}

#[async_trait]
impl Destination for OverHttp {
    async fn take(&mut self, events: &[String]) -> Result<(), Setback> {
        let lines: String = events.iter().flat_map(|event| [event, "\n"]).collect();
        let answer = self.post.post(self.headers.clone(), lines.into()).await;
        let (status, headers) = answer.map_err(|error| Setback::new(error.to_string()))?;
        if status.is_success() {
            return Ok(());
        }
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let why = format!("it answers with status {}", status.as_u16());
        Err(Setback { through: None, why, wait: seconds.map(Duration::from_secs) })
    }
}

#[async_trait]
impl ExportOperations for House {
    async fn exports(&self) -> Vec<ExportView> {
        let now = self.clock.now();
        let view = |exporting: &Exporting| {
            let (progress, lag) = (&exporting.progress, exporting.progress.lag(now));
            ExportView {
                name: exporting.name.clone(),
                to: exporting.to.to_owned(),
                acknowledged: progress.acknowledged(),
                lag_records: lag.records,
                lag_seconds: lag.seconds,
                healthy: progress.lease().holds(),
                trouble: progress.trouble(),
            }
        };
        self.exports.iter().map(view).chain(self.offsite.views()).collect()
    }
}
