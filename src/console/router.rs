//! The console's pages: `/`, `/login`, `/logout`, `/holds/{id}` and the style sheet.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State},
    response::{Html, IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::{Desk, Overview, Sessions, hold, page};
use crate::domain::{Clock, Duty, Person};

const COOKIE: &str = "__Host-postern";
const STYLE: &str = include_str!("console.css");

#[derive(Clone)]
pub(super) struct Console {
    overview: Arc<dyn Overview>,
    pub(super) desk: Arc<dyn Desk>,
    pub(super) sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    token: String,
}

/// The pages, to be merged into the administration listener, whose guard adds the security headers.
pub fn router(
    (overview, desk): (Arc<dyn Overview>, Arc<dyn Desk>),
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
) -> Router {
    Router::new()
        .route("/", get(overview_page))
        .route("/login", get(login))
        .route("/logout", post(logout))
        .route("/holds/{id}", get(hold::show).post(hold::answer))
        .route("/console.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .with_state(Console { overview, desk, sessions, clock })
}

async fn overview_page(State(console): State<Console>, headers: HeaderMap) -> Response {
    if !cookie(&headers).is_some_and(|cookie| console.sessions.live(cookie)) {
        let sentence = "Sign in with the one-time link that the gateway printed when it started, or make a new one: postern console.";
        return (StatusCode::UNAUTHORIZED, Html(page::notice(sentence))).into_response();
    }
    let person = cookie(&headers).and_then(|cookie| console.sessions.person(cookie));
    let looks = |person: &Arc<Person>| [Duty::Audit, Duty::Administer].iter().any(|duty| person.duties.contains(duty));
    if person.as_ref().is_some_and(|person| !looks(person)) {
        let sentence = "You are signed in. Open the page of the call that waits: postern hold list.";
        return Html(page::notice(sentence)).into_response();
    }
    let Some(page) = console.overview.page(person.as_deref()).await else {
        let sentence = "The store cannot be read now, or that you read it cannot be put on record.";
        return (StatusCode::SERVICE_UNAVAILABLE, Html(page::notice(sentence))).into_response();
    };
    match page::overview(&page, console.clock.now()) {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn login(State(console): State<Console>, Query(Login { token }): Query<Login>) -> Response {
    let spent = "This link was used or is too old. Make a new one: postern console.";
    let Some(value) = console.sessions.open(&token) else {
        return (StatusCode::UNAUTHORIZED, Html(page::notice(spent))).into_response();
    };
    if !console.overview.record_login().await {
        console.sessions.close(&value);
        let sentence = "The sign-in could not be recorded, so it did not happen.";
        return (StatusCode::SERVICE_UNAVAILABLE, Html(page::notice(sentence))).into_response();
    }
    let set = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=28800");
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, set), (header::LOCATION, "/".to_owned())]).into_response()
}

/// Reached only from our own pages: the guard refuses foreign origins, and the cookie is `SameSite=Strict`.
async fn logout(State(console): State<Console>, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie(&headers) {
        console.sessions.close(cookie);
    }
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::OK, [(header::SET_COOKIE, gone)], Html(page::notice("Signed out."))).into_response()
}

pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
