//! Sends alerts to one receiver: one after the other, signed, again until they are taken or refused for good.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;

use super::{
    alert::{self, Alert, Entry},
    follow::{Setback, Sink, Taken},
    hook::Hook,
    signature::Signer,
};
use crate::{
    domain::{Clock, DecisionId, ExceptionId, Timestamp},
    evidence::{Delivery, DeliveryEvent, Feed, Journal, JournalError, Record, Row},
};

/// Exceptions that are remembered between two records.
const REMEMBERED: usize = 1_024;

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its HTTP status.
    pub status: u16,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
}

/// The way to one receiver.
#[async_trait]
pub trait Post: Send + Sync {
    /// Sends one body with these headers.
    ///
    /// # Errors
    /// No answer came; why, in one clause.
    async fn post(&self, headers: [(&'static str, String); 4], body: Vec<u8>) -> Result<Reply, String>;
}

/// What alerts say of an exception beyond the record.
#[async_trait]
pub trait Book: Send + Sync {
    /// What is known of it.
    async fn entry(&self, exception: &ExceptionId) -> Result<Entry, String>;
    /// How many calls were charged to it before this record.
    async fn charged_before(&self, exception: &ExceptionId, seq: u64) -> Result<u64, JournalError>;
}

/// What a sink of alerts stands on.
#[derive(Clone)]
pub struct Ground {
    /// Where records are read that are sent again.
    pub feed: Arc<dyn Feed>,
    /// Where dead letters are noted.
    pub journal: Arc<dyn Journal>,
    /// What is known of exceptions.
    pub book: Arc<dyn Book>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// `source` of every event: this gateway.
    pub source: Arc<str>,
    /// The id of the span of a call, 16 hex digits, where it can be told: makes `traceparent` of a trace id.
    pub span: Option<fn(&DecisionId) -> String>,
}

/// How one receiver is reached.
pub struct Receiver {
    /// The way to it.
    pub post: Box<dyn Post>,
    /// Signs what is sent.
    pub signer: Signer,
    /// How often one event is tried that the receiver refuses.
    pub attempts: u32,
}

/// The sink of one webhook.
pub struct Webhook {
    hook: Arc<Hook>,
    receiver: Receiver,
    ground: Ground,
    entries: BTreeMap<ExceptionId, Entry>,
    /// The last record of each exception's uses that was seen, and how many were charged up to it.
    charged: BTreeMap<ExceptionId, (u64, u64)>,
    /// How often the event was refused that is next, and how many events of its record are done.
    tries: (String, u32),
    done: (u64, usize),
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("hook", &self.hook).finish_non_exhaustive()
    }
}

/// Why an event was not taken.
enum Refused {
    /// It may be taken later; the time that was asked for.
    Later(String, Option<Duration>),
    /// The receiver does not want it.
    Answered(String, Option<Duration>),
}

impl Webhook {
    /// A sink that sends to this receiver.
    #[must_use]
    pub fn new(hook: Arc<Hook>, receiver: Receiver, ground: Ground) -> Self {
        let (entries, charged) = (BTreeMap::new(), BTreeMap::new());
        Self { hook, receiver, ground, entries, charged, tries: (String::new(), 0), done: (0, 0) }
    }

    /// The alerts of a record that this receiver wants.
    async fn alerts(&mut self, row: &Row) -> Result<Vec<Alert>, String> {
        let found = match alert::used(row) {
            Some(intent) => {
                let Some(exception) = intent.charged().cloned() else { return Ok(Vec::new()) };
                let entry = self.entry(&exception).await?;
                let before = self.charged_before(&exception, row.seq).await?;
                alert::of_use(row.seq, &intent, &entry, before)
            }
            None => {
                self.given_back(row);
                alert::of_record(row).into_iter().collect()
            }
        };
        let mut wanted = Vec::new();
        for alert in found {
            let entry = match &alert.exception {
                Some(exception) if !self.hook.wanted.owners.is_empty() => self.entry(exception).await?,
                Some(_) | None => Entry::default(),
            };
            if self.hook.wanted.wants(&alert, &entry) {
                wanted.push(alert);
            }
        }
        Ok(wanted)
    }

    async fn entry(&mut self, exception: &ExceptionId) -> Result<Entry, String> {
        if let Some(entry) = self.entries.get(exception) {
            return Ok(entry.clone());
        }
        let entry = self.ground.book.entry(exception).await?;
        if self.entries.len() >= REMEMBERED {
            self.entries.clear();
        }
        self.entries.insert(exception.clone(), entry.clone());
        Ok(entry)
    }

    async fn charged_before(&mut self, exception: &ExceptionId, seq: u64) -> Result<u64, String> {
        let before = match self.charged.get(exception) {
            Some((last, charged)) if *last < seq => *charged,
            Some(_) | None => {
                let read = self.ground.book.charged_before(exception, seq).await;
                read.map_err(|error| error.to_string())?
            }
        };
        if self.charged.len() >= REMEMBERED {
            self.charged.clear();
        }
        self.charged.insert(exception.clone(), (seq, before + 1));
        Ok(before)
    }

    /// What was remembered of an exception is read anew after records that change it.
    fn given_back(&mut self, row: &Row) {
        let Some(index) = &row.index else { return };
        let concerned = index.exception.as_ref().and_then(|id| id.parse::<ExceptionId>().ok());
        let Some(exception) = concerned else { return };
        match index.kind.as_str() {
            "aborted" => drop(self.charged.remove(&exception)),
            "lifecycle" => drop(self.entries.remove(&exception)),
            _ => {}
        }
    }

    async fn send(&self, alert: &Alert) -> Result<(), Refused> {
        let body = event(alert, &self.ground);
        let now = self.ground.clock.now();
        let headers = [
            ("content-type", "application/cloudevents+json; charset=utf-8".to_owned()),
            ("webhook-id", alert.id.clone()),
            ("webhook-timestamp", now.timestamp().to_string()),
            ("webhook-signature", self.receiver.signer.sign(&alert.id, now.timestamp(), &body)),
        ];
        let reply = self.receiver.post.post(headers, body).await.map_err(|why| Refused::Later(why, None))?;
        let wait = reply.retry_after.as_deref().and_then(|text| pause(text, now));
        let why = || format!("it answers with status {}", reply.status);
        match reply.status {
            200..=299 => Ok(()),
            408 | 425 | 429 | 503 => Err(Refused::Later(why(), wait)),
            300..=399 => Err(Refused::Answered(format!("{}; redirects are not followed", why()), wait)),
            _ => Err(Refused::Answered(why(), wait)),
        }
    }

    /// Sends one alert; one that was refused too often is laid aside and counts as done.
    async fn deliver(&mut self, alert: &Alert) -> Result<(), Setback> {
        let (why, wait) = match self.send(alert).await {
            Ok(()) => return Ok(()),
            Err(Refused::Later(why, wait)) => return Err(Setback { through: None, why, wait }),
            Err(Refused::Answered(why, wait)) => (why, wait),
        };
        if self.tries.0 != alert.id {
            self.tries = (alert.id.clone(), 0);
        }
        self.tries.1 += 1;
        if self.tries.1 < self.receiver.attempts {
            return Err(Setback { through: None, why, wait });
        }
        let note = self.note(alert, DeliveryEvent::Dead, self.tries.1, &why).await;
        note.map_err(|error| Setback::new(format!("a dead letter cannot be noted: {error}")))
    }

    async fn note(&self, alert: &Alert, what: DeliveryEvent, tries: u32, why: &str) -> Result<(), JournalError> {
        let delivery = Delivery {
            at: self.ground.clock.now(),
            event: what,
            destination: self.hook.name.clone(),
            record: alert.record,
            id: alert.id.clone(),
            alert: alert.kind.to_owned(),
            exception: alert.exception.clone(),
            attempts: tries,
            actor: "postern".to_owned(),
            detail: why.chars().take(200).collect(),
        };
        self.ground.journal.append(Record::Delivery(delivery.clone())).await?;
        tracing::warn!(webhook = self.hook.name, id = alert.id, ?what, why, "an alert");
        self.hook.note(&delivery);
        Ok(())
    }

    /// A person asked that a dead letter be sent again.
    async fn again(&mut self, row: &Row) -> Result<(), Setback> {
        let Ok(Record::Delivery(asked)) = serde_json::from_slice(&row.payload) else { return Ok(()) };
        if asked.event != DeliveryEvent::Retried || asked.destination != self.hook.name {
            return Ok(());
        }
        let rows = self.ground.feed.after(asked.record.saturating_sub(1), 1).await;
        let rows = rows.map_err(|error| Setback::new(error.to_string()))?;
        for row in rows.iter().filter(|row| row.seq == asked.record) {
            let alerts = self.alerts(row).await.map_err(Setback::new)?;
            for alert in alerts.iter().filter(|alert| alert.id == asked.id) {
                match self.send(alert).await {
                    Ok(()) => self.note(alert, DeliveryEvent::Delivered, 1, "").await,
                    Err(Refused::Answered(why, _)) => self.note(alert, DeliveryEvent::Dead, 1, &why).await,
                    Err(Refused::Later(why, wait)) => return Err(Setback { through: None, why, wait }),
                }
                .map_err(|error| Setback::new(error.to_string()))?;
            }
        }
        Ok(())
    }

    async fn one(&mut self, row: &Row) -> Result<usize, Setback> {
        if row.index.as_ref().is_some_and(|index| index.kind == "delivery") {
            self.again(row).await?;
        }
        let alerts = self.alerts(row).await.map_err(Setback::new)?;
        if self.done.0 != row.seq {
            self.done = (row.seq, 0);
        }
        for alert in alerts.iter().skip(self.done.1) {
            self.deliver(alert).await?;
            self.done.1 += 1;
        }
        Ok(alerts.len())
    }
}

#[async_trait]
impl Sink for Webhook {
    async fn take(&mut self, rows: &[Row]) -> Result<Taken, Setback> {
        let (mut through, mut sent) = (None, 0);
        for row in rows {
            match self.one(row).await {
                Ok(alerts) => sent += alerts,
                Err(setback) => return Err(Setback { through, ..setback }),
            }
            through = Some(row.seq);
        }
        Ok(if sent > 0 { Taken::Sent } else { Taken::Passed })
    }
}

/// The event as CloudEvents 1.0 in structured mode.
fn event(alert: &Alert, ground: &Ground) -> Vec<u8> {
    let mut event = json!({
        "specversion": "1.0", "id": alert.id, "source": &*ground.source, "type": format!("dev.postern.{}.v1", alert.kind),
        "time": alert.at, "datacontenttype": "application/json",
        "data": {"summary": alert.summary, "record": alert.record, "facts": alert.data},
    });
    if let Some(map) = event.as_object_mut() {
        let subject = alert.exception.as_ref().map(|id| ("subject", id.to_string()));
        let call = alert.call.as_ref().and_then(|(decision, trace)| Some((decision, trace.as_ref()?)));
        let trace = call.map(|(decision, trace)| match ground.span {
            Some(span) => ("traceparent", format!("00-{trace}-{}-01", span(decision))),
            None => ("traceid", trace.clone()),
        });
        map.extend([subject, trace].into_iter().flatten().map(|(name, value)| (name.to_owned(), value.into())));
    }
    event.to_string().into_bytes()
}

/// `Retry-After`: seconds, or a moment.
pub(super) fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (moment.to_utc() - now).to_std().ok()
}
