//! What becomes of a result or an error in the legacy era: what a revision does not know is said in words that it
//! knows, or left out.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::{
    domain::Method,
    mcp::{Version, code, emit, members, message},
};

use crate::mcp::server::RpcError;

/// A result in the words of a revision. The handler's word for it must be an object.
pub(super) fn result(result: Bytes, method: Method, version: Version) -> Result<Bytes, RpcError> {
    if !result.trim_ascii().starts_with(b"{") {
        return Err(RpcError::internal());
    }
    let old = version.name < "2025-06-18";
    let holds = |word: &str| result.windows(word.len()).any(|window| window == word.as_bytes());
    let structured = method == Method::CallTool && holds("\"structuredContent\"");
    let foreign = old
        && matches!(method, Method::CallTool | Method::GetPrompt)
        && (holds("resource_link") || (version.name < "2025-03-26" && holds("audio")));
    if !structured && !foreign {
        return Ok(result);
    }
    rewritten(&result, version).ok_or_else(RpcError::internal)
}

/// An error in the words of the era: no code of the modern one leaves, and 404 means that a session is over.
pub(super) fn fault(error: RpcError, method: Option<Method>) -> RpcError {
    let uri = || error.data.as_deref().is_some_and(|data| member(data, "uri").is_some());
    let (code, http) = match error.code {
        code::INVALID_PARAMS if method == Some(Method::ReadResource) && uri() => (code::RESOURCE_NOT_FOUND, None),
        code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION => (code::INVALID_REQUEST, None),
        other => (other, error.http.filter(|status| *status != StatusCode::NOT_FOUND)),
    };
    RpcError { code, http, ..error }
}

fn rewritten(result: &Bytes, version: Version) -> Option<Bytes> {
    let all = members(std::str::from_utf8(result).ok()?).ok()?;
    let structured = all.iter().find(|(key, _)| key == "structuredContent").map(|(_, value)| *value);
    let dropped = structured.filter(|value| version.name < "2025-06-18" || !value.get().starts_with('{'));
    let mut pieces: Vec<(&str, Cow<'_, [u8]>)> = Vec::with_capacity(all.len());
    for (key, value) in &all {
        match key.as_ref() {
            "structuredContent" if dropped.is_some() => {}
            "content" => pieces.push(("content", content(value, dropped, version))),
            "messages" => pieces.push(("messages", messages(value, version))),
            other => pieces.push((other, value.get().as_bytes().into())),
        }
    }
    let pieces: Vec<_> = pieces.iter().map(|(key, value)| (*key, value.as_ref())).collect();
    Some(emit::object(&pieces))
}

/// The content of a tool's result. What is left out of the rest is said here, if nothing else is.
fn content<'a>(raw: &'a RawValue, dropped: Option<&RawValue>, version: Version) -> Cow<'a, [u8]> {
    let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else { return raw.get().as_bytes().into() };
    if let Some(dropped) = dropped.filter(|_| blocks.is_empty()) {
        return emit::array(&[text(dropped.get())]).into();
    }
    let told: Vec<_> = blocks.iter().map(|raw| block(raw, version)).collect();
    if told.iter().all(|block| matches!(block, Cow::Borrowed(_))) {
        return raw.get().as_bytes().into();
    }
    emit::array(&told).into()
}

/// The messages of a prompt.
fn messages<'a>(raw: &'a RawValue, version: Version) -> Cow<'a, [u8]> {
    let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else { return raw.get().as_bytes().into() };
    let each = messages.iter().map(|raw| {
        let Ok(all) = members(raw.get()) else { return raw.get().as_bytes().to_vec() };
        let pieces: Vec<(&str, Cow<'_, [u8]>)> = all
            .iter()
            .map(|(key, value)| match key.as_ref() {
                "content" => ("content", block(value, version)),
                other => (other, value.get().as_bytes().into()),
            })
            .collect();
        let pieces: Vec<_> = pieces.iter().map(|(key, value)| (*key, value.as_ref())).collect();
        emit::object(&pieces).into()
    });
    emit::array(&each.collect::<Vec<_>>()).into()
}

/// A block of content; one that the revision does not know is told in text.
fn block<'a>(raw: &'a RawValue, version: Version) -> Cow<'a, [u8]> {
    let kind = member(raw, "type");
    let told = match kind.as_deref() {
        Some("resource_link") if version.name < "2025-06-18" => member(raw, "uri"),
        Some("audio") if version.name < "2025-03-26" => {
            Some("audio, which this revision of the protocol has no word for".to_owned())
        }
        _ => None,
    };
    told.map_or_else(|| raw.get().as_bytes().into(), |told| text(&told).into())
}

fn text(text: &str) -> Vec<u8> {
    emit::object(&[("type", br#""text""#), ("text", &emit::json(text))]).into()
}

fn member(object: &RawValue, name: &str) -> Option<String> {
    let members = members(object.get()).ok()?;
    members.iter().find(|(key, _)| key == name).and_then(|(_, value)| message::string(value)).map(Cow::into_owned)
}
