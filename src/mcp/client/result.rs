//! Results of tool servers, made ready for any era.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    domain::Method,
    mcp::{Era, InputRequired, ParseError, emit, members, message},
};

/// A result that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultFault {
    /// It is not an object with the members that it must have.
    #[error("the result is malformed")]
    Malformed(#[from] ParseError),
    /// It is of a type that this request cannot have.
    #[error("the result is of the type `{0}`, which this request cannot have")]
    Type(String),
}

/// What a result says.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The request is done.
    Complete(Complete),
    /// The server asks before it answers (modern).
    InputRequired(InputRequired),
    /// The server made a task of it: the result without its type (modern).
    Task(Bytes),
}

/// A result that fits any era: `resultType`, `ttlMs`, `cacheScope` and reserved members of `_meta` are gone.
#[derive(Debug, Clone)]
pub struct Complete {
    /// The JSON object.
    pub result: Bytes,
    /// Whether the tool says that it failed.
    pub is_error: bool,
    /// For how long it may be kept, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// Reads the result of a request and makes it ready. Members of `_meta` under MCP's names or Postern's are the
/// server's claim to speak for somebody else, and are left out.
///
/// # Errors
/// A result that is no object, or of a type that this request to this server cannot have.
pub fn outcome(result: &[u8], method: Method, era: Era) -> Result<Outcome, ResultFault> {
    let members = object(result)?;
    let kind = match get(&members, "resultType") {
        Some(kind) => message::string(kind).ok_or(ParseError::Member("resultType"))?,
        None => Cow::Borrowed("complete"),
    };
    match (kind.as_ref(), era) {
        ("complete", _) => {}
        ("input_required", Era::Modern) if method.takes_input() => {
            let text = std::str::from_utf8(result).map_err(|_| ParseError::NotUtf8)?;
            return Ok(Outcome::InputRequired(InputRequired::read(text)?));
        }
        ("task", Era::Modern) if method == Method::CallTool => {
            return Ok(Outcome::Task(ready(result, &members, true)?.result));
        }
        (other, _) => return Err(ResultFault::Type(other.chars().take(40).collect())),
    }
    // A task has a `ttlMs` of its own.
    let task = matches!(method, Method::GetTask | Method::UpdateTask | Method::CancelTask);
    Ok(Outcome::Complete(ready(result, &members, task)?))
}

fn ready(result: &[u8], members: &[(Cow<'_, str>, &RawValue)], task: bool) -> Result<Complete, ResultFault> {
    let (mut is_error, mut changed, mut ttl_ms) = (false, false, None);
    let mut kept: Vec<(&str, Cow<'_, [u8]>)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        match key.as_ref() {
            "resultType" => changed = true,
            "ttlMs" if !task => {
                changed = true;
                ttl_ms = value.get().parse().ok();
            }
            "cacheScope" if !task => changed = true,
            "_meta" => match meta(value)? {
                Some(meta) => {
                    changed = true;
                    if meta.len() > 2 {
                        kept.push((key, meta.into()));
                    }
                }
                None => kept.push((key, value.get().as_bytes().into())),
            },
            _ => {
                is_error |= key == "isError" && value.get() == "true";
                kept.push((key, value.get().as_bytes().into()));
            }
        }
    }
    let pieces: Vec<_> = kept.iter().map(|(key, value)| (*key, value.as_ref())).collect();
    let result = if changed { emit::object(&pieces) } else { Bytes::copy_from_slice(result) };
    Ok(Complete { result: emit::one_line(result), is_error, ttl_ms })
}

/// `_meta` without reserved members, if it holds any.
fn meta(raw: &RawValue) -> Result<Option<Vec<u8>>, ParseError> {
    let members = members(raw.get())?;
    let kept: Vec<_> = members
        .iter()
        .filter(|(key, _)| !reserved(key))
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    Ok((kept.len() < members.len()).then(|| emit::object(&kept).into()))
}

/// Whether a key of `_meta` belongs to MCP (a label before `/` that says `modelcontextprotocol` or `mcp`) or to us.
fn reserved(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    prefix
        .split('.')
        .any(|label| ["modelcontextprotocol", "mcp", "postern"].iter().any(|own| label.eq_ignore_ascii_case(own)))
}

pub(super) fn object(result: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>, ParseError> {
    members(std::str::from_utf8(result).map_err(|_| ParseError::NotUtf8)?)
}

pub(super) fn get<'a>(members: &[(Cow<'_, str>, &'a RawValue)], key: &str) -> Option<&'a RawValue> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
}
