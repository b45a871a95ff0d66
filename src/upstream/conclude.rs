//! How a call ended, read from the answer of a server of either era.

use serde_json::value::RawValue;

use super::{CallEnd, FailureKind, clean};
use crate::{
    domain::Method,
    mcp::{
        Capabilities, Era, Feature, InputMethod, InputRequest, InputRequired,
        client::{self, Answer, Outcome, RpcFailure},
        code, members,
    },
};

const SENTENCE: usize = 4_096;
/// What a legacy server answers that needs the person to visit a page first (2025-11-25).
const URL_REQUIRED: i64 = -32042;
/// Pages that one error may name.
const PAGES: usize = 32;

/// The end that an answer means to a client of these capabilities.
pub(super) fn conclude(answer: Answer, method: Method, era: Era, capabilities: &Capabilities) -> CallEnd {
    match answer {
        Answer::Result(result) => match client::outcome(&result, method, era) {
            Ok(Outcome::Complete(complete)) => {
                CallEnd::Answered { result: complete.result, is_error: complete.is_error, ttl_ms: complete.ttl_ms }
            }
            Ok(Outcome::InputRequired(required)) => asked(required, capabilities),
            Ok(Outcome::Task(task)) if capabilities.has(Feature::Tasks) => CallEnd::Task(task),
            Ok(Outcome::Task(_)) | Err(_) => CallEnd::lost(FailureKind::Garbage),
        },
        Answer::Error(failure) if failure.code == URL_REQUIRED && era == Era::Legacy && method.takes_input() => {
            pages(&failure, capabilities)
        }
        Answer::Error(failure) => CallEnd::RpcError {
            code: i32::try_from(failure.code).unwrap_or(code::INTERNAL),
            message: failure.message.chars().take(SENTENCE).collect(),
            data: failure.data.map(|data| clean::without_ours(&data).unwrap_or(data)),
            more: failure.more.into_iter().filter(|(key, _)| &**key != "_meta" && !clean::ours(key)).collect(),
        },
    }
}

/// Questions of a server; one that the client never said it could be asked makes all of them invalid (T036).
fn asked(mut required: InputRequired, capabilities: &Capabilities) -> CallEnd {
    if !required.requests.iter().all(|one| may_ask(capabilities, one.method, one.params.as_deref())) {
        return CallEnd::lost(FailureKind::Unsupported);
    }
    for request in &mut required.requests {
        request.params = request.params.take().map(|params| clean::definition(&params).unwrap_or(params));
    }
    CallEnd::InputRequired(required)
}

/// Whether a client of these capabilities can be asked this.
pub(super) fn may_ask(capabilities: &Capabilities, method: InputMethod, params: Option<&RawValue>) -> bool {
    if !capabilities.has(method.feature()) {
        return false;
    }
    let params = params.and_then(|params| members(params.get()).ok()).unwrap_or_default();
    let given = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let declared = |feature: &str, part: &str| {
        let parts = capabilities.get(feature).and_then(|text| members(text).ok()).unwrap_or_default();
        (parts.is_empty(), parts.iter().any(|(key, _)| key == part))
    };
    match method {
        InputMethod::Elicit => match given("mode") {
            Some(r#""url""#) => capabilities.elicits_by_url(),
            // Without a word only forms are meant.
            Some(r#""form""#) | None => matches!(declared("elicitation", "form"), (true, _) | (_, true)),
            Some(_) => false,
        },
        InputMethod::Sample => given("tools").is_none() || declared("sampling", "tools").1,
        InputMethod::ListRoots => true,
    }
}

/// Pages that the person has to visit before the request is repeated.
fn pages(failure: &RpcFailure, capabilities: &Capabilities) -> CallEnd {
    let requests = failure.data.as_deref().and_then(visits);
    match requests {
        Some(requests) if capabilities.elicits_by_url() => {
            CallEnd::InputRequired(InputRequired { requests, state: None })
        }
        Some(_) => CallEnd::lost(FailureKind::Unsupported),
        None => CallEnd::lost(FailureKind::Garbage),
    }
}

fn visits(data: &RawValue) -> Option<Vec<InputRequest>> {
    let data = members(data.get()).ok()?;
    let (_, all) = data.iter().find(|(key, _)| key == "elicitations")?;
    let all: Vec<&RawValue> = serde_json::from_str(all.get()).ok()?;
    if all.is_empty() || all.len() > PAGES {
        return None;
    }
    let each = all.iter().enumerate().map(|(index, one)| {
        let url = members(one.get()).ok()?.iter().any(|(key, mode)| key == "mode" && mode.get() == r#""url""#);
        let params = clean::question(one).filter(|_| url)?;
        Some(InputRequest { key: format!("visit-{index}").into(), method: InputMethod::Elicit, params: Some(params) })
    });
    each.collect()
}
