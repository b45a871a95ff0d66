//! One request of one route: who asks, may they, what do they ask, what is the answer.

use std::{str::FromStr, sync::Arc};

use axum::{
    body::Bytes,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use serde_json::json;

use super::{
    Act, ApiError, Caller, Endpoint, ExceptionView, Operations, REQUEST_SCHEMA, Route, Study, WhoView, access,
    act::reason,
    alerts, events, freeze,
    happening::name,
    holds, pilots,
    reads::looked,
    reports,
    requests::{EventBody, EvidenceQuery, NewKeyBody, ReasonBody, ToolApproval, json as read},
    routes::Known,
    shred,
};
use crate::{
    domain::{Document, ExceptionId, Person, limits},
    evidence::tiles::{Place, TileName},
};

/// Records of one page, and the most.
const PAGE: u32 = 100;
const PAGE_CEILING: u32 = 1_000;
/// Decisions of one list.
pub(super) const DECISIONS: usize = 100;

/// A request whose sender and duty were checked.
pub(super) struct Asked {
    pub(super) by: Arc<Person>,
    pub(super) id: String,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

/// Answers one request.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn serve(
    operations: &dyn Operations,
    route: &Route,
    id: Option<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    match route.endpoint {
        Endpoint::Live => Ok(plain(true)),
        Endpoint::Ready => Ok(plain(operations.ready().await)),
        Endpoint::Metadata => json_answer(&operations.metadata()),
        Endpoint::RequestSchema => Ok(text("application/schema+json", REQUEST_SCHEMA.to_owned())),
        Endpoint::Happening => {
            let by = operations.identify(&parts.headers).await?;
            media_type(&parts.headers, &["application/json"])?;
            let EventBody { event, reason: why } = read(&bounded(body).await?)?;
            json_answer(&operations.report_event(&by, name(&event)?, &reason(why)?).await?)
        }
        Endpoint::WhoAmI => json_answer(&WhoView::of(&operations.identify(&parts.headers).await?)),
        Endpoint::Known(known) => {
            let by = operations.authenticate(&parts.headers).await?;
            if !route.access.admits(&by) {
                return Err(ApiError::forbidden("none of your duties allows this; people.yaml gives them"));
            }
            let body = bounded(body).await?;
            let asked = Asked { by, id: id.unwrap_or_default(), parts, body };
            if let Some(looked) = looked(known, &asked) {
                operations.note_read(&asked.by, looked).await?;
            }
            answer(operations, known, asked).await
        }
    }
}

/// Says whether, and nothing else (T168).
fn plain(good: bool) -> Response {
    if good { "ok\n".into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response() }
}

async fn bounded(body: axum::body::Body) -> Result<Bytes, ApiError> {
    let read = Limited::new(body, limits::BODY).collect();
    match tokio::time::timeout(limits::BODY_TIME, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::too_large()),
        Ok(Err(_)) => Err(ApiError::invalid("the body could not be read")),
        Err(_) => Err(ApiError::invalid("the body took too long")),
    }
}

async fn answer(operations: &dyn Operations, known: Known, asked: Asked) -> Result<Response, ApiError> {
    let by = &asked.by;
    match known {
        Known::Metrics => {
            let accepted = asked.parts.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let open = accepted.is_some_and(|accept| accept.contains("application/openmetrics-text"));
            let media_type = if open { OPEN_METRICS } else { "text/plain; version=0.0.4; charset=utf-8" };
            Ok(text(media_type, operations.metrics(open).await?))
        }
        Known::MakeKey => created(&operations.make_key(by, json_body::<NewKeyBody>(&asked)?.check()?).await?),
        Known::Keys => json_answer(&operations.keys().await?),
        Known::RevokeKey => {
            operations.revoke_key(by, &id_of(&asked)?).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Known::Submit => created(&operations.submit(by, record(&asked)?).await?),
        Known::CloseIncident => {
            let why = reason(json_body::<ReasonBody>(&asked)?.reason)?;
            let by = Caller::Person(Arc::clone(by));
            json_answer(&operations.report_event(&by, name(&asked.id)?, &why).await?)
        }
        Known::Draft => json_answer(&operations.draft(by, json_body(&asked)?).await?),
        Known::Access(route) => access::answer(operations, route, &asked).await,
        Known::Exceptions => {
            let mut views = operations.exceptions().await?;
            views.retain(|view| view.visible_to(by));
            views.iter_mut().for_each(|view| (view.spec, view.analysis, view.removal_test) = (None, None, None));
            json_answer(&views)
        }
        Known::Exception => json_answer(&visible(operations, &asked).await?),
        Known::Changes => {
            let view = visible(operations, &asked).await?;
            json_answer(&operations.changes(&view.id).await?)
        }
        Known::Act(word) => {
            let view = visible(operations, &asked).await?;
            json_answer(&operations.act(by, &view.id, Act::read(word, json_body(&asked)?)?).await?)
        }
        Known::Event(route) => events::answer(operations, route, &asked).await,
        Known::Pilot(route) => pilots::answer(operations, route, &asked).await,
        Known::Exports => json_answer(&operations.exports().await),
        Known::Alerts(route) => alerts::answer(operations, route, &asked).await,
        Known::Catalog => json_answer(&operations.catalog().await?),
        Known::ApproveTools => {
            let approval = json_body::<ToolApproval>(&asked)?.check()?;
            json_answer(&json!({"approved": operations.approve_tools(by, approval).await?}))
        }
        Known::Study(word) => {
            if !asked.body.is_empty() {
                media_type(&asked.parts.headers, &["application/json"])?;
            }
            if !asked.id.is_empty() {
                visible(operations, &asked).await?;
            }
            let study = Study::read(word, &asked.id, asked.parts.uri.query(), &asked.body)?;
            json_answer(&operations.study(by, study).await?)
        }
        Known::Explain => json_answer(&operations.explain(&id_of(&asked)?).await?.ok_or_else(ApiError::not_found)?),
        Known::Decisions => json_answer(&operations.decisions(DECISIONS).await?),
        Known::Controls => json_answer(&operations.controls().await?),
        Known::ControlHistory => {
            let of = asked.parts.uri.query().and_then(|query| query.strip_prefix("id=")).map(str::to_owned);
            json_answer(&operations.control_history(of).await?)
        }
        Known::Register => json_answer(&operations.register().await?),
        Known::Sprawl => json_answer(&operations.sprawl(reports::days(&asked.parts.uri)?).await?),
        Known::Hold(route) => holds::answer(operations, route, &asked).await,
        Known::Freeze(route) => freeze::answer(operations, route, &asked).await,
        Known::Prune => {
            let body: super::retention::PruneBody = json_body(&asked)?;
            json_answer(&operations.prune(by.id.as_str(), body.dry_run).await?)
        }
        Known::Shred => shred::answer(operations, &asked).await,
        Known::Reload => json_answer(&operations.reload(by).await?),
        Known::ConsoleLink => created(&operations.console_link(by).await?),
        Known::Evidence => {
            let (from, limit) = page(&asked)?;
            json_answer(&operations.evidence(by, from, limit).await?)
        }
        Known::RotateKey => {
            let why = reason(json_body::<ReasonBody>(&asked)?.reason)?;
            json_answer(&operations.rotate(by, why).await?)
        }
        Known::Checkpoint => {
            let note = operations.checkpoint().await?.ok_or_else(ApiError::not_found)?;
            Ok(text("text/plain; charset=utf-8", note))
        }
        Known::LogCheckpoint => {
            let note = operations.log_checkpoint().await?.ok_or_else(ApiError::not_found)?;
            Ok(text("text/plain; charset=utf-8", note))
        }
        Known::LogTile | Known::LogEntries => {
            let path = asked.parts.uri.path().strip_prefix("/log/").and_then(TileName::parse);
            // The kind is that of the route, whose duty was asked for.
            let name = path.filter(|name| (name.place == Place::Entries) == (known == Known::LogEntries));
            let name = name.ok_or_else(ApiError::not_found)?;
            let tile = operations.log_tile(&name).await?.ok_or_else(ApiError::not_found)?;
            Ok(([(header::CONTENT_TYPE, "application/octet-stream")], tile).into_response())
        }
    }
}

/// The id of the path; one that cannot be an id names nothing.
pub(super) fn id_of<T: FromStr>(asked: &Asked) -> Result<T, ApiError> {
    asked.id.parse().map_err(|_| ApiError::not_found())
}

/// The exception of the path if this person may see it; else the same answer as for none (T163).
async fn visible(operations: &dyn Operations, asked: &Asked) -> Result<ExceptionView, ApiError> {
    let id: ExceptionId = id_of(asked)?;
    let view = operations.exception(&id).await?;
    view.filter(|view| view.visible_to(&asked.by)).ok_or_else(ApiError::not_found)
}

pub(super) fn record(asked: &Asked) -> Result<Document, ApiError> {
    media_type(&asked.parts.headers, &["application/json", "application/yaml"])?;
    let text = std::str::from_utf8(&asked.body).map_err(|_| ApiError::invalid("the record is not UTF-8"))?;
    Document::parse("", text).map_err(ApiError::faulty)
}

pub(super) fn page(asked: &Asked) -> Result<(u64, u32), ApiError> {
    let query = axum::extract::Query::<EvidenceQuery>::try_from_uri(&asked.parts.uri)
        .map_err(|_| ApiError::invalid("the query takes `from` and `limit`, both numbers"))?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=PAGE_CEILING).contains(&limit) {
        return Err(ApiError::invalid(format!("`limit` must be from 1 to {PAGE_CEILING}")));
    }
    Ok((query.from, limit))
}

pub(super) fn json_body<T: serde::de::DeserializeOwned>(asked: &Asked) -> Result<T, ApiError> {
    if !asked.body.is_empty() {
        media_type(&asked.parts.headers, &["application/json"])?;
    }
    read(&asked.body)
}

/// A form of another site cannot send these types without asking first (T160).
fn media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), ApiError> {
    let named = essence(headers);
    if named.is_some_and(|named| accepted.iter().any(|accepted| named.eq_ignore_ascii_case(accepted))) {
        return Ok(());
    }
    Err(ApiError::media_type(&accepted.join(" or ")))
}

fn essence(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

pub(super) fn json_answer<T: Serialize>(value: &T) -> Result<Response, ApiError> {
    serde_json::to_vec(value)
        .map(|body| ([(header::CONTENT_TYPE, "application/json")], body).into_response())
        .map_err(|_| ApiError::internal())
}

pub(super) fn created<T: Serialize>(value: &T) -> Result<Response, ApiError> {
    let mut response = json_answer(value)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

fn text(media_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}
