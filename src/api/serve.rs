//! One request of one route: who asks, may they, what do they ask, what is the answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use serde_json::json;

use super::{
    Access, Act, ApiError, Endpoint, ExceptionView, Operations, Route,
    act::{ActBody, reason},
    requests::{EvidenceQuery, NewKeyBody, ReasonBody, ToolApproval, json as read},
    views::WhoView,
};
use crate::domain::{Document, ExceptionId, Person, limits};

/// Records of one page, and the most.
const PAGE: u32 = 100;
const PAGE_CEILING: u32 = 1_000;
/// Decisions of one list.
const DECISIONS: usize = 100;

/// A request whose sender and duty were checked.
struct Asked {
    by: Arc<Person>,
    id: String,
    parts: Parts,
    body: Bytes,
}

/// Answers one request.
pub(super) async fn serve(
    operations: &dyn Operations,
    route: &Route,
    id: Option<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    if route.access == Access::Open {
        return Ok(open(operations, route.endpoint).await);
    }
    let by = operations.authenticate(&parts.headers).await?;
    if !route.access.admits(&by) {
        return Err(ApiError::forbidden("none of your duties allows this; people.yaml gives them"));
    }
    let body = bounded(body).await?;
    let asked = Asked { by, id: id.unwrap_or_default(), parts, body };
    match route.endpoint {
        Endpoint::Submit | Endpoint::Exceptions | Endpoint::Exception | Endpoint::Act(_) => {
            exceptions(operations, route.endpoint, asked).await
        }
        Endpoint::Live
        | Endpoint::Ready
        | Endpoint::Metrics
        | Endpoint::WhoAmI
        | Endpoint::MakeKey
        | Endpoint::Keys
        | Endpoint::RevokeKey
        | Endpoint::Catalog
        | Endpoint::ApproveTools
        | Endpoint::Explain
        | Endpoint::Decisions
        | Endpoint::Controls
        | Endpoint::Freeze
        | Endpoint::Unfreeze
        | Endpoint::Reload
        | Endpoint::ConsoleLink
        | Endpoint::Evidence
        | Endpoint::Checkpoint => rest(operations, route.endpoint, asked).await,
    }
}

/// Says whether, and nothing else (T168).
async fn open(operations: &dyn Operations, endpoint: Endpoint) -> Response {
    match endpoint {
        Endpoint::Ready if !operations.ready().await => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
        _ => (StatusCode::OK, "ok\n").into_response(),
    }
}

async fn bounded(body: axum::body::Body) -> Result<Bytes, ApiError> {
    let read = Limited::new(body, limits::BODY).collect();
    match tokio::time::timeout(limits::BODY_TIME.max(Duration::from_secs(1)), read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::too_large()),
        Ok(Err(_)) => Err(ApiError::invalid("the body could not be read")),
        Err(_) => Err(ApiError::invalid("the body took too long")),
    }
}

async fn exceptions(operations: &dyn Operations, endpoint: Endpoint, asked: Asked) -> Result<Response, ApiError> {
    match endpoint {
        Endpoint::Submit => {
            media_type(&asked, &["application/json", "application/yaml"])?;
            let text = std::str::from_utf8(&asked.body).map_err(|_| ApiError::invalid("the record is not UTF-8"))?;
            let record = Document::parse("", text).map_err(ApiError::faulty)?;
            let view = operations.submit(&asked.by, record).await?;
            Ok((StatusCode::CREATED, Json(view)).into_response())
        }
        Endpoint::Exceptions => {
            let mut views = operations.exceptions().await?;
            views.retain(|view| view.visible_to(&asked.by));
            views.iter_mut().for_each(|view| view.spec = None);
            json_answer(&views)
        }
        Endpoint::Act(word) => {
            let view = visible(operations, &asked).await?;
            let body: ActBody = json_body(&asked)?;
            json_answer(&operations.act(&asked.by, &view.id, Act::read(word, body)?).await?)
        }
        _ => json_answer(&visible(operations, &asked).await?),
    }
}

/// The exception of the path if this person may see it; else the same answer as for none (T163).
async fn visible(operations: &dyn Operations, asked: &Asked) -> Result<ExceptionView, ApiError> {
    let id: ExceptionId = asked.id.parse().map_err(|_| ApiError::not_found())?;
    let view = operations.exception(&id).await?;
    view.filter(|view| view.visible_to(&asked.by)).ok_or_else(ApiError::not_found)
}

async fn rest(operations: &dyn Operations, endpoint: Endpoint, asked: Asked) -> Result<Response, ApiError> {
    let by = &asked.by;
    match endpoint {
        Endpoint::WhoAmI => json_answer(&who(by)),
        Endpoint::Metrics => {
            let text = operations.metrics().await?;
            Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
        }
        Endpoint::MakeKey => {
            let key = json_body::<NewKeyBody>(&asked)?.check()?;
            Ok((StatusCode::CREATED, Json(operations.make_key(by, key).await?)).into_response())
        }
        Endpoint::Keys => json_answer(&operations.keys().await?),
        Endpoint::RevokeKey => {
            let id = asked.id.parse().map_err(|_| ApiError::not_found())?;
            operations.revoke_key(by, &id).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Endpoint::Catalog => json_answer(&operations.catalog().await?),
        Endpoint::ApproveTools => {
            let approval = json_body::<ToolApproval>(&asked)?.check()?;
            json_answer(&json!({"approved": operations.approve_tools(by, approval).await?}))
        }
        Endpoint::Explain => {
            let id = asked.id.parse().map_err(|_| ApiError::not_found())?;
            json_answer(&operations.explain(&id).await?.ok_or_else(ApiError::not_found)?)
        }
        Endpoint::Decisions => json_answer(&operations.decisions(DECISIONS).await?),
        Endpoint::Controls => json_answer(&operations.controls().await?),
        Endpoint::Freeze => {
            operations.freeze(by, reason(json_body::<ReasonBody>(&asked)?.reason)?).await?;
            json_answer(&json!({"frozen": true}))
        }
        Endpoint::Unfreeze => {
            operations.unfreeze(by, reason(json_body::<ReasonBody>(&asked)?.reason)?).await?;
            json_answer(&json!({"frozen": false}))
        }
        Endpoint::Reload => json_answer(&operations.reload(by).await?),
        Endpoint::ConsoleLink => Ok((StatusCode::CREATED, Json(operations.console_link(by).await?)).into_response()),
        Endpoint::Evidence => {
            let query = axum::extract::Query::<EvidenceQuery>::try_from_uri(&asked.parts.uri)
                .map_err(|_| ApiError::invalid("the query takes `from` and `limit`, both numbers"))?;
            let limit = query.limit.unwrap_or(PAGE);
            if !(1..=PAGE_CEILING).contains(&limit) {
                return Err(ApiError::invalid(format!("`limit` must be from 1 to {PAGE_CEILING}")));
            }
            json_answer(&operations.evidence(by, query.from, limit).await?)
        }
        Endpoint::Checkpoint => {
            let note = operations.checkpoint().await?.ok_or_else(ApiError::not_found)?;
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
        }
        _ => Err(ApiError::not_found()),
    }
}

fn who(person: &Person) -> WhoView {
    WhoView {
        person: person.id.clone(),
        duties: person.duties.clone(),
        credential: person.credential.id.clone(),
        expires: person.credential.expires,
    }
}

fn json_body<T: serde::de::DeserializeOwned>(asked: &Asked) -> Result<T, ApiError> {
    if !asked.body.is_empty() {
        media_type(asked, &["application/json"])?;
    }
    read(&asked.body)
}

/// A form of another site cannot send these types without asking first (T160).
fn media_type(asked: &Asked, accepted: &[&str]) -> Result<(), ApiError> {
    let named = essence(&asked.parts.headers);
    if named.is_some_and(|named| accepted.iter().any(|accepted| named.eq_ignore_ascii_case(accepted))) {
        return Ok(());
    }
    Err(ApiError::media_type(&accepted.join(" or ")))
}

fn essence(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

fn json_answer<T: Serialize>(value: &T) -> Result<Response, ApiError> {
    serde_json::to_vec(value)
        .map(|body| ([(header::CONTENT_TYPE, "application/json")], body).into_response())
        .map_err(|_| ApiError::internal())
}
