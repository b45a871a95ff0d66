//! What the gateway answers: one message, or an event stream up to the answer.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::{sync::mpsc, time::timeout};

use super::{
    lost::{Lost, hint},
    said::Ident,
};
use crate::{
    domain::limits,
    mcp::{Decoder, Id, Limits, Message, emit, scan},
};

/// The gateway says something this often, if only that it is there.
const SILENCE: Duration = limits::KEEP_ALIVE.saturating_mul(6);
/// What a batch of answers may hold.
const ARRAY: Limits = Limits { depth: Limits::ANSWER.depth + 1, safe_numbers: false, batch: true };

/// An event stream.
pub(super) struct Events {
    body: Incoming,
    decoder: Decoder,
    waiting: VecDeque<String>,
}

/// What came.
pub(super) enum Reply {
    /// A whole body.
    Whole(StatusCode, Bytes),
    /// A stream.
    Events(Events),
}

/// The end of a request.
#[derive(Debug)]
pub(super) struct Final {
    /// The messages that end it.
    pub(super) messages: Vec<Bytes>,
    /// The code, if it is one error.
    pub(super) code: Option<i64>,
    /// The status of HTTP that came with it.
    pub(super) status: StatusCode,
}

/// Takes an answer by its kind.
pub(super) async fn reply(response: Response<Incoming>) -> Result<Reply, Lost> {
    let status = response.status();
    if status.is_success() && is_stream(response.headers()) {
        return Ok(Reply::Events(Events::of(response)));
    }
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(bytes) = next_bytes(&mut body).await? {
        if all.len() + bytes.len() > limits::ANSWER {
            return Err(Lost::TooLarge);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(Reply::Whole(status, all.into()))
}

/// Whether the answer is an event stream.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

async fn next_bytes(body: &mut Incoming) -> Result<Option<Bytes>, Lost> {
    loop {
        match timeout(SILENCE, body.frame()).await {
            Err(_) => return Err(Lost::Silent),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Lost::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

impl Events {
    pub(super) fn of(response: Response<Incoming>) -> Self {
        let decoder = Decoder::new(limits::ANSWER);
        Self { body: response.into_body(), decoder, waiting: VecDeque::new() }
    }

    /// The next message, on one line; none at the end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Lost> {
        loop {
            if let Some(data) = self.waiting.pop_front() {
                return Ok(Some(emit::one_line(data.into())));
            }
            let Some(bytes) = next_bytes(&mut self.body).await? else { return Ok(None) };
            let events = self.decoder.push(&bytes).map_err(|_| Lost::TooLarge)?;
            let messages = events.into_iter().filter(|event| event.name == "message" && !event.data.is_empty());
            self.waiting.extend(messages.map(|event| event.data));
        }
    }

    pub(super) fn last_event_id(&self) -> Option<&str> {
        self.decoder.last_event_id()
    }

    pub(super) fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }
}

/// The answers that a request, or a batch of them, still waits for.
#[derive(Debug)]
pub(super) struct Wanted(Vec<Ident>);

/// What a message is to those who wait.
enum Meaning {
    /// It ends what was asked.
    Ends(Final),
    /// It is something else; the client is to have it.
    Passes,
    /// It is no message.
    Nothing,
}

impl Wanted {
    pub(super) fn new(ids: Vec<Ident>) -> Self {
        Self(ids)
    }

    /// The ids that have no answer yet.
    pub(super) fn missing(&self) -> impl Iterator<Item = &RawValue> {
        self.0.iter().map(|id| &*id.raw)
    }

    /// Takes a body that came whole.
    pub(super) fn whole(&mut self, status: StatusCode, body: &Bytes) -> Result<Final, Lost> {
        let body = emit::one_line(Bytes::copy_from_slice(body.trim_ascii()));
        if self.0.is_empty() && status.is_success() {
            return Ok(Final { messages: Vec::new(), code: None, status });
        }
        match self.meaning(&body, status) {
            Meaning::Ends(ended) => Ok(ended),
            Meaning::Passes | Meaning::Nothing if status.is_success() => Err(Lost::Garbage),
            Meaning::Passes | Meaning::Nothing => Err(Lost::Status(status)),
        }
    }

    /// Reads a stream up to the answer; what comes before goes to `out`. The stream's own end is `Broken`.
    pub(super) async fn follow(
        &mut self,
        events: &mut Events,
        out: Option<&mpsc::Sender<Bytes>>,
    ) -> Result<Final, Lost> {
        while let Some(message) = events.next().await? {
            match self.meaning(&message, StatusCode::OK) {
                Meaning::Ends(ended) => return Ok(ended),
                Meaning::Nothing => tracing::warn!("the gateway sent something that is no message; it is left out"),
                Meaning::Passes => {
                    if let Some(out) = out {
                        out.send(message).await.map_err(|_| Lost::Stopped)?;
                    }
                }
            }
        }
        Err(Lost::Broken)
    }

    fn meaning(&mut self, text: &Bytes, status: StatusCode) -> Meaning {
        if text.starts_with(b"[") {
            return self.array(text, status);
        }
        match Message::parse(text, Limits::ANSWER) {
            Ok(Message::Response { id: Some(id), answer }) => {
                let Some(at) = self.0.iter().position(|wanted| Some(&wanted.key) == id.key().as_ref()) else {
                    return Meaning::Nothing;
                };
                self.0.swap_remove(at);
                let code = answer.err().map(|fault| fault.code);
                self.over(Final { messages: vec![text.clone()], code, status })
            }
            // Whoever sees no id in an error must take it for the answer to everything.
            Ok(Message::Response { id: None, answer: Err(fault) }) => {
                let told = format!("{}{}", fault.message, hint(status));
                let code = i32::try_from(fault.code).unwrap_or(crate::mcp::code::INTERNAL);
                let all = std::mem::take(&mut self.0);
                let error = |id: &Ident| emit::error(Id::read(&id.raw).ok(), code, &told, fault.data);
                let messages = all.iter().map(|id| emit::one_line(error(id))).collect();
                Meaning::Ends(Final { messages, code: Some(fault.code), status })
            }
            Ok(Message::Response { id: None, answer: Ok(_) }) | Err(_) => Meaning::Nothing,
            Ok(Message::Request { .. } | Message::Notification { .. }) => Meaning::Passes,
        }
    }

    /// Takes the answers to a batch.
    fn array(&mut self, text: &Bytes, status: StatusCode) -> Meaning {
        let each: Option<Vec<&RawValue>> = scan(text, ARRAY).ok().and_then(|text| serde_json::from_str(text).ok());
        let Some(each) = each else { return Meaning::Nothing };
        for one in each {
            let Ok(Message::Response { id: Some(id), .. }) = Message::parse(one.get().as_bytes(), Limits::ANSWER)
            else {
                continue;
            };
            self.0.retain(|wanted| Some(&wanted.key) != id.key().as_ref());
        }
        self.over(Final { messages: vec![text.clone()], code: None, status })
    }

    fn over(&self, ended: Final) -> Meaning {
        if self.0.is_empty() { Meaning::Ends(ended) } else { Meaning::Passes }
    }
}
