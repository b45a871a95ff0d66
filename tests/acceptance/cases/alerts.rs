//! Alerts by push: signed, in order, without loss over outages and crashes, and a condition of the exceptions that
//! name them.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, OWNER, Options, SECURITY, free_port, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("alerts arrive signed, in order, the first use within 2 s", "I3", 90, arrive),
        case!("alerts outlast a receiver that is down and a gateway that is killed", "I3", 120, outlast),
        case!("what a receiver refuses becomes a dead letter that can be sent again", "I3", 90, dead),
        case!("an exception whose owner cannot be told stops", "T088", 90, owner),
    ]
}

const TOOL: &str = "rec__remember";
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver was told.
#[derive(Debug, Clone)]
pub struct Got {
    pub id: String,
    timestamp: String,
    signature: String,
    body: String,
    pub event: Value,
    at: Instant,
    status: u16,
}

/// A receiver that can be taken down, and told what to answer.
pub struct Receiver {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    /// Answers before all is well, and bodies that are never taken.
    pub script: Arc<Mutex<(Vec<u16>, Option<&'static str>)>>,
    tasks: JoinSet<()>,
}

impl Receiver {
    pub async fn start() -> anyhow::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut receiver = Self { address, got: Arc::default(), script: Arc::default(), tasks: JoinSet::new() };
        receiver.up().await?;
        Ok(receiver)
    }

    pub async fn up(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let (got, script) = (Arc::clone(&self.got), Arc::clone(&self.script));
        self.tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (got, script) = (Arc::clone(&got), Arc::clone(&script));
                let service = service_fn(move |request| answer(request, Arc::clone(&got), Arc::clone(&script)));
                open.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Ok(())
    }

    pub async fn down(&mut self) {
        self.tasks.shutdown().await;
    }

    /// What it took, each event once, in the order of the first time.
    pub fn taken(&self) -> Vec<Got> {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = BTreeSet::new();
        got.iter().filter(|got| got.status < 300 && seen.insert(got.id.clone())).cloned().collect()
    }

    /// All that came, as text.
    pub fn raw(&self) -> String {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        got.iter().map(|got| format!("{got:?}\n")).collect()
    }

    pub fn of(&self, kind: &str) -> Vec<Got> {
        let kind = format!("dev.postern.{kind}.v1");
        self.taken().into_iter().filter(|got| got.event["type"] == json!(kind)).collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    got: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<(Vec<u16>, Option<&'static str>)>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    let status = match script.1 {
        Some(poison) if body.contains(poison) => 422,
        _ if script.0.is_empty() => 204,
        _ => script.0.remove(0),
    };
    let one = Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        event: serde_json::from_str(&body).unwrap_or_default(),
        body,
        at: Instant::now(),
        status,
    };
    got.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

/// The signature as Python's own library computes it.
pub async fn verified(got: &[Got]) -> anyhow::Result<()> {
    const PROGRAM: &str = "import base64,hashlib,hmac,json,sys
s=base64.b64decode(sys.argv[1].removeprefix('whsec_'))
for g in json.load(sys.stdin):
    m='.'.join([g['id'],g['timestamp'],g['body']]).encode()
    w='v1,'+base64.b64encode(hmac.new(s,m,hashlib.sha256).digest()).decode()
    assert hmac.compare_digest(w,g['signature']),g['id']
";
    let mut python = tokio::process::Command::new("python3")
        .args(["-c", PROGRAM, SECRET])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let all: Vec<Value> = got
        .iter()
        .map(|g| json!({"id": g.id, "timestamp": g.timestamp, "body": g.body, "signature": g.signature}))
        .collect();
    python.stdin.take().context("no input")?.write_all(json!(all).to_string().as_bytes()).await?;
    let output = python.wait_with_output().await?;
    ensure!(output.status.success(), "signatures: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A gateway that tells these webhooks.
pub async fn gateway(webhooks: Value) -> anyhow::Result<Gateway> {
    self::gateway_with(webhooks, Options::default()).await
}

/// The same, with more that differs.
pub async fn gateway_with(webhooks: Value, options: Options) -> anyhow::Result<Gateway> {
    let secrets = tempfile::Builder::new().prefix("postern-secret-").tempdir()?.keep();
    let file = secrets.join("secret");
    fs::write(&file, SECRET)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let mut webhooks = webhooks;
    for (_, webhook) in webhooks.as_object_mut().context("no webhooks")? {
        webhook["secret_file"] = json!(file);
        webhook["allow_private"] = json!(true);
    }
    Gateway::with(Options { alerts: json!({"webhooks": webhooks}), ..options }).await
}

async fn call(gateway: &Gateway, text: &str) -> anyhow::Result<()> {
    let answer = gateway.agent.call(TOOL, json!({"text": text})).await?;
    ensure!(answer.is_done(), "{text}: {}", answer.told());
    Ok(())
}

async fn arrive() -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    let gateway = gateway(json!({"chat": {"url": format!("http://{}/hook", receiver.address)}})).await?;
    let mut record = gateway.record("EX-ALERT", "remember", 600).await?;
    record["budget"] = json!({"calls": 4});
    gateway.grant(&record).await?;
    until("the exception works", Duration::from_secs(5), async || !receiver.of("exception.scheduled").is_empty())
        .await?;
    let begun = Instant::now();
    call(&gateway, "one").await?;
    let first = async || !receiver.of("exception.first_used").is_empty();
    until("the first use is told", Duration::from_secs(2), first).await?;
    let took = receiver.of("exception.first_used")[0].at.duration_since(begun);
    say(&format!("the first use was told after {took:.0?}"));
    for text in ["two", "three", "four"] {
        call(&gateway, text).await?;
    }
    let told = async || receiver.of("exception.budget").len() == 3 && receiver.of("exception.used").len() == 4;
    until("each use and each share is told", Duration::from_secs(2), told).await?;
    gateway.ok(SECURITY, &["exception", "revoke", "EX-ALERT", "--reason", "over"]).await.ok();
    let taken = receiver.taken();
    let records: Vec<u64> = taken.iter().filter_map(|got| got.event["data"]["record"].as_u64()).collect();
    ensure!(records.is_sorted(), "out of order: {records:?}");
    let uses: Vec<Value> =
        receiver.of("exception.used").iter().map(|g| g.event["data"]["facts"]["uses"].clone()).collect();
    ensure!(uses == [json!(1), json!(2), json!(3), json!(4)], "uses: {uses:?}");
    ensure!(taken.iter().all(|got| !got.body.contains("three")), "an argument left the machine");
    verified(&taken).await?;
    let journal = gateway.journal().await?;
    for got in receiver.of("exception.used") {
        let seq = got.id.parse::<usize>()?;
        ensure!(journal[seq - 1]["kind"] == json!("intent"), "{} is no intent", got.id);
        ensure!(got.event["subject"] == json!("EX-ALERT") && got.event["specversion"] == json!("1.0"));
    }
    let listed = gateway.ok(ADMINISTRATOR, &["alerts", "list"]).await?;
    ensure!(listed[0]["healthy"] == json!(true) && listed[0]["dead"] == json!(0), "listed: {listed}");
    gateway.verified().await.map(drop)
}

async fn outlast() -> anyhow::Result<()> {
    let mut receiver = Receiver::start().await?;
    let hook = json!({"chat": {"url": format!("http://{}/hook", receiver.address), "on": ["exception.used"]}});
    let mut gateway = gateway(hook).await?;
    gateway.grant(&gateway.record("EX-OUT", "remember", 600).await?).await?;
    receiver.script.lock().unwrap_or_else(PoisonError::into_inner).0 = vec![500, 500, 503];
    call(&gateway, "after errors").await?;
    until("it arrives after errors", Duration::from_secs(10), async || receiver.taken().len() == 1).await?;
    say("taking the receiver down");
    receiver.down().await;
    for turn in 0..5 {
        call(&gateway, &format!("down {turn}")).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    say("killing the gateway between record and delivery");
    gateway.kill().await?;
    gateway.launch().await?;
    receiver.up().await?;
    let again = async || gateway.agent.call(TOOL, json!({"text": "up"})).await.is_ok_and(|answer| answer.is_done());
    until("calls work again", Duration::from_secs(20), again).await?;
    let journal = gateway.journal().await?;
    let wanted: Vec<String> = journal
        .iter()
        .enumerate()
        .filter(|(_, record)| record["kind"] == json!("intent") && record["verdict"]["exception"] == json!("EX-OUT"))
        .map(|(at, _)| (at + 1).to_string())
        .collect();
    ensure!(wanted.len() == 7, "uses on record: {}", wanted.len());
    let all = async || receiver.taken().len() >= wanted.len();
    let took = until("all arrive", Duration::from_secs(20), all).await?;
    let ids: Vec<String> = receiver.taken().into_iter().map(|got| got.id).collect();
    ensure!(ids == wanted, "told {ids:?}, on record {wanted:?}");
    say(&format!("all 7 uses were told, in order, {took:.1?} after the return"));
    verified(&receiver.taken()).await?;
    gateway.verified().await.map(drop)
}

async fn dead() -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    let url = format!("http://{}/hook", receiver.address);
    let gateway = gateway(json!({"chat": {"url": url, "on": ["exception.used", "freeze"], "max_attempts": 2}})).await;
    ensure!(gateway.is_err_and(|error| error.to_string().contains("no kind of alert")), "a faulty kind was taken");
    let hook = json!({"chat": {"url": url, "on": ["exception.used", "gateway.frozen"], "max_attempts": 2}});
    let gateway = self::gateway(hook).await?;
    gateway.grant(&gateway.record("EX-DEAD", "remember", 600).await?).await?;
    receiver.script.lock().unwrap_or_else(PoisonError::into_inner).1 = Some("gateway.frozen");
    gateway.ok(ADMINISTRATOR, &["freeze", "--reason", "drill"]).await?;
    gateway.ok(ADMINISTRATOR, &["unfreeze", "--reason", "drill"]).await?;
    call(&gateway, "after the poison").await?;
    until("the event behind it arrives", Duration::from_secs(10), async || receiver.taken().len() == 1).await?;
    let dead = gateway.ok(ADMINISTRATOR, &["alerts", "dead"]).await?;
    ensure!(dead[0]["alert"] == json!("gateway.frozen") && dead[0]["attempts"] == json!(2), "dead: {dead}");
    receiver.script.lock().unwrap_or_else(PoisonError::into_inner).1 = None;
    gateway.ok(ADMINISTRATOR, &["alerts", "retry", "chat"]).await?;
    until("it arrives when it is sent again", Duration::from_secs(10), async || receiver.taken().len() == 2).await?;
    ensure!(json!(receiver.taken()[1].id) == dead[0]["id"], "it has another id");
    let none = async || gateway.ok(ADMINISTRATOR, &["alerts", "dead"]).await.is_ok_and(|dead| dead == json!([]));
    until("no dead letter is left", Duration::from_secs(5), none).await?;
    let journal = gateway.journal().await?;
    let events: Vec<&Value> = journal.iter().filter(|r| r["kind"] == json!("delivery")).map(|r| &r["event"]).collect();
    ensure!(events == [&json!("dead"), &json!("retried"), &json!("delivered")], "on record: {events:?}");
    gateway.verified().await.map(drop)
}

/// T088
async fn owner() -> anyhow::Result<()> {
    let mut receiver = Receiver::start().await?;
    let url = format!("http://{}/hook", receiver.address);
    let gateway = gateway(json!({"owners": {"url": url, "on": ["exception.used"], "owners": [OWNER]}})).await?;
    let mut record = gateway.record("EX-OWNER", "remember", 600).await?;
    record["controls"] = json!([{"id": "told", "obligation": "notify.owner", "params": {"grace_s": 2},
        "definition": "The owner hears of each use."}]);
    gateway.grant(&record).await?;
    let answers = async |wanted: &str| {
        let answer = gateway.agent.call(TOOL, json!({"text": "x"})).await;
        answer.is_ok_and(|answer| if wanted.is_empty() { answer.is_done() } else { answer.reason() == wanted })
    };
    until("it works", Duration::from_secs(5), async || answers("").await).await?;
    until("it is told", Duration::from_secs(2), async || !receiver.taken().is_empty()).await?;
    receiver.down().await;
    call(&gateway, "within the grace").await?;
    let took = until("it is refused beyond the grace", Duration::from_secs(8), async || {
        answers("monitoring_unavailable").await
    })
    .await?;
    say(&format!("refused {took:.1?} after the owner could not be told"));
    let answer = gateway.agent.call("rec__echo", json!({"text": "by role"})).await?;
    ensure!(answer.is_done(), "RBAC: {}", answer.told());
    receiver.up().await?;
    let took = until("it works again", Duration::from_secs(20), async || answers("").await).await?;
    say(&format!("works again {took:.1?} after the receiver is back"));
    let uses = gateway.journal().await?;
    let uses = uses.iter().filter(|r| r["kind"] == json!("intent") && r["verdict"]["exception"] == json!("EX-OWNER"));
    let uses = uses.count();
    until("each use is told", Duration::from_secs(5), async || receiver.taken().len() == uses).await?;
    gateway.verified().await.map(drop)
}
