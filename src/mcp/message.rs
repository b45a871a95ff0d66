//! A JSON-RPC 2.0 message as borrowed slices of its text.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::limits;

use super::{Limits, ParseError, fold, scan};

/// One message. Its slices have passed the strict scan.
#[derive(Debug)]
pub enum Message<'a> {
    /// Wants an answer.
    Request {
        /// Its id.
        id: Id<'a>,
        /// What is asked.
        method: Cow<'a, str>,
        /// With what.
        params: Params<'a>,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: Cow<'a, str>,
        /// With what.
        params: Params<'a>,
    },
    /// Answers a request.
    Response {
        /// The request's id; an error may come without one.
        id: Option<Id<'a>>,
        /// The JSON object, or the error.
        answer: Result<&'a RawValue, RpcFault<'a>>,
    },
}

/// Members that no revision knows, in order.
pub type Extra = Vec<(Box<str>, Box<RawValue>)>;

/// The error of a response.
#[derive(Debug)]
pub struct RpcFault<'a> {
    /// Its code.
    pub code: i64,
    /// Its sentence.
    pub message: Cow<'a, str>,
    /// More; a null is something too.
    pub data: Option<&'a RawValue>,
    /// Members that no revision knows, in order.
    pub more: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> RpcFault<'a> {
    fn read(raw: &'a RawValue) -> Option<Self> {
        let (mut code, mut message, mut data, mut more) = (None, None, None, Vec::new());
        for (key, value) in members(raw.get()).ok()? {
            match key.as_ref() {
                "code" => code = Some(serde_json::from_str(value.get()).ok()?),
                "message" => message = Some(string(value)?),
                "data" => data = Some(value),
                other if fold::look_alike(other, &["code", "message", "data"]).is_some() => return None,
                _ => more.push((key, value)),
            }
        }
        Some(Self { code: code?, message: message?, data, more })
    }
}

impl<'a> Message<'a> {
    /// Reads a message: the strict scan, then its envelope.
    ///
    /// # Errors
    /// The first fault of the text or of the envelope.
    pub fn parse(bytes: &'a [u8], limits: Limits) -> Result<Self, ParseError> {
        Self::scanned(scan(bytes, limits)?)
    }

    /// Reads the messages of a batch, each apart (revision 2025-03-26).
    ///
    /// # Errors
    /// The first fault of the text. Faults of one message are its own.
    pub fn parse_batch(bytes: &'a [u8]) -> Result<Vec<Result<Self, ParseError>>, ParseError> {
        let text = scan(bytes, Limits::BATCH)?;
        let each: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| ParseError::Syntax(0))?;
        Ok(each
            .into_iter()
            .map(|one| if one.get().starts_with('{') { Self::scanned(one.get()) } else { Err(ParseError::NotAnObject) })
            .collect())
    }

    /// Reads the envelope of a text that was scanned.
    fn scanned(text: &'a str) -> Result<Self, ParseError> {
        let mut envelope = Envelope::default();
        for (key, value) in members(text)? {
            let slot = match key.as_ref() {
                "jsonrpc" => &mut envelope.jsonrpc,
                "id" => &mut envelope.id,
                "method" => &mut envelope.method,
                "params" => &mut envelope.params,
                "result" => &mut envelope.result,
                "error" => &mut envelope.error,
                other => {
                    let shown = other.chars().take(80).collect();
                    let Some(known) = fold::look_alike(other, &fold::ENVELOPE) else {
                        return Err(ParseError::UnknownMember(shown));
                    };
                    return Err(ParseError::LookAlike(shown, known));
                }
            };
            *slot = Some(value);
        }
        envelope.message()
    }
}

#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn message(self) -> Result<Message<'a>, ParseError> {
        if self.jsonrpc.and_then(string).as_deref() != Some("2.0") {
            return Err(ParseError::Member("jsonrpc"));
        }
        match self {
            Self { method: Some(method), result: None, error: None, id, params, .. } => {
                let method = string(method).ok_or(ParseError::Member("method"))?;
                let params = Params::read(params)?;
                Ok(match id {
                    Some(id) => Message::Request { id: Id::read(id)?, method, params },
                    None => Message::Notification { method, params },
                })
            }
            Self { method: None, params: None, result: Some(result), error: None, id: Some(id), .. } => {
                if !result.get().starts_with('{') {
                    return Err(ParseError::Member("result"));
                }
                Ok(Message::Response { id: Some(Id::read(id)?), answer: Ok(result) })
            }
            Self { method: None, params: None, result: None, error: Some(error), id, .. } => {
                let id = id.filter(|id| id.get() != "null").map(Id::read).transpose()?;
                let fault = RpcFault::read(error).ok_or(ParseError::Member("error"))?;
                Ok(Message::Response { id, answer: Err(fault) })
            }
            Self { method: None, .. } => Err(ParseError::Member("method")),
            Self { .. } => Err(ParseError::Member("result")),
        }
    }
}

/// The id of a request: an integer, or a string of at most [`limits::MESSAGE_ID`] characters; kept as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Id<'a>(&'a RawValue);

/// An id that can be compared, whatever way it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKey {
    /// An integer.
    Number(i64),
    /// A string.
    Text(Box<str>),
}

impl<'a> Id<'a> {
    /// Reads an id.
    ///
    /// # Errors
    /// Anything but an integer or a short string.
    pub fn read(raw: &'a RawValue) -> Result<Self, ParseError> {
        let id = Self(raw);
        if id.key().is_some() { Ok(id) } else { Err(ParseError::Member("id")) }
    }

    /// The id as JSON, as it was written.
    #[must_use]
    pub fn raw(self) -> &'a RawValue {
        self.0
    }

    /// The id as a value to compare; none for what [`Id::read`] refuses.
    #[must_use]
    pub fn key(self) -> Option<IdKey> {
        let text = self.0.get();
        if !text.starts_with('"') {
            return text.parse().ok().map(IdKey::Number);
        }
        // No escape takes more than six bytes for a character of one unit, so longer texts are not read at all.
        let value = (text.len() <= 2 + 6 * limits::MESSAGE_ID).then(|| string(self.0)).flatten()?;
        (value.chars().count() <= limits::MESSAGE_ID).then(|| IdKey::Text(value.into()))
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key() {
            Some(IdKey::Number(number)) => write!(f, "{number}"),
            Some(IdKey::Text(text)) => f.write_str(&text),
            None => Ok(()),
        }
    }
}

/// The members of `params`, in order; none looks like a known one without being it.
#[derive(Debug, Default)]
pub struct Params<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Params<'a> {
    fn read(raw: Option<&'a RawValue>) -> Result<Self, ParseError> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        if !raw.get().starts_with('{') {
            return Err(ParseError::Member("params"));
        }
        let members = members(raw.get())?;
        distinct(&members, &fold::PARAMS)?;
        if members.iter().any(|(key, value)| key == "_meta" && !value.get().starts_with('{')) {
            return Err(ParseError::Member("_meta"));
        }
        Ok(Self(members))
    }

    /// The value of a member.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The value of a member that is a string.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key).and_then(string)
    }

    /// All members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
    }
}

/// Refuses keys that look like a known one.
pub(super) fn distinct(members: &[(Cow<'_, str>, &RawValue)], known: &[&'static str]) -> Result<(), ParseError> {
    for (key, _) in members {
        if let Some(name) = fold::look_alike(key, known) {
            return Err(ParseError::LookAlike(key.chars().take(80).collect(), name));
        }
    }
    Ok(())
}

/// The string that a JSON value is.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(text).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The members of a JSON object, in order, as slices of its text.
///
/// # Errors
/// The text is not a JSON object.
pub fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, ParseError> {
    serde_json::from_str(text).map(|Members(members)| members).map_err(|_| ParseError::NotAnObject)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(6);
        while let Some(Key(key)) = map.next_key()? {
            members.push((key, map.next_value()?));
        }
        Ok(Members(members))
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Key)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
