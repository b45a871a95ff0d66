//! The hot path, part by part: `cargo bench --bench hot_path`. Figures and their commands are in BENCHMARKS.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be set up ends the bench"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use postern::{
    catalog::{Names, Tool, ToolCall, admit},
    domain::{
        AgentId, Candidate, Clock, Credential, CredentialId, CredentialKind, DecisionId, Digest, Document, ExceptionId,
        Registry, RoleName, Standing, Subject, Timestamp,
    },
    evidence::{Arguments, Called, Caller, How, Intent, Outcome, Record},
    exception::{Exception, Index, Live, Spec, State, parse},
    gateway::{Admission, Admit},
    mcp::{CallParams, Limits, Message, emit},
    policy::{Decision, PolicySet, SourceFile, Sources, compile},
    store::{Settings, Store},
};
use serde_json::{json, value::to_raw_value};

const NOW: &str = "2026-06-01T12:00:00Z";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        now()
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn tool() -> Arc<Tool> {
    let definition = json!({"name": "delete_note", "description": "Deletes a note.", "inputSchema": {
        "type": "object", "properties": {"id": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["id"]}});
    let raw = to_raw_value(&definition).unwrap();
    Arc::new(admit(&"notes".parse().unwrap(), &raw, &mut Names::default()).unwrap())
}

fn call(tool: &Arc<Tool>) -> ToolCall {
    let arguments = to_raw_value(&json!({"id": "n-1", "limit": 3})).unwrap();
    ToolCall::check(Arc::clone(tool), Some(&arguments), Vec::new()).unwrap()
}

fn subject(role: &str) -> Subject {
    let credential =
        Credential { id: CredentialId::from_bits(1), kind: CredentialKind::ApiKey, issued: None, expires: now() };
    Subject {
        agent: AgentId::from("agent-1"),
        roles: [RoleName::from(role)].into(),
        on_behalf_of: None,
        credential,
        taints: [].into(),
    }
}

fn policies(tool: &Arc<Tool>) -> PolicySet {
    let mut text = String::from(
        "@id(\"deleter\")\npermit(principal in Role::\"deleter\", action == Action::\"notes/delete_note\", resource);\n",
    );
    for index in 0..10 {
        text += &format!(
            "@id(\"r{index}\")\npermit(principal in Role::\"role-{index}\", action == Action::\"notes/delete_note\", resource);\n"
        );
    }
    let hard = "@id(\"keep\") @level(\"hard\") @owner(\"x\")\nforbid(principal, action == Action::\"notes/delete_note\", resource) when { context.input.id == \"charter\" };\n";
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let sources = Sources { files: vec![file("guardrails/hard/keep.cedar", hard), file("roles/all.cedar", &text)] };
    compile(&sources, &[Arc::clone(tool)]).unwrap()
}

fn spec(tool: &Tool) -> Spec {
    let record = json!({
        "apiVersion": "postern/v1", "id": "EX-1", "kind": "pilot", "category": "mitigated",
        "subject": {"agents": ["agent-1"], "on_behalf_of": {"users": [], "required": false}},
        "grant": {"server": "notes", "tools": ["delete_note"], "descriptor_digest": tool.digest, "args": {"id": {"in": ["n-1", "n-2"]}}},
        "deviation": {"rule": "rbac.default", "constraint": "c", "objective": "o", "identified_risk": "r", "residual_risk": "low"},
        "rationale": "A rationale that is long enough to be accepted by the schema of records.",
        "owner": {"human": "olivia", "team": "t"},
        "not_before": "2026-05-20T00:00:00Z", "not_after": "2026-06-10T00:00:00Z", "budget": {"calls": 1_000_000},
        "controls": [{"id": "intent", "obligation": "audit.write_ahead", "definition": "Durable before it leaves."}],
        "attestation": {"every": "P7D", "grace": "PT24H"}, "removal": {"shadow_every": "P7D"},
        "exit": {"type": "graduate", "target_role": "r", "criteria": "none undone"}, "governance": {"channel": "board"}
    });
    parse(&Document::of_value(record)).unwrap()
}

/// An approved exception for agent `number`.
fn exception(template: &Spec, number: usize) -> Exception {
    let mut spec = template.clone();
    let id: ExceptionId = format!("EX-{number}").parse().unwrap();
    spec.id = id.clone();
    spec.subject.agents = [AgentId::from(format!("agent-{number}").as_str())].into();
    let digest = Digest::of(id.as_str().as_bytes());
    let live = Live { approvals: Vec::new(), since: now(), attested: now() };
    let requester = "rachel".into();
    Exception {
        id,
        version: 3,
        revision: 1,
        digest,
        spec: Arc::new(spec),
        requester,
        state: State::Approved(live),
        activated: true,
        review: None,
        met: std::collections::BTreeSet::new(),
        analysis: None,
        tested: None,
        trial: None,
        reminded: std::collections::BTreeMap::new(),
        tried: None,
    }
}

fn wire(c: &mut Criterion) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "notes__delete_note", "arguments": {"id": "n-1", "text": "x".repeat(200)},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}})
    .to_string();
    c.bench_function("parse and emit a call of 0.4 KB", |b| {
        b.iter(|| {
            let Message::Request { id, params, .. } =
                Message::parse(black_box(body.as_bytes()), Limits::REQUEST).unwrap()
            else {
                unreachable!()
            };
            let call = CallParams::read(&params).unwrap();
            black_box(call.name.len());
            emit::result(id, br#"{"content":[]}"#)
        });
    });
}

fn decide(c: &mut Criterion) {
    let tool = tool();
    let set = policies(&tool);
    c.bench_function("decide by role", |b| {
        let subject = subject("deleter");
        b.iter(|| assert!(matches!(set.decide(&subject, call(&tool), &[], now()), Decision::Permit(_))));
    });
    let template = spec(&tool);
    let subject = subject("nobody");
    c.bench_function("decide by exception", |b| {
        let grant = Arc::new(template.grant(1, Digest::of(b"x")));
        let candidates = [Candidate { grant, standing: Standing::Usable }];
        b.iter(|| assert!(matches!(set.decide(&subject, call(&tool), &candidates, now()), Decision::Permit(_))));
    });
    c.bench_function("check the arguments alone", |b| b.iter(|| call(&tool)));
    let mut group = c.benchmark_group("find the exceptions of an agent and tool");
    for count in [10, 1_000, 100_000, 1_000_000] {
        let index = Index::new(Arc::new(ArcSwap::from_pointee(Registry::default())));
        for number in 0..count {
            index.replace(&exception(&template, number));
        }
        group.bench_with_input(BenchmarkId::from_parameter(count), &index, |b, index| {
            b.iter(|| black_box(index.candidates(&subject.agent, &tool.reference, now(), false)));
        });
    }
}

fn admit_and_outcome(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let (store, _) = Store::open(folder.path(), Settings::default(), Arc::new(Fixed)).unwrap();
    let tool = tool();
    let set = policies(&tool);
    let subject = subject("deleter");
    let Decision::Permit(permit) = set.decide(&subject, call(&tool), &[], now()) else { unreachable!() };
    let intent = move |bits: u128| Intent {
        decision: DecisionId::from_bits(bits),
        at: now(),
        caller: Caller::of(&subject, "2026-07-28"),
        call: Called {
            server: tool.reference.server.clone(),
            tool: tool.reference.tool.clone(),
            exposed: tool.exposed.clone(),
            definition: tool.digest,
            arguments: Arguments {
                digest: Digest::of(b"{}").into(),
                sealed: None,
                clear: std::collections::BTreeMap::new(),
                omitted: Vec::new(),
            },
        },
        verdict: permit.verdict().clone(),
        continues: None,
    };
    let intent = Arc::new(intent);
    let mut next = 0_u128;
    for callers in [1_usize, 64] {
        c.bench_function(&format!("admit and outcome, durable, {callers} callers at once"), |b| {
            b.iter_custom(|rounds| {
                let per = usize::try_from(rounds).unwrap().div_ceil(callers);
                let base = next;
                next += 1 << 40;
                let begun = Instant::now();
                runtime.block_on(async {
                    let tasks: Vec<_> = (0..callers)
                        .map(|caller| {
                            let (store, intent) = (Arc::clone(&store), Arc::clone(&intent));
                            tokio::spawn(async move {
                                for index in 0..per {
                                    let bits = base + (caller as u128) * (1 << 30) + index as u128;
                                    let intent = intent(bits);
                                    let decision = intent.decision.clone();
                                    let credential = intent.caller.credential.clone();
                                    store
                                        .admit(Admit { intent, credential, epoch: 0, charge: None, hold: None })
                                        .await
                                        .unwrap();
                                    let outcome = Outcome {
                                        decision,
                                        at: now(),
                                        how: How::Answered,
                                        effect_possible: true,
                                        result: None,
                                        result_bytes: 2,
                                        duration_us: 5,
                                        detail: None,
                                        sealed: None,
                                        redacted: std::collections::BTreeMap::new(),
                                        marked: Vec::new(),
                                    };
                                    store.record(Record::Outcome(outcome)).await.unwrap();
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
                begun.elapsed()
            });
        });
    }
}

criterion_group! {
    name = hot_path;
    config = Criterion::default().sample_size(30).measurement_time(std::time::Duration::from_secs(3));
    targets = wire, decide, admit_and_outcome
}
criterion_main!(hot_path);
