//! What tool servers send, without claims to speak as Postern.

use serde_json::value::RawValue;

use crate::mcp::{emit, members};

/// The params of a legacy server's question as the modern era has them: without the id of an elicitation, of which
/// nobody is told any more, and without `_meta`.
pub(super) fn question(raw: &RawValue) -> Option<Box<RawValue>> {
    let members = members(raw.get()).ok()?;
    let kept: Vec<_> = members
        .iter()
        .filter(|(key, _)| !matches!(key.as_ref(), "elicitationId" | "_meta"))
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    raw_object(&kept)
}

/// A definition whose `_meta` holds no key of ours; all else is as it was sent.
pub(super) fn definition(raw: &RawValue) -> Option<Box<RawValue>> {
    let members = members(raw.get()).ok()?;
    let cleaned = members.iter().find(|(key, _)| key == "_meta").and_then(|(_, meta)| without_ours(meta));
    let Some(cleaned) = cleaned else { return Some(raw.to_owned()) };
    let pieces: Vec<_> = members
        .iter()
        .map(|(key, value)| {
            let value = if key == "_meta" { cleaned.get() } else { value.get() };
            (key.as_ref(), value.as_bytes())
        })
        .collect();
    raw_object(&pieces)
}

/// The object without keys of ours; nothing if it holds none, or is no object.
pub(super) fn without_ours(raw: &RawValue) -> Option<Box<RawValue>> {
    let members = members(raw.get()).ok()?;
    let kept: Vec<_> = members
        .iter()
        .filter(|(key, _)| !ours(key))
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    if kept.len() == members.len() { None } else { raw_object(&kept) }
}

fn raw_object(pieces: emit::Pieces<'_>) -> Option<Box<RawValue>> {
    let text = String::from_utf8(emit::object(pieces).into()).ok()?;
    RawValue::from_string(text).ok()
}

/// Whether a key has a prefix that says `postern`.
pub(super) fn ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| prefix.split('.').any(|label| label.eq_ignore_ascii_case("postern")))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::definition;

    #[test]
    fn a_definition_keeps_every_byte_but_our_own_keys() {
        let clean = RawValue::from_string(r#"{"name": "a","_meta":{"ui":1},"x":1.50}"#.to_owned()).unwrap();
        assert_eq!(definition(&clean).unwrap().get(), clean.get());
        let forged = r#"{"name":"a","_meta":{"dev\u002epostern/refusal":{},"Dev.Postern/x":1,"ui":1e2},"n":1e2}"#;
        let forged = RawValue::from_string(forged.to_owned()).unwrap();
        assert_eq!(definition(&forged).unwrap().get(), r#"{"name":"a","_meta":{"ui":1e2},"n":1e2}"#);
    }
}
