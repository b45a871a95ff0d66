//! Rounds of questions to a legacy client: each goes out as a request on the stream of the call that needs it, and the
//! client posts what it says to it.
//!
//! A client that declines a form says so in a result. An error in answer to a form or a link counts as
//! `{"action":"cancel"}`, which every revision with elicitation knows. Sampling and roots have no such word, so that an
//! error there ends the call.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use crate::{
    domain::{Subject, limits},
    mcp::{InputMethod, InputRequest, code, emit, members, message},
};

use crate::mcp::server::{RpcError, declared};

use super::{
    asked::{Question, Room, Said},
    serving::Serving,
};

/// Characters of a client's error that are repeated to it.
const SENTENCE: usize = 200;
const CANCEL: &str = r#"{"action":"cancel"}"#;

/// What a client said in one round.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The results by key.
    pub(super) responses: Option<Box<RawValue>>,
    /// Who said so last: the next round is judged as this subject.
    pub(super) subject: Option<Arc<Subject>>,
    /// The elicitations by URL that were accepted.
    pub(super) urls: Vec<String>,
}

/// A question on its way.
struct Pending {
    key: Box<str>,
    method: InputMethod,
    question: Question,
    /// The id of an elicitation by URL.
    url: Option<String>,
}

/// Asks a client, which declared all of it, and waits for what it says.
pub(super) async fn ask(serving: &mut Serving, requests: Vec<InputRequest>) -> Result<Answers, RpcError> {
    if requests.is_empty() {
        return pause(serving).await;
    }
    let agent = serving.agent().clone();
    let busy = || RpcError::new(code::INTERNAL, "too many questions wait for an answer");
    let Room { share, place: _place } = serving.waiting.room(&agent, serving.share.num_permits()).ok_or_else(busy)?;
    serving.share = Arc::new(share);
    let mut pending = Vec::with_capacity(requests.len());
    for request in requests {
        let question = serving.session.asked.question().ok_or_else(RpcError::internal)?;
        let (params, url) = params(&request, &question.id);
        let asked = emit::question(&question.id, request.method.as_str(), params.as_deref());
        serving.tell(&asked).await;
        pending.push(Pending { key: request.key, method: request.method, question, url });
    }
    let deadline = Instant::now() + limits::INPUT_TIME;
    let answers = collect(serving, &mut pending, deadline).await;
    // What is still open is taken back.
    for Pending { question, .. } in pending {
        let id = emit::json(&question.id);
        let params: emit::Pieces<'_> = &[("requestId", &id), ("reason", br#""no longer needed""#)];
        serving.tell(&emit::notification("notifications/cancelled", params)).await;
    }
    answers
}

/// Tells that what was asked by URL is done with.
pub(super) async fn completed(serving: &mut Serving, urls: Vec<String>) {
    for url in urls {
        let params: emit::Pieces<'_> = &[("elicitationId", &emit::json(&url))];
        serving.tell(&emit::notification("notifications/elicitation/complete", params)).await;
    }
}

async fn collect(serving: &mut Serving, pending: &mut Vec<Pending>, deadline: Instant) -> Result<Answers, RpcError> {
    let (mut answers, mut responses) = (Answers::default(), Vec::with_capacity(pending.len()));
    while let Some(first) = pending.first_mut() {
        let Said { subject, answer } = said(serving, &mut first.question, deadline).await?;
        let Pending { key, method, url, .. } = pending.remove(0);
        let result = match (answer, method) {
            (Ok(result), _) => result,
            (Err(_), InputMethod::Elicit) => RawValue::from_string(CANCEL.into()).map_err(|_| RpcError::internal())?,
            (Err((fault, sentence)), InputMethod::Sample | InputMethod::ListRoots) => {
                let sentence: String = sentence.chars().take(SENTENCE).collect();
                let method = method.as_str();
                let message = format!("the client answered `{method}` with the error {fault}: {sentence}");
                return Err(RpcError::new(code::INTERNAL, message));
            }
        };
        answers.urls.extend(url.filter(|_| accepted(&result)));
        answers.subject = Some(subject);
        responses.push((key, result));
    }
    let pieces: Vec<_> = responses.iter().map(|(key, result)| (&**key, result.get().as_bytes())).collect();
    let responses = String::from_utf8(emit::object(&pieces).into()).map_err(|_| RpcError::internal())?;
    answers.responses = Some(RawValue::from_string(responses).map_err(|_| RpcError::internal())?);
    Ok(answers)
}

/// What a client says to one question.
async fn said(serving: &mut Serving, question: &mut Question, deadline: Instant) -> Result<Said, RpcError> {
    let (ended, cancelled) = (serving.session.ended.clone(), serving.running.cancelled.clone());
    let closing = serving.closing.clone();
    loop {
        tokio::select! {
            biased;
            () = cancelled.cancelled() => return Err(was_cancelled()),
            () = ended.cancelled() => return Err(RpcError::new(code::INVALID_REQUEST, "the session has ended")),
            () = closing.cancelled() => return Err(RpcError::new(code::INTERNAL, "the gateway is stopping")),
            said = &mut question.said => return said.map_err(|_| RpcError::internal()),
            () = sleep_until(deadline) => {
                return Err(RpcError::new(code::INTERNAL, "the client did not answer the tool server's question in time"));
            }
            _ = serving.alive.tick() => serving.keep_alive(),
        }
    }
}

/// A server that asks nothing wants the request again, a little later.
async fn pause(serving: &Serving) -> Result<Answers, RpcError> {
    tokio::select! {
        biased;
        () = serving.running.cancelled.cancelled() => Err(was_cancelled()),
        () = tokio::time::sleep(limits::ROUND_PAUSE) => Ok(Answers::default()),
    }
}

fn was_cancelled() -> RpcError {
    RpcError::new(code::INVALID_REQUEST, "the client cancelled this request")
}

/// The params of a question; where it leads to a URL, with the id that legacy clients need.
fn params(request: &InputRequest, id: &str) -> (Option<Vec<u8>>, Option<String>) {
    let Some(raw) = request.params.as_deref() else { return (None, None) };
    let whole = Some(raw.get().as_bytes().to_vec());
    if request.method != InputMethod::Elicit || !declared::by_url(request) {
        return (whole, None);
    }
    let members = members(raw.get()).unwrap_or_default();
    let given = members.iter().find(|(key, _)| key == "elicitationId").and_then(|(_, given)| message::string(given));
    if let Some(given) = given {
        return (whole, Some(given.into_owned()));
    }
    let minted = emit::json(id);
    let mut pieces: Vec<_> = members
        .iter()
        .filter(|(key, _)| key != "elicitationId")
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    pieces.push(("elicitationId", &minted));
    (Some(emit::object(&pieces).into()), Some(id.to_owned()))
}

fn accepted(result: &RawValue) -> bool {
    let members = members(result.get()).unwrap_or_default();
    let action = members.iter().find(|(key, _)| key == "action").and_then(|(_, action)| message::string(action));
    action.as_deref() == Some("accept")
}
