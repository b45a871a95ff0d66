//! Calls to make, and children that act as they are told.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use chrono::{TimeZone as _, Utc};
use serde_json::{Value, json, value::RawValue};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{Inquiry, Names, Target, ToolCall, admit},
    domain::{AgentId, Credential, CredentialId, CredentialKind, Method, Secret, ServerName, Subject, ToolRef},
    mcp::{Capabilities, InputGiven, Notice},
    upstream::{
        CallEnd, Dispatch, FailureKind, Leash, Patience, PrincipalKey, ServerSettings, ServerState, StdioSettings,
        Transport, Upstreams, errand::Errand,
    },
};

pub(super) fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

/// A checked call of a tool of the server `s` whose schema is this one.
pub(super) fn call_with(schema: Value, tool: &str, arguments: &str) -> ToolCall {
    let definition = json!({"name": tool, "inputSchema": schema}).to_string();
    let tool = admit(&server("s"), &RawValue::from_string(definition).unwrap(), &mut Names::default()).unwrap();
    let arguments = RawValue::from_string(arguments.to_owned()).unwrap();
    ToolCall::check(Arc::new(tool), Some(&arguments), Vec::new()).unwrap()
}

pub(super) fn call(tool: &str, arguments: &str) -> ToolCall {
    call_with(json!({"type": "object"}), tool, arguments)
}

/// A request that is no tool call, with these further members.
pub(super) fn inquiry(method: Method, name: &str, members: &Value) -> Errand {
    let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
    let members = members.as_object().unwrap().iter().map(|(key, value)| (key.as_str().into(), raw(value))).collect();
    Errand::Inquiry(match method {
        Method::GetPrompt => Inquiry::prompt(server("s"), name, members).unwrap(),
        Method::Complete => Inquiry::completion(server("s"), Target::Prompt(name.into()), members),
        Method::ReadResource => Inquiry::resource(server("s"), method, name, members).unwrap(),
        _ => Inquiry::task(method, ToolRef { server: server("s"), tool: "echo".parse().unwrap() }, name, members)
            .unwrap(),
    })
}

/// What a client says that it can do.
pub(super) fn can(capabilities: &Value) -> Arc<Capabilities> {
    let raw = RawValue::from_string(capabilities.to_string()).unwrap();
    Arc::new(Capabilities::read(&raw).unwrap())
}

/// The answer to the one question of a round.
pub(super) fn given(state: &str, answer: &Value) -> Option<InputGiven> {
    let responses = RawValue::from_string(json!({"question": answer}).to_string()).unwrap();
    Some(InputGiven { responses: Some(responses), state: Some(state.to_owned()) })
}

/// The one question of a round, as method and params, and the state.
pub(super) fn asked(end: CallEnd) -> (&'static str, Value, String) {
    let CallEnd::InputRequired(required) = end else { panic!("{end:?}") };
    let [request] = &required.requests[..] else { panic!("{required:?}") };
    let params = request.params.as_ref().map_or(Value::Null, |params| serde_json::from_str(params.get()).unwrap());
    (request.method.as_str(), params, required.state.unwrap_or_default())
}

pub(super) fn code(end: CallEnd) -> i32 {
    match end {
        CallEnd::RpcError { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

pub(super) fn principal(agent: &str) -> PrincipalKey {
    let credential = Credential {
        id: CredentialId::from_bits(1),
        kind: CredentialKind::ApiKey,
        issued: None,
        expires: Utc.timestamp_opt(0, 0).unwrap(),
    };
    (&Subject { agent: AgentId::from(agent), roles: [].into(), on_behalf_of: None, credential, taints: Arc::default() })
        .into()
}

pub(super) fn dispatch() -> Dispatch {
    Dispatch {
        principal: PrincipalKey::GATEWAY,
        traceparent: None,
        notices: None,
        progress: false,
        log_level: None,
        capabilities: std::sync::Arc::default(),
        input: None,
        cancelled: CancellationToken::new(),
        deadline: Instant::now() + Duration::from_secs(20),
        leash: Leash::default(),
    }
}

pub(super) fn progress() -> (mpsc::Sender<Notice>, mpsc::Receiver<Notice>) {
    mpsc::channel(16)
}

/// The result of an answer, as a value.
pub(super) fn answered(end: CallEnd) -> Value {
    match end {
        CallEnd::Answered { result, .. } => serde_json::from_slice(&result).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The first text of an answer.
pub(super) fn text(end: CallEnd) -> String {
    answered(end)["content"][0]["text"].as_str().unwrap().to_owned()
}

pub(super) fn failed(end: CallEnd) -> (FailureKind, bool) {
    match end {
        CallEnd::Failed { kind, effect_possible } => (kind, effect_possible),
        other => panic!("{other:?}"),
    }
}

/// Waits until this holds; fails the test after 20 s.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn ready(upstreams: &Upstreams) {
    until("ready", || upstreams.health().values().all(|health| health.state == ServerState::Ready)).await;
}

pub(super) fn quick() -> Patience {
    Patience { first: Duration::from_millis(10), ceiling: Duration::from_millis(50), ..Patience::default() }
}

/// A child in a folder of its own, whose journal can be read.
pub(super) struct Nursery {
    folder: tempfile::TempDir,
    pub(super) env: BTreeMap<String, Secret<String>>,
}

impl Nursery {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("child.py"), include_str!("child.py")).unwrap();
        Self { folder, env: BTreeMap::new() }
    }

    pub(super) fn settings(&self, mode: &str) -> ServerSettings {
        let python =
            ["/usr/bin/python3", "/usr/local/bin/python3"].into_iter().find(|path| std::path::Path::new(path).exists());
        let child = StdioSettings {
            command: python.unwrap().into(),
            args: vec!["-S".into(), "child.py".into(), mode.into()],
            env: self.env.clone(),
            cwd: Some(self.folder.path().into()),
        };
        ServerSettings { patience: quick(), ..ServerSettings::new(server("s"), Transport::Stdio(child)) }
    }

    pub(super) async fn start(&self, mode: &str) -> Upstreams {
        let upstreams = Upstreams::start(vec![self.settings(mode)]).unwrap();
        ready(&upstreams).await;
        upstreams
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the child saw, one line each.
    pub(super) fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(super) fn saw(&self, piece: &str) -> bool {
        self.journal().iter().any(|line| line.contains(piece))
    }
}

/// The params of progress; a log message is none.
pub(super) fn step(notice: Option<Notice>) -> String {
    let Some(Notice::Progress(params)) = notice else { return String::new() };
    String::from_utf8(params.to_vec()).unwrap()
}
