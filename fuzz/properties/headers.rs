//! F2: headers are taken or refused as a plain reading of the rules says, and what we write for others is taken.

use http::{HeaderMap, HeaderName, HeaderValue};
use postern::{
    domain::Method,
    mcp::{
        Limits, Message, Mirrors,
        client::{Along, Carried, Speaker, carry},
        headers,
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{house, naive::head};

/// Lines of headers that are read; the endpoint's own bound is never reached.
const LINES: usize = 40;

/// The promise. The first line is the name of a tool, the second its arguments (JSON, or empty), each further line is
/// a header of a call.
pub fn holds(bytes: &[u8]) {
    if bytes.len() > 8_192 {
        return;
    }
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (Some(Ok(name)), Some(Ok(arguments))) =
        (lines.next().map(std::str::from_utf8), lines.next().map(std::str::from_utf8))
    else {
        return;
    };
    let Some((body, arguments)) = body(name, arguments) else { return };
    let given: Vec<_> = lines.take(LINES).filter_map(header).collect();
    let mut map: HeaderMap = given.iter().cloned().collect();
    map.insert("content-type", HeaderValue::from_static("application/json"));
    map.insert("accept", HeaderValue::from_static("application/json"));
    let plain: Vec<_> =
        given.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    assert_eq!(house::post(&map, body.as_bytes()), head::judge(&plain, name, &arguments), "two readings differ");
    written(name);
}

/// A call as a modern client sends it, and its arguments; none if no endpoint would read it.
fn body(name: &str, arguments: &str) -> Option<(String, Value)> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let given = if arguments.trim().is_empty() { "{}" } else { arguments };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{},"arguments":{given},"_meta":{meta}}}}}"#,
        json!(name)
    );
    // Arguments that close their own object would make another call of it.
    let alone: &RawValue = serde_json::from_str(given).ok()?;
    let read = alone.get().starts_with('{') && Message::parse(body.as_bytes(), Limits::REQUEST).is_ok();
    read.then(|| serde_json::from_str(given).ok())?.map(|arguments| (body, arguments))
}

/// One header that is looked at here, as HTTP hands it over: without the spaces around its value.
fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let ours = matches!(name.as_str(), "host" | "origin") || name.as_str().starts_with("mcp-");
    let value = &line[colon + 1..];
    let start = value.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !b" \t".contains(byte)).map_or(start, |at| at + 1);
    ours.then(|| HeaderValue::from_bytes(&value[start..end]).ok())?.map(|value| (name, value))
}

/// The headers that we write for a call say its name and no other.
fn written(name: &str) {
    let (method, along) = (Method::CallTool, Along::default());
    let call = Carried { id: 1, method, name, arguments: None, members: &[], input: None, along };
    let out = carry(Speaker::MODERN, call, &Mirrors::default());
    let map: HeaderMap = out.headers.into_iter().collect();
    let value = map.get(headers::NAME).expect("every call names its tool");
    assert_eq!(head::text(value.as_bytes()).as_deref(), Some(name), "another reader would see another name");
    assert_eq!(headers::agrees(&map, &headers::NAME, name), Ok(()));
    assert!(headers::agrees(&map, &headers::NAME, &format!("{name} ")).is_err());
}
