//! The role that takes over from an exception or a pilot: a draft for people, tried on what was recorded.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{house::House, study::unreadable, view};
use crate::{
    analysis::{self, Gain, Graduated, walk},
    api::{ApiError, Graduate, days},
    domain::{AgentId, Grant, PilotId},
    policy::{
        PolicySet, SourceFile,
        proof::{Graduation, nothing_gained},
    },
};

/// How long a solver may take for one question about a role, and for all of them: people wait for the answer.
const QUESTION: Duration = Duration::from_secs(5);
const ALL: Duration = Duration::from_secs(60);

/// Exceptions of one page.
const PAGE: usize = 500;
/// Exceptions of one pilot.
const PILOT: usize = 200;

impl House {
    /// Drafts the role. Nothing is put in force.
    pub(super) async fn role_for(&self, graduate: Graduate) -> Result<Graduated, ApiError> {
        let since = self.ago(days(graduate.days)?);
        let (source, grants) = match (&graduate.exception, &graduate.pilot) {
            (Some(id), _) => {
                let exception = self.known(id).await?;
                (id.to_string(), vec![exception.spec.grant(exception.revision, exception.digest)])
            }
            (None, Some(pilot)) => (pilot.to_string(), self.grants_of(pilot).await?),
            (None, None) => return Err(ApiError::invalid("give either `exception` or `pilot`")),
        };
        let _turn = self.turn()?;
        let now = self.as_it_is(since).await?;
        let graduation = analysis::Graduation::new(graduate.role, source, grants, since);
        let filter = graduation.filter();
        let graduation = walk(&self.journal(), since, &filter, graduation).await.map_err(unreadable)?;
        let mut draft = graduation.draft(now.set());
        if draft.tools.is_empty() {
            return Ok(draft);
        }
        let mut sources = self.keeper.sources.lock().await.in_force.clone();
        sources.files.push(SourceFile { path: draft.file.clone(), text: draft.cedar.clone() });
        let with_role = self.compiled_sources(sources).await?;
        let replay = graduation.replay(&now, with_role);
        let replay = walk(&self.journal(), since, &graduation.trial(), replay).await.map_err(unreadable)?;
        draft.replay = Some(replay.finish());
        draft.gain = Some(self.gain(now.set(), &draft, graduation.grants()).await?);
        Ok(draft)
    }

    /// What the solver says of the draft, for every agent of the cohort: whoever merges the file may give the role to
    /// those, too, who did not use the exceptions.
    async fn gain(&self, set: &Arc<PolicySet>, draft: &Graduated, grants: &[Grant]) -> Result<Gain, ApiError> {
        let solver = self.prover.solver().map(|(_, version)| version.to_owned()).map_err(str::to_owned);
        let cohort: BTreeSet<AgentId> = draft.members.union(&draft.idle).cloned().collect();
        let members: Vec<AgentId> = cohort.into_iter().collect();
        if solver.is_err() {
            return Ok(Gain::of(solver, &members, &[]));
        }
        let candidate = SourceFile { path: draft.file.clone(), text: draft.cedar.clone() };
        let (prover, set) = (self.prover.clone().within(QUESTION, ALL), Arc::clone(set));
        let (role, agents) = (draft.role.clone(), members.clone());
        let grants: Vec<Arc<Grant>> = grants.iter().cloned().map(Arc::new).collect();
        let work = tokio::task::spawn_blocking(move || {
            let asked = Graduation { candidate: &candidate, role: &role, grants: &grants, members: &agents };
            nothing_gained(&prover, &set, asked)
        });
        let proofs = work.await.map_err(|_| ApiError::internal())?.map_err(ApiError::faulty)?;
        Ok(Gain::of(solver, &members, &proofs))
    }

    /// What the exceptions of a pilot grant, ended ones included.
    async fn grants_of(&self, pilot: &PilotId) -> Result<Vec<Grant>, ApiError> {
        let (mut grants, mut after) = (Vec::new(), None);
        loop {
            let page = self.desk.list(after.as_ref(), PAGE).await.map_err(view::desk_error)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let of = page.iter().filter(|one| one.spec.pilot.as_ref() == Some(pilot) && one.state.live().is_some());
            grants.extend(of.map(|one| one.spec.grant(one.revision, one.digest)));
        }
        if grants.is_empty() {
            return Err(ApiError::not_found());
        }
        if grants.len() > PILOT {
            return Err(ApiError::conflict(format!(
                "`{pilot}` has more than {PILOT} exceptions: graduate them one by one"
            )));
        }
        Ok(grants)
    }
}
