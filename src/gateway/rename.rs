//! URIs in results, as `/mcp` has them: what an agent reads there it can ask for there.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    catalog::expose_uri,
    domain::{Method, ServerName},
    mcp::{emit, members},
};

/// The result of a server with the URIs of its resources under their exposed names; all else is as it was.
pub(super) fn result(method: Method, server: &ServerName, result: Bytes) -> Bytes {
    let Some(text) = std::str::from_utf8(&result).ok().filter(|text| text.contains("\"uri\"")) else { return result };
    let of = |key: &str, raw: &RawValue| match (method, key) {
        (Method::CallTool, "content") => content(server, raw),
        (Method::GetPrompt, "messages") => {
            each(raw, |message| edit(message, |key, raw| (key == "content").then(|| content(server, raw)).flatten()))
        }
        (Method::ReadResource, "contents") => each(raw, |part| uri(server, part)),
        _ => None,
    };
    edited(text, of).map_or_else(|| result.clone(), Into::into)
}

/// The params of a notification with its URI under its exposed name.
pub(super) fn notification(server: &ServerName, params: &Bytes) -> Bytes {
    let text = std::str::from_utf8(params).ok();
    let named = text.and_then(|text| edited(text, |key, raw| (key == "uri").then(|| exposed(server, raw)).flatten()));
    named.map_or_else(|| params.clone(), Into::into)
}

/// A task under the id that `handle` gives it; on `/mcp` the links of its result lead to where they can be read.
pub(super) fn task(result: &Bytes, all: Option<&ServerName>, handle: impl Fn(&str) -> Option<String>) -> Option<Bytes> {
    let text = std::str::from_utf8(result).ok()?;
    let refused = std::cell::Cell::new(false);
    let renamed = edited(text, |key, raw| match (key, all) {
        ("taskId", _) => {
            let own: String = serde_json::from_str(raw.get()).unwrap_or_default();
            let handle = handle(&own);
            refused.set(handle.is_none());
            Some(emit::json(&handle))
        }
        ("result", Some(server)) => {
            let inner = Bytes::copy_from_slice(raw.get().as_bytes());
            Some(self::result(Method::CallTool, server, inner).into())
        }
        _ => None,
    })?;
    (!refused.get()).then(|| renamed.into())
}

/// One content block, or several.
fn content(server: &ServerName, raw: &RawValue) -> Option<Vec<u8>> {
    if raw.get().starts_with('[') {
        return each(raw, |block| self::block(server, block));
    }
    block(server, raw)
}

/// A link holds its URI, an embedded resource one level deeper.
fn block(server: &ServerName, raw: &RawValue) -> Option<Vec<u8>> {
    let members = members(raw.get()).ok()?;
    let kind = members.iter().find(|(key, _)| key == "type").map(|(_, kind)| kind.get())?;
    match kind {
        r#""resource_link""# => uri(server, raw),
        r#""resource""# => edit(raw, |key, inner| (key == "resource").then(|| uri(server, inner)).flatten()),
        _ => None,
    }
}

fn uri(server: &ServerName, raw: &RawValue) -> Option<Vec<u8>> {
    edit(raw, |key, raw| (key == "uri").then(|| exposed(server, raw)).flatten())
}

fn exposed(server: &ServerName, raw: &RawValue) -> Option<Vec<u8>> {
    let own: String = serde_json::from_str(raw.get()).ok()?;
    Some(emit::json(&expose_uri(server, &own)))
}

/// Each element of an array, changed or as it was.
fn each(raw: &RawValue, change: impl Fn(&RawValue) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let items: Vec<Vec<u8>> =
        items.into_iter().map(|item| change(item).unwrap_or_else(|| item.get().as_bytes().to_vec())).collect();
    Some(emit::array(&items))
}

fn edit(raw: &RawValue, change: impl Fn(&str, &RawValue) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    edited(raw.get(), change)
}

/// Each member of an object, changed or as it was.
fn edited(text: &str, change: impl Fn(&str, &RawValue) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let members = members(text).ok()?;
    let values: Vec<_> = members
        .iter()
        .map(|(key, raw)| (key.as_ref(), change(key, raw).unwrap_or_else(|| raw.get().as_bytes().to_vec())))
        .collect();
    let pieces: Vec<_> = values.iter().map(|(key, value)| (*key, value.as_slice())).collect();
    Some(emit::object(&pieces).into())
}

#[cfg(test)]
mod tests {
    use super::result;
    use crate::domain::Method;

    #[test]
    fn links_of_a_result_lead_to_where_the_agent_can_read_them() {
        let server = "fs".parse().unwrap();
        let sent = r#"{"content":[{"type":"text","text":"\"uri\""},{"n":1.50,"type":"resource_link","uri":"file:///a"},{"type":"resource","resource":{"uri":"x:y","text":"t"}}],"structuredContent":{"uri":"file:///b"}}"#;
        let seen = r#"{"content":[{"type":"text","text":"\"uri\""},{"n":1.50,"type":"resource_link","uri":"fs+file:///a"},{"type":"resource","resource":{"uri":"fs+x:y","text":"t"}}],"structuredContent":{"uri":"file:///b"}}"#;
        assert_eq!(result(Method::CallTool, &server, sent.into()), seen.as_bytes());
        let sent = r#"{"messages":[{"role":"user","content":{"type":"resource_link","uri":"a:b"}}]}"#;
        let seen = r#"{"messages":[{"role":"user","content":{"type":"resource_link","uri":"fs+a:b"}}]}"#;
        assert_eq!(result(Method::GetPrompt, &server, sent.into()), seen.as_bytes());
        let sent = r#"{"contents":[{"uri":"a:b","blob":""}]}"#;
        assert_eq!(result(Method::ReadResource, &server, sent.into()), sent.replace("a:b", "fs+a:b").as_bytes());
    }
}
