//! The results that the endpoint writes itself, and what each era adds to or takes from those of the handler.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::mcp::{Era, LEGACY, MODERN, Version, emit, members, message};

use super::{EndpointSettings, ListPage, RpcError};

/// For how long a client may keep what `server/discover` says.
const DISCOVER_TTL_MS: u64 = 60_000;
const COMPLETE: &[u8] = br#""complete""#;
const CAPABILITIES: &[u8] = br#"{"tools":{"listChanged":true}}"#;

/// The revisions that are served, newest first.
pub(super) fn versions(legacy: bool) -> Vec<&'static str> {
    std::iter::once(MODERN).chain(LEGACY.into_iter().filter(|_| legacy)).collect()
}

/// The result of `server/discover`.
pub(super) fn discover(settings: &EndpointSettings) -> Bytes {
    let (versions, ttl) = (emit::json(&versions(settings.legacy)), emit::json(&DISCOVER_TTL_MS));
    let (instructions, meta) = (settings.instructions.as_deref().map(emit::json), meta());
    let mut result: Vec<(&str, &[u8])> = vec![
        ("resultType", COMPLETE),
        ("supportedVersions", &versions),
        ("capabilities", CAPABILITIES),
        ("ttlMs", &ttl),
        ("cacheScope", br#""private""#),
        ("_meta", &meta),
    ];
    if let Some(instructions) = &instructions {
        result.push(("instructions", instructions));
    }
    emit::object(&result)
}

/// The result of `initialize`.
pub(super) fn initialize(settings: &EndpointSettings, version: Version) -> Bytes {
    let (version, info) = (emit::json(version.name), server_info());
    let instructions = settings.instructions.as_deref().map(emit::json);
    let mut result: Vec<(&str, &[u8])> =
        vec![("protocolVersion", &version), ("capabilities", CAPABILITIES), ("serverInfo", &info)];
    if let Some(instructions) = &instructions {
        result.push(("instructions", instructions));
    }
    emit::object(&result)
}

/// The result of `tools/list`.
pub(super) fn list(page: &ListPage, era: Era) -> Bytes {
    let cursor = page.next_cursor.as_deref().map(emit::json);
    let (ttl, meta) = (emit::json(&page.ttl_ms), meta());
    let tools = match era {
        Era::Modern => emit::array(&page.items),
        Era::Legacy => emit::array(&page.items.iter().map(legacy_tool).collect::<Vec<_>>()),
    };
    let mut result: Vec<(&str, &[u8])> = Vec::with_capacity(6);
    if era == Era::Modern {
        result.push(("resultType", COMPLETE));
    }
    result.push(("tools", &tools));
    if let Some(cursor) = &cursor {
        result.push(("nextCursor", cursor));
    }
    if era == Era::Modern {
        // Lists differ by caller, so no cache may serve one caller's list to another.
        result.extend([("ttlMs", ttl.as_slice()), ("cacheScope", br#""private""#), ("_meta", &meta)]);
    }
    emit::one_line(emit::object(&result))
}

/// The result of a call in the caller's era. The handler's word for it must be an object.
pub(super) fn call(result: Bytes, era: Era) -> Result<Bytes, RpcError> {
    let inner = result.trim_ascii().strip_prefix(b"{").ok_or_else(RpcError::internal)?;
    match era {
        Era::Modern => {
            let mut out = Vec::with_capacity(inner.len() + 28);
            out.extend_from_slice(br#"{"resultType":"complete""#);
            if !inner.trim_ascii().starts_with(b"}") {
                out.push(b',');
            }
            out.extend_from_slice(inner);
            Ok(out.into())
        }
        Era::Legacy if holds(&result, b"\"structuredContent\"") => {
            legacy_result(&result).ok_or_else(RpcError::internal)
        }
        Era::Legacy => Ok(result),
    }
}

/// Legacy clients take objects only as `structuredContent`, and refuse the whole result otherwise.
fn legacy_result(result: &[u8]) -> Option<Bytes> {
    without(result, |key, value| key == "structuredContent" && !value.get().starts_with('{'))
}

/// Legacy clients take only objects as what a tool answers, and refuse the whole list otherwise.
fn legacy_tool(tool: &Bytes) -> Bytes {
    if !holds(tool, b"\"outputSchema\"") {
        return tool.clone();
    }
    let foreign = |key: &str, value: &RawValue| {
        let kind = members(value.get()).ok().and_then(|schema| {
            let kind = schema.iter().find(|(key, _)| key == "type").and_then(|(_, kind)| message::string(kind));
            kind.map(Cow::into_owned)
        });
        key == "outputSchema" && kind.as_deref() != Some("object")
    };
    without(tool, foreign).unwrap_or_else(|| tool.clone())
}

/// An object without the members that are not wanted.
fn without(object: &[u8], unwanted: impl Fn(&str, &RawValue) -> bool) -> Option<Bytes> {
    let members = members(std::str::from_utf8(object).ok()?).ok()?;
    if !members.iter().any(|(key, value)| unwanted(key, value)) {
        return Some(Bytes::copy_from_slice(object));
    }
    let kept = members.iter().filter(|(key, value)| !unwanted(key, value));
    let kept: Vec<_> = kept.map(|(key, value)| (key.as_ref(), value.get().as_bytes())).collect();
    Some(emit::object(&kept))
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn server_info() -> Vec<u8> {
    format!(r#"{{"name":"postern","title":"Postern","version":"{}"}}"#, env!("CARGO_PKG_VERSION")).into()
}

fn meta() -> Vec<u8> {
    emit::object(&[("io.modelcontextprotocol/serverInfo", &server_info())]).into()
}
