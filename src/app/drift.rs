//! A tool whose definition is not what was approved: on record, and every live exception that names it is suspended.
//!
//! Calls do not wait for this: such a tool is in no catalog that decides.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use super::{background::alarm, house::House};
use crate::{
    catalog::Pin,
    domain::{Digest, SuspendReason, ToolRef},
    evidence::AlarmKind,
    gateway::Changes,
};

/// What drifted, with the definition that was approved and the one that is offered.
type Drifted = BTreeMap<ToolRef, (Digest, Digest)>;

/// Looks at each change of the tools for as long as the gateway runs.
pub(super) async fn follow(house: Arc<House>, mut changes: watch::Receiver<Changes>) {
    let mut told = Drifted::new();
    loop {
        changes.borrow_and_update();
        let now = drifted(&house);
        for (tool, (approved, offered)) in &now {
            if told.get(tool).is_none_or(|(_, before)| before != offered) {
                let detail = format!(
                    "`{}` of `{}` is not what was approved: it is {offered} and was {approved}; see `postern catalog list`",
                    tool.tool, tool.server
                );
                alarm(&house, AlarmKind::ToolDrifted, None, detail).await;
            }
        }
        told = now;
        if !told.is_empty() {
            suspend(&house, &told).await;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn drifted(house: &House) -> Drifted {
    let world = house.keeper.world.load();
    let found = world.catalog.entries().filter_map(|entry| match entry.pin {
        Pin::Drifted { approved } => Some((entry.tool.reference.clone(), (approved, entry.tool.digest))),
        Pin::Approved | Pin::New => None,
    });
    found.collect()
}

async fn suspend(house: &House, drifted: &Drifted) {
    for id in house.desk.live_ids() {
        let Ok(exception) = house.desk.show(&id).await else { continue };
        let access = &exception.spec.access;
        let lost = drifted.keys().find(|tool| tool.server == access.server && access.tools.contains_key(&tool.tool));
        let Some(tool) = lost.filter(|_| !exception.is_held_for(SuspendReason::Drift)) else { continue };
        let detail = format!("the definition of `{tool}` is not the one that was approved");
        match house.desk.hold(&id, SuspendReason::Drift, &detail).await {
            Ok(true) => tracing::warn!(exception = %id, %tool, "suspended: its tool drifted"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(exception = %id, %error, "a drifted tool is not noted yet; its calls are refused")
            }
        }
    }
}
