//! What a tool server sends, read strictly: one message, or the body of an HTTP answer.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    domain::limits,
    mcp::{Decoder, IdKey, Limits, Message, ParseError},
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
    /// The list of tools changed.
    ToolsChanged,
    /// The server asks something; it can only be answered with `pong` or `refuse`.
    Request {
        /// Its id, as JSON.
        id: Box<RawValue>,
        /// What it asks.
        method: String,
    },
    /// Another notification.
    Notification {
        /// What happened.
        method: String,
    },
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
        Message::Request { id, method, .. } => {
            Incoming::Request { id: id.raw().to_owned(), method: method.into_owned() }
        }
        Message::Notification { method, params } => match method.as_ref() {
            "notifications/progress" => {
                let token = params.get("progressToken").and_then(|token| token.get().parse().ok());
                let Some(id) = token else { return Ok(Incoming::Notification { method: method.into_owned() }) };
                let rest: Vec<_> =
                    params.iter().filter(|(key, _)| !matches!(*key, "progressToken" | "_meta")).collect();
                let rest: Vec<_> = rest.iter().map(|(key, value)| (*key, value.get().as_bytes())).collect();
                Incoming::Progress { id, params: crate::mcp::emit::object(&rest) }
            }
            "notifications/tools/list_changed" => Incoming::ToolsChanged,
            _ => Incoming::Notification { method: method.into_owned() },
        },
    })
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
