//! Proofs on a thread of their own: they take long, what they wait for cannot travel between threads, and a fault of the
//! solver's library ends the thread and nothing else.

use std::{
    sync::Arc,
    thread::{Builder, scope},
};

use super::{
    answer::{Answer, Claim, Proof},
    diff::{self, Comparison},
    exception::{self, Need},
    graduate::{self, Graduation},
    prover::Prover,
    rules,
};
use crate::{
    domain::{Findings, Grant},
    policy::set::PolicySet,
};

/// Bytes of the thread's stack; terms are nested as deep as policies are.
const STACK: usize = 32 << 20;

/// Runs it on a thread of its own and waits for it.
pub(super) fn apart<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> Result<T, String> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(work())).map_err(|error| error.to_string())
    };
    scope(|scope| {
        let thread = Builder::new().name("proofs".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("no thread for proofs: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("the proofs broke off; this is a fault of the program".to_owned()))
    })
}

/// Asks about one exception: five claims, each with its answer. For those who must not wait.
pub async fn prove_grant(prover: &Prover, set: &Arc<PolicySet>, grant: &Grant) -> Vec<Proof> {
    let (prover, set, inner) = (prover.clone(), Arc::clone(set), grant.clone());
    let work = tokio::task::spawn_blocking(move || grant_proofs(&prover, &set, &inner));
    work.await.unwrap_or_else(|error| unknown(grant.exception.as_str(), &exception::CLAIMS, &error.to_string()))
}

/// [`prove_grant`], for those who can wait.
#[must_use]
pub fn grant_proofs(prover: &Prover, set: &PolicySet, grant: &Grant) -> Vec<Proof> {
    apart(|| exception::prove(prover, set, grant, grant.window))
        .unwrap_or_else(|why| unknown(grant.exception.as_str(), &exception::CLAIMS, &why))
}

/// Asks whether an exception is needed at all under this set. For those who must not wait.
pub async fn prove_need(prover: &Prover, set: &Arc<PolicySet>, grant: &Grant) -> Need {
    let (prover, set, grant) = (prover.clone(), Arc::clone(set), grant.clone());
    let work = tokio::task::spawn_blocking(move || {
        apart(|| exception::need(&prover, &set, &grant)).unwrap_or_else(Need::Unknown)
    });
    work.await.unwrap_or_else(|error| Need::Unknown(error.to_string()))
}

/// Asks of each policy of roles and guardrails whether any call makes it fail. It waits.
#[must_use]
pub fn policy_proofs(prover: &Prover, set: &PolicySet) -> Vec<Proof> {
    apart(|| rules::prove(prover, set)).unwrap_or_else(|why| unknown("policies", &[Claim::NeverErrors], &why))
}

/// Compares what roles permit and guardrails leave, for every agent and person of either registry, and for an agent and
/// a person with each single role that a policy speaks of. It waits.
#[must_use]
pub fn compare(prover: &Prover, before: &PolicySet, after: &PolicySet) -> Comparison {
    apart(|| diff::compare(prover, before, after))
        .unwrap_or_else(|why| Comparison { not_proven: vec![why], ..Comparison::default() })
}

/// Asks, for each member, whether the role admits anything that neither its roles nor the exceptions admit; what else
/// the role already has counts as gained. It waits.
///
/// # Errors
/// What is wrong with the candidate's file.
pub fn nothing_gained(prover: &Prover, set: &PolicySet, graduation: Graduation<'_>) -> Result<Vec<Proof>, Findings> {
    apart(|| graduate::prove(prover, set, graduation)).unwrap_or_else(|why| {
        let members = graduation.members.iter();
        Ok(members.flat_map(|member| unknown(member.as_str(), &[Claim::NothingGained], &why)).collect())
    })
}

fn unknown(about: &str, claims: &[Claim], why: &str) -> Vec<Proof> {
    let proof = |claim: &Claim| Proof::new(about, *claim, Answer::unknown(why), std::time::Duration::ZERO);
    claims.iter().map(proof).collect()
}
