//! Webhooks and their dead letters: who is told, how far, and what was refused.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{
    ApiError,
    serve::{Asked, json_answer, json_body},
};
use crate::domain::{ExceptionId, Person, Timestamp};

/// The part of [`super::Operations`] that is about alerts.
#[async_trait]
pub trait AlertOperations: Send + Sync + 'static {
    /// Every webhook, with what it lacks.
    async fn webhooks(&self) -> Vec<WebhookView>;
    /// Events that a webhook refused for good, the oldest first.
    async fn dead_letters(&self) -> Vec<DeadView>;
    /// Has dead letters sent again; says how many.
    async fn retry_alerts(&self, by: &Arc<Person>, retry: Retry) -> Result<usize, ApiError>;
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookView {
    /// Its name.
    pub name: String,
    /// The kinds of alert that it is told of.
    pub on: Vec<String>,
    /// Only of exceptions of these owners; empty means all.
    pub owners: Vec<String>,
    /// The last record that it has got.
    pub acknowledged: u64,
    /// Records that it has not got.
    pub lag_records: u64,
    /// Seconds since the oldest of them was written.
    pub lag_seconds: u64,
    /// Whether it takes what it is sent.
    pub healthy: bool,
    /// What goes wrong.
    pub trouble: Option<String>,
    /// How many events it refused for good.
    pub dead: usize,
}

/// An event that a webhook refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadView {
    /// The webhook.
    pub webhook: String,
    /// The event's id.
    pub id: String,
    /// The kind of alert.
    pub alert: String,
    /// The exception, if one is concerned.
    pub exception: Option<ExceptionId>,
    /// The record that it tells of.
    pub record: u64,
    /// When it was laid aside.
    pub at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// What the receiver said.
    pub detail: String,
}

/// Which dead letters are sent again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The webhook.
    pub webhook: String,
    /// The event's id; all of the webhook if it is left out.
    pub id: Option<String>,
}

/// What is asked about alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertRoute {
    /// The webhooks.
    List,
    /// The dead letters.
    Dead,
    /// Send again.
    Retry,
}

pub(super) async fn answer<O>(operations: &O, route: AlertRoute, asked: &Asked) -> Result<Response, ApiError>
where
    O: AlertOperations + ?Sized,
{
    match route {
        AlertRoute::List => json_answer(&operations.webhooks().await),
        AlertRoute::Dead => json_answer(&operations.dead_letters().await),
        AlertRoute::Retry => {
            let again = operations.retry_alerts(&asked.by, json_body(asked)?).await?;
            json_answer(&serde_json::json!({"again": again}))
        }
    }
}
