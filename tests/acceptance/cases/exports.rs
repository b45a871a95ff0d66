//! Every record leaves as an OCSF event: to a file, to syslog, over HTTP; and somebody must be receiving.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, Options, until},
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("every record leaves once as a valid OCSF event, wherever to", "", 60, everything),
        case!("an exception stops while its SIEM acknowledges nothing, and nothing is lost", "T102", 90, dead_man),
    ]
}

const SCHEMA: &str = include_str!("../../../src/delivery/tests/ocsf-1.8.0.json");

/// A receiver of what is sent by `POST` or by syslog; it can cease to take anything.
#[derive(Clone)]
pub struct Receiver {
    pub address: std::net::SocketAddr,
    taken: Arc<Mutex<Vec<Value>>>,
    pub closed: Arc<AtomicBool>,
}

impl Receiver {
    pub async fn start(syslog: bool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver =
            Self { address: listener.local_addr()?, taken: Arc::default(), closed: Arc::new(AtomicBool::new(false)) };
        let own = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { if syslog { own.syslog(stream).await } else { own.http(stream).await } });
            }
        });
        Ok(receiver)
    }

    fn take(&self, lines: &str) {
        let events = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
        self.taken.lock().unwrap().extend(events);
    }

    async fn http(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut length, mut token) = (0, false);
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
                let line = line.trim_end().to_ascii_lowercase();
                length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
                token |= line == "authorization: bearer siem-token-1";
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            let status = match (self.closed.load(Ordering::Relaxed), token) {
                (true, _) => "503 Service Unavailable",
                (false, false) => "401 Unauthorized",
                (false, true) => "204 No Content",
            };
            if status.starts_with("204") {
                self.take(std::str::from_utf8(&body).ok()?);
            }
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.ok()?;
        }
    }

    /// RFC 6587 octet counting around RFC 5424.
    async fn syslog(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut length = Vec::new();
            stream.read_until(b' ', &mut length).await.ok().filter(|read| *read > 0)?;
            let length: usize = std::str::from_utf8(&length).ok()?.trim().parse().ok()?;
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await.ok()?;
            let message = String::from_utf8(message).ok()?;
            let fields: Vec<&str> = message.splitn(8, ' ').collect();
            assert!(fields[0].starts_with("<1") && fields[0].ends_with(">1"), "{message}");
            assert_eq!((fields[3], fields[4], fields[6]), ("postern", "-", "-"), "{message}");
            self.take(fields[7]);
        }
    }

    pub fn uids(&self) -> Vec<u64> {
        self.taken.lock().unwrap().iter().filter_map(uid).collect()
    }
}

fn uid(event: &Value) -> Option<u64> {
    event["metadata"]["uid"].as_str()?.parse().ok()
}

async fn everything() -> anyhow::Result<()> {
    let (http, syslog) = (Receiver::start(false).await?, Receiver::start(true).await?);
    let place = tempfile::tempdir()?;
    let (file, token) = (place.path().join("ocsf.jsonl"), place.path().join("token"));
    fs::write(&token, "siem-token-1\n")?;
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let exports = json!({
        "lake": {"file": {"path": file}},
        "siem": {"http": {"url": format!("http://{}/in", http.address), "bearer_file": token, "allow_private": true}},
        "old": {"syslog": {"address": syslog.address.to_string()}},
    });
    let gateway = Gateway::with(Options { exports, ..Options::default() }).await?;
    gateway.grant(&gateway.record("EX-OUT", "remember", 600).await?).await?;
    ensure!(gateway.agent.call("rec__remember", json!({"text": "a canary in the arguments"})).await?.is_done());
    ensure!(gateway.agent.call("rec__echo", json!({"text": "x"})).await?.is_done());
    ensure!(!gateway.agent.call("rec__nap", json!({})).await?.is_done());
    gateway.ok(ADMINISTRATOR, &["freeze", "--reason", "drill"]).await?;
    gateway.ok(ADMINISTRATOR, &["unfreeze", "--reason", "drill is over"]).await?;
    let journal = gateway.journal().await?;
    let last = u64::try_from(journal.len())?;
    until("all of it has left, three times", Duration::from_secs(10), async || {
        let views = gateway.ok(ADMINISTRATOR, &["exports"]).await.unwrap_or_default();
        views.as_array().is_some_and(|all| all.iter().all(|view| view["acknowledged"].as_u64() >= Some(last)))
    })
    .await?;
    let schema: Value = serde_json::from_str(SCHEMA)?;
    let schema = jsonschema::validator_for(&schema)?;
    let text = fs::read_to_string(&file)?;
    ensure!(!text.contains("canary"), "arguments leave in clear");
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut kinds = BTreeSet::new();
    for event in &lines {
        let class = event["class_uid"].as_u64().context("no class")?;
        let name = ["api_activity", "entity_management", "detection_finding", "application_lifecycle"]
            [[6003, 3004, 2004, 6002].iter().position(|known| *known == class).context("another class")?];
        let one = json!({"$ref": format!("#/$defs/{name}"), "$defs": serde_json::from_str::<Value>(SCHEMA)?["$defs"]});
        let faults: Vec<String> = jsonschema::validator_for(&one)?
            .iter_errors(event)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        ensure!(faults.is_empty(), "{event}\n{faults:?}");
        ensure!(schema.is_valid(event), "it is of two classes: {event}");
        kinds.insert(event["metadata"]["event_code"].as_str().unwrap_or_default().to_owned());
    }
    for kind in ["start", "intent", "outcome", "denial", "lifecycle", "policy", "key", "catalog", "freeze", "listing"] {
        ensure!(kinds.contains(kind), "no event of a record of kind {kind}: {kinds:?}");
    }
    let every: Vec<u64> = (1..=last).collect();
    for (name, uids) in
        [("file", lines.iter().filter_map(uid).collect()), ("http", http.uids()), ("syslog", syslog.uids())]
    {
        ensure!(uids.get(..every.len()) == Some(&every), "{name}: {uids:?}");
    }
    let end = lines.iter().find(|event| event["metadata"]["event_code"] == json!("outcome")).context("no outcome")?;
    ensure!(end["api"]["operation"] == json!("tools/call rec/remember"), "{end}");
    ensure!(end["status_id"] == json!(1), "{end}");
    say(&format!("{last} records, {} kinds, in three places", kinds.len()));
    Ok(())
}

async fn dead_man() -> anyhow::Result<()> {
    let siem = Receiver::start(false).await?;
    let place = tempfile::tempdir()?;
    let token = place.path().join("token");
    fs::write(&token, "siem-token-1\n")?;
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let exports = json!({"siem": {"http": {"url": format!("http://{}/in", siem.address), "bearer_file": token, "allow_private": true}}});
    let mut gateway = Gateway::with(Options { exports, ..Options::default() }).await?;
    let mut record = gateway.record("EX-SIEM", "remember", 600).await?;
    record["controls"] = json!([{"id": "received", "obligation": "export.acknowledged",
        "params": {"sink": "siem", "max_lag_s": 2}, "definition": "The SIEM has taken all but the last two seconds."}]);
    gateway.grant(&record).await?;
    let agent = gateway.agent.clone();
    let call = async || agent.call("rec__remember", json!({"text": "x"})).await;
    let works = async || call().await.is_ok_and(|answer| answer.is_done());
    let refused = async || call().await.is_ok_and(|answer| answer.reason() == "monitoring_unavailable");
    until("it works while the SIEM acknowledges", Duration::from_secs(10), works).await?;
    siem.closed.store(true, Ordering::Relaxed);
    let took = until("it stops when the SIEM acknowledges nothing", Duration::from_secs(8), refused).await?;
    say(&format!("refused {took:.1?} after the SIEM ceased to acknowledge"));
    for turn in 0..20 {
        let answer = agent.call("rec__echo", json!({"text": format!("rbac {turn}")})).await?;
        ensure!(answer.is_done(), "RBAC: {}", answer.told());
    }
    ensure!(refused().await, "it works although the SIEM acknowledges nothing");
    gateway.kill().await?;
    gateway.launch().await?;
    siem.closed.store(false, Ordering::Relaxed);
    until("it works again", Duration::from_secs(20), works).await?;
    let last = u64::try_from(gateway.journal().await?.len())?;
    until("everything has left", Duration::from_secs(10), async || siem.uids().contains(&last)).await?;
    let got: BTreeSet<u64> = siem.uids().into_iter().collect();
    let missing: Vec<u64> = (1..=last).filter(|seq| !got.contains(seq)).collect();
    ensure!(missing.is_empty(), "the SIEM never got {missing:?}");
    gateway.verified().await?;
    Ok(())
}
