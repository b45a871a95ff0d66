//! Two ways on which a checkpoint leaves: as a signed CloudEvent to a webhook, and as an OTLP log record.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    departure::{Courier, Parcel},
    follow::Setback,
    signature::Signer,
    webhook::{Post, pause},
};
use crate::{
    domain::Clock,
    telemetry::{LogLine, LogSender, Said},
};

/// The name of the event, in both forms.
const EVENT: &str = "postern.checkpoint";

/// To a webhook.
pub struct ByWebhook {
    /// The way to it.
    pub post: Box<dyn Post>,
    /// Signs what is sent.
    pub signer: Signer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// `source` of every event: this gateway.
    pub source: Arc<str>,
}

impl fmt::Debug for ByWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByWebhook").field("source", &self.source).finish_non_exhaustive()
    }
}

#[async_trait]
impl Courier for ByWebhook {
    async fn carry(&mut self, parcel: &Parcel) -> Result<(), Setback> {
        let now = self.clock.now();
        let id = format!("checkpoint-{}", parcel.signed.size);
        let event = json!({
            "specversion": "1.0", "id": id, "source": &*self.source, "type": format!("dev.{EVENT}.v1"),
            "subject": parcel.origin, "time": now, "datacontenttype": "application/json",
            "data": {
                "origin": parcel.origin, "size": parcel.signed.size, "root": STANDARD.encode(parcel.signed.root),
                "note": &*parcel.note,
            },
        });
        let body = event.to_string().into_bytes();
        let headers = [
            ("content-type", "application/cloudevents+json; charset=utf-8".to_owned()),
            ("webhook-id", id.clone()),
            ("webhook-timestamp", now.timestamp().to_string()),
            ("webhook-signature", self.signer.sign(&id, now.timestamp(), &body)),
        ];
        let reply = self.post.post(headers, body).await.map_err(Setback::new)?;
        if (200..300).contains(&reply.status) {
            return Ok(());
        }
        let wait = reply.retry_after.and_then(|text| pause(&text, now));
        Err(Setback { through: None, why: format!("it answers with status {}", reply.status), wait })
    }
}

/// To a collector.
pub struct ByLog {
    sender: LogSender,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for ByLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByLog").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl ByLog {
    /// By this sender.
    #[must_use]
    pub fn new(sender: LogSender, clock: Arc<dyn Clock>) -> Self {
        Self { sender, clock }
    }
}

#[async_trait]
impl Courier for ByLog {
    async fn carry(&mut self, parcel: &Parcel) -> Result<(), Setback> {
        let line = LogLine {
            at: self.clock.now(),
            event: EVENT,
            body: parcel.note.to_string(),
            attributes: vec![
                ("postern.checkpoint.origin", Said::Text(parcel.origin.clone())),
                ("postern.checkpoint.size", Said::Number(parcel.signed.size.cast_signed())),
                ("postern.checkpoint.root", Said::Text(STANDARD.encode(parcel.signed.root))),
            ],
        };
        self.sender.send(line).await.map_err(Setback::new)
    }
}
