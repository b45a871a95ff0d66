//! Outage drills: a part is taken away under an exception that needs it, and the timeline is told.

mod clock;
pub mod coverage;
mod disks;
mod watchers;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::{
    Case,
    gateway::{Gateway, until},
    say,
};

/// All drills, and the count in the end.
pub fn all() -> Vec<Case> {
    [watchers::drills(), disks::drills(), clock::drills(), coverage::drills()].into_iter().flatten().collect()
}

/// The tool that only the exception admits.
pub const TOOL: &str = "rec__remember";

/// What happened when, counted from what was done to the house.
pub struct Timeline {
    begun: Instant,
    marks: Vec<(Duration, String)>,
}

impl Timeline {
    /// The outage begins now.
    pub fn begin(what: &str) -> Self {
        Self { begun: Instant::now(), marks: vec![(Duration::ZERO, what.to_owned())] }
    }

    pub fn mark(&mut self, what: impl Into<String>) {
        self.marks.push((self.begun.elapsed(), what.into()));
    }

    /// Says it in one line.
    pub fn tell(&self) {
        let marks = self.marks.iter().map(|(at, what)| format!("+{:.2} s {what}", at.as_secs_f64()));
        say(&format!("timeline: {}", marks.collect::<Vec<_>>().join("; ")));
    }

    /// Waits for the first refusal of the exception with this reason, then holds that it stays so for ten calls, that
    /// none of them reaches the tool server, and that roles go on.
    pub async fn refused(&mut self, gateway: &Gateway, reason: &str, limit: Duration) -> anyhow::Result<()> {
        let begins = async || used(gateway, "outage").await.is_ok_and(|told| told == reason);
        until(&format!("calls are refused with {reason}"), limit, begins).await?;
        self.mark(format!("exception refused ({reason})"));
        let before = gateway.upstream.count();
        for turn in 0..10 {
            let told = used(gateway, &format!("down {turn}")).await?;
            ensure!(told == reason, "call {turn} of the outage: `{told}`");
            by_role(gateway).await?;
        }
        let seen = gateway.upstream.calls().split_off(before);
        ensure!(seen.len() == 10 && seen.iter().all(|call| call[0] == json!("echo")), "seen in the outage: {seen:?}");
        self.mark("10 calls refused, 10 by role went on");
        Ok(())
    }

    /// Waits until the exception works again.
    pub async fn works(&mut self, gateway: &Gateway, limit: Duration) -> anyhow::Result<()> {
        until("the exception works again", limit, async || works(gateway).await).await?;
        self.mark("exception works again");
        by_role(gateway).await
    }
}

/// A use of the exception: the reason of the refusal, empty if there is none.
pub async fn used(gateway: &Gateway, text: &str) -> anyhow::Result<String> {
    let answer = gateway.agent.call(TOOL, json!({"text": text})).await?;
    Ok(if answer.is_done() { String::new() } else { answer.reason() })
}

pub async fn works(gateway: &Gateway) -> bool {
    let answer = gateway.agent.call(TOOL, json!({"text": "works"})).await;
    answer.is_ok_and(|answer| answer.is_done())
}

/// A call that a role admits goes through.
pub async fn by_role(gateway: &Gateway) -> anyhow::Result<()> {
    let answer = gateway.agent.call("rec__echo", json!({"text": "by role"})).await?;
    ensure!(answer.is_done(), "a call by role: {}", answer.told());
    Ok(())
}

/// An exception for `remember` with this control beside the record of the intent, and the first use that works.
pub async fn excepted(gateway: &Gateway, obligation: &str, params: serde_json::Value) -> anyhow::Result<()> {
    let mut record = gateway.record("EX-DRILL", "remember", 600).await?;
    let mut control = json!({"id": "drilled", "obligation": obligation, "definition": "What the drill takes away."});
    if !params.is_null() {
        control["params"] = params;
    }
    record["controls"].as_array_mut().context("no controls")?.push(control);
    gateway.grant(&record).await?;
    until("the exception works before the outage", Duration::from_secs(10), async || works(gateway).await).await?;
    Ok(())
}

/// Whether the journal has an alarm of this kind.
pub async fn alarmed(gateway: &Gateway, about: &str) -> bool {
    let journal = gateway.journal().await.unwrap_or_default();
    journal.iter().any(|record| record["kind"] == json!("alarm") && record["about"] == json!(about))
}
