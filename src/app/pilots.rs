//! What the administration API asks about pilots, done with the real rooms.

use std::sync::Arc;

use async_trait::async_trait;

use super::{house::House, view};
use crate::{
    api::{ApiError, PilotException, PilotOperations, PilotView},
    domain::{Document, Person, PilotId, Reason, Timestamp},
    exception::{DeskError, Pilot, PilotPhase},
    gateway::Cut,
};

impl House {
    async fn viewed_pilot(&self, pilot: &Pilot, whole: bool) -> Result<PilotView, ApiError> {
        let (now, spec) = (self.clock.now(), &pilot.spec);
        let mut exceptions = Vec::new();
        let (mut live, mut calls, mut used, mut due) = (0, 0_u64, 0_u64, None::<Timestamp>);
        for exception in self.desk.exceptions_of(&pilot.id).await.map_err(view::desk_error)? {
            let spent = self.desk.uses(&exception.id).await.map_err(view::desk_error)?;
            let seen = view::exception(&exception, spent, now);
            used = used.saturating_add(spent);
            let is_live = exception.is_live(now);
            if is_live {
                live += 1;
                calls = calls.saturating_add(seen.calls);
                due = due.into_iter().chain(seen.attestation_due).min();
            }
            exceptions.push(PilotException {
                id: seen.id,
                state: seen.state,
                reason: seen.reason,
                agents: seen.agents,
                server: seen.server,
                tools: seen.tools,
                calls: seen.calls,
                used: spent,
                attestation_due: seen.attestation_due,
                not_after: seen.not_after,
                days_left: is_live.then(|| (seen.not_after - now).num_days()),
            });
        }
        let phase = pilot.phase(now);
        Ok(PilotView {
            id: pilot.id.clone(),
            revision: pilot.revision,
            digest: pilot.digest,
            title: spec.title.clone(),
            state: phase.as_str().to_owned(),
            owner: spec.owner.human.clone(),
            backup: spec.owner.backup.clone(),
            requester: pilot.requester.clone(),
            cohort: spec.cohort.iter().cloned().collect(),
            not_before: spec.window.not_before,
            not_after: spec.window.not_after,
            days_left: (phase != PilotPhase::Ended).then(|| (spec.window.not_after - now).num_days()),
            target_role: spec.exit.target_role.clone(),
            criteria: spec.exit.criteria.clone(),
            milestones: spec.exit.milestones.iter().map(|step| (step.name.clone(), step.due.clone())).collect(),
            rationale: spec.rationale.clone(),
            live,
            calls,
            used,
            attestation_due: due,
            ended_by: pilot.ended.as_ref().map(|end| end.by.clone()),
            ended_why: pilot.ended.as_ref().map(|end| end.reason.clone()),
            revoked: Vec::new(),
            exceptions: whole.then_some(exceptions),
            spec: whole.then(|| serde_json::to_value(&**spec).ok()).flatten(),
        })
    }
}

#[async_trait]
impl PilotOperations for House {
    async fn submit_pilot(&self, by: &Arc<Person>, record: Document) -> Result<PilotView, ApiError> {
        let pilot = self.desk.submit_pilot(&record, by).await.map_err(view::desk_error)?;
        self.viewed_pilot(&pilot, true).await
    }

    async fn pilots(&self) -> Result<Vec<PilotView>, ApiError> {
        let mut views = Vec::new();
        for pilot in self.desk.pilots().await.map_err(view::desk_error)? {
            views.push(self.viewed_pilot(&pilot, false).await?);
        }
        Ok(views)
    }

    async fn pilot(&self, id: &PilotId) -> Result<Option<PilotView>, ApiError> {
        match self.desk.pilot(id).await {
            Ok(pilot) => self.viewed_pilot(&pilot, true).await.map(Some),
            Err(DeskError::UnknownPilot(_)) => Ok(None),
            Err(error) => Err(view::desk_error(error)),
        }
    }

    async fn end_pilot(&self, by: &Arc<Person>, id: &PilotId, reason: String) -> Result<PilotView, ApiError> {
        let ended = self.desk.end_pilot(id, by, &reason).await.map_err(view::desk_error)?;
        let cut: usize = ended
            .revoked
            .iter()
            .map(|exception| self.in_flight.cut(&Cut::Exception(exception.clone()), Reason::ExceptionRevoked))
            .sum();
        tracing::info!(pilot = %id, exceptions = ended.revoked.len(), calls = cut, "a pilot was ended");
        let view = self.viewed_pilot(&ended.pilot, true).await?;
        Ok(PilotView { revoked: ended.revoked.into_iter().collect(), ..view })
    }
}
