//! Shredding: keys are destroyed, so that what was captured under them is gone.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    ApiError,
    act::reason,
    serve::{Asked, json_answer, json_body},
};
use crate::{
    domain::{ExceptionId, Person, Timestamp},
    evidence::Captured,
};

/// The part of [`super::Operations`] that destroys keys.
#[async_trait]
pub trait ShredOperations: Send + Sync + 'static {
    /// Destroys the keys of what was captured so; a record of it is durable before.
    async fn shred(&self, by: &Arc<Person>, captured: Captured, reason: String) -> Result<ShredView, ApiError>;
}

/// What was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShredView {
    /// When.
    pub at: Timestamp,
    /// The ids of the keys.
    pub keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShredBody {
    reason: Option<String>,
    before: Option<String>,
    exception: Option<ExceptionId>,
}

/// Answers one request.
pub(super) async fn answer(operations: &dyn ShredOperations, asked: &Asked) -> Result<Response, ApiError> {
    let body: ShredBody = json_body(asked)?;
    let why = reason(body.reason)?;
    let captured = match (body.before, body.exception) {
        (Some(text), None) => {
            let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d");
            Captured::Before(date.map_err(|_| ApiError::invalid("`before` is a day (UTC), written as 2026-11-24"))?)
        }
        (None, Some(exception)) => Captured::Under(exception),
        (None, None) | (Some(_), Some(_)) => {
            return Err(ApiError::invalid("give either `before` or `exception`"));
        }
    };
    json_answer(&operations.shred(&asked.by, captured, why).await?)
}
