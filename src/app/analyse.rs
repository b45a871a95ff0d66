//! A submission, analysed before anybody is asked to approve it.

use serde_json::{Value, json};

use super::{house::House, study::unreadable};
use crate::{
    analysis::{Sprawl, Submission, walk},
    api::ApiError,
    domain::{Document, Findings},
    exception::Spec,
    policy::proof::{Answer, Proof, prove_grant},
};

/// Bytes that proofs may take in a record, and how many of them at the most without examples.
const PROOFS: usize = 8_192;
const MOST: usize = 64;

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
        let proofs = prove_grant(&self.prover, &world.policies, &spec.grant(1, digest)).await;
        if self.require_proofs {
            unproven(&proofs, &mut findings);
        }
        findings.0.iter_mut().filter(|finding| finding.line == 0).for_each(|finding| {
            finding.line = record.line(&finding.path);
            finding.file.clone_from(&record.file);
        });
        findings.or(()).map_err(ApiError::faulty)?;
        let mut analysis = serde_json::to_value(analysis.fitting()).map_err(|_| ApiError::internal())?;
        let shown = self.prover.solver().map_or_else(|why| json!([{"solver": why}]), |_| answers(&proofs));
        if let Some(map) = analysis.as_object_mut() {
            map.insert("proofs".to_owned(), shown);
        }
        Ok(analysis)
    }
}

/// The answers, without examples where they would not fit into a record.
fn answers(proofs: &[Proof]) -> Value {
    let mut all = json!(proofs);
    // How long it took is nothing that a record should hold.
    for proof in all.as_array_mut().into_iter().flatten() {
        proof.as_object_mut().map(|members| members.remove("millis"));
    }
    if all.to_string().len() <= PROOFS {
        return all;
    }
    let short = |proof: &Proof| {
        let answer = match &proof.answer {
            Answer::Proven => "proven",
            Answer::Refuted { .. } => "refuted",
            Answer::NotProven { .. } => "not_proven",
        };
        json!({"about": proof.about, "claim": proof.claim, "answer": answer})
    };
    proofs.iter().map(short).take(MOST).collect()
}

/// What is not proven, where everything must be.
fn unproven(proofs: &[Proof], findings: &mut Findings) {
    for proof in proofs.iter().filter(|proof| !proof.answer.is_proven()) {
        let message =
            format!("it is to be proven that `{}` {}, and it is {}", proof.about, proof.claim.as_str(), proof.answer);
        findings.push("", 0, "/grant", message);
    }
}
