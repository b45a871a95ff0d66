//! One secret in every field that somebody else controls, and then a search for each in everything that we keep, show or
//! send.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{alerts::Receiver, case};
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Options, REQUESTER, free_port, until},
    house::House,
    peer::{Heard, Say, http},
    say,
    sink::Sink,
    wire::{Agent, call_body, meta_of},
};

pub fn cases() -> Vec<Case> {
    vec![case!("a secret in any field is found nowhere", "T028 T030 T106", 150, everywhere)]
}

/// What is on record by design, where, and why. `evidence` is the journal: the store, its tiles, its exports, webhooks
/// and the views of it.
const ON_RECORD: &[(&str, &[&str], &str)] = &[
    ("unknown tool", &["evidence"], "a refusal names what was asked for, cut to 128 characters"),
    ("unknown prompt", &["evidence"], "a refusal names what was asked for, cut to 128 characters"),
    ("unknown resource", &["evidence"], "a refusal names what was asked for, cut to 128 characters"),
    ("resource read", &["evidence"], "an inquiry names what was read, cut to 256 characters"),
    ("resource watched", &["evidence"], "a subscription names what is listened to"),
    (
        "request id",
        &["traces"],
        "`jsonrpc.request.id` of the OpenTelemetry conventions joins a span to the client's log",
    ),
    ("key note", &["store"], "what people call a key; `postern key list` shows it"),
];

/// A word for each field, so that a hit names it.
#[derive(Default)]
struct Words(BTreeMap<String, String>);

impl Words {
    fn of(&mut self, field: &str) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let seed = u64::from(std::process::id()) << 20 | COUNT.fetch_add(1, Ordering::Relaxed);
        let time = chrono::Utc::now().timestamp_micros().unsigned_abs();
        let mixed = (seed ^ time.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = format!("zq{mixed:016x}{seed:08x}");
        self.0.entry(field.to_owned()).or_insert(word).clone()
    }
}

fn secret(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = folder.join(name);
    fs::write(&file, text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// The server says secrets of its own wherever it can.
fn server(words: &mut Words) -> impl Fn(&Heard) -> Option<Say> + Send + Sync + 'static {
    let mut word = |field: &str| words.of(&format!("server: {field}"));
    let (result, structured, error, failed) = (word("result"), word("structured"), word("error"), word("tool error"));
    let (status, broken, header, kind) = (word("http body"), word("broken json"), word("header"), word("content type"));
    let (progress, news) = (word("progress message"), word("notification"));
    let (prompt, text, log, meta) = (word("prompt"), word("resource text"), word("log message"), word("result meta"));
    // A server's words in an error are static in the script, as long as the process lives.
    let error: &'static str = Box::leak(error.into_boxed_str());
    move |heard| {
        let done = |value: Value| Some(Say::Result(value));
        let params = heard.params();
        match heard.method() {
            "tools/call" if params["name"] == json!("echo") => match params["arguments"]["text"].as_str()? {
                "error" => Some(Say::Error(-32_000, error)),
                "failed" => done(json!({"resultType": "complete", "isError": true,
                    "content": [{"type": "text", "text": failed}]})),
                "status" => {
                    let head =
                        format!("HTTP/1.1 500 Oh\r\nX-Own: {header}\r\nContent-Length: {}\r\n\r\n", status.len());
                    Some(Say::Bytes(vec![(Duration::ZERO, format!("{head}{status}").into_bytes())]))
                }
                "broken" => {
                    Some(Say::Bytes(vec![(Duration::ZERO, http("application/json", &format!("{{\"{broken}")))]))
                }
                "kind" => Some(Say::Bytes(vec![(Duration::ZERO, http(&format!("text/{kind}"), "{}"))])),
                "log" => {
                    let message = json!({"jsonrpc": "2.0", "method": "notifications/message",
                        "params": {"level": "error", "data": log}});
                    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": heard.params()["_meta"]["progressToken"], "progress": 1, "message": progress}});
                    let other = json!({"jsonrpc": "2.0", "method": format!("notifications/{news}"), "params": {}});
                    let end = json!({"jsonrpc": "2.0", "id": heard.json["id"], "result": {"resultType": "complete",
                        "content": [], "isError": false}});
                    let body = format!("data: {message}\n\ndata: {progress}\n\ndata: {other}\n\ndata: {end}\n\n");
                    Some(Say::Bytes(vec![(Duration::ZERO, http("text/event-stream", &body))]))
                }
                _ => done(json!({"resultType": "complete", "isError": false, "_meta": {"x": meta},
                    "structuredContent": {"a": structured}, "content": [{"type": "text", "text": result}]})),
            },
            "prompts/get" => done(json!({"resultType": "complete",
                "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}]})),
            "resources/read" => done(json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                "contents": [{"uri": params["uri"], "text": text}]})),
            _ => None,
        }
    }
}

async fn everywhere() -> anyhow::Result<()> {
    let mut words = Words::default();
    let place = tempfile::tempdir()?;
    let hook = Receiver::start().await?;
    let sink = Sink::start(free_port()?).await?;
    let house = house(&mut words, (place.path(), &hook, &sink)).await?;
    house.peer.script(server(&mut words));
    calls(&house, &mut words).await?;
    strange(&house.agent, &mut words).await?;
    people(&house, &mut words).await?;
    let log = fs::read_to_string(house.gateway.log())?;
    ensure!(log.contains("DEBUG"), "the log says all that it can");
    let journal = house.gateway.journal().await?;
    let last = journal.len();
    let ocsf = place.path().join("ocsf.jsonl");
    until("all of it left", Duration::from_secs(20), async || {
        fs::read_to_string(&ocsf).is_ok_and(|text| text.lines().count() >= last) && !hook.taken().is_empty()
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let found = search(&house, (&ocsf, &hook, &sink), &words).await?;
    say(&format!("{} fields, {} records, {} bytes were searched", words.0.len(), last, found.1));
    ensure!(found.0.is_empty(), "found:\n       | {}", found.0.join("\n       | "));
    Ok(())
}

async fn house(words: &mut Words, (place, hook, sink): (&Path, &Receiver, &Sink)) -> anyhow::Result<House> {
    let upstream = secret(place, "upstream", &format!("Bearer {}", words.of("upstream credential")))?;
    let bearer = secret(place, "bearer", &words.of("export credential"))?;
    let signs = secret(place, "signs", &format!("{}{}", words.of("webhook secret"), "0000"))?;
    let more = json!({
        "telemetry": {"sample_ratio": 1.0},
        "servers": {"all": {"http": {"headers": {"x-api-key": {"file": upstream}}}}},
        "evidence": {"arguments": [{"tools": "all/*", "clear": ["/mode"]}]},
    });
    let exports = json!({"lake": {"file": {"path": place.join("ocsf.jsonl")}},
        "siem": {"http": {"url": format!("http://{}/in", hook.address), "bearer_file": bearer, "allow_private": true}}});
    let alerts = json!({"webhooks": {"chat": {"url": format!("http://{}/hook", hook.address), "on": ["all"],
        "secret_file": signs, "allow_private": true}}, "anomalies": {}});
    let otlp = Some(format!("http://127.0.0.1:{}", sink.port()));
    let environment = vec![("POSTERN_LOG", "debug".to_owned())];
    House::with(Options { otlp, more, exports, alerts, environment, ..Options::default() }).await
}

/// Calls and questions as a client makes them, with a secret in each field.
async fn calls(house: &House, words: &mut Words) -> anyhow::Result<()> {
    let (agent, gateway) = (&house.agent, &house.gateway);
    let mut record = gateway.record("EX-SECRET", "remember", 600).await?;
    let control = |id: &str, obligation: &str| json!({"id": id, "obligation": obligation, "definition": "A duty."});
    record["controls"] =
        json!([control("a", "args.capture"), control("r", "response.capture"), control("t", "trace.full")]);
    gateway.grant(&record).await?;
    let mut held = gateway.record("EX-HELD", "slow", 600).await?;
    held["controls"] =
        json!([{"id": "y", "obligation": "approval.hold", "params": {"expires_s": 60}, "definition": "A yes."}]);
    gateway.grant(&held).await?;
    ensure!(agent.call("rec__remember", json!({"text": words.of("argument under an exception")})).await?.is_done());
    agent.call("rec__slow", json!({"ms": 4})).await?;
    let any = json!({words.of("name of an inner argument"): words.of("inner argument")});
    let echo = json!({"text": words.of("argument"), "any": any, words.of("name of an argument"): 1, "mode": "safe"});
    ensure!(agent.call("all__echo", echo).await?.is_done());
    for text in ["error", "failed", "status", "broken", "kind", "log"] {
        agent.call("all__echo", json!({"text": text})).await?;
    }
    agent.call("all__paid", json!({"rounds": 1, "text": words.of("argument of a refused call")})).await?;
    agent.call("all__echo", json!({"text": {"a": words.of("argument of a wrong type")}})).await?;
    agent.call("rec__echo", json!({"text": "x", words.of("name of an undeclared argument"): 1})).await?;
    agent.call("rec__echo", json!({"text": [words.of("argument that breaks the schema")]})).await?;
    agent.call("rec__echo", json!({"text": "x", "number": 4_111_222_333_444_555_666_u64})).await?;
    words.0.insert("integer".to_owned(), "4111222333444555666".to_owned());
    let twice = r#"{"text": "x", "WORD": 1, "WORD": 2}"#.replace("WORD", &words.of("name that stands twice"));
    let body = call_body(1, "rec__echo", &json!("TWICE")).replace("\"TWICE\"", &twice);
    agent.line().await?.send(agent.headers("tools/call", Some("rec__echo")), body).await?;
    agent.call("rec__slow", json!({"ms": words.of("argument where a number is due")})).await?;
    agent.call(&words.of("unknown tool"), json!({"text": words.of("argument of an unknown tool")})).await?;
    agent.ask("prompts/get", json!({"name": "all__open", "arguments": {"a": words.of("prompt argument")}})).await?;
    agent.ask("prompts/get", json!({"name": words.of("unknown prompt"), "arguments": {}})).await?;
    let read = |word: String| json!({"uri": format!("all+file:///docs/{word}")});
    agent.ask("resources/read", read(words.of("resource read"))).await?;
    agent.ask("resources/read", json!({"uri": format!("none+file:///{}", words.of("unknown resource"))})).await?;
    let complete = json!({"ref": {"type": "ref/prompt", "name": "all__open"},
        "argument": {"name": words.of("name to complete"), "value": words.of("value to complete")},
        "context": {"arguments": {"a": words.of("context of a completion")}}});
    agent.ask("completion/complete", complete).await?;
    let listening =
        agent.listen(json!({"resourceSubscriptions": [format!("all+file:///docs/{}", words.of("resource watched"))]}));
    drop(listening.await);
    let able = json!({"elicitation": {"form": {}}});
    let quiz = |state: Option<&str>, answer: &str| {
        let mut params = json!({"name": "all__quiz", "arguments": {"rounds": 1}, "_meta": meta_of(&able)});
        if let Some(state) = state {
            params["requestState"] = json!(state);
            params["inputResponses"] = json!({"q": {"action": "accept", "content": {"name": answer}}});
        }
        agent.ask("tools/call", params)
    };
    let asked = quiz(None, "").await?.json();
    let state = asked["result"]["requestState"].as_str().context("no question")?.to_owned();
    quiz(Some(&state), &words.of("answer to a question")).await?;
    quiz(Some(&words.of("state of a round")), "x").await?;
    agent.ask("tasks/get", json!({"taskId": words.of("task id")})).await?;
    agent.ask("tools/list", json!({"cursor": words.of("cursor")})).await?;
    Ok(())
}

/// Secrets in everything around a call: `_meta`, headers, ids, methods, paths, bodies that are no JSON, the old eras.
async fn strange(agent: &Agent, words: &mut Words) -> anyhow::Result<()> {
    let mut meta = meta_of(&json!({"experimental": {words.of("name of a capability"): {"a": words.of("capability")}}}));
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": words.of("client name"), "version": words.of("client version"), "title": words.of("client title")});
    meta["progressToken"] = json!(words.of("progress token"));
    meta["traceparent"] = json!(words.of("traceparent in meta"));
    meta["tracestate"] = json!(format!("k={}", words.of("tracestate in meta")));
    meta["baggage"] = json!(format!("k={}", words.of("baggage in meta")));
    meta[words.of("name in meta")] = json!(words.of("value in meta"));
    let call = |id: Value, meta: &Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "all__echo", "arguments": {"text": "x"}, "_meta": meta}})
    };
    let line = async || agent.line().await;
    let plain = || agent.headers("tools/call", Some("all__echo"));
    line().await?.send(plain(), call(json!(words.of("request id")), &meta).to_string()).await?;
    meta["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    meta["tracestate"] = json!(format!("k={}", words.of("tracestate with a true parent")));
    let mut extra = call(json!(2), &meta);
    extra[words.of("name of a member")] = json!(words.of("member"));
    line().await?.send(plain(), extra.to_string()).await?;
    let mut beside = call(json!(3), &meta_of(&json!({})));
    beside["params"][words.of("name of a param")] = json!(words.of("param"));
    line().await?.send(plain(), beside.to_string()).await?;
    for header in [
        "mcp-session-id",
        "traceparent",
        "tracestate",
        "baggage",
        "cookie",
        "user-agent",
        "x-own",
        "mcp-name",
        "mcp-method",
        "mcp-param-text",
        "mcp-protocol-version",
        "accept",
        "content-type",
        "origin",
        "last-event-id",
        "forwarded",
        "x-forwarded-for",
        "content-encoding",
        "x-api-key",
        "referer",
    ] {
        let mut headers = plain();
        headers.retain(|(name, _)| *name != header);
        headers.push((header, words.of(&format!("header {header}"))));
        let _refused = line().await?.send(headers, call(json!(4), &meta_of(&json!({}))).to_string()).await;
    }
    for (field, form) in [("name of a header", "x-"), ("name of a parameter", "mcp-param-")] {
        let name: &'static str = Box::leak(format!("{form}{}", words.of(field)).into_boxed_str());
        let mut headers = plain();
        headers.push((name, words.of(&format!("value under the {field}"))));
        let _refused = line().await?.send(headers, call(json!(8), &meta_of(&json!({}))).to_string()).await;
    }
    for (field, form) in [("bearer", "Bearer "), ("basic", "Basic "), ("key", "Bearer pst_"), ("scheme", "")] {
        let mut headers = plain();
        headers.retain(|(name, _)| *name != "authorization");
        headers.push(("authorization", format!("{form}{}", words.of(&format!("authorization {field}")))));
        let _refused = line().await?.send(headers, call(json!(5), &meta_of(&json!({}))).to_string()).await;
    }
    let mut headers = plain();
    headers.retain(|(name, _)| *name != "authorization");
    let token = [json!({"alg": "ES256", "kid": words.of("token kid")}), json!({"iss": words.of("token issuer")})];
    let token: Vec<String> = token.iter().map(|part| base64(part.to_string().as_bytes())).collect();
    words.0.insert("token in whole".to_owned(), token[1].clone());
    headers.push(("authorization", format!("Bearer {}.{}", token.join("."), words.of("token signature"))));
    let _refused = line().await?.send(headers, call(json!(6), &meta_of(&json!({}))).to_string()).await;
    let bodies = [
        format!("{{\"jsonrpc\": {}", words.of("body that is no JSON")),
        format!("[{{\"a\": \"{}\"}}]", words.of("body that is a list")),
        json!({"jsonrpc": words.of("version of JSON-RPC"), "id": 1, "method": "tools/list"}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "method": words.of("method")}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": words.of("params that are a text")}).to_string(),
        json!({"jsonrpc": "2.0", "id": {"a": words.of("id that is an object")}, "method": "tools/list"}).to_string(),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": words.of("id that is cancelled"), "reason": words.of("reason of a cancellation")}}).to_string(),
        json!({"jsonrpc": "2.0", "method": format!("notifications/{}", words.of("notification"))}).to_string(),
        json!({"jsonrpc": "2.0", "id": 9, "result": {"a": words.of("result that nobody asked for")}}).to_string(),
        json!({"jsonrpc": "2.0", "id": 9, "error": {"code": 1, "message": words.of("error of a client")}}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": words.of("old version"),
            "capabilities": {}, "clientInfo": {"name": words.of("old client"), "version": words.of("old client version")}}}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {"experimental": {words.of("old capability"): {}}},
            "clientInfo": {"name": words.of("older client"), "version": "1"}}}).to_string(),
    ];
    for body in bodies {
        let mut headers = agent.headers("tools/list", None);
        if body.contains("initialize") {
            headers.retain(|(name, _)| !name.starts_with("mcp-"));
        }
        let _refused = line().await?.send(headers, body).await;
    }
    for path in ["/mcp/", "/mcp?key=", "/"] {
        let path = format!("{path}{}", words.of(&format!("path {path}")));
        let _refused =
            line().await?.send_to(&path, plain(), call(json!(7), &meta_of(&json!({}))).to_string().into()).await;
    }
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Secrets in what people and programs send to the administration listener and type on the command line.
async fn people(house: &House, words: &mut Words) -> anyhow::Result<()> {
    let gateway = &house.gateway;
    let made =
        gateway.ok(ADMINISTRATOR, &["key", "create", "--agent", "poor", "--note", &words.of("key note")]).await?;
    let keys = [made["key"].as_str().context("no key")?.to_owned(), house.agent.key.clone()];
    let files = [ADMINISTRATOR, REQUESTER, APPROVER].map(|person| fs::read_to_string(gateway.key_file(person)));
    for (at, key) in keys.into_iter().chain(files.into_iter().flatten()).enumerate() {
        words.0.insert(format!("key {at}"), key.trim().to_owned());
    }
    let admin = fs::read_to_string(gateway.key_file(ADMINISTRATOR))?;
    let me = ("authorization".to_owned(), format!("Bearer {}", admin.trim()));
    let head = |name: &str, value: String| (name.to_owned(), value);
    let json_type = head("content-type", "application/json".to_owned());
    gateway
        .raw("GET", "/api/v1/exceptions", &[head("authorization", format!("Bearer {}", words.of("admin bearer")))], "")
        .await?;
    gateway.raw("GET", &format!("/api/v1/{}", words.of("admin path")), std::slice::from_ref(&me), "").await?;
    gateway
        .raw("GET", &format!("/api/v1/evidence?from={}", words.of("admin query")), std::slice::from_ref(&me), "")
        .await?;
    gateway.raw("GET", &format!("/login?token={}", words.of("console token")), &[], "").await?;
    gateway.raw("GET", "/", &[head("cookie", format!("__Host-postern={}", words.of("console cookie")))], "").await?;
    let broken = [me.clone(), json_type.clone()];
    gateway.raw("POST", "/api/v1/freeze", &broken, &format!("{{\"{}", words.of("admin body that is no JSON"))).await?;
    let field = json!({"reason": "x", words.of("name of an admin member"): words.of("admin member")});
    gateway.raw("POST", "/api/v1/freeze", &broken, &field.to_string()).await?;
    let evaluation = json!({"subject": {"type": "agent", "id": "worker"}, "action": {"name": "tools/call"},
        "resource": {"type": "tool", "id": "rec/remember"},
        "context": {"arguments": {"text": words.of("argument of an evaluation")}}});
    gateway.admin(REQUESTER, "POST", "/access/v1/evaluation", &evaluation).await?;
    let evaluation = json!({"subject": {"type": "agent", "id": "worker"}, "action": {"name": "tools/call"},
        "resource": {"type": "tool", "id": "rec/remember"},
        "context": {"arguments": {"wrong": words.of("wrong argument of an evaluation")}}});
    gateway.admin(REQUESTER, "POST", "/access/v1/evaluation", &evaluation).await?;
    let mut command = gateway.command();
    command.env("POSTERN_KEY", words.of("key on the command line")).args(["exception", "list"]);
    let told = command.output().await?;
    let told = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    ensure!(!told.contains(&words.of("key on the command line")), "{told}");
    Ok(())
}

/// Every place that we keep, show or send, and what of the words is in it that does not belong there.
async fn search(
    house: &House,
    (ocsf, hook, sink): (&Path, &Receiver, &Sink),
    words: &Words,
) -> anyhow::Result<(Vec<String>, usize)> {
    let gateway = &house.gateway;
    let admin = fs::read_to_string(gateway.key_file(ADMINISTRATOR))?;
    let me = [("authorization".to_owned(), format!("Bearer {}", admin.trim()))];
    let mut places: Vec<(&str, String, Vec<u8>)> = vec![
        ("log", "the log".to_owned(), fs::read(gateway.log())?),
        ("traces", "traces".to_owned(), sink.kept.raw().into_bytes()),
        ("evidence", "the export".to_owned(), fs::read(ocsf)?),
        ("evidence", "webhooks".to_owned(), hook.raw().into_bytes()),
        ("evidence", "`evidence export`".to_owned(), json!(gateway.journal().await?).to_string().into_bytes()),
    ];
    for path in [
        "/metrics",
        "/api/v1/controls",
        "/api/v1/catalog",
        "/api/v1/exports",
        "/api/v1/holds",
        "/api/v1/controls/history",
    ] {
        places.push(("views", path.to_owned(), gateway.raw("GET", path, &me, "").await?.into_bytes()));
    }
    let open = [me[0].clone(), ("accept".to_owned(), "application/openmetrics-text".to_owned())];
    places.push(("views", "OpenMetrics".to_owned(), gateway.raw("GET", "/metrics", &open, "").await?.into_bytes()));
    for path in ["/api/v1/decisions", "/api/v1/evidence?from=1&limit=1000", "/log/checkpoint"] {
        places.push(("evidence", path.to_owned(), gateway.raw("GET", path, &me, "").await?.into_bytes()));
    }
    let link = gateway.ok(ADMINISTRATOR, &["console"]).await?;
    let url = link["url"].as_str().context("no link")?;
    let path = url.find("/login").and_then(|at| url.get(at..)).context("no path")?;
    let answer = gateway.raw("GET", path, &[], "").await?;
    let cookie =
        answer.split("\"set-cookie\": \"").nth(1).and_then(|rest| rest.split(';').next()).context("no cookie")?;
    let page = gateway.raw("GET", "/", &[("cookie".to_owned(), cookie.to_owned())], "").await?;
    ensure!(page.contains("<html"), "no console: {page}");
    places.push(("evidence", "the console".to_owned(), page.into_bytes()));
    files(&gateway.data, &mut places)?;
    let places: Vec<(&str, String, String)> = places
        .into_iter()
        .map(|(kind, name, content)| (kind, name, String::from_utf8_lossy(&content).into_owned()))
        .collect();
    let mut found = Vec::new();
    let mut seen = 0;
    for (field, word) in &words.0 {
        let designed =
            ON_RECORD.iter().find(|(name, ..)| name == field).map(|(_, places, _)| *places).unwrap_or_default();
        let mut there = false;
        for (kind, name, content) in &places {
            let own = name.ends_with("admin.key") && field.starts_with("key ");
            if content.contains(word.as_str()) && !own {
                there = true;
                let fits = designed.contains(kind) || *kind == "store" && designed.contains(&"evidence");
                if !fits {
                    found.push(format!("`{field}` in {name}"));
                }
            }
        }
        if !there && !designed.is_empty() {
            found.push(format!("`{field}` is on record by design and is not there: the search is blind"));
        }
        seen += usize::from(there);
    }
    ensure!(seen >= ON_RECORD.len() || !found.is_empty(), "the search finds nothing at all");
    Ok((found, places.iter().map(|(_, _, content)| content.len()).sum()))
}

fn files(folder: &Path, places: &mut Vec<(&'static str, String, Vec<u8>)>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, places)?;
        } else {
            places.push(("store", path.display().to_string(), fs::read(&path)?));
        }
    }
    Ok(())
}
