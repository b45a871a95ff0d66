//! What changed around an exception since its owner's last word, put together from the journal and what is in force.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{house::House, keeper::Bundle, view};
use crate::{
    api::{ApiError, ChangeOperations, ChangesView, ToolChange},
    domain::{Duty, ExceptionId, PersonId, Registry},
    evidence::{Alarm, AlarmKind, JournalError, PolicyChange},
    exception::{Event, Exception, StoredEvent},
    policy::{Sources, compile},
};

#[async_trait]
impl ChangeOperations for House {
    async fn changes(&self, id: &ExceptionId) -> Result<ChangesView, ApiError> {
        let unread = |error: JournalError| ApiError::unavailable(error.to_string());
        let exception = self.desk.show(id).await.map_err(view::desk_error)?;
        let history = self.desk.history(id).await.map_err(view::desk_error)?;
        let word = |stored: &&StoredEvent| matches!(stored.event, Event::Attested { .. } | Event::Scheduled);
        let last = history.iter().rev().find(word);
        let last = last.ok_or_else(|| ApiError::conflict("it was not approved yet, so nothing changed since"))?;
        let since = self.store.since(id, last.version).await.map_err(unread)?;
        let then = self.bundle_then(since.before.as_ref()).await;
        let now = self.keeper.sources.lock().await.in_force.clone();
        let registry = self.keeper.registry.load_full();
        let before = then.as_ref().and_then(|then| compile(&then.sources, &[]).ok());
        Ok(ChangesView {
            exception: id.clone(),
            since: last.at,
            event: last.event.name().to_owned(),
            by: PersonId::from(last.actor.as_str()),
            calls: since.calls,
            denials: since.denials,
            tools: self.tools_of(&exception),
            policies: then.as_ref().map(|then| files(&then.sources, &now)),
            registry: before.map(|before| people(&exception, before.registry(), &registry)),
            alarms: since.alarms.iter().filter(|alarm| concerns(alarm, &exception)).map(told).collect(),
            events: history.iter().filter(|stored| stored.version > last.version).map(happened).collect(),
        })
    }
}

impl House {
    async fn bundle_then(&self, before: Option<&PolicyChange>) -> Option<Bundle> {
        let digest = before?.detail.parse().ok()?;
        serde_json::from_slice(&self.store.get_bundle(digest).await.ok()??).ok()
    }

    fn tools_of(&self, exception: &Exception) -> Vec<ToolChange> {
        let (catalog, access) = (&self.keeper.world.load().catalog, &exception.spec.access);
        let one = |(tool, approved): (&crate::domain::ToolName, &crate::domain::Digest)| {
            let now = catalog.tool_at(&access.server, tool).map(|found| found.digest);
            ToolChange { tool: tool.to_string(), approved: *approved, now, changed: now != Some(*approved) }
        };
        access.tools.iter().map(one).collect()
    }
}

/// The files that differ, each with how.
fn files(then: &Sources, now: &Sources) -> Vec<(String, String)> {
    let texts = |sources: &'_ Sources| -> BTreeMap<String, String> {
        sources.files.iter().map(|file| (file.path.clone(), file.text.clone())).collect()
    };
    let (then, now) = (texts(then), texts(now));
    let paths: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let how = |path: &String| match (then.get(path), now.get(path)) {
        (Some(before), Some(after)) if before == after => None,
        (Some(_), Some(_)) => Some("changed"),
        (None, Some(_)) => Some("added"),
        (Some(_), None) => Some("removed"),
        (None, None) => None,
    };
    paths.into_iter().filter_map(|path| Some((path.clone(), how(path)?.to_owned()))).collect()
}

/// What the registry says otherwise of the agents and of those who answer for the exception.
fn people(exception: &Exception, then: &Registry, now: &Registry) -> Vec<String> {
    let mut told = Vec::new();
    let spec = &exception.spec;
    for agent in &spec.subject.agents {
        let (Some(before), Some(after)) = (then.agents.get(agent), now.agents.get(agent)) else {
            if then.agents.contains_key(agent) != now.agents.contains_key(agent) {
                told.push(format!("the agent {agent} is no longer in agents.yaml, or is new there"));
            }
            continue;
        };
        for (what, was, is) in [
            ("owner", before.owner.to_string(), after.owner.to_string()),
            ("operator", before.operator.to_string(), after.operator.to_string()),
            ("channel", before.channel.clone(), after.channel.clone()),
            ("roles", format!("{:?}", before.roles), format!("{:?}", after.roles)),
        ] {
            if was != is {
                told.push(format!("{what} of the agent {agent}: {was} → {is}"));
            }
        }
    }
    for person in [Some(&spec.owner.human), spec.owner.backup.as_ref()].into_iter().flatten() {
        if then.may(person, Duty::Own) != now.may(person, Duty::Own) {
            told.push(format!("{person} {} own", if now.may(person, Duty::Own) { "may now" } else { "may no longer" }));
        }
    }
    told
}

fn concerns(alarm: &Alarm, exception: &Exception) -> bool {
    if let Some(of) = &alarm.exception {
        return *of == exception.id;
    }
    let its = |id: &str| alarm.detail.contains(&format!("`{id}`"));
    match alarm.about {
        AlarmKind::ControlUnhealthy | AlarmKind::ControlRestored => {
            exception.spec.obligations().iter().any(|duty| its(duty.id()))
        }
        AlarmKind::ToolDrifted => exception.spec.access.tools.keys().any(|tool| its(&tool.to_string())),
        AlarmKind::StoreFailed | AlarmKind::StoreBehind | AlarmKind::ClockSuspect => true,
        AlarmKind::ExceptionChanged
        | AlarmKind::BudgetChanged
        | AlarmKind::KeyChanged
        | AlarmKind::ApprovalInvalid
        | AlarmKind::Anomaly => false,
        AlarmKind::TraceLost | AlarmKind::RetentionHeld | AlarmKind::WitnessRefused => false,
    }
}

fn told(alarm: &Alarm) -> String {
    format!("{} {}", alarm.at.format("%Y-%m-%dT%H:%M:%SZ"), alarm.detail)
}

fn happened(stored: &StoredEvent) -> String {
    let at = stored.at.format("%Y-%m-%dT%H:%M:%SZ");
    format!("{at} {} by {} {}", stored.event.name(), stored.actor, stored.reason).trim_end().to_owned()
}
