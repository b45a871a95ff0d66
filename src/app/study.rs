//! Questions about recorded calls: answered one at a time, and nothing of them is put in force.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::SemaphorePermit;

use super::{house::House, view};
use crate::{
    analysis::{Filter, ReadError, Simulation, walk},
    api::{ApiError, Removal, Simulate, Study, days},
    catalog::Tool,
    domain::{ExceptionId, Person, Timestamp},
    exception::parse,
    policy::{PolicySet, SourceFile, Sources, compile},
};

pub(super) fn unreadable(error: ReadError) -> ApiError {
    ApiError::unavailable(error.to_string())
}

fn json(value: &impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(|_| ApiError::internal())
}

impl House {
    /// Answers a question.
    pub(super) async fn studied(&self, by: &Arc<Person>, study: Study) -> Result<Value, ApiError> {
        match study {
            Study::Can(can) => json(&self.can(can)?),
            Study::Simulate(simulate) => self.simulated(simulate).await,
            Study::RemovalReport(id, removal) => json(&self.removal_report(by, &id, removal).await?),
            Study::RemovalTrial(id, trial) => {
                let asked = (trial.percent, trial.minutes);
                let begun = self.desk.begin_trial(&id, by, asked, &trial.reason).await.map_err(view::desk_error)?;
                json(&self.viewed(&begun).await?)
            }
            Study::RemovalRestore(id, reason) => {
                let ended = self.desk.end_trial(&id, by, &reason).await.map_err(view::desk_error)?;
                json(&self.viewed(&ended).await?)
            }
            Study::Proposals(days) => json(&self.proposals(days).await?),
            Study::Graduate(graduate) => json(&self.role_for(graduate).await?),
        }
    }

    /// The right to read the journal through; one at a time, so that no number of questions hinders calls.
    pub(super) fn turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let busy = |_| ApiError::conflict("another analysis is under way; ask again when it is done");
        self.studies.try_acquire().map_err(busy)
    }

    /// The moment this many days ago.
    pub(super) fn ago(&self, days: u32) -> Timestamp {
        let now = self.clock.now();
        now.checked_sub_signed(TimeDelta::days(i64::from(days))).unwrap_or(now)
    }

    async fn simulated(&self, simulate: Simulate) -> Result<Value, ApiError> {
        let record = simulate.record()?;
        let _turn = self.turn()?;
        let since = self.ago(days(simulate.days)?);
        let now = self.as_it_is(since).await?;
        let policies = match simulate.policies {
            Some(files) => Some(self.compiled(files).await?),
            None => None,
        };
        let grant = match record {
            Some(record) => {
                let spec = parse(&record).map_err(ApiError::faulty)?;
                let digest = spec.digest().map_err(|error| ApiError::invalid(error.to_string()))?;
                let grant = spec.grant(1, digest);
                let set = policies.as_ref().unwrap_or_else(|| now.set());
                set.check_grant(&grant).or(()).map_err(ApiError::faulty)?;
                Some(grant)
            }
            None => None,
        };
        if let Some(id) = &simulate.without {
            self.known(id).await?;
        }
        let replay = Simulation { policies, grant, without: simulate.without }.replay(&now, since);
        let replayed = walk(&self.journal(), since, &Filter::default(), replay).await.map_err(unreadable)?;
        json(&replayed.finish())
    }

    /// These files, compiled against the tools of now; exceptions and pilots among them are left out.
    pub(super) async fn compiled(&self, files: BTreeMap<String, String>) -> Result<Arc<PolicySet>, ApiError> {
        let apart = |path: &str| path.starts_with("exceptions/") || path.starts_with("pilots/");
        let files = files.into_iter().filter(|(path, _)| !apart(path));
        let sources = Sources { files: files.map(|(path, text)| SourceFile { path, text }).collect() };
        self.compiled_sources(sources).await
    }

    pub(super) async fn compiled_sources(&self, sources: Sources) -> Result<Arc<PolicySet>, ApiError> {
        let world = self.keeper.world.load_full();
        let tools: Vec<Arc<Tool>> = world.catalog.entries().map(|entry| Arc::clone(&entry.tool)).collect();
        let compiled = tokio::task::spawn_blocking(move || compile(&sources, &tools)).await;
        compiled.map_err(|_| ApiError::internal())?.map(Arc::new).map_err(ApiError::faulty)
    }

    /// An exception that is there.
    pub(super) async fn known(&self, id: &ExceptionId) -> Result<crate::exception::Exception, ApiError> {
        self.desk.show(id).await.map_err(view::desk_error)
    }

    /// Policies of a request, or those in force.
    pub(super) async fn candidate(&self, removal: &Removal) -> Result<Option<Arc<PolicySet>>, ApiError> {
        match &removal.policies {
            Some(files) => self.compiled(files.clone()).await.map(Some),
            None => Ok(None),
        }
    }
}
