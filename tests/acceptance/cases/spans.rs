//! What the trace of each kind of call says, and that no caller keeps the trace of a use or of a refusal away.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use http::header;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, Options, free_port, until},
    say,
    sink::{Sink, hex, text},
    upstream::{FAIL, Upstream},
    wire::meta,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("spans: each kind of call says what was decided and how it ended", "T088", 120, kinds),
        case!("spans: a caller that does not sample is traced where it counts", "T030 T088", 60, unsampled),
    ]
}

const LATE: &str = r#"@id("late")
permit (principal in Role::"echoer", action == Action::"late/slow", resource == Tool::"late/slow");
"#;

/// Attributes of the SERVER span, its status and whether there is a CLIENT span.
fn told(spans: &[Span], trace: &str) -> Option<Value> {
    let mine: Vec<_> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
    let server = mine.iter().find(|span| span.kind() == SpanKind::Server)?;
    let said = |key: &str| text(server, key).unwrap_or_default();
    let failed = server.status.clone().unwrap_or_default().code() == StatusCode::Error;
    let judged = mine.iter().any(|span| span.name == "postern.authorize");
    let left = mine.iter().any(|span| span.kind() == SpanKind::Client);
    let words =
        ["postern.authz.decision", "postern.authz.basis", "postern.authz.reason", "postern.exception.id", "error.type"];
    let mut row: Vec<Value> = words.iter().map(|key| said(key).into()).collect();
    row.extend([failed.into(), judged.into(), left.into()]);
    Some(row.into())
}

fn trace(number: u32) -> String {
    format!("{number:032x}")
}

fn traced(number: u32, flags: &str) -> Value {
    let mut meta = meta();
    meta["traceparent"] = json!(format!("00-{}-b7ad6b7169203331-{flags}", trace(number)));
    meta
}

async fn house(ratio: f64) -> anyhow::Result<(Sink, Upstream, Gateway)> {
    let port = free_port()?;
    let (sink, late) = (Sink::start(port).await?, Upstream::start().await?);
    let gateway = Gateway::with(Options {
        otlp: Some(format!("http://127.0.0.1:{port}")),
        telemetry: json!({"sample_ratio": ratio}),
        servers: vec![("late".to_owned(), late.address)],
        timeout_s: 1,
        policies: vec![("roles/late.cedar", LATE)],
        ..Options::default()
    })
    .await?;
    let mut record = gateway.record("EX-SPANS", "remember", 600).await?;
    record["controls"] =
        json!([{"id": "traced", "obligation": "trace.full", "definition": "Every call leaves a whole trace."}]);
    gateway.grant(&record).await?;
    let works = async || {
        let answer = gateway.agent.call("rec__remember", json!({"text": "works"})).await;
        answer.is_ok_and(|answer| answer.is_done())
    };
    until("the exception works", Duration::from_secs(10), works).await?;
    Ok((sink, late, gateway))
}

async fn call(gateway: &Gateway, number: u32, tool: &str, arguments: Value) -> anyhow::Result<()> {
    let params = json!({"name": tool, "arguments": arguments, "_meta": traced(number, "01")});
    gateway.agent.ask("tools/call", params).await.map(drop)
}

async fn kinds() -> anyhow::Result<()> {
    let (sink, _late, gateway) = house(1.0).await?;
    let mut held = gateway.record("EX-HELD", "slow", 600).await?;
    let hold = json!({"id": "yes", "obligation": "approval.hold", "params": {"expires_s": 60}, "definition": "A person says yes."});
    held["controls"].as_array_mut().context("no controls")?.push(hold);
    gateway.grant(&held).await?;

    call(&gateway, 1, "rec__echo", json!({"text": "allowed"})).await?;
    call(&gateway, 2, "rec__remember", json!({"text": "used"})).await?;
    call(&gateway, 3, "rec__nothing", json!({})).await?;
    call(&gateway, 4, "rec__slow", json!({"ms": 0})).await?;
    call(&gateway, 5, "rec__remember", json!({"text": FAIL})).await?;
    call(&gateway, 6, "late__slow", json!({"ms": 5_000})).await?;
    let cancelled = call(&gateway, 7, "late__slow", json!({"ms": 900}));
    ensure!(
        tokio::time::timeout(Duration::from_millis(300), cancelled).await.is_err(),
        "it went away before the answer"
    );
    legacy(&gateway, 8).await?;
    gateway.ok(ADMINISTRATOR, &["freeze", "--reason", "drill"]).await?;
    call(&gateway, 9, "rec__remember", json!({"text": "frozen"})).await?;

    // Decision, basis, reason, exception, error.type; whether it failed, was judged, and left.
    let wanted: BTreeMap<u32, Value> = [
        (1, json!(["allow", "rbac", "granted", "", "", false, true, true])),
        (2, json!(["allow", "exception", "granted", "EX-SPANS", "", false, true, true])),
        (3, json!(["deny", "default_deny", "unknown_tool", "", "", false, true, false])),
        (4, json!(["pending", "exception", "approval_pending", "EX-HELD", "tool_error", true, true, false])),
        (5, json!(["allow", "exception", "granted", "EX-SPANS", "-32000", true, true, true])),
        (6, json!(["allow", "rbac", "granted", "", "timeout", true, true, true])),
        (7, json!(["allow", "rbac", "granted", "", "cancelled", true, true, true])),
        (8, json!(["allow", "exception", "granted", "EX-SPANS", "", false, true, true])),
        (9, json!(["deny", "default_deny", "frozen", "", "tool_error", true, true, false])),
    ]
    .into();
    for (number, row) in &wanted {
        let mut seen = None;
        let arrived = async || {
            seen = told(&sink.kept.spans(), &trace(*number));
            seen.as_ref() == Some(row)
        };
        let arrived = until("the trace", Duration::from_secs(10), arrived).await;
        ensure!(arrived.is_ok(), "trace {number} says {}, not {row}", seen.unwrap_or_default());
    }
    say(&format!("{} kinds of calls", wanted.len()));
    let spans = sink.kept.spans();
    let old = spans.iter().find(|span| hex(&span.trace_id) == trace(8) && span.kind() == SpanKind::Server);
    let old = old.context("no trace of the legacy session")?;
    ensure!(text(old, "mcp.session.id").is_some(), "the session: {old:?}");
    ensure!(text(old, "mcp.protocol.version").as_deref() == Some("2025-11-25"), "the revision: {old:?}");
    Ok(())
}

/// A use in a legacy session.
async fn legacy(gateway: &Gateway, number: u32) -> anyhow::Result<()> {
    let post = async |session: Option<&str>, body: Value| {
        let mut head = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("authorization", format!("Bearer {}", gateway.agent.key)),
        ];
        if let Some(session) = session {
            head.push(("mcp-session-id", session.to_owned()));
            head.push(("mcp-protocol-version", "2025-11-25".to_owned()));
        }
        gateway.agent.line().await?.send(head, body.to_string()).await
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}});
    let answer = post(None, hello).await?;
    let session = answer.headers.get("mcp-session-id").context("no session")?.to_str()?.to_owned();
    let _accepted = post(Some(&session), json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
    let parent = format!("00-{}-b7ad6b7169203331-00", trace(number));
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "rec__remember",
        "arguments": {"text": "old"}, "_meta": {"traceparent": parent}}});
    let answer = post(Some(&session), call).await?;
    ensure!(answer.headers.contains_key(header::CONTENT_TYPE) && answer.told().contains("old"), "{}", answer.told());
    Ok(())
}

/// T030: the flag of a caller decides nothing that counts.
async fn unsampled() -> anyhow::Result<()> {
    let (sink, _late, gateway) = house(1.0).await?;
    let calls = [(1, "rec__echo", "00"), (2, "rec__remember", "00"), (3, "rec__slow", "00"), (4, "rec__nothing", "00")];
    for (number, tool, flags) in calls {
        let arguments = if tool == "rec__slow" { json!({"ms": 0}) } else { json!({"text": "t"}) };
        let params = json!({"name": tool, "arguments": arguments, "_meta": traced(number, flags)});
        gateway.agent.ask("tools/call", params).await?;
    }
    for (number, spans) in [(2, 3), (3, 2), (4, 2)] {
        let whole = async || {
            let all = sink.kept.spans();
            all.iter().filter(|span| hex(&span.trace_id) == trace(number)).count() == spans
        };
        until(&format!("all spans of trace {number}"), Duration::from_secs(10), whole).await?;
    }
    let all = sink.kept.spans();
    ensure!(all.iter().all(|span| hex(&span.trace_id) != trace(1)), "a call that a role allows follows the caller");
    Ok(())
}
