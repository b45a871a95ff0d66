//! Duties as a client sees them, and a control that is lost as the record tells it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    alerts::{Receiver, gateway_with},
    case,
};
use crate::{
    Case,
    collector::Collector,
    gateway::{ADMINISTRATOR, Gateway, OWNER, Options, REQUESTER, free_port, until},
    house::House,
    peer::Say,
    say,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("what a class matches never leaves, and labels close other tools", "duties T106", 120, duties),
        case!("a tool that drifts suspends the exceptions that name it, and nothing else", "T140", 60, drift),
        case!(
            "a lost control is told by record, alert and history within 2 s, and so is its return",
            "T088",
            120,
            told
        ),
        case!("a lost control suspends exactly what needs it and gives it back", "duties T088", 120, lost),
    ]
}

const GUARD: &str = r#"@id("tainted") @level("hard") @owner("sonia@example.org")
forbid (principal, action == Action::"rec/echo", resource)
when { context.taints.contains("customer_data") };
"#;
const CLASSES: &str = "classes:
  customer: {pattern: 'KD-[0-9]{6}'}
";
const CONTROLS: &str = "controls:
  redaction:
    meets: [response.redact]
    probe: detectors
    owner: olivia@example.org
    constraints: Results hold addresses of customers.
    objective: No address leaves.
    identified_risk: Addresses end in a model's memory.
    definition: Classes are taken out of each result.
    validation: A marker is sent through every week.
    maintenance: The owner keeps the classes up to date.
classes:
  customer: {pattern: 'KD-[0-9]{6}'}
";

async fn duties() -> anyhow::Result<()> {
    let policies = vec![("guardrails/hard/tainted.cedar", GUARD), ("controls.yaml", CLASSES)];
    let mut gateway = Gateway::with(Options { policies, ..Options::default() }).await?;
    let mut record = gateway.record("EX-DUTIES", "remember", 600).await?;
    let control = |id: &str, obligation: &str| json!({"id": id, "obligation": obligation, "definition": "A duty."});
    let mut redact = control("redact", "response.redact");
    redact["params"] = json!({"classes": ["email", "customer"]});
    let mut taint = control("taint", "taint.mark");
    taint["params"] = json!({"labels": ["customer_data"]});
    record["controls"] = json!([redact, taint, control("a", "args.capture"), control("r", "response.capture")]);
    gateway.grant(&record).await?;
    let agent = gateway.agent.clone();
    ensure!(agent.call("rec__echo", json!({"text": "before"})).await?.is_done(), "before anything was seen");
    ensure!(agent.tools().await?.contains(&"rec__echo".to_owned()), "it is listed as long as nothing closes it");
    let answer = agent.call("rec__remember", json!({"text": "ana@example.org has KD-123456"})).await?;
    ensure!(answer.told().contains("[redacted:email] has [redacted:customer]"), "{}", answer.told());
    ensure!(!answer.told().contains("ana@") && !answer.told().contains("KD-1"), "{}", answer.told());
    say("the agent is marked: a guardrail reads the label");
    let answer = agent.call("rec__echo", json!({"text": "after"})).await?;
    ensure!(answer.reason() == "hard_guardrail", "after: {}", answer.told());
    ensure!(!agent.tools().await?.contains(&"rec__echo".to_owned()), "a tool that a label closes is listed");
    gateway.kill().await?;
    gateway.launch().await?;
    let closed = async || {
        agent.call("rec__echo", json!({"text": "again"})).await.is_ok_and(|answer| answer.reason() == "hard_guardrail")
    };
    until("the mark survives a crash", Duration::from_secs(10), closed).await?;
    let before = gateway.upstream.count();
    let long = json!({"text": "x".repeat(40_000)});
    let answer = agent.call("rec__remember", long).await?;
    ensure!(answer.reason() == "control_unmet" && answer.told().contains("args.capture"), "{}", answer.told());
    ensure!(gateway.upstream.count() == before, "what cannot be kept left all the same");
    let journal = gateway.journal().await?;
    let outcome = journal.iter().find(|record| record["kind"] == "outcome" && record["marked"].is_array());
    let outcome = outcome.context("no outcome says what was marked")?;
    ensure!(outcome["redacted"] == json!({"customer": 1, "email": 1}), "{outcome}");
    ensure!(outcome["sealed"].is_object() && outcome["marked"] == json!(["customer_data"]), "{outcome}");
    ensure!(!journal.iter().any(|record| record.to_string().contains("KD-123456")), "it stands in the journal");
    say("controls.yaml names one control: a record may name no other, and what needs another is suspended");
    gateway.edit("controls.yaml", CONTROLS).await?;
    let suspended = async || {
        let shown = gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-DUTIES"]).await;
        shown.is_ok_and(|shown| shown["reason"] == "control_unhealthy")
    };
    until("it is suspended", Duration::from_secs(4), suspended).await?;
    let mut second = record.clone();
    second["id"] = json!("EX-SECOND");
    let file = gateway.folder.path().join("second.json");
    std::fs::write(&file, second.to_string())?;
    let output = gateway.cli(REQUESTER, &["exception", "submit", &file.to_string_lossy()]).await?;
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.code() == Some(2), "a duty that is not declared: {told}");
    ensure!(told.contains("no control of controls.yaml meets `taint.mark`"), "{told}");
    let controls = gateway.ok(ADMINISTRATOR, &["controls"]).await?;
    let of =
        |id: &str| controls.as_array().into_iter().flatten().find(|one| one["id"] == id).cloned().unwrap_or_default();
    let (redact, taint) = (of("response.redact"), of("taint.mark"));
    ensure!(redact["kept_by"] == OWNER && redact["declared"] == json!(true), "{redact}");
    ensure!(taint["declared"] == json!(false) && taint["needed_by"] == json!(["EX-DUTIES"]), "{taint}");
    gateway.verified().await?;
    Ok(())
}

async fn lost() -> anyhow::Result<()> {
    let port = free_port()?;
    let mut collector = Collector::start(port).await?;
    let otlp = Some(format!("http://127.0.0.1:{port}"));
    let gateway = Gateway::with(Options { otlp, ..Options::default() }).await?;
    let mut traced = gateway.record("EX-TRACED", "remember", 600).await?;
    traced["controls"] = json!([{"id": "traced", "obligation": "trace.full", "definition": "A whole trace."}]);
    gateway.grant(&traced).await?;
    let mut halted = traced.clone();
    halted["id"] = json!("EX-HALTED");
    gateway.grant(&halted).await?;
    gateway.grant(&gateway.record("EX-PLAIN", "slow", 600).await?).await?;
    let agent = gateway.agent.clone();
    let works =
        async || agent.call("rec__remember", json!({"text": "works"})).await.is_ok_and(|answer| answer.is_done());
    until("the exception works", Duration::from_secs(15), works).await?;
    gateway.ok(OWNER, &["exception", "suspend", "EX-HALTED", "--reason", "a look"]).await?;
    let reason = async |id: &str| -> anyhow::Result<Value> {
        Ok(gateway.ok(ADMINISTRATOR, &["exception", "show", id]).await?["reason"].clone())
    };
    collector.kill().await?;
    let held = async || {
        let _call = agent.call("rec__remember", json!({"text": "lost"})).await;
        reason("EX-TRACED").await.is_ok_and(|reason| reason == "control_unhealthy")
    };
    let took = until("the loss is on record", Duration::from_secs(4), held).await?;
    say(&format!("suspended {took:.1?} after the collector was killed"));
    let answer = agent.call("rec__remember", json!({"text": "no"})).await?;
    ensure!(answer.reason() == "monitoring_unavailable", "{}", answer.told());
    ensure!(reason("EX-PLAIN").await?.is_null(), "it needs no trace");
    ensure!(agent.call("rec__slow", json!({"ms": 1})).await?.is_done(), "an exception that needs no trace");
    ensure!(agent.call("rec__echo", json!({"text": "role"})).await?.is_done(), "what a role allows goes on");
    collector.launch().await?;
    let took = until("calls work again", Duration::from_secs(20), works).await?;
    say(&format!("resumed {took:.1?} after it came back"));
    let stays = async || reason("EX-HALTED").await.is_ok_and(|reason| reason == "manual");
    until("what a person suspended stays so", Duration::from_secs(5), stays).await?;
    let journal = gateway.journal().await?;
    let events = |id: &str| -> Vec<String> {
        let of = journal.iter().filter(|record| record["kind"] == "lifecycle" && record["exception"] == id);
        let told = of.filter(|record| record["event"]["reason"] == "control_unhealthy");
        told.map(|record| record["event"]["event"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for id in ["EX-TRACED", "EX-HALTED"] {
        let events = events(id);
        ensure!(events.iter().map(String::as_str).eq(["suspended", "resumed"]), "{id}: {events:?}");
    }
    ensure!(events("EX-PLAIN").is_empty(), "{:?}", events("EX-PLAIN"));
    let history = gateway.ok(ADMINISTRATOR, &["controls", "history", "EX-TRACED"]).await?;
    let history: Vec<_> = history.as_array().context("no list")?.iter().map(|one| one["healthy"].clone()).collect();
    ensure!(history == [json!(true), json!(false)], "{history:?}");
    gateway.verified().await?;
    Ok(())
}

async fn drift() -> anyhow::Result<()> {
    let house = House::start().await?;
    let gateway = &house.gateway;
    let mut record = gateway.record("EX-DRIFT", "paid", 600).await?;
    record["grant"]["server"] = json!("all");
    gateway.grant(&record).await?;
    gateway.grant(&gateway.record("EX-STAYS", "remember", 600).await?).await?;
    house.peer.script(|heard| {
        let tools = json!([{"name": "paid", "description": "Something else.", "inputSchema": {"type": "object"}}]);
        let list = json!({"tools": tools, "ttlMs": 60_000, "cacheScope": "public", "resultType": "complete"});
        (heard.method() == "tools/list").then_some(Say::Result(list))
    });
    house.peer.tell("notifications/tools/list_changed", json!({}));
    let shown = async |id: &str| gateway.ok(ADMINISTRATOR, &["exception", "show", id]).await;
    let suspended = async || shown("EX-DRIFT").await.is_ok_and(|shown| shown["reason"] == "drift");
    let took = until("it is suspended", Duration::from_secs(5), suspended).await?;
    say(&format!("suspended {took:.1?} after the server changed its tool"));
    ensure!(shown("EX-STAYS").await?["state"] == "active", "an exception of another tool");
    let journal = gateway.journal().await?;
    let alarms = journal.iter().filter(|record| record["about"] == "tool_drifted");
    let named = alarms.filter(|alarm| alarm["detail"].to_string().contains("`paid` of `all`")).count();
    ensure!(named == 1, "{named} alarms about the tool");
    gateway.verified().await.map(drop)
}

async fn told() -> anyhow::Result<()> {
    let port = free_port()?;
    let mut collector = Collector::start(port).await?;
    let receiver = Receiver::start().await?;
    let hooks = json!({"pager": {"url": format!("http://{}/hook", receiver.address),
        "on": ["control.*", "exception.suspended", "exception.resumed"]}});
    let otlp = Some(format!("http://127.0.0.1:{port}"));
    let gateway = gateway_with(hooks, Options { otlp, ..Options::default() }).await?;
    let mut traced = gateway.record("EX-TOLD", "remember", 600).await?;
    traced["controls"] = json!([{"id": "traced", "obligation": "trace.full", "definition": "A whole trace."}]);
    gateway.grant(&traced).await?;
    let agent = gateway.agent.clone();
    let call = async || agent.call("rec__remember", json!({"text": "t"})).await;
    let works = async || call().await.is_ok_and(|answer| answer.is_done());
    until("the exception works", Duration::from_secs(15), works).await?;
    let count = |kind: &str| receiver.of(kind).len();
    let (lost, back) = (count("exception.suspended"), count("exception.resumed"));
    collector.kill().await?;
    // The control is lost when its lease is over: that is when calls are refused.
    let refused = async || call().await.is_ok_and(|answer| answer.reason() == "monitoring_unavailable");
    until("calls are refused", Duration::from_secs(4), refused).await?;
    let suspended = async || count("exception.suspended") > lost && count("control.lost") > 0;
    let took = until("the loss is on record and told", Duration::from_secs(2), suspended).await?;
    say(&format!("told {took:.1?} after the first call was refused"));
    collector.launch().await?;
    let health = async || {
        let all = gateway.ok(ADMINISTRATOR, &["controls"]).await.unwrap_or_default();
        let healthy = |one: &Value| one["id"] == "trace.full" && one["healthy"] == json!(true);
        all.as_array().is_some_and(|all| all.iter().any(healthy))
    };
    until("the control works again", Duration::from_secs(20), health).await?;
    let resumed = async || count("exception.resumed") > back && count("control.returned") > 0;
    let took = until("the return is on record and told", Duration::from_secs(2), resumed).await?;
    say(&format!("told {took:.1?} after the control worked again"));
    ensure!(works().await, "calls work again");
    for (of, named) in [("trace.full", "control"), ("EX-TOLD", "exception")] {
        let history = gateway.ok(ADMINISTRATOR, &["controls", "history", of]).await?;
        let mine = history.as_array().context("no list")?.iter().filter(|one| one[named] == of);
        let healthy: Vec<_> = mine.map(|one| one["healthy"].clone()).collect();
        ensure!(healthy.starts_with(&[json!(true), json!(false)]), "{of}: {history}");
    }
    gateway.verified().await.map(drop)
}
