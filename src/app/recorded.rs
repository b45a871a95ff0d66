//! Recorded calls for the analysis: from the journal, with sealed arguments opened, page by page.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{house::House, keeper::Bundle};
use crate::{
    analysis::{Begin, Filter, Page, ReadError, RecordedCall, RecordedCalls, Registries, Timeline, World},
    api::ApiError,
    domain::{AgentId, Timestamp, ToolRef},
    evidence::{Called, JournalError, Record},
    exception::{Lived, StoredEvent},
    policy::PolicySet,
    store::Store,
};

/// Rows of the journal that one page looks at; others read between two pages.
const PAGE: u64 = 500;
/// Rows of the journal that one walk looks at.
const WALK: u64 = 400_000;
/// Rows that the analysis of a submission looks at: whoever asks for break-glass must not wait.
const SUBMISSION: u64 = 40_000;
/// Lives of exceptions that one analysis holds.
const LIVES: usize = 20_000;
/// Exceptions that are read at once.
const HISTORIES: usize = 500;
/// Policy sets whose registries one analysis knows.
const SETS: usize = 100;
/// How far records may stand from the order of their times.
const SLACK: TimeDelta = TimeDelta::minutes(10);

/// The journal as the analysis reads it.
pub(super) struct Journal {
    store: Arc<Store>,
    /// Tools by the names under which agents ask for them.
    names: HashMap<String, ToolRef>,
    /// Rows that one walk looks at.
    walk: u64,
}

impl Journal {
    fn read(&self, payload: &[u8], filter: &Filter) -> Option<RecordedCall> {
        let record: Record = serde_json::from_slice(payload).ok()?;
        let named = |asked: &str| self.names.get(asked).cloned();
        let of = |call: &Called| ToolRef { server: call.server.clone(), tool: call.tool.clone() };
        // What is not wanted is not opened.
        let (caller, tool, verdict) = if let Record::Intent(intent) = &record {
            (&intent.caller, Some(of(&intent.call)), &intent.verdict)
        } else {
            let Record::Denial(denial) = &record else { return None };
            (&denial.caller, denial.call.as_ref().map(of).or_else(|| named(&denial.asked)), &denial.verdict)
        };
        let tool = tool?;
        if !filter.takes(&caller.agent, &tool, verdict) {
            return None;
        }
        RecordedCall::of(record, &self.store.keyring().sealer, named)
    }
}

#[async_trait]
impl RecordedCalls for Journal {
    async fn begin(&self, since: Timestamp, filter: &Filter) -> Result<Begin, ReadError> {
        let early = since.checked_sub_signed(SLACK).unwrap_or(since);
        let found = self.store.first_since(early).await.map_err(|error| ReadError(error.to_string()))?;
        let floor = if filter.exceptions.is_empty() {
            self.store.head().borrow().saturating_sub(self.walk)
        } else {
            // The calls of an exception are found by themselves, however many others there are.
            let floor = self.store.floor_of(&filter.exceptions, self.walk).await;
            floor.map_err(|error| ReadError(error.to_string()))?.unwrap_or_default()
        };
        let seq = found.max(floor);
        let gone = self.store.gone().await.map_err(|error| ReadError(error.to_string()))?;
        // What was removed when its time was over is not judged again, and the answer says so.
        let removed = gone.is_some_and(|gone| gone.through >= seq);
        Ok(Begin { seq, truncated: floor > found || removed })
    }

    async fn page(&self, from: u64, filter: &Filter) -> Result<Page, ReadError> {
        let read = if filter.exceptions.is_empty() {
            self.store.calls(from, PAGE).await
        } else {
            self.store.calls_of(&filter.exceptions, from, usize::try_from(PAGE).unwrap_or(usize::MAX)).await
        };
        let (rows, next) = read.map_err(|error| ReadError(error.to_string()))?;
        Ok(Page { calls: rows.iter().filter_map(|(_, payload)| self.read(payload, filter)).collect(), next })
    }
}

impl House {
    /// The recorded calls.
    pub(super) fn journal(&self) -> Journal {
        let world = self.keeper.world.load();
        let tools = world.catalog.entries().map(|entry| &entry.tool);
        let names = tools.map(|tool| (tool.exposed.to_string(), tool.reference.clone())).collect();
        Journal { store: Arc::clone(&self.store), names, walk: WALK }
    }

    /// The newest recorded calls, as many as can be looked at while somebody waits.
    pub(super) fn recent(&self) -> Journal {
        Journal { walk: SUBMISSION, ..self.journal() }
    }

    /// The policies in force, with the exceptions of each moment since then.
    pub(super) async fn as_it_is(&self, since: Timestamp) -> Result<World, ApiError> {
        let policies = Arc::clone(&self.keeper.world.load().policies);
        let registries = self.registries(since).await?;
        Ok(World::new(policies, Arc::new(self.lives(since).await?)).recalling(Arc::new(registries)))
    }

    /// The same with only those exceptions that live now and name one of these agents: what could take over from one of
    /// theirs.
    pub(super) async fn as_it_is_for(&self, agents: &BTreeSet<AgentId>, since: Timestamp) -> Result<World, ApiError> {
        let policies = Arc::clone(&self.keeper.world.load().policies);
        let (index, now) = (self.desk.index(), self.clock.now());
        let ids: BTreeSet<_> = agents.iter().flat_map(|agent| index.ids_of(agent, now)).collect();
        let mut timeline = Timeline::default();
        for id in &ids {
            let history = self.desk.history(id).await.map_err(super::view::desk_error)?;
            if let Ok(life) = Lived::of(&history) {
                timeline.add(life);
            }
        }
        Ok(World::new(policies, Arc::new(timeline)).recalling(Arc::new(self.registries(since).await?)))
    }

    /// The registries of the policy sets that were in force since then, the newest of them if there are many.
    async fn registries(&self, since: Timestamp) -> Result<Registries, ApiError> {
        let unavailable = |error: JournalError| ApiError::unavailable(error.to_string());
        let mut registries = Registries::new();
        for change in self.store.policies(since, SETS).await.map_err(unavailable)? {
            let Ok(bundle) = change.detail.parse() else { continue };
            let content = self.store.get_bundle(bundle).await.map_err(unavailable)?;
            let bundle = content.and_then(|content| serde_json::from_slice::<Bundle>(&content).ok());
            if let Some(bundle) = bundle {
                registries.insert(change.digest, bundle.sources.registry());
            }
        }
        Ok(registries)
    }

    /// These policies with these lives, for one decision.
    pub(super) fn world_of(set: PolicySet, histories: Vec<Vec<StoredEvent>>) -> World {
        let lives = histories.iter().filter_map(|history| Lived::of(history).ok());
        World::new(Arc::new(set), Arc::new(Timeline::of(lives)))
    }

    async fn lives(&self, since: Timestamp) -> Result<Timeline, ApiError> {
        let mut timeline = Timeline::default();
        let mut after = None;
        loop {
            let page = self.desk.histories(after.as_ref(), HISTORIES).await.map_err(super::view::desk_error)?;
            let Some(last) = page.last() else { return Ok(timeline) };
            after = Some(last.exception.clone());
            for history in page.chunk_by(|a, b| a.exception == b.exception) {
                // One that was changed behind our back was used by no decision since; it has no part here.
                let Ok(life) = Lived::of(history) else { continue };
                if life.reaches(since) {
                    timeline.add(life);
                }
            }
            if timeline.len() > LIVES {
                return Err(ApiError::conflict("too many exceptions lived in that time; ask for fewer days"));
            }
        }
    }
}
