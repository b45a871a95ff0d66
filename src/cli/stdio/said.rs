//! What a line of the client is, as far as its transport depends on it.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::mcp::{Id, IdKey, Limits, Message, Meta, Params, ParseError, emit, members};

/// A line.
#[derive(Debug)]
pub(super) enum Said {
    /// A request.
    Asked(Asked),
    /// A notification or a response.
    Told(Told),
    /// An array of messages (revision 2025-03-26).
    Batch {
        /// The line.
        body: Bytes,
        /// The ids of its requests.
        ids: Vec<Ident>,
    },
    /// No message; this answers it.
    Unreadable(Bytes),
}

/// The id of a request.
#[derive(Debug, Clone)]
pub(super) struct Ident {
    pub(super) key: IdKey,
    pub(super) raw: Box<RawValue>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Ident,
    pub(super) method: String,
    /// What a modern request's headers repeat; none if the request is legacy.
    pub(super) modern: Option<Mirror>,
    pub(super) body: Bytes,
}

/// What the headers of a modern message repeat.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) version: String,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<Box<RawValue>>,
    pub(super) meta: Option<Box<RawValue>>,
}

/// A message that wants no answer.
#[derive(Debug)]
pub(super) struct Told {
    /// None for a response.
    pub(super) method: Option<String>,
    /// The request that is cancelled.
    pub(super) cancels: Option<IdKey>,
    pub(super) modern: Option<Mirror>,
    pub(super) body: Bytes,
}

impl Ident {
    fn of(id: Id<'_>) -> Option<Self> {
        Some(Self { key: id.key()?, raw: id.raw().to_owned() })
    }
}

/// Reads a line.
pub(super) fn read(line: Bytes) -> Said {
    let read = if line.starts_with(b"[") { batch(&line) } else { one(&line) };
    read.unwrap_or_else(|fault| Said::Unreadable(refusal(&line, &fault)))
}

fn one(line: &Bytes) -> Result<Said, ParseError> {
    let body = || emit::one_line(line.clone());
    Ok(match Message::parse(line, Limits::REQUEST)? {
        Message::Request { id, method, params } => {
            let modern = mirror(&method, &params)?;
            let id = Ident::of(id).ok_or(ParseError::Member("id"))?;
            Said::Asked(Asked { id, method: method.into_owned(), modern, body: body() })
        }
        Message::Notification { method, params } => {
            let modern = mirror(&method, &params)?;
            let cancels = (method == "notifications/cancelled").then(|| params.get("requestId")).flatten();
            let cancels = cancels.and_then(|id| Id::read(id).ok()?.key());
            Said::Told(Told { method: Some(method.into_owned()), cancels, modern, body: body() })
        }
        Message::Response { .. } => Said::Told(Told { method: None, cancels: None, modern: None, body: body() }),
    })
}

fn batch(line: &Bytes) -> Result<Said, ParseError> {
    let messages = Message::parse_batch(line)?;
    let ids = messages.iter().filter_map(|message| match message {
        Ok(Message::Request { id, .. }) => Ident::of(*id),
        Ok(Message::Notification { .. } | Message::Response { .. }) | Err(_) => None,
    });
    Ok(Said::Batch { ids: ids.collect(), body: emit::one_line(line.clone()) })
}

/// What the headers repeat, if `_meta` names a revision: only modern messages do.
fn mirror(method: &str, params: &Params<'_>) -> Result<Option<Mirror>, ParseError> {
    let Some(version) = Meta::read(params)?.protocol_version else { return Ok(None) };
    let name = match method {
        "tools/call" | "prompts/get" => params.text("name"),
        "resources/read" => params.text("uri"),
        _ if method.starts_with("tasks/") => params.text("taskId"),
        _ => None,
    };
    let arguments = if method == "tools/call" { params.get("arguments") } else { None };
    Ok(Some(Mirror {
        version: version.into_owned(),
        name: name.map(std::borrow::Cow::into_owned),
        arguments: arguments.map(ToOwned::to_owned),
        meta: params.get("_meta").map(ToOwned::to_owned),
    }))
}

/// The error for a line that is no message, with its id if that can be read: a client must not wait for nothing.
fn refusal(line: &[u8], fault: &ParseError) -> Bytes {
    let members = std::str::from_utf8(line).ok().and_then(|text| members(text).ok()).unwrap_or_default();
    let mut ids = members.iter().filter(|(key, _)| key == "id").map(|(_, id)| *id);
    let id = match (ids.next(), ids.next()) {
        // A response that cannot be read has an id of the gateway's: it is not answered with that.
        (Some(id), None) if members.iter().any(|(key, _)| key == "method") => Id::read(id).ok(),
        _ => None,
    };
    emit::one_line(emit::error(id, fault.code(), &fault.to_string(), None))
}
