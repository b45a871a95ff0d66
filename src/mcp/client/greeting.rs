//! How a tool server is greeted: as a modern one, or with the handshake of the legacy era.

use http::{HeaderValue, header};

use crate::mcp::{Capabilities, Feature, Version, emit};

use super::request::{Outgoing, Speaker, client_info, content, outgoing, own_meta, standing};

/// What a session that is shared declares, so that the server offers all it has.
const SHARED: &[u8] = br#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}}}"#;

/// `server/discover`: what a modern server answers to and a legacy one refuses.
#[must_use]
pub fn discover(id: u64) -> Outgoing {
    let meta = own_meta(Speaker::MODERN);
    let body = emit::request(id, "server/discover", &[("_meta", &meta)]);
    outgoing(Speaker::MODERN, "server/discover", None, body)
}

/// `initialize`: opens a legacy session for a client of these capabilities, or one that is shared.
#[must_use]
pub fn initialize(id: u64, version: Version, capabilities: Option<&Capabilities>) -> Outgoing {
    let declared = capabilities.map_or_else(|| SHARED.to_vec(), legacy);
    let params: emit::Pieces<'_> =
        &[("protocolVersion", &emit::json(version.name)), ("capabilities", &declared), ("clientInfo", &client_info())];
    let body = emit::request(id, "initialize", params);
    // The revision is not agreed on yet, so no header names it.
    Outgoing { headers: content().into(), body: emit::one_line(body) }
}

/// `notifications/initialized`: closes the opening of a legacy session.
#[must_use]
pub fn initialized(speaker: Speaker<'_>) -> Outgoing {
    outgoing(speaker, "notifications/initialized", None, emit::notification("notifications/initialized", &[]))
}

/// The GET of a legacy session's stream; after `last`, where a stream was broken off.
#[must_use]
pub fn standing_stream(speaker: Speaker<'_>, last: Option<&str>) -> Outgoing {
    let mut headers = bare(speaker);
    headers.push((header::ACCEPT, HeaderValue::from_static("text/event-stream")));
    if let Some(Ok(last)) = last.map(HeaderValue::from_str) {
        headers.push((http::HeaderName::from_static("last-event-id"), last));
    }
    Outgoing { headers, body: bytes::Bytes::new() }
}

/// The DELETE that ends a legacy session.
#[must_use]
pub fn farewell(speaker: Speaker<'_>) -> Outgoing {
    Outgoing { headers: bare(speaker), body: bytes::Bytes::new() }
}

fn bare(speaker: Speaker<'_>) -> Vec<(http::HeaderName, HeaderValue)> {
    let mut headers = standing(speaker);
    headers.retain(|(name, _)| name != header::CONTENT_TYPE && name != header::ACCEPT);
    headers
}

/// The members of a client's capabilities that the legacy era knows; tasks are another thing there.
fn legacy(capabilities: &Capabilities) -> Vec<u8> {
    let kept = capabilities.only(|feature| feature != Feature::Tasks);
    let known = ["elicitation", "sampling", "roots", "experimental", "extensions"];
    let json = kept.json();
    let text = std::str::from_utf8(&json).unwrap_or("{}");
    let members = crate::mcp::members(text).unwrap_or_default();
    let kept: Vec<_> = members
        .iter()
        .filter(|(key, _)| known.contains(&key.as_ref()))
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    emit::object(&kept).into()
}
