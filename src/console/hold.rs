//! The page on which a person answers for one call that waits.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use async_trait::async_trait;
use axum::{
    extract::{Path, Query, State},
    response::{Html, IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;

use super::{
    escape::{Escaped, Whole},
    page,
    router::{Console, cookie},
};
use crate::domain::{Digest, HoldId, Person, Timestamp};

/// Bytes of the form.
const FORM: usize = 8 << 10;
/// Characters of a reason.
const REASON: usize = 500;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct HoldPage {
    /// Which one.
    pub id: HoldId,
    /// `open`, `approved` or `denied`.
    pub state: String,
    /// The exception.
    pub exception: String,
    /// Its owner.
    pub owner: String,
    /// Why it is there.
    pub rationale: String,
    /// Who wants to call.
    pub agent: String,
    /// For whom; empty for nobody.
    pub on_behalf_of: String,
    /// What, as `server/tool`.
    pub tool: String,
    /// The arguments, if this person may answer.
    pub arguments: Option<String>,
    /// First moment at which it is void.
    pub expires: Timestamp,
    /// Why this person may not answer, if so.
    pub not_you: Option<String>,
}

/// The console's port to calls that wait.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// The hold as this person may see it.
    async fn hold(&self, by: &Arc<Person>, id: &HoldId) -> Option<HoldPage>;
    /// Answers it.
    ///
    /// # Errors
    /// The sentence says why not.
    async fn answer(&self, by: &Arc<Person>, id: &HoldId, yes: bool, reason: String) -> Result<(), String>;
}

#[derive(Deserialize)]
struct Form {
    token: String,
    answer: String,
    #[serde(default)]
    reason: String,
}

/// The person of the session, with the secret of its cookie.
fn person(console: &Console, headers: &HeaderMap) -> Option<(Arc<Person>, String)> {
    let cookie = cookie(headers)?;
    Some((console.sessions.person(cookie)?, cookie.to_owned()))
}

/// A form of another page cannot know this: it hangs on the cookie and on the hold (T160).
fn token(cookie: &str, id: &HoldId) -> String {
    Digest::of_parts(&[b"hold form\n", cookie.as_bytes(), b"\n", id.as_str().as_bytes()]).to_string()
}

fn signed_out() -> Response {
    let sentence = "Sign in first, as yourself: postern console. Then open this page again. \
         If you are signed in and came here by a link, <a href=\"\">open it once more</a>.";
    (StatusCode::UNAUTHORIZED, Html(page::notice(sentence))).into_response()
}

fn gone() -> Response {
    (
        StatusCode::NOT_FOUND,
        Html(page::notice("There is no such call that waits; it may be made, or its time is over.")),
    )
        .into_response()
}

pub(super) async fn show(State(console): State<Console>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some((person, cookie)) = person(&console, &headers) else { return signed_out() };
    let Ok(id) = id.parse::<HoldId>() else { return gone() };
    let Some(hold) = console.desk.hold(&person, &id).await else { return gone() };
    match html(&hold, &person, &token(&cookie, &id)) {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn answer(
    State(console): State<Console>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let Some((person, cookie)) = person(&console, &headers) else { return signed_out() };
    let Ok(id) = id.parse::<HoldId>() else { return gone() };
    let bad = |sentence| (StatusCode::BAD_REQUEST, Html(page::notice(sentence))).into_response();
    let plain = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let form = (plain && body.len() <= FORM).then(|| format!("/?{body}").parse::<Uri>().ok()).flatten();
    let Some(Query(form)) = form.and_then(|uri| Query::<Form>::try_from_uri(&uri).ok()) else {
        return bad("This is not the form of the page.");
    };
    if form.token != token(&cookie, &id) {
        return bad("This form is not of your session. Open the page again.");
    }
    let yes = match form.answer.as_str() {
        "approve" => true,
        "deny" => false,
        _ => return bad("Say yes or no."),
    };
    let reason = form.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON {
        return bad("Give a reason, of at most 500 characters; it becomes part of the record.");
    }
    match console.desk.answer(&person, &id, yes, reason.to_owned()).await {
        Ok(()) => (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/holds/{id}"))]).into_response(),
        Err(why) => {
            let text = format!("It was not answered: {}", Escaped(&why));
            (StatusCode::CONFLICT, Html(page::notice(&text))).into_response()
        }
    }
}

fn html(hold: &HoldPage, person: &Person, token: &str) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(4 << 10);
    page::head(&mut out, "A call that waits")?;
    write!(out, "<p>You are {}.</p></header><main><section><table><tbody>", Escaped(person.id.as_str()))?;
    let expires = page::time(hold.expires);
    for (name, value) in [
        ("Hold", hold.id.as_str()),
        ("State", &hold.state),
        ("Agent", &hold.agent),
        ("For", &hold.on_behalf_of),
        ("Tool", &hold.tool),
        ("Exception", &hold.exception),
        ("Owner", &hold.owner),
        ("Rationale", &hold.rationale),
        ("Until", &expires),
    ] {
        if !value.is_empty() {
            write!(out, "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", Escaped(value))?;
        }
    }
    out.write_str("</tbody></table></section>")?;
    if let Some(arguments) = &hold.arguments {
        write!(out, "<section><h2>Arguments, exactly as sent</h2><pre>{}</pre></section>", Whole(arguments))?;
    }
    match &hold.not_you {
        Some(why) => write!(out, "<p class=\"bad\">You may not answer: {}.</p>", Escaped(why))?,
        None if hold.state == "open" => {
            write!(
                out,
                "<form method=\"post\" action=\"/holds/{}\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
                 <p><label>Why <input name=\"reason\" required maxlength=\"{REASON}\"></label></p>\
                 <p><button name=\"answer\" value=\"approve\">Approve this one call</button> \
                 <button name=\"answer\" value=\"deny\">Deny</button></p></form>",
                hold.id
            )?;
        }
        None => write!(out, "<p>It was {} already.</p>", Escaped(&hold.state))?,
    }
    out.write_str("</main></body></html>\n")?;
    Ok(out)
}
