//! A submission, analysed before anybody is asked to approve it.

use serde_json::Value;

use super::{house::House, study::unreadable};
use crate::{
    analysis::{Sprawl, Submission, walk},
    api::ApiError,
    domain::Document,
    exception::Spec,
};

impl House {
    /// What its approvers should know.
    ///
    /// # Errors
    /// What is so wrong that nobody should be asked, all at once.
    pub(super) async fn analysed(&self, record: &Document, spec: &Spec) -> Result<Value, ApiError> {
        let digest = spec.digest().map_err(|error| ApiError::invalid(error.to_string()))?;
        let grant = spec.grant(1, digest);
        let world = self.keeper.world.load_full();
        let mut findings = world.policies.check_grant(&grant);
        let days = self.analysis_days;
        let since = self.ago(days);
        let now = self.as_it_is_for(&grant.agents, since).await?;
        let submission = Submission::new(grant, &now, (since, self.clock.now()));
        let filter = submission.filter();
        // No turn is taken: a request must not wait for somebody's simulation.
        let submission = walk(&self.recent(), since, &filter, submission).await.map_err(unreadable)?;
        let (live, budget) = self.desk.sprawl(spec);
        let sprawl = Sprawl {
            of_owner: live.of_owner,
            per_owner: budget.per_owner,
            of_channel: live.of_channel,
            per_channel: budget.per_channel,
        };
        let (analysis, hard) = submission.finish(days, sprawl);
        findings.extend(hard);
        findings.0.iter_mut().filter(|finding| finding.line == 0).for_each(|finding| {
            finding.line = record.line(&finding.path);
            finding.file.clone_from(&record.file);
        });
        findings.or(()).map_err(ApiError::faulty)?;
        serde_json::to_value(analysis.fitting()).map_err(|_| ApiError::internal())
    }
}
