//! A real solver, and what is asked of it.

use std::env;

use crate::{
    domain::Grant,
    policy::{
        PolicySet,
        proof::{Answer, Claim, Proof, Prover, grant_proofs},
        tests::house::set,
    },
};

/// Runs the future; the solver is a process, so it needs a runtime with I/O.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The solver of this machine. Without one the test says that it did not run; with CI set that is a failure.
pub fn solver() -> Option<Prover> {
    let prover = run(Prover::find());
    if let Err(why) = prover.solver() {
        assert!(env::var_os("CI").is_none(), "{why}; tests/setup.sh installs it");
        println!("NOT RUN: {why}");
        return None;
    }
    Some(prover)
}

pub const REGISTRY: [(&str, &str); 2] = [
    ("people.yaml", "people:\n  u: {duties: [own], roles: [staff]}\n  v: {duties: [own], roles: [guest]}\n"),
    (
        "agents.yaml",
        "agents:\n  a: {owner: u, operator: v, channel: board, roles: [reader]}\n  \
         b: {owner: u, operator: v, channel: board}\n",
    ),
];

/// A set with the registry and these files.
pub fn house(files: &[(&str, &str)]) -> PolicySet {
    set(&REGISTRY.iter().chain(files).copied().collect::<Vec<_>>())
}

/// A hard guardrail on exports.
pub fn hard(scope: &str, condition: &str) -> String {
    format!(
        "@id(\"no\") @level(\"hard\") @owner(\"u\")\nforbid ({scope}, action == Action::\"crm/export\", resource)\n{condition};"
    )
}

/// What is answered to one claim about a grant.
pub fn ask(prover: &Prover, set: &PolicySet, grant: &Grant, claim: Claim) -> Answer {
    let proofs = grant_proofs(prover, set, grant);
    assert_eq!(proofs.len(), 5);
    answer(proofs, claim)
}

pub fn answer(proofs: Vec<Proof>, claim: Claim) -> Answer {
    proofs.into_iter().find(|proof| proof.claim == claim).unwrap().answer
}

/// The answer in words, for a claim that must be refuted.
pub fn refuted(answer: &Answer) -> String {
    assert!(matches!(answer, Answer::Refuted { .. }), "{answer}");
    answer.to_string()
}
