//! Step 9: a release or a refusal becomes what the agent reads.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    AdmissionError, Denials, Gateway,
    outcome::{End, Ended, Words},
    rename,
    round::Round,
    visit::Visit,
};
use crate::{
    domain::{DecisionId, ExceptionId, Method, Reason, ToolRef},
    mcp::{
        InputRequired, code,
        server::{Reply, RpcError, Scope},
    },
    telemetry::{Ending, ServerSpan},
};

/// Code of a refusal as a JSON-RPC error: outside the ranges that JSON-RPC and MCP reserve.
pub(super) const REFUSED: i32 = -31_403;

/// A refusal as the agent sees it.
pub(super) struct Shown {
    pub(super) sentence: String,
    pub(super) reason: Reason,
    pub(super) basis: &'static str,
    pub(super) exception: Option<String>,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) request: Option<Value>,
    /// The hold that waits for a person.
    pub(super) hold: Option<Value>,
}

impl Gateway {
    pub(super) fn reply(
        &self,
        visit: &Visit,
        (ended, recorded): (Ended, Result<(), AdmissionError>),
        (round, scope): (Round, Scope),
        span: ServerSpan,
    ) -> Result<Reply, RpcError> {
        let elapsed = visit.origin.received.elapsed();
        let ending = if recorded.is_err() { Ending::Withheld } else { ended.ending() };
        span.end(ending);
        self.parts.telemetry.metrics().served(Some(&ended.tool), ending, elapsed, elapsed.saturating_sub(ended.took));
        if let Err(error) = recorded {
            tracing::error!(decision = %visit.id, %error, "an outcome is not durable; the result is withheld");
            return Err(unrecorded(&visit.id, true));
        }
        let tool = &ended.tool;
        let refused = |reason: Reason, sentence: String| {
            let shown = Shown {
                sentence,
                reason,
                basis: "default_deny",
                exception: None,
                retry_after_ms: None,
                request: None,
                hold: None,
            };
            self.answer(&visit.id, &shown)
        };
        let result = match ended.came {
            End::Released { release, .. } => Ok(match scope {
                Scope::All => rename::result(Method::CallTool, &tool.server, release.into_bytes()),
                Scope::Server(_) => release.into_bytes(),
            }),
            End::InputRequired(release) => {
                let what = (format!("{tool} {}", ended.digest), ended.exception);
                return self.ask_back(visit, &round, release.bytes(), what);
            }
            End::Task(release) => return self.task(visit, tool, release.bytes()),
            End::Withheld(withheld, ..) => refused(
                Reason::ControlUnmet,
                format!(
                    "The call to `{tool}` was made, but its result is withheld: the control `{}` is not met. Its effect may have happened.",
                    withheld.control
                ),
            ),
            End::Cut(reason) => refused(
                reason,
                format!(
                    "The call to `{tool}` was ended before its result came: its permission was taken back. Its effect may have happened."
                ),
            ),
            End::RpcError { code, release } => Err(match serde_json::from_slice(release.bytes()) {
                Ok(words) => Words::error(words, foreign(code)),
                Err(_) => RpcError::internal(),
            }),
            End::Failed { kind, effect_possible } => Ok(failed(
                &visit.id,
                &format!(
                    "The tool server of `{tool}` gave no usable answer ({kind}). {}",
                    if effect_possible { "The call's effect may have happened." } else { "Nothing was sent." }
                ),
            )),
            End::Cancelled => Ok(failed(&visit.id, "The call was cancelled. Its effect may have happened.")),
            End::TimedOut => {
                Ok(failed(&visit.id, &format!("`{tool}` did not answer in time. The call's effect may have happened.")))
            }
        };
        result.map(complete)
    }

    /// The questions of a server, with a sealed state that leads to the next round.
    pub(super) fn ask_back(
        &self,
        visit: &Visit,
        round: &Round,
        required: &Bytes,
        (what, paid): (String, Option<(ExceptionId, u32)>),
    ) -> Result<Reply, RpcError> {
        let text = std::str::from_utf8(required).map_err(|_| RpcError::internal())?;
        let mut required = InputRequired::read(text).map_err(|_| RpcError::internal())?;
        let state = self.next_state(visit, &what, round, (required.state.take(), paid));
        required.state = Some(state.ok_or_else(RpcError::internal)?);
        Ok(Reply::InputRequired(required))
    }

    /// A task under an id that only this caller can use.
    fn task(&self, visit: &Visit, tool: &ToolRef, result: &Bytes) -> Result<Reply, RpcError> {
        let handle = |own: &str| self.handle(visit, tool, own);
        rename::task(result, None, handle).map(Reply::Task).ok_or_else(RpcError::internal)
    }

    /// A refusal of a visible tool.
    pub(super) fn answer(&self, id: &DecisionId, shown: &Shown) -> Result<Bytes, RpcError> {
        let ask = match &shown.request {
            Some(_) => " An exception can be requested; `_meta` has the smallest request that would match.",
            None => "",
        };
        let next = match &shown.hold {
            Some(_) => {
                "The owner of the exception, or a person with the duty `approve`, answers; `_meta` has where. After the \
                 approval call again with the same arguments, before it is over."
            }
            None => "Do not retry.",
        };
        let text = format!("{} {next}{ask} Decision {id}.", shown.sentence);
        let mut facts = Map::new();
        facts.insert("decision".to_owned(), json!(id));
        facts.insert("reason".to_owned(), shown.reason.as_str().into());
        facts.insert("basis".to_owned(), shown.basis.into());
        facts.extend(shown.exception.clone().map(|id| ("exception".to_owned(), id.into())));
        facts.extend(shown.retry_after_ms.map(|ms| ("retryAfterMs".to_owned(), ms.into())));
        facts.extend(shown.hold.clone().map(|hold| ("hold".to_owned(), hold)));
        facts.extend(shown.request.clone().map(|request| ("request".to_owned(), request)));
        match self.parts.denials {
            Denials::ToolResult => Ok(tool_result(&text, Some(Value::Object(facts)))),
            Denials::ProtocolError => {
                let data = serde_json::value::to_raw_value(&json!({"dev.postern/refusal": facts})).ok();
                Err(RpcError { data, ..RpcError::new(REFUSED, text) })
            }
        }
    }
}

/// A whole result that nobody may keep.
pub(super) const fn complete(result: Bytes) -> Reply {
    Reply::Complete { result, ttl_ms: 0 }
}

/// The record of a call cannot be made durable.
pub(super) fn unrecorded(id: &DecisionId, effect_possible: bool) -> RpcError {
    let effect = if effect_possible { " The call's effect may have happened." } else { "" };
    let message = format!(
        "The gateway cannot keep its record now (audit_unavailable), so it answers nothing.{effect} Decision {id}."
    );
    RpcError::new(code::INTERNAL, message).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

fn failed(id: &DecisionId, sentence: &str) -> Bytes {
    tool_result(&format!("{sentence} Decision {id}."), None)
}

fn tool_result(text: &str, refusal: Option<Value>) -> Bytes {
    let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true});
    if let (Some(refusal), Value::Object(map)) = (refusal, &mut result) {
        map.insert("_meta".to_owned(), json!({"dev.postern/refusal": refusal}));
    }
    result.to_string().into()
}

/// Codes that MCP reserves for what only the gateway may say become an internal error. That a client cannot do what is
/// needed, the server knows best.
pub(super) const fn foreign(given: i32) -> i32 {
    let reserved = given >= -32_099 && given <= -32_020 && given != code::MISSING_CAPABILITY;
    if reserved || given == REFUSED { code::INTERNAL } else { given }
}
