//! Removal: tests on the records, proposals, and the test that a graduation has to pass.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{house::House, study::unreadable, view};
use crate::{
    analysis::{RemovalReport, RemovalStudy, walk},
    api::{ApiError, Removal, days},
    domain::{ExceptionId, Obligation, Person, PersonId, Timestamp},
    exception::{Phase, TestResult},
    policy::PolicySet,
};

/// Exceptions of one page.
const PAGE: usize = 500;
/// Proposals of one answer.
const PROPOSALS: usize = 1_000;
/// Changes that a refusal names.
const NAMED: usize = 20;

/// An exception that looks unneeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proposal {
    /// The exception.
    pub exception: ExceptionId,
    /// Who answers for it.
    pub owner: PersonId,
    /// Since when it could be used.
    pub active_since: Timestamp,
    /// When it was last used.
    pub last_use: Option<Timestamp>,
    /// When it ends by itself.
    pub ends: Timestamp,
    /// Why it is proposed.
    pub why: String,
}

impl House {
    /// What would break without it. A report under the policies in force is kept in its life as a removal test.
    pub(super) async fn removal_report(
        &self,
        by: &Arc<Person>,
        id: &ExceptionId,
        removal: Removal,
    ) -> Result<RemovalReport, ApiError> {
        let candidate = self.candidate(&removal).await?;
        let in_force = candidate.is_none();
        let report = self.without(id, days(removal.days)?, candidate).await?;
        if in_force {
            let test = report.test().ok_or_else(ApiError::internal)?;
            self.desk.tested(id, by, test).await.map_err(view::desk_error)?;
        }
        Ok(report)
    }

    /// What would break without it, under these policies or those in force.
    async fn without(
        &self,
        id: &ExceptionId,
        days: u32,
        candidate: Option<Arc<PolicySet>>,
    ) -> Result<RemovalReport, ApiError> {
        let _turn = self.turn()?;
        self.judged_without(id, days, candidate).await
    }

    /// The same without a turn: for the gateway itself, which asks one thing at a time.
    pub(super) async fn judged_without(
        &self,
        id: &ExceptionId,
        days: u32,
        candidate: Option<Arc<PolicySet>>,
    ) -> Result<RemovalReport, ApiError> {
        let history = self.desk.history(id).await.map_err(view::desk_error)?;
        let since = self.ago(days);
        let spec = Arc::clone(&self.known(id).await?.spec);
        let mut then = self.as_it_is_for(&spec.subject.agents, since).await?;
        let in_force = candidate.is_none();
        if let Some(set) = candidate {
            then = then.under(set);
        }
        let mut study = RemovalStudy::new(id, &history, then, since);
        if spec.obligations().contains(&Obligation::ShadowEvaluate) {
            let known = self.shadow_of(id).await.map_err(|error| ApiError::unavailable(error.to_string()))?;
            study = study.shadowed(known);
        }
        let filter = study.filter();
        let study = walk(&self.journal(), since, &filter, study).await.map_err(unreadable)?;
        Ok(study.finish(self.clock.now(), in_force))
    }

    /// Refuses unless everything that the exception admitted in its life is allowed without it now.
    pub(super) async fn nothing_is_lost(&self, id: &ExceptionId) -> Result<(), ApiError> {
        let begun = self.known(id).await?.spec.window.not_before;
        let lived = self.clock.now().signed_duration_since(begun).num_days().saturating_add(1).clamp(1, 400);
        let report = self.without(id, u32::try_from(lived).unwrap_or(400), None).await?;
        if report.would_break > 0 {
            let lines = report
                .breaks
                .iter()
                .take(NAMED)
                .map(|change| format!("{} {} ×{}: {}", change.agent, change.tool, change.count, change.to));
            let lines: Vec<_> = lines.collect();
            let message = format!(
                "without `{id}` {} recorded calls would be refused under the policies in force: {}",
                report.would_break,
                lines.join("; ")
            );
            return Err(ApiError::conflict(message));
        }
        if !report.completeness.is_whole() {
            let message = format!(
                "only {} per cent of what `{id}` admitted could be judged, so nobody knows that nothing is lost",
                report.completeness.percent
            );
            return Err(ApiError::conflict(message));
        }
        if self.keeper.world.load().policies.digest() != report.policy_set {
            return Err(ApiError::conflict("the policies changed meanwhile; ask again"));
        }
        Ok(())
    }

    /// Live exceptions that were not used for so many days, or whose last removal test found that nothing breaks.
    pub(super) async fn proposals(&self, days: u32) -> Result<Vec<Proposal>, ApiError> {
        let (now, since) = (self.clock.now(), self.ago(days));
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.desk.list(after.as_ref(), PAGE).await.map_err(view::desk_error)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id.clone());
            for exception in page {
                let Some(live) = exception.state.live() else { continue };
                if !matches!(exception.phase(now), Phase::Active | Phase::Suspended(_)) {
                    continue;
                }
                let active_since = live.since.max(exception.spec.window.not_before);
                let last_use = self.store.last_use(&exception.id).await;
                let last_use = last_use.map_err(|error| ApiError::unavailable(error.to_string()))?;
                let unneeded = exception.tested.as_ref().filter(|(test, _)| test.result == TestResult::Unneeded);
                let why = match (last_use, unneeded) {
                    (None, _) if active_since < since => format!("never used in {days} days"),
                    (Some(used), _) if used < since && active_since < since => format!("not used for {days} days"),
                    (Some(used), Some((_, at))) if used <= *at => {
                        format!("its removal test of {} found that nothing breaks", at.format("%Y-%m-%d"))
                    }
                    (_, _) => continue,
                };
                let (owner, ends) = (exception.spec.owner.human.clone(), exception.spec.window.not_after);
                found.push(Proposal { exception: exception.id, owner, active_since, last_use, ends, why });
            }
            if found.len() >= PROPOSALS {
                return Ok(found);
            }
        }
    }
}
