//! The kill switch by scope: what it names stops within a second, in flight too; everything else goes on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::{case, governance::pilot_file};
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, Options, REQUESTER, until},
    say,
    upstream::Upstream,
    wire::Agent,
};

pub fn cases() -> Vec<Case> {
    vec![case!(
        "a freeze of an agent, a server, a pilot or an exception ends its calls within a second and no others",
        "T093",
        120,
        scopes
    )]
}

const AGENTS: &str = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
  other: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
";
const ROLES: &str = r#"@id("echo")
permit (principal in Role::"echoer", action == Action::"rec/echo", resource == Tool::"rec/echo");
@id("two")
permit (principal in Role::"echoer", action == Action::"two/slow", resource == Tool::"two/slow");
"#;

/// Who calls what, slowly.
struct Slow<'a>(&'a str, &'a Agent, &'a str);

async fn scopes() -> anyhow::Result<()> {
    let second = Upstream::start().await?;
    let options = Options {
        servers: vec![("two".to_owned(), second.address)],
        policies: vec![("agents.yaml", AGENTS), ("roles/echo.cedar", ROLES)],
        ..Options::default()
    };
    let mut gateway = Gateway::with(options).await?;
    let (worker, other) = (gateway.agent.clone(), gateway.of("other").await?);
    let pilot = gateway.write(&pilot_file("PI-KILL", 900))?;
    gateway.ok(REQUESTER, &["pilot", "submit", &pilot]).await?;
    let mut record = gateway.record("EX-KILL", "slow", 600).await?;
    record["pilot"] = json!("PI-KILL");
    gateway.grant(&record).await?;
    let ready = async || worker.tools().await.is_ok_and(|tools| tools.contains(&"two__slow".to_owned()));
    until("the second server is there", Duration::from_secs(10), ready).await?;
    // A scope, what it stops, and what goes on meanwhile.
    let (one, two) = (Slow("by the exception", &worker, "rec__slow"), Slow("by a role", &worker, "two__slow"));
    let third = Slow("of the other agent", &other, "two__slow");
    for (scope, stopped, goes_on) in [
        (["--exception", "EX-KILL"], vec![&one], vec![&two, &third]),
        (["--pilot", "PI-KILL"], vec![&one], vec![&two, &third]),
        (["--server", "two"], vec![&two, &third], vec![&one]),
        (["--agent", "worker"], vec![&one, &two], vec![&third]),
    ] {
        kill(&mut gateway, &second, scope, (&stopped, &goes_on)).await?;
    }
    let typo = gateway.cli(ADMINISTRATOR, &["freeze", "--agent", "nobody", "--reason", "typo"]).await?;
    ensure!(typo.status.code() == Some(2), "a name that does not exist: {}", String::from_utf8_lossy(&typo.stdout));
    let journal = gateway.journal().await?;
    let scoped = journal.iter().filter(|record| record["kind"] == json!("freeze") && record["scope"].is_object());
    ensure!(scoped.count() == 8, "each freeze and each release is on record with its scope");
    gateway.verified().await?;
    Ok(())
}

async fn kill(
    gateway: &mut Gateway,
    second: &Upstream,
    scope: [&str; 2],
    (stopped, goes_on): (&[&Slow<'_>], &[&Slow<'_>]),
) -> anyhow::Result<()> {
    let start = |slow: &Slow<'_>, ms: u64| {
        let (agent, tool) = (slow.1.clone(), slow.2.to_owned());
        tokio::spawn(async move {
            let answer = agent.call(&tool, json!({"ms": ms})).await;
            (answer, Instant::now())
        })
    };
    let before = gateway.upstream.count() + second.count();
    let ending: Vec<_> = stopped.iter().map(|slow| start(slow, 20_000)).collect();
    let lasting: Vec<_> = goes_on.iter().map(|slow| start(slow, 3_000)).collect();
    let all = before + ending.len() + lasting.len();
    until("all are forwarded", Duration::from_secs(5), async || gateway.upstream.count() + second.count() == all)
        .await?;
    gateway.ok(ADMINISTRATOR, &["freeze", scope[0], scope[1], "--reason", "drill"]).await?;
    let frozen = Instant::now();
    for (task, slow) in ending.into_iter().zip(stopped) {
        let (answer, at) = task.await?;
        let answer = answer?;
        ensure!(answer.reason() == "frozen", "{scope:?}: {}: {}", slow.0, answer.told());
        let took = at.saturating_duration_since(frozen);
        ensure!(took <= Duration::from_secs(1), "{scope:?}: {} ended after {took:?}", slow.0);
        let again = slow.1.call(slow.2, json!({"ms": 0})).await?;
        ensure!(again.reason() == "frozen", "{scope:?}: {} again: {}", slow.0, again.told());
        ensure!(!again.told().contains("drill"), "the reason is nobody's business: {}", again.told());
    }
    for (task, slow) in lasting.into_iter().zip(goes_on) {
        let answer = task.await?.0?;
        ensure!(answer.is_done(), "{scope:?}: {} goes on: {}", slow.0, answer.told());
    }
    say(&format!("{} {}: ended, refused, and others went on", scope[0], scope[1]));
    gateway.kill().await?;
    gateway.launch().await?;
    let listed = gateway.ok(ADMINISTRATOR, &["freezes"]).await?;
    ensure!(listed.to_string().contains(scope[1]), "it is shown after a restart: {listed}");
    // The gateway may not know its tools at once.
    let settled = async || match stopped.first() {
        Some(slow) => slow.1.call(slow.2, json!({"ms": 0})).await.is_ok_and(|answer| answer.reason() == "frozen"),
        None => true,
    };
    until("a restart keeps the freeze", Duration::from_secs(15), settled).await?;
    gateway.ok(ADMINISTRATOR, &["unfreeze", scope[0], scope[1], "--reason", "drill is over"]).await?;
    for slow in stopped {
        let works = async || slow.1.call(slow.2, json!({"ms": 0})).await.is_ok_and(|answer| answer.is_done());
        until("it works again", Duration::from_secs(10), works).await?;
    }
    Ok(())
}
