//! What a tool server sends, read strictly: one message, or the body of an HTTP answer.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    domain::limits,
    mcp::{Decoder, Filter, IdKey, Limits, LogLevel, Message, Params, ParseError, emit, members},
};

/// The answer to one of our requests.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The JSON object of `result`, as it was sent.
    Result(Bytes),
    /// An error.
    Error(RpcFailure),
}

/// The error of a tool server.
#[derive(Debug, Clone)]
pub struct RpcFailure {
    /// Its code.
    pub code: i64,
    /// Its sentence.
    pub message: String,
    /// More.
    pub data: Option<Box<RawValue>>,
}

/// One message of a tool server.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// It answers our request of this number.
    Answer {
        /// Our request.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// An error without an id, or an answer with an id that was never ours: nobody waits for it.
    Stray,
    /// Progress of our request of this number.
    Progress {
        /// Our request, whose number was the token.
        id: u64,
        /// The params without the token, as a JSON object.
        params: Bytes,
    },
    /// A list changed.
    ListChanged,
    /// A log message.
    Log {
        /// How severe it is.
        level: LogLevel,
        /// The params, as a JSON object.
        params: Bytes,
    },
    /// A stream of notifications was opened for these (modern).
    Acknowledged {
        /// Our request that opened it, where the server says so.
        of: Option<u64>,
        /// What the server will tell.
        filter: Filter,
    },
    /// Something that is watched has news.
    News(News),
    /// The server asks something.
    Request {
        /// Its id, as JSON.
        id: Box<RawValue>,
        /// What it asks.
        method: String,
        /// With what: a JSON object without `_meta`, if there is anything.
        params: Option<Box<RawValue>>,
    },
    /// Another notification.
    Notification {
        /// What happened.
        method: String,
    },
}

/// What may be watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A resource, by its URI.
    Resource(String),
    /// A task, by its id.
    Task(String),
}

/// News of something that is watched.
#[derive(Debug, Clone)]
pub struct News {
    /// Of what.
    pub topic: Topic,
    /// The params without `_meta`, as a JSON object.
    pub params: Bytes,
}

/// Reads one message.
///
/// # Errors
/// Anything that the strict scan or the envelope refuses.
pub fn read(bytes: &[u8]) -> Result<Incoming, ParseError> {
    Ok(match Message::parse(bytes, Limits::ANSWER)? {
        Message::Response { id, answer } => {
            let id = id.and_then(|id| match id.key()? {
                IdKey::Number(number) => u64::try_from(number).ok(),
                IdKey::Text(_) => None,
            });
            let Some(id) = id else { return Ok(Incoming::Stray) };
            let answer = match answer {
                Ok(result) => Answer::Result(Bytes::copy_from_slice(result.get().as_bytes())),
                Err(fault) => Answer::Error(RpcFailure {
                    code: fault.code,
                    message: fault.message.into_owned(),
                    data: fault.data.map(ToOwned::to_owned),
                }),
            };
            Incoming::Answer { id, answer }
        }
        Message::Request { id, method, params } => Incoming::Request {
            id: id.raw().to_owned(),
            method: method.into_owned(),
            params: raw(without(&params, &["_meta"])).filter(|params| params.get() != "{}"),
        },
        Message::Notification { method, params } => notification(&method, &params),
    })
}

/// Messages of one array.
const BATCH: usize = 1_000;

/// Reads an array of messages, which a server of revision 2025-03-26 may send; or one message.
///
/// # Errors
/// Anything that one message of it is refused for; an empty or very long array.
pub fn read_batch(bytes: &[u8]) -> Result<Vec<Incoming>, ParseError> {
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        return Ok(vec![read(bytes)?]);
    }
    let each: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(|_| ParseError::Syntax(0))?;
    if each.is_empty() || each.len() > BATCH {
        return Err(ParseError::NotAnObject);
    }
    each.into_iter().map(|one| read(one.get().as_bytes())).collect()
}

fn notification(method: &str, params: &Params<'_>) -> Incoming {
    let other = || Incoming::Notification { method: method.chars().take(80).collect() };
    match method {
        "notifications/progress" => match params.get("progressToken").and_then(|token| token.get().parse().ok()) {
            Some(id) => Incoming::Progress { id, params: without(params, &["progressToken", "_meta"]) },
            None => other(),
        },
        "notifications/tools/list_changed"
        | "notifications/prompts/list_changed"
        | "notifications/resources/list_changed" => Incoming::ListChanged,
        "notifications/message" => match params.text("level").and_then(|level| LogLevel::of(&level)) {
            Some(level) => Incoming::Log { level, params: without(params, &["_meta"]) },
            None => other(),
        },
        "notifications/resources/updated" => news(params, "uri", Topic::Resource).unwrap_or_else(other),
        "notifications/tasks" => news(params, "taskId", Topic::Task).unwrap_or_else(other),
        "notifications/subscriptions/acknowledged" => acknowledged(params),
        _ => other(),
    }
}

fn news(params: &Params<'_>, member: &str, topic: fn(String) -> Topic) -> Option<Incoming> {
    let topic = topic(params.text(member)?.into_owned());
    Some(Incoming::News(News { topic, params: without(params, &["_meta"]) }))
}

fn acknowledged(params: &Params<'_>) -> Incoming {
    let meta = params.get("_meta").and_then(|meta| members(meta.get()).ok()).unwrap_or_default();
    let of = meta.iter().find(|(key, _)| key == "io.modelcontextprotocol/subscriptionId");
    let of = of.and_then(|(_, id)| id.get().parse().ok());
    let all = params.get("notifications").and_then(|all| members(all.get()).ok()).unwrap_or_default();
    let mut filter = Filter::default();
    for (key, value) in &all {
        let on = value.get() == "true";
        match key.as_ref() {
            "toolsListChanged" => filter.tools = on,
            "promptsListChanged" => filter.prompts = on,
            "resourcesListChanged" => filter.resources = on,
            "resourceSubscriptions" => filter.uris = serde_json::from_str(value.get()).unwrap_or_default(),
            "taskIds" => filter.tasks = serde_json::from_str(value.get()).unwrap_or_default(),
            _ => {}
        }
    }
    Incoming::Acknowledged { of, filter }
}

/// The params as a JSON object without these members.
fn without(params: &Params<'_>, left_out: &[&str]) -> Bytes {
    let kept: Vec<_> = params
        .iter()
        .filter(|(key, _)| !left_out.contains(key))
        .map(|(key, value)| (key, value.get().as_bytes()))
        .collect();
    emit::one_line(emit::object(&kept))
}

fn raw(json: Bytes) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(json.into()).ok()?).ok()
}

/// Reads the whole body of an HTTP answer, JSON or event stream, up to the answer to request `id`.
///
/// For requests that are not watched while they run; what else is in the stream is left out.
///
/// # Errors
/// A body that cannot be read, or that does not hold the answer.
pub fn read_body(event_stream: bool, body: &[u8], id: u64) -> Result<Answer, ParseError> {
    let messages = if event_stream {
        let events = Decoder::new(limits::ANSWER).push(body).map_err(|_| ParseError::Member("event"))?;
        events
            .into_iter()
            .filter(|event| event.name == "message" && !event.data.is_empty())
            .map(|event| read(event.data.as_bytes()))
            .collect()
    } else {
        vec![read(body)]
    };
    for message in messages {
        if let Incoming::Answer { id: of, answer } = message?
            && of == id
        {
            return Ok(answer);
        }
    }
    Err(ParseError::Member("id"))
}
