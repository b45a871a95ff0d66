//! Webhooks, the lookout for what is unusual, and what the API says of them.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use super::house::House;
use crate::{
    api::{AlertOperations, ApiError, DeadView, Retry, WebhookView},
    config::{Settings, WebhookSettings},
    delivery::{
        Book, Entry, Follower, Ground, Hook, Lookout, OwnerNotice, Pace, Post, Receiver, Reply, Running, Signer,
        Webhook,
    },
    domain::{Clock, ExceptionId, Person},
    evidence::{Delivery, DeliveryEvent, Feed, Intent, Journal, JournalError, Record},
    exception::{Desk, DeskError},
    monitoring::Controls,
    store::Store,
    telemetry::server_span,
    upstream::HttpPost,
};

/// Records of dead letters that are read at the start.
const HISTORY: u32 = 10_000;
/// Between two attempts at a receiver that cannot be reached: short enough that an owner hears soon after its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Every follower that tells somebody.
#[derive(Default)]
pub(super) struct Alerts {
    hooks: Vec<Follower<Webhook>>,
    lookout: Option<Follower<Lookout>>,
    pub(super) running: Vec<Running>,
}

/// What alerts stand on.
pub(super) struct Base<'a> {
    pub(super) store: &'a Arc<Store>,
    pub(super) desk: &'a Arc<Desk>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) source: String,
}

impl Alerts {
    /// The followers of the configured webhooks, which do not run yet.
    pub(super) async fn new(settings: &Settings, base: Base<'_>) -> anyhow::Result<Self> {
        let feed: Arc<dyn Feed> = base.store.clone();
        let journal: Arc<dyn Journal> = base.store.clone();
        let history = base.store.deliveries(HISTORY).await.context("the dead letters cannot be read")?;
        let ground = Ground {
            feed: Arc::clone(&feed),
            journal: Arc::clone(&journal),
            book: Arc::new(Books { store: Arc::clone(base.store), desk: Arc::clone(base.desk) }),
            clock: Arc::clone(base.clock),
            source: base.source.into(),
            span: Some(server_span),
        };
        let mut alerts = Self::default();
        for (name, webhook) in &settings.alerts.webhooks {
            let hook = Arc::new(Hook::new(name, webhook.wanted.clone(), &history));
            let receiver = receiver(name, webhook)?;
            let sink = Webhook::new(Arc::clone(&hook), receiver, ground.clone());
            let pace = Pace { longest_pause: LONGEST_PAUSE, ..Pace::default() };
            let follower = Follower::new(Arc::clone(&feed), format!("webhook:{name}"), sink, pace);
            alerts.running.push(Running { hook, progress: follower.progress() });
            alerts.hooks.push(follower);
        }
        if let Some(unusual) = &settings.alerts.unusual {
            let sealer = Arc::clone(&base.store.keyring().sealer);
            let shape = Box::new(move |intent: &Intent| {
                let sealed = intent.call.arguments.sealed.as_ref()?;
                let text = sealer.open(&intent.decision, sealed).ok()?;
                serde_json::from_slice(&text).ok().as_ref().and_then(shape)
            });
            let lookout = Lookout::new(unusual.clone(), Arc::clone(&feed), journal, Arc::clone(base.clock), shape);
            alerts.lookout = Some(Follower::new(feed, "anomalies", lookout, Pace::default()));
        }
        Ok(alerts)
    }

    /// What `notify.owner` asks; nothing meets that duty where no webhook carries uses.
    pub(super) fn attach(&self, controls: Controls, desk: &Desk, clock: &Arc<dyn Clock>) -> Controls {
        let carried = self.running.iter().any(|running| running.hook.wanted.kinds.contains("exception.used"));
        if !carried {
            return controls;
        }
        let index = desk.index();
        let owners = Box::new(move |id: &ExceptionId| index.owner_of(id));
        controls.with("notify.owner", Arc::new(OwnerNotice::new(self.running.clone(), owners, Arc::clone(clock))))
    }

    /// Begins to tell.
    pub(super) fn run(self, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        for follower in self.hooks {
            tasks.spawn(follower.run(stop.clone()));
        }
        if let Some(lookout) = self.lookout {
            tasks.spawn(lookout.run(stop.clone()));
        }
    }
}

fn receiver(name: &str, settings: &WebhookSettings) -> anyhow::Result<Receiver> {
    let place = || format!("the webhook `{name}` cannot be used");
    let way = HttpPost::new(&settings.url, settings.allow_private, settings.timeout).with_context(place)?;
    let signer = Signer::new(&settings.secret).map_err(anyhow::Error::msg).with_context(place)?;
    Ok(Receiver { post: Box::new(Way(way)), signer, attempts: settings.attempts })
}

pub(super) struct Way(pub(super) HttpPost);

#[async_trait]
impl Post for Way {
    async fn post(&self, headers: [(&'static str, String); 4], body: Vec<u8>) -> Result<Reply, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value).map_err(|_| format!("the header `{name}` cannot be sent"))?;
            map.insert(HeaderName::from_static(name), value);
        }
        let (status, headers) = self.0.post(map, body.into()).await.map_err(|error| error.to_string())?;
        let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Reply { status: status.as_u16(), retry_after })
    }
}

struct Books {
    store: Arc<Store>,
    desk: Arc<Desk>,
}

#[async_trait]
impl Book for Books {
    async fn entry(&self, exception: &ExceptionId) -> Result<Entry, String> {
        match self.desk.show(exception).await {
            Ok(exception) => Ok(Entry {
                owner: Some(exception.spec.owner.human.clone()),
                backup: exception.spec.owner.backup.clone(),
                calls: Some(exception.spec.budget.calls),
            }),
            Err(DeskError::Unknown(_)) => Ok(Entry::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn charged_before(&self, exception: &ExceptionId, seq: u64) -> Result<u64, JournalError> {
        self.store.charged_before(exception, seq).await
    }
}

/// Which arguments there are: names and types, in order. Values are not looked at.
fn shape(arguments: &Value) -> Option<String> {
    let one = |(name, value): (&String, &Value)| {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        format!("{}: {kind}", name.chars().take(64).collect::<String>())
    };
    let mut parts: Vec<String> = arguments.as_object()?.iter().take(32).map(one).collect();
    parts.sort();
    Some(format!("({})", parts.join(", ")))
}

#[async_trait]
impl AlertOperations for House {
    async fn webhooks(&self) -> Vec<WebhookView> {
        let now = self.clock.now();
        let view = |running: &Running| {
            let (hook, progress, lag) = (&running.hook, &running.progress, running.progress.lag(now));
            WebhookView {
                name: hook.name.clone(),
                on: hook.wanted.kinds.iter().map(|kind| (*kind).to_owned()).collect(),
                owners: hook.wanted.owners.iter().map(ToString::to_string).collect(),
                acknowledged: progress.acknowledged(),
                lag_records: lag.records,
                lag_seconds: lag.seconds,
                healthy: progress.lease().holds(),
                trouble: progress.trouble(),
                dead: hook.dead().len(),
            }
        };
        self.webhooks.iter().map(view).collect()
    }

    async fn dead_letters(&self) -> Vec<DeadView> {
        let view = |one: Delivery| DeadView {
            webhook: one.destination,
            id: one.id,
            alert: one.alert,
            exception: one.exception,
            record: one.record,
            at: one.at,
            attempts: one.attempts,
            detail: one.detail,
        };
        self.webhooks.iter().flat_map(|running| running.hook.dead()).map(view).collect()
    }

    async fn retry_alerts(&self, by: &Arc<Person>, retry: Retry) -> Result<usize, ApiError> {
        let running = self.webhooks.iter().find(|running| running.hook.name == retry.webhook);
        let running = running.ok_or_else(|| ApiError::invalid(format!("no webhook is named `{}`", retry.webhook)))?;
        let chosen: Vec<Delivery> =
            running.hook.dead().into_iter().filter(|dead| retry.id.as_ref().is_none_or(|id| *id == dead.id)).collect();
        if chosen.is_empty() {
            return Err(ApiError::conflict("there is no such dead letter; `postern alerts dead` names them"));
        }
        for dead in &chosen {
            let again = Delivery {
                at: self.clock.now(),
                event: DeliveryEvent::Retried,
                actor: by.id.to_string(),
                detail: String::new(),
                ..dead.clone()
            };
            let kept = self.store.append(Record::Delivery(again)).await;
            kept.map_err(|error| ApiError::unavailable(error.to_string()))?;
        }
        Ok(chosen.len())
    }
}
