//! The results that the endpoint writes itself, and what each era adds to or takes from those of the handler.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    domain::ServerName,
    mcp::{Era, LEGACY, List, MODERN, TASKS, Version, emit, members, message},
};

use super::{EndpointSettings, ListPage, Offer, offered};

/// For how long a client may keep what `server/discover` says.
const DISCOVER_TTL_MS: u64 = 60_000;
const COMPLETE: &[u8] = br#""complete""#;
/// The member of `_meta` that names servers whose part of a list is missing.
const UNAVAILABLE: &str = "dev.postern/unavailable";

/// The revisions that are served, newest first.
pub(super) fn versions(legacy: bool) -> Vec<&'static str> {
    std::iter::once(MODERN).chain(LEGACY.into_iter().filter(|_| legacy)).collect()
}

/// The result of `server/discover`.
pub(super) fn discover(settings: &EndpointSettings, offer: &Offer) -> Bytes {
    let capabilities = offered::capabilities(offer, |_| true);
    let (versions, ttl) = (emit::json(&versions(settings.legacy)), emit::json(&DISCOVER_TTL_MS));
    let (instructions, meta) = (settings.instructions.as_deref().map(emit::json), meta(&[]));
    let mut result: Vec<(&str, &[u8])> = vec![
        ("resultType", COMPLETE),
        ("supportedVersions", &versions),
        ("capabilities", &capabilities),
        ("ttlMs", &ttl),
        ("cacheScope", br#""private""#),
        ("_meta", &meta),
    ];
    if let Some(instructions) = &instructions {
        result.push(("instructions", instructions));
    }
    emit::object(&result)
}

/// The result of `initialize`. The extension for tasks is of the modern era only.
pub(super) fn initialize(settings: &EndpointSettings, offer: &Offer, version: Version) -> Bytes {
    let capabilities = offered::capabilities(offer, |extension| extension != TASKS);
    let (version, info) = (emit::json(version.name), server_info());
    let instructions = settings.instructions.as_deref().map(emit::json);
    let mut result: Vec<(&str, &[u8])> =
        vec![("protocolVersion", &version), ("capabilities", &capabilities), ("serverInfo", &info)];
    if let Some(instructions) = &instructions {
        result.push(("instructions", instructions));
    }
    emit::object(&result)
}

/// The result of a request for a page of a list.
pub(super) fn list(page: &ListPage, list: List, era: Era) -> Bytes {
    let cursor = page.next_cursor.as_deref().map(emit::json);
    let (ttl, meta) = (emit::json(&page.ttl_ms), meta(&page.missing));
    let items = match era {
        Era::Legacy if list == List::Tools => emit::array(&page.items.iter().map(legacy_tool).collect::<Vec<_>>()),
        Era::Modern | Era::Legacy => emit::array(&page.items),
    };
    let missing = (!page.missing.is_empty()).then(|| emit::object(&[(UNAVAILABLE, &unavailable(&page.missing))]));
    let mut result: Vec<(&str, &[u8])> = Vec::with_capacity(6);
    if era == Era::Modern {
        result.push(("resultType", COMPLETE));
    }
    result.push((list.member(), &items));
    if let Some(cursor) = &cursor {
        result.push(("nextCursor", cursor));
    }
    match (era, &missing) {
        // Lists differ by caller, so no cache may serve one caller's list to another.
        (Era::Modern, _) => {
            result.extend([("ttlMs", ttl.as_slice()), ("cacheScope", br#""private""#), ("_meta", &meta)]);
        }
        (Era::Legacy, Some(missing)) => result.push(("_meta", missing)),
        (Era::Legacy, None) => {}
    }
    emit::one_line(emit::object(&result))
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

fn meta(missing: &[ServerName]) -> Vec<u8> {
    let (info, missing) = (server_info(), (!missing.is_empty()).then(|| unavailable(missing)));
    let mut meta: Vec<(&str, &[u8])> = vec![("io.modelcontextprotocol/serverInfo", &info)];
    meta.extend(missing.as_deref().map(|missing| (UNAVAILABLE, missing)));
    emit::object(&meta).into()
}

fn unavailable(servers: &[ServerName]) -> Vec<u8> {
    emit::json(&servers.iter().map(ServerName::as_str).collect::<Vec<_>>())
}
