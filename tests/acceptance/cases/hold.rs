//! A single call that waits for a person's yes: every way to ask, every way to answer, and no way around.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OPERATOR, OWNER, REQUESTER, SECURITY, until},
    say,
    wire::{Agent, Answer, meta_of},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a call waits for a yes, is bound to it, and spends it once in 32", "I9 T085", 120, answered),
        case!("a call that was denied or that nobody answered is not made", "T085", 60, unanswered),
        case!("a call whose arguments are shredded waits no more, and is asked about anew", "T085", 60, shredded),
        case!("a client that can show a page is led to it, and waits", "T036", 120, shown),
        case!("a legacy client that can show a page is led to it, and waits", "T036", 60, legacy),
    ]
}

const TOOL: &str = "rec__remember";

async fn house(expires_s: u32) -> anyhow::Result<Gateway> {
    let gateway = Gateway::start().await?;
    let mut record = gateway.record("EX-HOLD", "remember", 600).await?;
    let control = json!({"id": "yes", "obligation": "approval.hold", "params": {"expires_s": expires_s},
        "definition": "A person says yes to each call."});
    record["controls"].as_array_mut().context("no controls")?.push(control);
    gateway.grant(&record).await?;
    Ok(gateway)
}

fn held(answer: &Answer) -> anyhow::Result<String> {
    let refusal = &answer.json()["result"]["_meta"]["dev.postern/refusal"];
    ensure!(refusal["reason"] == json!("approval_pending"), "not held: {}", answer.told());
    ensure!(answer.told().contains("call again with the same arguments"), "{}", answer.told());
    Ok(refusal["hold"]["id"].as_str().context("no hold")?.to_owned())
}

async fn call(gateway: &Gateway, text: &str) -> anyhow::Result<Answer> {
    gateway.agent.call(TOOL, json!({"text": text})).await
}

async fn answered() -> anyhow::Result<()> {
    let gateway = house(600).await?;
    let id = held(&call(&gateway, "one").await?)?;
    ensure!(held(&call(&gateway, "one").await?)? == id, "the same call waits once");
    let shown = gateway.ok(APPROVER, &["hold", "show", &id]).await?;
    ensure!(shown["arguments"] == json!(r#"{"text":"one"}"#), "the approver sees what would be sent: {shown}");
    say("requester, operator and strangers may not answer");
    for person in [REQUESTER, OPERATOR, ADMINISTRATOR] {
        gateway.refused(person, &["hold", "approve", &id, "--reason", "me too"]).await?;
    }
    let shown = gateway.ok(REQUESTER, &["hold", "show", &id]).await?;
    ensure!(shown["arguments"].is_null() && shown["not_you"].is_string(), "{shown}");
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "it is fine"]).await?;
    say("other arguments wait for themselves; 32 at once spend one yes");
    let other = held(&call(&gateway, "two").await?)?;
    ensure!(other != id && gateway.upstream.count() == 0, "nothing left");
    let racing = (0..32).map(|_| {
        let agent = gateway.agent.clone();
        tokio::spawn(async move { agent.call(TOOL, json!({"text": "one"})).await })
    });
    let (mut done, mut again) = (0, std::collections::BTreeSet::new());
    for task in racing.collect::<Vec<_>>() {
        let answer = task.await??;
        if answer.is_done() {
            done += 1
        } else {
            again.insert(held(&answer)?);
        }
    }
    ensure!(done == 1 && gateway.upstream.count() == 1, "{done} were made");
    ensure!(again.len() == 1 && !again.contains(&id), "the rest asks anew, once: {again:?}");
    say("by the API, and by the page");
    let (status, view) =
        gateway.admin(OWNER, "POST", &format!("/api/v1/holds/{other}/approve"), &json!({"reason": "fine"})).await?;
    ensure!(status == 200 && view["state"] == json!("approved"), "{status} {view}");
    ensure!(call(&gateway, "two").await?.is_done(), "approved by the API");
    let third = held(&call(&gateway, "three").await?)?;
    page(&gateway, &third).await?;
    ensure!(call(&gateway, "three").await?.is_done(), "approved by the page");
    say("a yes of other policies is void");
    let fourth = held(&call(&gateway, "four").await?)?;
    gateway.ok(SECURITY, &["hold", "approve", &fourth, "--reason", "fine"]).await?;
    gateway.edit("roles/echo.cedar", "// none\n").await?;
    ensure!(held(&call(&gateway, "four").await?)? != fourth, "the epoch is another");
    let journal = gateway.journal().await?;
    let of = |event: &str| {
        journal.iter().filter(|record| record["kind"] == json!("hold") && record["event"] == json!(event)).count()
    };
    ensure!((of("approved"), of("spent")) == (4, 3), "{} approved, {} spent", of("approved"), of("spent"));
    gateway.verified().await?;
    Ok(())
}

/// What the administration listener answers to a browser with this cookie.
async fn browse(
    address: SocketAddr,
    (method, path): (Method, &str),
    cookie: &str,
    form: Option<String>,
) -> anyhow::Result<(u16, HeaderMap, String)> {
    let mut head = vec![(header::HOST, address.to_string()), (header::COOKIE, cookie.to_owned())];
    if form.is_some() {
        head.push((header::CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()));
        head.push((header::ORIGIN, format!("http://{address}")));
    }
    let (status, headers, body) = open(address, (method, path), head, form.unwrap_or_default()).await?;
    let body = body.collect().await?.to_bytes();
    Ok((status, headers, String::from_utf8_lossy(&body).into_owned()))
}

async fn open(
    address: SocketAddr,
    (method, path): (Method, &str),
    head: Vec<(header::HeaderName, String)>,
    body: String,
) -> anyhow::Result<(u16, HeaderMap, hyper::body::Incoming)> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in head {
        request = request.header(name, value);
    }
    let (head, body) = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?.into_parts();
    // The connection lives as long as its body is read.
    std::mem::forget(sender);
    Ok((head.status.as_u16(), head.headers, body))
}

async fn page(gateway: &Gateway, id: &str) -> anyhow::Result<()> {
    let link = gateway.ok(APPROVER, &["console"]).await?;
    let link = link["url"].as_str().context("no link")?.trim_start_matches("http://").to_owned();
    let (address, path) = link.split_once('/').context("no path")?;
    let address: SocketAddr = address.parse()?;
    let at = format!("/holds/{id}");
    ensure!(browse(address, (Method::GET, &at), "", None).await?.0 == 401, "nobody is shown the page");
    let (_, headers, _) = browse(address, (Method::GET, &format!("/{path}")), "", None).await?;
    let cookie = headers[header::SET_COOKIE].to_str()?.split(';').next().unwrap_or_default().to_owned();
    let (status, _, html) = browse(address, (Method::GET, &at), &cookie, None).await?;
    ensure!(status == 200 && html.contains("{&quot;text&quot;:&quot;three&quot;}"), "{status} {html}");
    let token = html.split("name=\"token\" value=\"").nth(1).context("no form")?;
    let token = token.split('"').next().unwrap_or_default().replace(':', "%3A");
    let form = |token: &str| Some(format!("token={token}&answer=approve&reason=seen"));
    let forged = browse(address, (Method::POST, &at), &cookie, form("sha256")).await?;
    ensure!(forged.0 == 400, "a forged form: {}", forged.2);
    let sent = browse(address, (Method::POST, &at), &cookie, form(&token)).await?;
    ensure!(sent.0 == 303, "{} {}", sent.0, sent.2);
    Ok(())
}

async fn unanswered() -> anyhow::Result<()> {
    let gateway = house(10).await?;
    let id = held(&call(&gateway, "no").await?)?;
    gateway.ok(OWNER, &["hold", "deny", &id, "--reason", "not today"]).await?;
    let answer = call(&gateway, "no").await?;
    ensure!(answer.reason() == "approval_denied" && answer.told().contains("not today"), "{}", answer.told());
    let silent = held(&call(&gateway, "silence").await?)?;
    let late = held(&call(&gateway, "late").await?)?;
    gateway.ok(OWNER, &["hold", "approve", &late, "--reason", "fine"]).await?;
    let over = async || gateway.ok(APPROVER, &["hold", "list"]).await.is_ok_and(|holds| holds == json!([]));
    until("all are over", Duration::from_secs(15), over).await?;
    gateway.refused(OWNER, &["hold", "approve", &silent, "--reason", "too late"]).await?;
    ensure!(held(&call(&gateway, "late").await?)? != late, "a yes that was not used in time is void");
    ensure!(gateway.upstream.count() == 0, "nothing left");
    let expired = async || {
        gateway
            .journal()
            .await
            .is_ok_and(|journal| journal.iter().filter(|record| record["event"] == json!("expired")).count() == 3)
    };
    until("the ends are on record", Duration::from_secs(5), expired).await?;
    gateway.verified().await?;
    Ok(())
}

async fn shredded() -> anyhow::Result<()> {
    let mut gateway = house(600).await?;
    let said = held(&call(&gateway, "said").await?)?;
    gateway.ok(APPROVER, &["hold", "approve", &said, "--reason", "fine"]).await?;
    let gone = held(&call(&gateway, "waits").await?)?;
    gateway.ok(ADMINISTRATOR, &["evidence", "shred", "--exception", "EX-HOLD", "--reason", "asked for"]).await?;
    gateway.refused(APPROVER, &["hold", "approve", &gone, "--reason", "unseen"]).await?;
    let shown = gateway.ok(APPROVER, &["hold", "show", &said]).await?;
    ensure!(shown["arguments"].is_null() && shown["state"] == json!("approved"), "{shown}");
    let anew = held(&call(&gateway, "waits").await?)?;
    ensure!(anew != gone, "the agent asks anew");
    let shown = gateway.ok(APPROVER, &["hold", "show", &anew]).await?;
    ensure!(shown["arguments"] == json!(r#"{"text":"waits"}"#), "and is seen: {shown}");
    gateway.ok(APPROVER, &["hold", "deny", &anew, "--reason", "not today"]).await?;
    ensure!(call(&gateway, "said").await?.is_done(), "a yes that was given before stays one");
    gateway.kill().await?;
    gateway.launch().await?;
    let void = |record: &&Value| record["event"] == json!("void") && record["hold"] == json!(gone);
    ensure!(gateway.journal().await?.iter().filter(void).count() == 1, "it is on record");
    gateway.verified().await?;
    Ok(())
}

fn params(text: &str, state: Option<&Value>, action: Option<&str>) -> Value {
    let mut params = json!({"name": TOOL, "arguments": {"text": text},
        "_meta": meta_of(&json!({"elicitation": {"url": {}}}))});
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    if let Some(action) = action {
        params["inputResponses"] = json!({"hold": {"action": action}});
    }
    params
}

async fn shown() -> anyhow::Result<()> {
    let gateway = house(600).await?;
    let agent: &Agent = &gateway.agent;
    let asked = async |text: &str| -> anyhow::Result<(String, Value)> {
        let answer = agent.ask("tools/call", params(text, None, None)).await?;
        let result = &answer.json()["result"];
        let question = &result["inputRequests"]["hold"];
        ensure!(result["resultType"] == json!("input_required"), "not asked: {}", answer.told());
        ensure!(question["params"]["mode"] == json!("url"), "{question}");
        let url = question["params"]["url"].as_str().context("no url")?;
        Ok((url.rsplit('/').next().unwrap_or_default().to_owned(), result["requestState"].clone()))
    };
    let (id, state) = asked("shown").await?;
    let (other, waiting) = (agent.clone(), params("shown", Some(&state), Some("accept")));
    let round = tokio::spawn(async move { other.ask("tools/call", waiting).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(!round.is_finished() && gateway.upstream.count() == 0, "the round waits");
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "fine"]).await?;
    let answer = tokio::time::timeout(Duration::from_secs(5), round).await???;
    ensure!(answer.is_done() && gateway.upstream.count() == 1, "after the yes: {}", answer.told());
    say("declined, denied, and a state of other arguments");
    let (_, state) = asked("declined").await?;
    held(&agent.ask("tools/call", params("declined", Some(&state), Some("decline"))).await?)?;
    let (id, state) = asked("denied").await?;
    gateway.ok(OWNER, &["hold", "deny", &id, "--reason", "no"]).await?;
    let answer = agent.ask("tools/call", params("denied", Some(&state), Some("accept"))).await?;
    ensure!(answer.reason() == "approval_denied", "{}", answer.told());
    let (_, state) = asked("third").await?;
    let answer = agent.ask("tools/call", params("fourth", Some(&state), Some("accept"))).await?;
    ensure!(answer.json()["error"].is_object(), "a state of another call: {}", answer.told());
    ensure!(gateway.upstream.count() == 1, "nothing else left");
    gateway.verified().await?;
    Ok(())
}

async fn legacy() -> anyhow::Result<()> {
    let gateway = house(600).await?;
    let agent = &gateway.agent;
    let post = async |session: Option<&str>, body: Value| {
        let mut head = vec![
            (header::HOST, agent.address.to_string()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::ACCEPT, "application/json, text/event-stream".to_owned()),
            (header::AUTHORIZATION, format!("Bearer {}", agent.key)),
        ];
        if let Some(session) = session {
            head.push((header::HeaderName::from_static("mcp-session-id"), session.to_owned()));
            head.push((header::HeaderName::from_static("mcp-protocol-version"), "2025-11-25".to_owned()));
        }
        open(agent.address, (Method::POST, "/mcp"), head, body.to_string()).await
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {"url": {}}}, "clientInfo": {"name": "old", "version": "1"}}});
    let (_, headers, _) = post(None, hello).await?;
    let session = headers["mcp-session-id"].to_str()?.to_owned();
    let _accepted = post(Some(&session), json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": TOOL, "arguments": {"text": "old"}}});
    let (_, _, mut stream) = post(Some(&session), call).await?;
    let mut text = String::new();
    let question = next(&mut stream, &mut text, "elicitation/create").await?;
    let url = question["params"]["url"].as_str().context("no url")?;
    let id = url.rsplit('/').next().unwrap_or_default().to_owned();
    let accept = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}});
    let _accepted = post(Some(&session), accept).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(gateway.upstream.count() == 0, "it waits");
    gateway.ok(APPROVER, &["hold", "approve", &id, "--reason", "fine"]).await?;
    let answer = next(&mut stream, &mut text, "\"id\":2").await?;
    ensure!(answer["result"]["isError"] == json!(false) && gateway.upstream.count() == 1, "{answer}");
    gateway.verified().await?;
    Ok(())
}

/// The first message of the stream that has this word in it.
async fn next(stream: &mut hyper::body::Incoming, text: &mut String, word: &str) -> anyhow::Result<Value> {
    let message = async {
        loop {
            if let Some((event, rest)) = text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:")).map(str::to_owned);
                *text = rest.to_owned();
                if let Some(data) = data.filter(|data| data.contains(word)) {
                    return Ok(serde_json::from_str(data.trim())?);
                }
                continue;
            }
            let frame = stream.frame().await.with_context(|| format!("the stream ended before {word}"))??;
            text.push_str(&String::from_utf8_lossy(frame.data_ref().map_or(&[][..], |data| data.as_ref())));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), message).await.with_context(|| format!("no {word} came"))?
}
