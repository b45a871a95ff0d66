//! What the console shows.

use async_trait::async_trait;

use super::house::House;
use crate::{
    api::{Looked, Operations as _},
    console::{ControlRow, DecisionRow, ExceptionRow, Overview, Page, QuarantineRow},
    domain::{CredentialId, Person},
    evidence::{Journal as _, KeyChange, KeyEvent, Record, Surface},
};

const DECISIONS: usize = 50;

#[async_trait]
impl Overview for House {
    async fn page(&self, by: Option<&Person>) -> Option<Page> {
        self.read_noted(by, Looked::at(Surface::Console)).await.ok()?;
        let exceptions = self.exceptions().await.ok()?.into_iter().map(|view| ExceptionRow {
            id: view.id.to_string(),
            state: view.state,
            owner: view.owner.to_string(),
            agents: view.agents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            tools: format!("{}: {}", view.server, view.tools.join(", ")),
            ends: view.not_after,
            used: view.used,
            calls: view.calls,
        });
        let controls = self.controls().await.ok()?.into_iter().map(|view| ControlRow {
            id: view.id,
            healthy: view.healthy,
            since: view.since,
        });
        let decisions = self.decisions(DECISIONS).await.ok()?.into_iter().map(|view| DecisionRow {
            at: view.at,
            id: view.decision.to_string(),
            agent: view.agent.to_string(),
            tool: view.tool,
            effect: view.verdict.effect.as_str().to_owned(),
            why: view.summary,
        });
        let tools = self.catalog().await.ok()?.tools.into_iter().filter(|tool| tool.pin != "approved");
        let quarantined = tools.map(|tool| QuarantineRow {
            tool: format!("{}/{}", tool.server, tool.tool),
            why: tool.detail.unwrap_or(tool.pin),
        });
        let frozen = self.frozen_text();
        Some(Page {
            frozen,
            exceptions: exceptions.collect(),
            controls: controls.collect(),
            decisions: decisions.collect(),
            quarantined: quarantined.collect(),
        })
    }

    async fn record_login(&self) -> bool {
        let now = self.clock.now();
        let change = KeyChange {
            at: now,
            event: KeyEvent::Created,
            credential: CredentialId::from_bits(u128::from(now.timestamp_millis().unsigned_abs())),
            principal: "console session".to_owned(),
            expires: now + chrono::Duration::hours(8),
            networks: Vec::new(),
        };
        self.store.append(Record::Key(change)).await.is_ok()
    }
}
