//! F1: a message that is accepted is strict JSON, is written anew without change, and is accepted again.

use postern::{
    domain::Method,
    mcp::{Era, Id, IdKey, Limits, List, Message, Params, RpcFault, client, emit, members, scan},
};

use super::naive::json;

const LOOKED_FOR: [&str; 12] = [
    "_meta",
    "arguments",
    "cursor",
    "inputResponses",
    "level",
    "name",
    "progressToken",
    "ref",
    "requestState",
    "task",
    "taskId",
    "uri",
];

/// The promise.
pub fn holds(bytes: &[u8]) {
    for limits in [Limits::REQUEST, Limits::BATCH, Limits::ANSWER] {
        assert_eq!(scan(bytes, limits).is_ok(), json::accepts(bytes, limits), "two readings differ within {limits:?}");
        if let Ok(message) = Message::parse(bytes, limits) {
            anew(&message, limits);
            whole(&message, bytes);
        }
    }
    if let Ok(batch) = Message::parse_batch(bytes) {
        batch.iter().flatten().for_each(|message| anew(message, Limits::REQUEST));
    }
    answers(bytes);
}

/// The data of an error is there if it was sent, and as it was sent.
fn whole(message: &Message<'_>, bytes: &[u8]) {
    let Message::Response { answer: Err(fault), .. } = message else { return };
    let text = std::str::from_utf8(bytes).expect("JSON is UTF-8");
    let find = |text, wanted: &str| json::pairs(text)?.into_iter().find(|(key, _)| key == wanted).map(|(_, raw)| raw);
    let sent = find(text, "error").and_then(|error| find(error.get(), "data"));
    assert_eq!(fault.data.map(|data| data.get()), sent.map(|data| data.get()), "the data of an error is lost");
}

/// What is written from a message reads as the same message.
fn anew(message: &Message<'_>, limits: Limits) {
    let written = write(message);
    let again = Message::parse(&written, limits).unwrap_or_else(|fault| panic!("what is written is refused: {fault}"));
    same(message, &again);
    assert_eq!(write(&again), written, "writing twice differs");
    let line = emit::one_line(written.clone());
    assert!(line.len() == written.len() && !line.contains(&b'\n') && !line.contains(&b'\r'));
    assert!(Message::parse(&line, limits).is_ok(), "a message on one line is refused");
}

fn write(message: &Message<'_>) -> bytes::Bytes {
    match message {
        Message::Request { id, method, params } => match number(*id) {
            Some(number) => emit::request(number, method, &pieces(params)),
            None => emit::notification(method, &pieces(params)),
        },
        Message::Notification { method, params } => emit::notification(method, &pieces(params)),
        Message::Response { id, answer: Ok(result) } => {
            emit::result(id.expect("a result has an id"), result.get().as_bytes())
        }
        Message::Response { id, answer: Err(fault) } => {
            let more: Vec<_> =
                fault.more.iter().map(|(key, value)| (key.as_ref().into(), (*value).to_owned())).collect();
            let code = i32::try_from(fault.code).unwrap_or(-32603);
            emit::fault(*id, (code, &fault.message, fault.data), &more)
        }
    }
}

fn same(one: &Message<'_>, two: &Message<'_>) {
    match (one, two) {
        (Message::Request { id, method, params }, Message::Request { id: second, method: again, params: rest }) => {
            assert_eq!((id.key(), method, listed(params)), (second.key(), again, listed(rest)));
        }
        (
            Message::Request { method, params, .. } | Message::Notification { method, params },
            Message::Notification { method: again, params: rest },
        ) => assert_eq!((method, listed(params)), (again, listed(rest))),
        (Message::Response { id, answer }, Message::Response { id: second, answer: again }) => {
            assert_eq!(id.and_then(Id::key), second.and_then(Id::key));
            match (answer, again) {
                (Ok(result), Ok(again)) => assert_eq!(result.get(), again.get()),
                (Err(fault), Err(again)) => {
                    assert_eq!(fault.message, again.message);
                    let more = |fault: &RpcFault<'_>| {
                        fault
                            .more
                            .iter()
                            .map(|(key, value)| (key.to_string(), value.get().to_owned()))
                            .collect::<Vec<_>>()
                    };
                    assert_eq!(more(fault), more(again));
                    assert_eq!(fault.data.map(|data| data.get()), again.data.map(|data| data.get()));
                    assert!(fault.code == again.code || i32::try_from(fault.code).is_err());
                }
                _ => panic!("a result became an error, or the other way"),
            }
        }
        _ => panic!("one kind of message became another"),
    }
    if let Message::Request { params, .. } | Message::Notification { params, .. } = one {
        for (key, _) in params.iter() {
            let plain = key.trim_matches(|c: char| c.is_whitespace() || c.is_control()).to_ascii_lowercase();
            let double = LOOKED_FOR.iter().find(|known| **known != key && known.to_ascii_lowercase() == plain);
            assert_eq!(double, None, "`{key}` is taken for a known member by some reader");
        }
    }
}

fn number(id: Id<'_>) -> Option<u64> {
    match id.key().expect("an id that was read has a key") {
        IdKey::Number(number) => u64::try_from(number).ok(),
        IdKey::Text(text) => {
            assert!(text.chars().count() <= 128);
            None
        }
    }
}

fn pieces<'a>(params: &'a Params<'_>) -> Vec<(&'a str, &'a [u8])> {
    params.iter().map(|(key, value)| (key, value.get().as_bytes())).collect()
}

fn listed(params: &Params<'_>) -> Vec<(String, String)> {
    params.iter().map(|(key, value)| (key.to_owned(), value.get().to_owned())).collect()
}

/// What a tool server sends is read without harm, and a result is made ready without touching what it says.
fn answers(bytes: &[u8]) {
    let _read = client::read(bytes);
    for stream in [false, true] {
        let _answer = client::read_body(stream, bytes, 1);
    }
    let Ok(text) = scan(bytes, Limits::ANSWER) else { return };
    let _page = client::page(List::Tools, bytes);
    let _server = client::server(bytes);
    let pairs = json::pairs(text).expect("the scan takes objects only");
    let read = members(text).expect("the scan takes objects only");
    let read: Vec<_> = read.iter().map(|(key, value)| (key.to_string(), value.get())).collect();
    assert_eq!(read, pairs.iter().map(|(key, value)| (key.clone(), value.get())).collect::<Vec<_>>());
    let Some(ready) = complete(bytes) else { return };
    let ready = std::str::from_utf8(&ready).expect("JSON is UTF-8");
    let removed = |key: &str| matches!(key, "resultType" | "ttlMs" | "cacheScope" | "_meta");
    let flat = |(key, value): &(String, &serde_json::value::RawValue)| {
        (!removed(key)).then(|| (key.clone(), value.get().replace(['\n', '\r'], " ")))
    };
    let after = json::pairs(ready).expect("a result that is ready is an object");
    assert_eq!(
        pairs.iter().filter_map(flat).collect::<Vec<_>>(),
        after.iter().filter_map(flat).collect::<Vec<_>>(),
        "a result was changed"
    );
    assert_eq!(complete(ready.as_bytes()).expect("it was complete"), ready.as_bytes());
}

/// The result of a tool call that is done, made ready for any era.
fn complete(result: &[u8]) -> Option<bytes::Bytes> {
    match client::outcome(result, Method::CallTool, Era::Modern) {
        Ok(client::Outcome::Complete(complete)) => Some(complete.result),
        Ok(client::Outcome::InputRequired(_) | client::Outcome::Task(_)) | Err(_) => None,
    }
}
