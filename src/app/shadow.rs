//! `shadow.evaluate`: each call that such an exception admitted is judged again without it, after the call and off the
//! road. It follows the journal with a cursor of its own, and nothing waits for it but a removal report, for a moment.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use super::{house::House, keeper::Bundle};
use crate::{
    analysis::{RecordedCall, ShadowVerdict, Timeline, World},
    catalog::{Catalog, Pins, Tool},
    domain::{DecisionId, Digest, Effect, ExceptionId, RoleName},
    evidence::{Feed as _, Intent, JournalError, Record, Row},
    exception::Lived,
    monitoring::Probe,
    policy::{Level, PolicySet, compile},
    store::ShadowRow,
};

/// The name of the cursor.
const NAME: &str = "shadow";
/// The duty.
const DUTY: &str = "shadow.evaluate";
/// Records of one page.
const PAGE: u32 = 200;
/// Records without a shadow after which the cursor is noted all the same.
const NOTED: u64 = 5_000;
/// How long a report waits for the shadow of the newest calls.
const PATIENCE: Duration = Duration::from_secs(2);

/// An observation: a call is never refused because its shadow is late or missing; a removal report says so instead.
#[derive(Debug)]
pub(super) struct Observation;

impl Probe for Observation {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Follows the journal for as long as the gateway runs.
pub(super) async fn run(house: Arc<House>) {
    let mut durable = house.store.durable();
    let mut follower = loop {
        match house.store.cursor(NAME).await {
            Ok(Some(seq)) => break Follower { at: seq, noted: seq, set: None },
            // No exception had this duty before, so there is nothing to catch up with.
            Ok(None) => break Follower { at: *durable.borrow(), noted: 0, set: None },
            Err(error) => tracing::warn!(%error, "the shadow of calls waits for the store"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    loop {
        house.shadowed.send_replace(follower.at);
        if *durable.borrow_and_update() <= follower.at && durable.changed().await.is_err() {
            return;
        }
        if let Err(error) = follower.page(&house).await {
            tracing::warn!(%error, "the shadow of calls is behind");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

struct Follower {
    at: u64,
    noted: u64,
    /// Policies that are not in force any more, built anew for the last call that was decided under them.
    set: Option<(Digest, Arc<PolicySet>)>,
}

impl Follower {
    async fn page(&mut self, house: &House) -> Result<(), JournalError> {
        let rows = house.store.after(self.at, PAGE).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
        let mut shadows = Vec::new();
        for intent in rows.iter().filter_map(read) {
            let (seq, intent) = intent;
            shadows.extend(self.shadow(house, seq, intent).await);
        }
        if !shadows.is_empty() || last.saturating_sub(self.noted) >= NOTED {
            house.store.keep_shadows(shadows, (NAME, last)).await?;
            self.noted = last;
        }
        self.at = last;
        Ok(())
    }

    async fn shadow(&mut self, house: &House, seq: u64, intent: Intent) -> Option<ShadowRow> {
        let exception = intent.verdict.exception.clone()?;
        let decision = intent.decision.clone();
        let call = RecordedCall::of(Record::Intent(intent), &house.store.keyring().sealer, |_| None)?;
        let (refused, candidate_refuses, told) = match self.judged(house, &exception, &call).await {
            Ok((refused, candidate, told)) => (Some(refused), candidate, told),
            Err(why) => (None, None, why),
        };
        Some(ShadowRow { seq, decision, exception, refused, candidate_refuses, told })
    }

    /// Whether it would have been refused without the exception, whether under the role that is to take over, and why.
    async fn judged(
        &mut self,
        house: &House,
        id: &ExceptionId,
        call: &RecordedCall,
    ) -> Result<(bool, Option<bool>, String), String> {
        let set = self.policies(house, call.verdict.policy_set).await?;
        let agent = call.agent();
        let mut timeline = Timeline::default();
        for other in house.desk.index().ids_of(agent, house.clock.now()) {
            let history = house.desk.history(&other).await.map_err(|error| error.to_string())?;
            Lived::of(&history).into_iter().for_each(|life| timeline.add(life));
        }
        let world = World::new(Arc::clone(&set), Arc::new(timeline)).without(id.clone());
        let verdict = world.judge(call).map_err(|why| why.as_str().to_owned())?;
        let told = format!("{} {}", verdict.basis.as_str(), verdict.reason.as_str());
        let exception = house.desk.show(id).await.map_err(|error| error.to_string())?;
        let role = exception.spec.exit.as_ref().and_then(|exit| exit.target_role.clone());
        let on_file = |role: &RoleName| {
            let speaking = set.speaking(&call.tool, agent, std::slice::from_ref(role));
            speaking.iter().any(|one| one.level == Level::Role)
        };
        let candidate = role.filter(on_file).and_then(|role| {
            let people = call.caller.on_behalf_of.iter().cloned().collect();
            world.giving(role, BTreeSet::from([agent.clone()]), people).judge(call).ok()
        });
        Ok((verdict.effect == Effect::Deny, candidate.map(|verdict| verdict.effect == Effect::Deny), told))
    }

    /// The policies that decided: those in force, or those of then from their bundle.
    async fn policies(&mut self, house: &House, digest: Digest) -> Result<Arc<PolicySet>, String> {
        let now = Arc::clone(&house.keeper.world.load().policies);
        if now.digest() == digest {
            return Ok(now);
        }
        if let Some((_, set)) = self.set.as_ref().filter(|(of, _)| *of == digest) {
            return Ok(Arc::clone(set));
        }
        let content = house.store.bundle_of(digest).await.map_err(|error| error.to_string())?;
        let content = content.ok_or("the policies of then are gone")?;
        let built = tokio::task::spawn_blocking(move || {
            let bundle: Bundle = serde_json::from_slice(&content).ok()?;
            let catalog = Catalog::build(0, &bundle.tools, &Pins::default());
            let tools: Vec<Arc<Tool>> = catalog.entries().map(|entry| Arc::clone(&entry.tool)).collect();
            compile(&bundle.sources, &tools).ok()
        });
        let set = built.await.ok().flatten().map(Arc::new).ok_or("the policies of then cannot be built anew")?;
        self.set = Some((digest, Arc::clone(&set)));
        Ok(set)
    }
}

/// The record of a call under the duty.
fn read(row: &Row) -> Option<(u64, Intent)> {
    let Record::Intent(intent) = serde_json::from_slice(&row.payload).ok()? else { return None };
    let under = intent.charged().is_some() && intent.verdict.controls.iter().any(|id| &**id == DUTY);
    under.then_some((row.seq, intent))
}

impl House {
    /// What was judged of the calls of this exception at their time; waits a moment for the newest ones.
    pub(super) async fn shadow_of(&self, id: &ExceptionId) -> Result<HashMap<DecisionId, ShadowVerdict>, JournalError> {
        let head = *self.store.durable().borrow();
        let mut far: watch::Receiver<u64> = self.shadowed.subscribe();
        // Whatever is not there by then counts as missing.
        let arrived = async { far.wait_for(|seq| *seq >= head).await.is_ok() };
        let _in_time = tokio::time::timeout(PATIENCE, arrived).await;
        let verdict =
            |row: &ShadowRow| ShadowVerdict { refused: row.refused, candidate_refuses: row.candidate_refuses };
        let rows = self.store.shadows(id).await?;
        Ok(rows.into_iter().map(|row| (row.decision.clone(), verdict(&row))).collect())
    }
}
