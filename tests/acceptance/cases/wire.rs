//! Bad input on the wire: refused with 4xx, and nothing of it reaches the tool server.

use anyhow::ensure;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::case;
use crate::{Case, gateway::Gateway, wire::meta};

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            "ambiguous, oversized and malformed messages are refused",
            "T004 T005 T020 T021 T023 T024 T026 T027",
            60,
            bad_input
        ),
        case!("hidden, unknown and hidden with bad arguments look alike", "T066", 60, alike),
        case!("no key, a bad key and a key in the query are 401", "T040", 60, unauthorized),
    ]
}

/// A whole message, with `params` as it is given.
fn message(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params},"_meta":{}}}}}"#, meta())
}

const GOOD: &str = r#""name":"rec__echo","arguments":{"text":"x"}"#;

/// What is wrong, and the body.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let meta = meta();
    let deep = format!(r#""name":"rec__echo","arguments":{{"text":"x","any":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    let texts = [
        ("duplicate name", message(r#""name":"rec__echo","name":"rec__echo","arguments":{"text":"x"}"#)),
        ("duplicate argument", message(r#""name":"rec__echo","arguments":{"text":"x","text":"y"}"#)),
        ("duplicate argument, escaped", message(r#""name":"rec__echo","arguments":{"text":"x","te\u0078t":"y"}"#)),
        ("duplicate key deep inside", message(r#""name":"rec__echo","arguments":{"text":"x","any":[{"a":1,"a":2}]}"#)),
        (
            "duplicate method",
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":{{{GOOD},"_meta":{meta}}}}}"#
            ),
        ),
        (
            "case-folded method",
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"tools/list","params":{{{GOOD},"_meta":{meta}}}}}"#
            ),
        ),
        ("case-folded name", message(r#""name":"rec__echo","Name":"rec__slow","arguments":{"text":"x"}"#)),
        ("case-folded arguments", message(r#""name":"rec__echo","arguments":{"text":"x"},"ARGUMENTS":{"text":"y"}"#)),
        (
            "unknown envelope member",
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","extra":1,"params":{{{GOOD},"_meta":{meta}}}}}"#),
        ),
        ("too deep", message(&deep)),
        ("lone high surrogate", message(r#""name":"rec__echo","arguments":{"text":"\ud800"}"#)),
        ("lone low surrogate", message(r#""name":"rec__echo","arguments":{"text":"\udc00x"}"#)),
        (
            "integer of 30 digits",
            message(r#""name":"rec__echo","arguments":{"text":"x","number":123456789012345678901234567890}"#),
        ),
        ("integer beyond 2^53", message(r#""name":"rec__echo","arguments":{"text":"x","number":9007199254740993}"#)),
        ("trailing data", format!("{}{{}}", message(GOOD))),
        ("a batch", format!("[{}]", message(GOOD))),
        ("control character in a key", message(r#""name":"rec__echo","arguments":{"text":"x","a\u0000b":1}"#)),
        ("no JSON", "{".to_owned()),
        ("a comment", format!("/* */{}", message(GOOD))),
        ("NaN", message(r#""name":"rec__echo","arguments":{"text":"x","number":NaN}"#)),
    ];
    let mut bodies: Vec<(&str, Vec<u8>)> = texts.into_iter().map(|(what, text)| (what, text.into_bytes())).collect();
    let mut latin = message(GOOD).into_bytes();
    let at = latin.windows(3).position(|part| part == b"\"x\"").unwrap_or_default();
    if let Some(byte) = latin.get_mut(at + 1) {
        *byte = 0xff;
    }
    bodies.push(("no UTF-8", latin));
    bodies.push(("a byte order mark", [b"\xef\xbb\xbf".as_slice(), message(GOOD).as_bytes()].concat()));
    bodies
}

async fn bad_input() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let agent = gateway.agent.clone();
    let good = agent.headers("tools/call", Some("rec__echo"));
    let mut wrong = Vec::new();
    let mut judge = |what: &str, status: StatusCode, told: String, wanted: Option<u16>| {
        let right = wanted.map_or(status.is_client_error(), |wanted| status.as_u16() == wanted);
        if !right {
            wrong.push(format!("{what}: {told}"));
        }
    };
    for (what, body) in bodies() {
        let answer = agent.line().await?.send(good.clone(), body).await?;
        judge(what, answer.status, answer.told(), None);
    }
    // One byte more than 1 MiB.
    let empty = message(r#""name":"rec__echo","arguments":{"text":""}"#);
    let fill = "x".repeat((1 << 20) + 1 - empty.len());
    let large = message(&format!(r#""name":"rec__echo","arguments":{{"text":"{fill}"}}"#));
    ensure!(large.len() == (1 << 20) + 1, "the test is wrong: {}", large.len());
    let answer = agent.line().await?.send(good.clone(), large).await?;
    judge("1 MiB + 1", answer.status, answer.told(), Some(413));
    // Headers that do not agree with the body.
    let with = |name: &'static str, value: &str| -> Vec<(&'static str, String)> {
        good.iter().filter(|(key, _)| *key != name).cloned().chain([(name, value.to_owned())]).collect()
    };
    let without = |name: &str| -> Vec<_> { good.iter().filter(|(key, _)| *key != name).cloned().collect() };
    let twice = |name: &'static str, value: &str| -> Vec<_> {
        good.iter().cloned().chain([(name, value.to_owned())]).collect()
    };
    let headers = [
        ("another Mcp-Name", with("mcp-name", "rec__slow")),
        ("another Mcp-Method", with("mcp-method", "tools/list")),
        ("another version", with("mcp-protocol-version", "2025-11-25")),
        ("a version that is none", with("mcp-protocol-version", "1999-01-01")),
        ("no Mcp-Name", without("mcp-name")),
        ("no Mcp-Method", without("mcp-method")),
        ("Mcp-Name twice", twice("mcp-name", "rec__echo")),
        ("Mcp-Method twice", twice("mcp-method", "tools/call")),
        ("version twice", twice("mcp-protocol-version", "2026-07-28")),
        ("a key twice", twice("authorization", &format!("Bearer {}", agent.key))),
        ("another content type", with("content-type", "text/plain")),
        ("a compressed body", twice("content-encoding", "gzip")),
        ("a foreign origin", twice("origin", "http://evil.example")),
    ];
    for (what, headers) in headers {
        let answer = agent.line().await?.send(headers, message(GOOD)).await?;
        judge(what, answer.status, answer.told(), None);
    }
    ensure!(wrong.is_empty(), "not refused with 4xx:\n       | {}", wrong.join("\n       | "));
    let seen = gateway.upstream.calls();
    ensure!(seen.is_empty(), "seen: {seen:?}");
    // The good message, so that what was refused was refused for its fault.
    let answer = agent.line().await?.send(good, message(GOOD)).await?;
    ensure!(answer.is_done(), "the good message: {}", answer.told());
    let seen = gateway.upstream.calls();
    ensure!(seen == [json!(["echo", {"text": "x"}])], "seen: {seen:?}");
    Ok(())
}

async fn alike() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let asked: [(&str, Value); 4] = [
        ("rec__remember", json!({"text": "x"})),
        ("rec__remember", json!({"text": 7, "no": 1})),
        ("rec__inexiste", json!({"text": "x"})),
        ("any__inexiste", json!({"text": "x"})),
    ];
    let mut all = Vec::new();
    for (tool, arguments) in &asked {
        let answer = gateway.agent.call(tool, arguments.clone()).await?;
        ensure!(answer.code() == -32602, "{tool}: {}", answer.told());
        let body = String::from_utf8(answer.body.to_vec())?.replace(tool, "NAME");
        let mut headers: Vec<String> =
            answer.headers.iter().filter(|(name, _)| *name != "date").map(|(n, v)| format!("{n}: {v:?}")).collect();
        headers.sort();
        all.push((answer.status, headers, body));
    }
    for (answer, (tool, arguments)) in all.iter().zip(&asked) {
        ensure!(all.first() == Some(answer), "{tool} {arguments}: {answer:?} is not {:?}", all.first());
    }
    let seen = gateway.upstream.calls();
    ensure!(seen.is_empty(), "seen: {seen:?}");
    Ok(())
}

async fn unauthorized() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let agent = &gateway.agent;
    let plain: Vec<_> = agent
        .headers("tools/call", Some("rec__echo"))
        .into_iter()
        .filter(|(name, _)| *name != "authorization")
        .collect();
    let mut bad = agent.key.clone();
    let last = bad.pop();
    bad.push(if last == Some('a') { 'b' } else { 'a' });
    let with = |value: String| -> Vec<(&'static str, String)> {
        plain.iter().cloned().chain([("authorization", value)]).collect()
    };
    let asked = [
        ("no key", "/mcp".to_owned(), plain.clone()),
        ("a bad key", "/mcp".to_owned(), with(format!("Bearer {bad}"))),
        ("an empty key", "/mcp".to_owned(), with("Bearer ".to_owned())),
        ("Basic", "/mcp".to_owned(), with("Basic dXNlcjpwYXNz".to_owned())),
        ("a key in the query", format!("/mcp?access_token={}", agent.key), plain.clone()),
    ];
    for (what, path, headers) in asked {
        let answer = agent.line().await?.send_to(&path, headers, Bytes::from(message(GOOD))).await?;
        ensure!(answer.status == StatusCode::UNAUTHORIZED, "{what}: {}", answer.told());
        ensure!(answer.headers.contains_key("www-authenticate"), "{what}: no WWW-Authenticate");
    }
    let seen = gateway.upstream.calls();
    ensure!(seen.is_empty(), "seen: {seen:?}");
    Ok(())
}
