//! The real binary, with a configuration, policies and people of its own in a temporary folder.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{upstream::Upstream, wire::Agent};

pub const BINARY: &str = env!("CARGO_BIN_EXE_postern");
pub const AGENT: &str = "worker";
pub const OWNER: &str = "olivia@example.org";
pub const OPERATOR: &str = "omar@example.org";
pub const REQUESTER: &str = "rachel@example.org";
pub const APPROVER: &str = "alan@example.org";
pub const SECURITY: &str = "sonia@example.org";
/// Holder of `data/admin.key`.
pub const ADMINISTRATOR: &str = "administrator";

const AGENTS: &str = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
";
/// Owner, operator and requester hold the duty to approve, so that what refuses them is the separation of duties.
const PEOPLE: &str = "people:
  olivia@example.org: {duties: [own, approve], roles: [], active: true}
  omar@example.org: {duties: [approve], roles: [], active: true}
  rachel@example.org: {duties: [request, approve], roles: [], active: true}
  alan@example.org: {duties: [approve], roles: [], active: true}
  sonia@example.org: {duties: [approve, security], roles: [], active: true}
";
const ROLES: &str = r#"@id("echo")
permit (principal in Role::"echoer", action == Action::"rec/echo", resource == Tool::"rec/echo");
"#;

/// What differs from case to case.
pub struct Options {
    pub commit_timeout_ms: u64,
    pub otlp: Option<String>,
    /// More of `telemetry`.
    pub telemetry: Value,
    /// The data folder, if it is not in the temporary folder.
    pub data: Option<PathBuf>,
    /// More tool servers: name, and where they are.
    pub servers: Vec<(String, SocketAddr)>,
    /// More files of the policies folder: path and text.
    pub policies: Vec<(&'static str, &'static str)>,
    /// How long a server of `servers` may take.
    pub timeout_s: u64,
    /// Where checkpoints are copied to.
    pub copies: Option<PathBuf>,
    /// Settings of exceptions.
    pub exceptions: Value,
    /// Webhooks and what is unusual.
    pub alerts: Value,
    /// Where records are exported to.
    pub exports: Value,
    /// Tiles, retention, where checkpoints go.
    pub evidence: Value,
    /// Settings of issuers.
    pub identity: Value,
    /// What the file says besides, member by member over the rest.
    pub more: Value,
    /// What the process of the gateway finds in its environment.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit_timeout_ms: 5_000,
            otlp: None,
            telemetry: json!({}),
            data: None,
            servers: Vec::new(),
            policies: Vec::new(),
            timeout_s: 60,
            copies: None,
            exceptions: json!({}),
            alerts: json!({}),
            exports: json!({}),
            evidence: json!({}),
            identity: json!({}),
            more: json!({}),
            environment: Vec::new(),
        }
    }
}

pub struct Gateway {
    pub folder: tempfile::TempDir,
    pub upstream: Upstream,
    admin: SocketAddr,
    pub data: PathBuf,
    pub agent: Agent,
    child: Option<Child>,
    environment: Vec<(&'static str, String)>,
}

/// A port below those that the system gives to outgoing connections.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + u16::try_from(std::process::id() % 10_000)?;
    for _ in 0..500 {
        let port = base.saturating_add(NEXT.fetch_add(1, Ordering::Relaxed)).min(32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

pub async fn until<F: AsyncFnMut() -> bool>(what: &str, limit: Duration, mut holds: F) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    loop {
        if holds().await {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Gateway {
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(Options::default()).await
    }

    /// A gateway that serves, with keys for all people and the agent.
    pub async fn with(options: Options) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-acceptance-").tempdir()?;
        let upstream = Upstream::start().await?;
        let (agents, admin) = (free_port()?, free_port()?);
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let policies = folder.path().join("policies");
        fs::create_dir_all(policies.join("roles"))?;
        fs::write(policies.join("agents.yaml"), AGENTS)?;
        fs::write(policies.join("people.yaml"), PEOPLE)?;
        fs::write(policies.join("roles/echo.cedar"), ROLES)?;
        for (path, text) in &options.policies {
            let path = policies.join(path);
            path.parent().map(fs::create_dir_all).transpose()?;
            fs::write(path, text)?;
        }
        let mut config = json!({
            "listen": {"agents": format!("127.0.0.1:{agents}"), "admin": format!("127.0.0.1:{admin}")},
            "data": data, "policies": policies,
            "store": {"commit_timeout_ms": options.commit_timeout_ms},
            "servers": {"rec": {"http": {"url": format!("http://{}/mcp", upstream.address)},
                "allow_private": true, "trust": "first_use", "timeout_s": 60}},
            "limits": {"rate_per_second": 100_000, "burst": 100_000, "call_timeout_s": 60},
        });
        for (name, address) in &options.servers {
            config["servers"][name] = json!({"http": {"url": format!("http://{address}/mcp")},
                "allow_private": true, "trust": "first_use", "timeout_s": options.timeout_s});
        }
        if let Some(url) = &options.otlp {
            config["telemetry"] = json!({"otlp": url, "sample_ratio": 0.01});
            for (key, value) in options.telemetry.as_object().into_iter().flatten() {
                config["telemetry"][key] = value.clone();
            }
        }
        config["exceptions"] = options.exceptions.clone();
        config["alerts"] = options.alerts.clone();
        config["exports"] = options.exports.clone();
        config["evidence"] = options.evidence.clone();
        config["identity"] = options.identity.clone();
        if let Some(copies) = &options.copies {
            config["store"]["checkpoint_copies"] = json!([copies]);
        }
        merge(&mut config, &options.more);
        fs::write(folder.path().join("postern.yaml"), config.to_string())?;
        let agents: SocketAddr = ([127, 0, 0, 1], agents).into();
        let agent = Agent { address: agents, key: String::new() };
        let (admin, environment) = (([127, 0, 0, 1], admin).into(), options.environment);
        let mut gateway = Self { folder, upstream, admin, data, agent, child: None, environment };
        gateway.launch().await?;
        gateway.keys().await?;
        Ok(gateway)
    }

    async fn keys(&mut self) -> anyhow::Result<()> {
        self.agent = self.of(AGENT).await?;
        for person in [OWNER, OPERATOR, REQUESTER, APPROVER, SECURITY] {
            let made = self.ok(ADMINISTRATOR, &["key", "create", "--person", person]).await?;
            let path = self.key_file(person);
            fs::write(&path, made["key"].as_str().context("no key")?)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        let agent = self.agent.clone();
        until("the agent sees rec__echo", Duration::from_secs(20), async || {
            agent.tools().await.is_ok_and(|tools| tools.iter().any(|tool| tool == "rec__echo"))
        })
        .await?;
        Ok(())
    }

    /// An agent of `agents.yaml` with a new key.
    pub async fn of(&self, agent: &str) -> anyhow::Result<Agent> {
        let made = self.ok(ADMINISTRATOR, &["key", "create", "--agent", agent]).await?;
        Ok(Agent { address: self.agent.address, key: made["key"].as_str().context("no key")?.to_owned() })
    }

    /// Writes a file of the policies folder and has it read.
    pub async fn edit(&self, path: &str, text: &str) -> anyhow::Result<()> {
        fs::write(self.folder.path().join("policies").join(path), text)?;
        self.ok(ADMINISTRATOR, &["reload"]).await.map(drop)
    }

    pub fn key_file(&self, person: &str) -> PathBuf {
        if person == ADMINISTRATOR {
            self.data.join("admin.key")
        } else {
            self.folder.path().join(format!("{person}.key"))
        }
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The last lines of what the gateway printed.
    pub fn tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().rev().take(8).collect();
        lines.reverse();
        lines.join("\n       | ")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command
            .current_dir(self.folder.path())
            .env_remove("POSTERN_KEY")
            .env_remove("POSTERN_CONFIG")
            .env("NO_COLOR", "1");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts the gateway and waits until it serves.
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = self.command();
        command.arg("serve").envs(self.environment.iter().cloned()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn()?);
        let admin = self.admin;
        let begun = Instant::now();
        while !ready(admin).await {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                bail!("the gateway ended with {status}:\n       | {}", self.tail());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "the gateway is not ready after 30 s:\n       | {}",
                self.tail()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The status that somebody without a credential gets from the administration listener.
    pub async fn stranger(&self, path: &str) -> anyhow::Result<http::StatusCode> {
        let stream = tokio::net::TcpStream::connect(self.admin).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let request = http::Request::get(path)
            .header(http::header::HOST, self.admin.to_string())
            .body(http_body_util::Full::<bytes::Bytes>::default())?;
        let status = sender.send_request(request).await?.status();
        driven.abort();
        Ok(status)
    }

    /// What the administration listener answers to a request with these headers: headers and body, as text.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> anyhow::Result<String> {
        let stream = tokio::net::TcpStream::connect(self.admin).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let mut request =
            http::Request::builder().method(method).uri(path).header(http::header::HOST, self.admin.to_string());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = http_body_util::Full::new(bytes::Bytes::from(body.to_owned()));
        let answer = sender.send_request(request.body(body)?).await?;
        let head = format!("{:?}", answer.headers());
        let text = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
        driven.abort();
        Ok(format!("{head}\n{}", String::from_utf8_lossy(&text)))
    }

    /// A request to the administration listener with the key of this person; a body that is null is none.
    pub async fn admin(&self, person: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let (status, text) = self.text(person, (method, path), body).await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// The same, with the answer as it is.
    pub async fn text(
        &self,
        person: &str,
        (method, path): (&str, &str),
        body: &Value,
    ) -> anyhow::Result<(u16, String)> {
        let stream = tokio::net::TcpStream::connect(self.admin).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let key = fs::read_to_string(self.key_file(person))?;
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, self.admin.to_string())
            .header(http::header::AUTHORIZATION, format!("Bearer {}", key.trim()));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let answer = sender.send_request(request.body(http_body_util::Full::new(bytes::Bytes::from(body)))?).await?;
        let status = answer.status().as_u16();
        let text = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
        driven.abort();
        Ok((status, String::from_utf8_lossy(&text).into_owned()))
    }

    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.as_ref().and_then(Child::id).context("the gateway does not run")
    }

    /// A request to the administration API with the key of this person: the status and the answer.
    pub async fn api(
        &self,
        person: &str,
        method: &str,
        path: &str,
        (media_type, body): (&str, String),
    ) -> anyhow::Result<(u16, Value)> {
        let stream = tokio::net::TcpStream::connect(self.admin).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let key = fs::read_to_string(self.key_file(person))?;
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, self.admin.to_string())
            .header(http::header::AUTHORIZATION, format!("Bearer {}", key.trim()))
            .header(http::header::CONTENT_TYPE, media_type)
            .body(http_body_util::Full::new(bytes::Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
        driven.abort();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// A command of `postern`, with the key of this person.
    pub async fn cli(&self, person: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = self.command();
        if !arguments.contains(&"--output") {
            command.args(["--output", "json"]);
        }
        command.arg("--key-file").arg(self.key_file(person)).args(arguments);
        let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
        Ok(output.with_context(|| format!("`postern {}` took longer than a minute", arguments.join(" ")))??)
    }

    /// A command that must succeed, and what it says.
    pub async fn ok(&self, person: &str, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.cli(person, arguments).await?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`postern {}` by {person}: {} {}",
            arguments.join(" "),
            output.status,
            told.trim()
        );
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// A command that must be refused with exit code 1, and what it says.
    pub async fn refused(&self, person: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.cli(person, arguments).await?;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.code() == Some(1),
            "`postern {}` by {person} ended with {}: {told}",
            arguments.join(" "),
            output.status
        );
        Ok(told)
    }

    pub async fn digest(&self, tool: &str) -> anyhow::Result<String> {
        let catalog = self.ok(ADMINISTRATOR, &["catalog", "list"]).await?;
        let tools = catalog["tools"].as_array().context("no tools")?;
        let found =
            tools.iter().find(|entry| entry["tool"] == json!(tool)).context("the tool is not in the catalog")?;
        Ok(found["digest"].as_str().context("no digest")?.to_owned())
    }

    /// Writes a record and submits it as the requester.
    pub async fn submit(&self, record: &Value) -> anyhow::Result<Value> {
        let file = self.write(record)?;
        self.ok(REQUESTER, &["exception", "submit", &file]).await
    }

    pub fn write(&self, record: &Value) -> anyhow::Result<String> {
        let file = self.folder.path().join("record.yaml");
        fs::write(&file, serde_json::to_string_pretty(record)?)?;
        Ok(file.display().to_string())
    }

    /// Submits a record and has it approved by two, security among them.
    pub async fn grant(&self, record: &Value) -> anyhow::Result<()> {
        let id = record["id"].as_str().context("no id")?;
        self.submit(record).await?;
        for person in [APPROVER, SECURITY] {
            self.ok(person, &["exception", "approve", id]).await?;
        }
        Ok(())
    }

    /// A pilot for this tool, for `seconds` from now.
    pub async fn record(&self, id: &str, tool: &str, seconds: i64) -> anyhow::Result<Value> {
        let now = chrono::Utc::now();
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        Ok(json!({
            "apiVersion": "postern/v1", "id": id, "kind": "pilot", "category": "mitigated",
            "subject": {"agents": [AGENT], "on_behalf_of": {"users": [], "required": false}},
            "grant": {"server": "rec", "tools": [tool], "descriptor_digest": self.digest(tool).await?},
            "deviation": {"rule": "rbac.default", "constraint": "There is no role yet.", "objective": "Least privilege.",
                "identified_risk": "The tool is misused.", "residual_risk": "low"},
            "rationale": "The acceptance tests show that an approved exception admits a call, and only as long as it lasts.",
            "owner": {"human": OWNER, "team": "acceptance"},
            "not_before": time(now), "not_after": time(now + chrono::TimeDelta::seconds(seconds)),
            "budget": {"calls": 100_000},
            "controls": [{"id": "intent", "obligation": "audit.write_ahead", "definition": "The intent is durable first."}],
            "attestation": {"every": "P7D", "grace": "PT24H"},
            "exit": {"type": "graduate", "target_role": "rememberer", "criteria": "It went well."},
            "governance": {"channel": "agent-board"},
        }))
    }

    /// All records of the journal, in order, as `postern evidence export` writes them.
    pub async fn journal(&self) -> anyhow::Result<Vec<Value>> {
        let output = self.cli(ADMINISTRATOR, &["evidence", "export"]).await?;
        ensure!(output.status.success(), "evidence export: {}", String::from_utf8_lossy(&output.stderr));
        let mut records = Vec::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let line: Value = serde_json::from_str(line)?;
            if let Some(payload) = line["record"]["payload"].as_str() {
                records.push(serde_json::from_str(payload)?);
            }
        }
        Ok(records)
    }

    /// `postern evidence verify`, which must find all as it was written; its report.
    pub async fn verified(&self) -> anyhow::Result<Value> {
        self.ok(ADMINISTRATOR, &["evidence", "verify"]).await
    }
}

fn merge(into: &mut Value, from: &Value) {
    let Value::Object(members) = from else {
        *into = from.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in members {
        merge(&mut into[name], value);
    }
}

/// How many records there are of each kind.
pub fn kinds(journal: &[Value]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for record in journal {
        *kinds.entry(record["kind"].as_str().unwrap_or_default()).or_default() += 1;
    }
    kinds
}

async fn ready(admin: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(admin).await?;
        stream
            .write_all(format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Ok(true)))
}

/// Runs a program of the machine, which must succeed.
pub async fn program(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(name).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("`{name}` cannot be run"))?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
