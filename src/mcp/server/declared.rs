//! What a client declared, held against what it would be asked: nobody is asked for what it cannot do.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::mcp::{Capabilities, Feature, InputMethod, InputRequest, TASKS, code, emit, members, message};

use super::RpcError;

/// That the client did not declare the extension for tasks.
pub(super) fn no_tasks() -> RpcError {
    let extension = emit::object(&[(TASKS, b"{}")]);
    missing(&[("extensions", &extension)])
}

/// Whether a client can be asked all of this.
///
/// # Errors
/// -32021, with the capabilities that it would have to declare.
pub(super) fn all(requests: &[InputRequest], capabilities: &Capabilities) -> Result<(), RpcError> {
    let mut lacking: Vec<(&str, &[u8])> = Vec::new();
    for request in requests {
        let feature = request.method.feature();
        let needed: &[u8] = match request.method {
            InputMethod::Elicit if by_url(request) => br#"{"url":{}}"#,
            InputMethod::Elicit | InputMethod::Sample | InputMethod::ListRoots => b"{}",
        };
        if !declared(request, capabilities) && !lacking.iter().any(|(member, _)| *member == feature.member()) {
            lacking.push((feature.member(), needed));
        }
    }
    if lacking.is_empty() { Ok(()) } else { Err(missing(&lacking)) }
}

/// Whether an elicitation leads to a URL.
pub(super) fn by_url(request: &InputRequest) -> bool {
    let params = request.params.as_deref().and_then(|params| members(params.get()).ok()).unwrap_or_default();
    let mode = params.iter().find(|(key, _)| key == "mode").and_then(|(_, mode)| message::string(mode));
    mode.as_deref() == Some("url")
}

fn declared(request: &InputRequest, capabilities: &Capabilities) -> bool {
    let feature = request.method.feature();
    match feature {
        Feature::Elicitation if by_url(request) => capabilities.elicits_by_url(),
        Feature::Elicitation => capabilities.get("elicitation").is_some_and(|modes| {
            // Without a word of modes, forms are meant.
            let modes = members(modes).unwrap_or_default();
            !modes.iter().any(|(key, _)| key == "url") || modes.iter().any(|(key, _)| key == "form")
        }),
        Feature::Sampling | Feature::Roots | Feature::Tasks => capabilities.has(feature),
    }
}

fn missing(capabilities: emit::Pieces<'_>) -> RpcError {
    let required = emit::object(capabilities);
    let data = emit::object(&[("requiredCapabilities", &required)]);
    let data = String::from_utf8(data.into()).ok().and_then(|data| RawValue::from_string(data).ok());
    let error = RpcError::new(code::MISSING_CAPABILITY, "the client did not declare a capability that this needs");
    RpcError { data, ..error }.with_status(StatusCode::BAD_REQUEST)
}
