//! Reading JSON into a value so that every reader agrees on it: no duplicate keys, no doubtful integers.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, value::RawValue};

use crate::domain::limits;

/// JSON text that readers could take in different ways, or that is too deep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum JsonFault {
    /// Not JSON that can be read, with a duplicate key, or too deep.
    #[error("{0}")]
    Unreadable(String),
    /// An integer beyond ±(2^53−1).
    #[error("the integer {0} is beyond ±(2^53−1); send it as a string if the tool takes one")]
    UnsafeInteger(String),
}

/// Reads one JSON text. Every integer is within ±(2^53−1), no object names a key twice, and nothing is
/// nested deeper than `depth`.
pub(super) fn read(raw: &RawValue, depth: usize) -> Result<Value, JsonFault> {
    let large = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let strict = Strict { depth, large: &large };
    let value = strict.deserialize(&mut deserializer).map_err(|error| JsonFault::Unreadable(plain(&error)))?;
    // A large float may have been written as an integer; only the text can tell.
    match large.get().then(|| unsafe_integer(raw.get())).flatten() {
        Some(number) => Err(JsonFault::UnsafeInteger(number)),
        None => Ok(value),
    }
}

/// A text as JSON.
pub(super) fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// The message without `at line 1 column 7`, which says nothing to somebody who did not write the text.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").and_then(|at| text.get(..at)).unwrap_or(&text).to_owned()
}

/// The first number of the text without fraction and exponent that is beyond ±(2^53−1), shortened.
fn unsafe_integer(text: &str) -> Option<String> {
    let mut inside = false;
    let mut escaped = false;
    let mut number = String::new();
    for c in text.chars().chain([' ']) {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E') {
            number.push(c);
        } else {
            inside = c == '"';
            if is_unsafe_integer(&number) {
                let short: String = number.chars().take(24).collect();
                return Some(if short.len() < number.len() { format!("{short}…") } else { short });
            }
            number.clear();
        }
    }
    None
}

fn is_unsafe_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    whole && digits.parse::<u64>().map_or(true, |n| n > limits::SAFE_INTEGER.unsigned_abs())
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    large: &'a Cell<bool>,
}

impl Strict<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        if value < -limits::SAFE_INTEGER {
            self.large.set(true);
        }
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        if value > limits::SAFE_INTEGER.unsigned_abs() {
            self.large.set(true);
        }
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= 9e15 {
            self.large.set(true);
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if out.contains_key(&key) {
                let shown: String = key.chars().take(40).flat_map(char::escape_debug).collect();
                return Err(A::Error::custom(format_args!("the key `{shown}` stands twice in one object")));
            }
            let value = members.next_value_seed(inner)?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    fn read(text: &str) -> Result<serde_json::Value, String> {
        super::read(&RawValue::from_string(text.to_owned()).unwrap(), 32).map_err(|fault| fault.to_string())
    }

    /// T026, T020
    #[test]
    fn what_readers_disagree_on_is_not_read() {
        for bad in [
            r#"{"n":123456789012345678901234567890}"#,
            r#"{"n":[9007199254740992]}"#,
            r#"{"n":-9007199254740992}"#,
            r#"{"a":"\"1","n":18446744073709551616}"#,
        ] {
            assert!(read(bad).unwrap_err().contains("beyond"), "{bad}");
        }
        assert_eq!(read(r#"{"a":{"b":1,"\u0062":2}}"#).unwrap_err(), "the key `b` stands twice in one object");
        assert!(read(&format!("{}{}", "[".repeat(33), "]".repeat(33))).unwrap_err().contains("deep"));
        for good in [r#"{"n":9007199254740991,"m":-0,"f":6.02214076e23,"s":"9007199254740992"}"#, "[1.0,1e300]"] {
            assert!(read(good).is_ok(), "{good}");
        }
    }
}
