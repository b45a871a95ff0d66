//! Strict JSON, read with `serde_json` level by level.

use std::{collections::BTreeSet, fmt};

use postern::mcp::Limits;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Greatest magnitude of an integer that every reader agrees on.
const SAFE: u64 = (1 << 53) - 1;

/// Whether a text is strict JSON within these limits.
pub fn accepts(bytes: &[u8], limits: Limits) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return false };
    let top = raw.get().as_bytes()[0];
    (top == b'{' || limits.batch && top == b'[') && value(raw, 0, limits)
}

fn value(raw: &RawValue, level: usize, limits: Limits) -> bool {
    let text = raw.get();
    match text.as_bytes()[0] {
        b'{' if level >= limits.depth => false,
        b'{' => pairs(text).is_some_and(|pairs| {
            let keys: BTreeSet<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
            keys.len() == pairs.len()
                && !keys.iter().any(|key| key.contains(char::is_control))
                && pairs.iter().all(|(_, raw)| value(raw, level + 1, limits))
        }),
        b'[' if level >= limits.depth => false,
        b'[' => serde_json::from_str::<Vec<&RawValue>>(text)
            .is_ok_and(|items| items.iter().all(|raw| value(raw, level + 1, limits))),
        b'"' => serde_json::from_str::<String>(text).is_ok(),
        b'-' | b'0'..=b'9' => !limits.safe_numbers || safe(text),
        _ => true,
    }
}

fn safe(text: &str) -> bool {
    let whole = text.split(['.', 'e', 'E']).next().unwrap_or_default();
    whole.parse::<i128>().is_ok_and(|whole| whole.unsigned_abs() <= u128::from(SAFE))
        && text.parse::<f64>().is_ok_and(|number| number.is_finite() && number.abs() <= SAFE as f64)
}

/// The members of an object, in order; none if the text is no object.
pub fn pairs(text: &str) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str(text).ok().map(|Pairs(pairs)| pairs)
}

struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
