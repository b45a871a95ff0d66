//! `response.limit`: bytes, rows and kinds of content of a result.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a result may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    pub(super) rows: Option<u64>,
    pub(super) types: BTreeSet<String>,
}

impl Limit {
    /// How the result leaves the limit, if it does. A result whose rows or kinds cannot be seen does.
    pub(super) fn exceeded(&self, result: &[u8]) -> Option<String> {
        let size = u64::try_from(result.len()).unwrap_or(u64::MAX);
        if size > self.bytes {
            return Some(format!("the result has {size} bytes and may have {}", self.bytes));
        }
        if self.rows.is_none() && self.types.is_empty() {
            return None;
        }
        let Ok(result) = serde_json::from_slice::<Value>(result) else {
            return Some("the result is not JSON, so its rows cannot be counted".to_owned());
        };
        let content = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let kinds = content.iter().map(|block| block.get("type").and_then(Value::as_str).unwrap_or_default());
        for kind in kinds.filter(|_| !self.types.is_empty()) {
            if !self.types.contains(kind) {
                return Some(format!("the result has content of the kind `{}`", kind.escape_debug()));
            }
        }
        let limit = self.rows?;
        let texts = content
            .iter()
            .filter_map(|block| block.get("text").or_else(|| block.pointer("/resource/text")).and_then(Value::as_str));
        let count = texts.map(rows_of_text).chain(result.get("structuredContent").map(rows)).max().unwrap_or(0);
        (count > limit).then(|| format!("the result has {count} rows and may have {limit}"))
    }
}

/// Elements of the longest list.
fn rows(value: &Value) -> u64 {
    match value {
        Value::Array(items) => {
            let here = u64::try_from(items.len()).unwrap_or(u64::MAX);
            items.iter().map(rows).max().unwrap_or(0).max(here)
        }
        Value::Object(map) => map.values().map(rows).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Of a text that is JSON its rows, of any other its lines.
fn rows_of_text(text: &str) -> u64 {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => rows(&value),
        Ok(_) | Err(_) => u64::try_from(text.lines().count()).unwrap_or(u64::MAX),
    }
}
