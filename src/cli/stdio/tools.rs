//! The headers that tools want, learned from the lists that pass by.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::{HeaderName, HeaderValue};
use serde_json::{Value, value::RawValue};

use super::said::Mirror;
use crate::{
    domain::limits,
    mcp::{Limits, List, Message, Mirrors, client, emit, members},
};

/// Pages of a list that are read to find a tool.
pub(super) const PAGES: usize = 100;

/// Tools that want headers, by name.
#[derive(Debug, Default)]
pub(super) struct Tools(Mutex<HashMap<String, Mirrors>>);

impl Tools {
    /// The `Mcp-Param-*` headers of a call, as far as its tool is known.
    pub(super) fn headers(&self, call: &Mirror) -> Vec<(HeaderName, HeaderValue)> {
        let tools = self.held();
        let mirrors = call.name.as_ref().and_then(|name| tools.get(name));
        mirrors.map(|mirrors| mirrors.headers(call.arguments.as_deref())).unwrap_or_default()
    }

    /// Learns from an answer to `tools/list`; gives back where the next page begins.
    pub(super) fn learn(&self, answer: &[u8]) -> Option<String> {
        let Ok(Message::Response { answer: Ok(result), .. }) = Message::parse(answer, Limits::ANSWER) else {
            return None;
        };
        let page = client::page(List::Tools, result.get().as_bytes()).ok()?;
        let mut tools = self.held();
        for tool in page.items {
            let Some((name, mirrors)) = mirrors(tool) else { continue };
            if mirrors.is_empty() {
                tools.remove(&name);
            } else if tools.len() < limits::TOOLS_PER_SERVER || tools.contains_key(&name) {
                tools.insert(name, mirrors);
            }
        }
        page.next_cursor
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Mirrors>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tool's name and the headers that its schema wants.
fn mirrors(tool: &RawValue) -> Option<(String, Mirrors)> {
    let members = members(tool.get()).ok()?;
    let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let name = serde_json::from_str(get("name")?).ok()?;
    let schema = get("inputSchema").unwrap_or("{}");
    // Most schemas want none; they are not read.
    let schema: Value = if schema.contains("x-mcp-header") { serde_json::from_str(schema).ok()? } else { Value::Null };
    Some((name, Mirrors::of(&schema).unwrap_or_default()))
}

/// `tools/list` in the name of a caller: its `_meta` without the progress token.
pub(super) fn list(meta: Option<&RawValue>, cursor: Option<&str>) -> bytes::Bytes {
    let all = meta.and_then(|meta| members(meta.get()).ok()).unwrap_or_default();
    let kept: Vec<_> = all.iter().filter(|(key, _)| key != "progressToken").collect();
    let kept: Vec<(&str, &[u8])> = kept.iter().map(|(key, value)| (key.as_ref(), value.get().as_bytes())).collect();
    let (meta, cursor) = (emit::object(&kept), cursor.map(emit::json));
    let mut params: Vec<(&str, &[u8])> = vec![("_meta", &meta)];
    params.extend(cursor.as_ref().map(|cursor| ("cursor", cursor.as_slice())));
    emit::one_line(emit::request(1, "tools/list", &params))
}
