//! The count: every use of an exception has its intent, outcome, acknowledged trace and delivered alert, though the
//! collector dies and lies, the webhook fails, and the gateway is killed under load.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Timeline;
use crate::{
    Case,
    cases::{alerts, case},
    gateway::{ADMINISTRATOR, Gateway, Options, free_port, until},
    say,
    sink::{Manner, Sink},
    wire::Agent,
};

/// Uses that are covered, and all of them.
static COUNTED: Mutex<Option<(usize, usize)>> = Mutex::new(None);

const AGENTS: usize = 4;
const CONNECTIONS: usize = 32;

pub fn drills() -> Vec<Case> {
    vec![case!(
        "coverage: each use has intent, outcome, acknowledged trace and delivered alert",
        "T088 T103",
        900,
        count
    )]
}

/// The last line. Tenths are cut, not rounded: 100.0 is every single one.
pub fn line() -> String {
    match *COUNTED.lock().unwrap_or_else(PoisonError::into_inner) {
        Some((covered, uses)) if uses > 0 => {
            let thousandths = covered * 1_000 / uses;
            format!("coverage: {}.{} %", thousandths / 10, thousandths % 10)
        }
        _ => "coverage: not counted".to_owned(),
    }
}

/// What the load knows.
#[derive(Default)]
struct Load {
    done: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
    other: Mutex<BTreeSet<String>>,
}

fn wanted() -> usize {
    std::env::var("DRILL_CALLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

fn agents() -> &'static str {
    let mut text = "agents:\n  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, \
                    roles: [echoer]}\n"
        .to_owned();
    for n in 1..AGENTS {
        let _ = writeln!(
            text,
            "  worker-{n}: {{owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}}"
        );
    }
    text.leak()
}

/// An exception for each agent and tool; those for `remember` demand the trace.
async fn grants(gateway: &Gateway) -> anyhow::Result<Vec<Agent>> {
    let mut all = vec![gateway.agent.clone()];
    for n in 0..AGENTS {
        let name = if n == 0 { "worker".to_owned() } else { format!("worker-{n}") };
        if n > 0 {
            all.push(gateway.of(&name).await?);
        }
        for tool in ["remember", "slow"] {
            let mut record = gateway.record(&format!("EX-{}-{n}", tool.to_uppercase()), tool, 3_600).await?;
            record["subject"]["agents"] = json!([name]);
            if tool == "remember" {
                let control = json!({"id": "traced", "obligation": "trace.full", "definition": "A whole trace."});
                record["controls"].as_array_mut().context("no controls")?.push(control);
            }
            gateway.grant(&record).await?;
        }
    }
    Ok(all)
}

/// One connection after the other, one call after the other.
async fn press(agent: Agent, connection: usize, load: Arc<Load>) {
    let mut turn = 0_u64;
    while !load.stop.load(Ordering::SeqCst) {
        let Ok(mut line) = agent.line().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while !load.stop.load(Ordering::SeqCst) {
            turn += 1;
            let (tool, arguments) = if turn.is_multiple_of(2) {
                ("rec__remember", json!({"text": format!("{connection}-{turn}")}))
            } else {
                ("rec__slow", json!({"ms": 0}))
            };
            match line.call(tool, &arguments).await {
                Ok(answer) if answer.is_done() => {
                    load.done.fetch_add(1, Ordering::SeqCst);
                }
                Ok(answer) => {
                    load.refused.fetch_add(1, Ordering::SeqCst);
                    load.other.lock().unwrap_or_else(PoisonError::into_inner).insert(answer.reason());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(_) => break,
            }
        }
    }
}

/// Waits until so many calls have gone through.
async fn reached(load: &Load, part: usize) -> anyhow::Result<()> {
    let goal = wanted() * part / 100;
    let there = async || load.done.load(Ordering::SeqCst) >= goal;
    until(&format!("{goal} calls"), Duration::from_secs(300), there).await.with_context(|| {
        format!("{} calls, refused: {:?}", load.done.load(Ordering::SeqCst), load.other.lock().unwrap())
    })?;
    Ok(())
}

/// What goes wrong, while the load goes on.
async fn faults(
    gateway: &mut Gateway,
    (sink, receiver): (&mut Sink, &mut alerts::Receiver),
    load: &Load,
    line: &mut Timeline,
) -> anyhow::Result<()> {
    reached(load, 15).await?;
    sink.kill();
    line.mark("collector killed");
    tokio::time::sleep(Duration::from_secs(2)).await;
    sink.launch().await?;
    line.mark("collector back");
    reached(load, 35).await?;
    receiver.script.lock().unwrap_or_else(PoisonError::into_inner).0 = vec![500, 503, 500];
    line.mark("webhook answers 500 three times");
    reached(load, 50).await?;
    sink.kept.behave(Manner { lies: true, ..Manner::default() });
    line.mark("collector lies");
    tokio::time::sleep(Duration::from_secs(2)).await;
    sink.kept.behave(Manner::default());
    line.mark("collector honest");
    reached(load, 65).await?;
    receiver.down().await;
    sink.kill();
    line.mark("webhook and collector down");
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.kill().await?;
    line.mark("gateway killed (SIGKILL)");
    gateway.launch().await?;
    line.mark("gateway serves");
    tokio::time::sleep(Duration::from_secs(1)).await;
    receiver.up().await?;
    sink.launch().await?;
    line.mark("webhook and collector back");
    reached(load, 100).await
}

async fn count() -> anyhow::Result<()> {
    let port = free_port()?;
    let mut sink = Sink::start(port).await?;
    let mut receiver = alerts::Receiver::start().await?;
    let hook = json!({"chat": {"url": format!("http://{}/hook", receiver.address), "on": ["exception.used"]}});
    let options = Options {
        otlp: Some(format!("http://127.0.0.1:{port}")),
        policies: vec![("agents.yaml", agents())],
        ..Options::default()
    };
    let mut gateway = alerts::gateway_with(hook, options).await?;
    let agents = grants(&gateway).await?;
    let load = Arc::new(Load::default());
    let mut line = Timeline::begin(&format!("{CONNECTIONS} connections of {AGENTS} agents, {} exceptions", AGENTS * 2));
    let tasks: Vec<_> =
        (0..CONNECTIONS).map(|n| tokio::spawn(press(agents[n % AGENTS].clone(), n, Arc::clone(&load)))).collect();
    let went = faults(&mut gateway, (&mut sink, &mut receiver), &load, &mut line).await;
    load.stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await?;
    }
    went.with_context(|| gateway.tail())?;
    line.mark(format!(
        "{} calls done, {} refused",
        load.done.load(Ordering::SeqCst),
        load.refused.load(Ordering::SeqCst)
    ));
    judge(&gateway, &sink, &receiver, &mut line).await?;
    line.tell();
    gateway.verified().await.map(drop)
}

/// Uses by their place in the journal, with the decision; and the decisions that have an end.
fn uses(journal: &[Value]) -> (BTreeMap<u64, String>, BTreeSet<String>, usize) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut uses, mut ended, mut unknown) = (BTreeMap::new(), BTreeSet::new(), 0);
    for (seq, record) in (1..).zip(journal) {
        match record["kind"].as_str() {
            Some("intent") if record["verdict"]["basis"] == "exception" => {
                uses.insert(seq, text(&record["decision"]));
            }
            Some("outcome") => {
                ended.insert(text(&record["decision"]));
            }
            Some("recovered") => {
                let named: Vec<_> = record["unknown"].as_array().into_iter().flatten().map(text).collect();
                unknown += named.len();
                ended.extend(named);
            }
            // It became durable too late: the call did not leave, so it is no use.
            Some("aborted") => {
                uses.remove(&record["record"].as_u64().unwrap_or_default());
            }
            _ => {}
        }
    }
    (uses, ended, unknown)
}

async fn judge(gateway: &Gateway, sink: &Sink, receiver: &alerts::Receiver, line: &mut Timeline) -> anyhow::Result<()> {
    let (uses, ended, unknown) = uses(&gateway.journal().await?);
    let told = || receiver.taken().iter().filter_map(|got| got.id.parse().ok()).collect::<BTreeSet<u64>>();
    let kept = || sink.kept.uses().into_keys().filter_map(|seq| u64::try_from(seq).ok()).collect::<BTreeSet<u64>>();
    let all = async || {
        let (told, kept) = (told(), kept());
        uses.keys().all(|seq| told.contains(seq) && kept.contains(seq))
    };
    let arrived = until("each use is told and traced", Duration::from_secs(120), all).await;
    if arrived.is_ok() {
        line.mark("the last alert and the last trace arrived");
    }
    let output = gateway.cli(ADMINISTRATOR, &["traces", "reconcile", "--within", "20"]).await?;
    let found: Value = serde_json::from_slice(&output.stdout).context("the reconciler says nothing")?;
    let missing: BTreeSet<u64> =
        found["missing"].as_array().into_iter().flatten().filter_map(|one| one["seq"].as_u64()).collect();
    ensure!(found["uses"] == json!(uses.len()), "the reconciler counts {} of {} uses", found["uses"], uses.len());
    let (told, kept) = (told(), kept());
    let without = |has: &dyn Fn(u64, &str) -> bool| uses.iter().filter(|(seq, id)| !has(**seq, id)).count();
    let ends = |_: u64, id: &str| ended.contains(id);
    let traced = |seq: u64, _: &str| kept.contains(&seq) && !missing.contains(&seq);
    let alerted = |seq: u64, _: &str| told.contains(&seq);
    let uncovered = without(&|seq, id| ends(seq, id) && traced(seq, id) && alerted(seq, id));
    let covered = uses.len() - uncovered;
    *COUNTED.lock().unwrap_or_else(PoisonError::into_inner) = Some((covered, uses.len()));
    say(&format!(
        "{} uses: {} without outcome or `unknown` ({unknown} unknown), {} without acknowledged trace, {} without alert",
        uses.len(),
        without(&ends),
        without(&traced),
        without(&alerted)
    ));
    ensure!(uses.len() >= wanted(), "{} uses, {} calls were to be made", uses.len(), wanted());
    ensure!(uncovered == 0, "{uncovered} of {} uses are not covered", uses.len());
    let strangers = told.iter().filter(|seq| !uses.contains_key(seq)).count();
    line.mark(format!("{covered} of {} uses covered, {strangers} alerts of calls that never left", uses.len()));
    Ok(())
}
