//! AuthZEN over HTTP: which endpoints there are, and what is asked behind them.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::{
    ApiError, Operations,
    authzen::{AccessRequest, Decided, Evaluation, TaskAnswer},
    batch::{Batch, BatchAnswer, Found, Search, Sought},
    serve::{Asked, json_answer, json_body},
};
use crate::domain::Person;

/// What can be asked of a decision point, and of the service for access requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessRoute {
    /// Judge a question.
    Evaluate,
    /// Judge several.
    EvaluateAll,
    /// Look for what may.
    Search(Sought),
    /// Ask for access.
    Request,
    /// How far a request is.
    Task,
    /// Take a request back.
    Cancel,
}

/// The part of [`Operations`] that speaks AuthZEN.
#[async_trait]
pub trait AccessOperations: Send + Sync + 'static {
    /// What the two specifications want to know of us.
    fn metadata(&self) -> Value;
    /// Whether a role allows it, and how to ask if not.
    async fn evaluate(&self, by: &Arc<Person>, question: Evaluation) -> Result<Decided, ApiError>;
    /// The same for several questions.
    async fn evaluate_all(&self, by: &Arc<Person>, batch: Batch) -> Result<BatchAnswer, ApiError>;
    /// What a role allows.
    async fn search(&self, sought: Sought, search: Search) -> Result<Found, ApiError>;
    /// Turns refusals into a request.
    async fn request_access(
        &self,
        by: &Arc<Person>,
        request: AccessRequest,
        idempotency: Option<String>,
    ) -> Result<TaskAnswer, ApiError>;
    /// How far a request is.
    async fn access_task(&self, by: &Arc<Person>, handle: &str) -> Result<TaskAnswer, ApiError>;
    /// Takes a request back.
    async fn cancel_access(&self, by: &Arc<Person>, handle: &str, comment: String) -> Result<TaskAnswer, ApiError>;
}

pub(super) async fn answer(
    operations: &dyn Operations,
    route: AccessRoute,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let by = &asked.by;
    let mut response = match route {
        AccessRoute::Evaluate => json_answer(&operations.evaluate(by, json_body(asked)?).await?)?,
        AccessRoute::EvaluateAll => json_answer(&operations.evaluate_all(by, json_body(asked)?).await?)?,
        AccessRoute::Search(sought) => json_answer(&operations.search(sought, json_body(asked)?).await?)?,
        AccessRoute::Request => {
            let key = idempotency_key(&asked.parts.headers)?;
            accepted(&operations.request_access(by, json_body(asked)?, key).await?)?
        }
        AccessRoute::Task => json_answer(&operations.access_task(by, &asked.id).await?)?,
        AccessRoute::Cancel => {
            let comment = json_body::<Cancellation>(asked)?.comment.unwrap_or_default();
            json_answer(&operations.cancel_access(by, &asked.id, comment).await?)?
        }
    };
    // The caller's request id comes back (Authorization API 1.0, section on transport).
    response.headers_mut().extend(asked.parts.headers.get(REQUEST_ID).map(|id| (REQUEST_ID, id.clone())));
    Ok(response)
}

/// The body of a cancellation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cancellation {
    comment: Option<String>,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The caller's key for telling a repeated request from a new one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=256).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::invalid("`Idempotency-Key` must have 1 to 256 visible ASCII characters")),
    }
}

/// 202 with the place of the task.
fn accepted(answer: &TaskAnswer) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer).map_err(|_| ApiError::internal())?;
    let place = answer.task.status_endpoint.clone();
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::LOCATION, place)];
    Ok((StatusCode::ACCEPTED, headers, body).into_response())
}
