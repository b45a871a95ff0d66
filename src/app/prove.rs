//! `postern check`, the part for a solver: what is proven of the policies and of the exceptions in their folder.

use crate::{
    config::{PolicyFiles, Settings},
    domain::{Document, Findings, Grant},
    exception,
    policy::{
        PolicySet, compile,
        proof::{Comparison, Proof, Prover, compare, grant_proofs, policy_proofs},
    },
};

use super::{check::approved, convert};

/// What was asked of the solver and what it said.
#[derive(Debug, Clone)]
pub struct Proved {
    /// The solver and its version; or why there is none.
    pub solver: Result<String, String>,
    /// Each claim with its answer.
    pub proofs: Vec<Proof>,
    /// Against the other folder, if one was named.
    pub comparison: Option<Comparison>,
}

/// Asks about every policy and every exception in the folder, and compares with an earlier folder; changes nothing.
/// Without a solver nothing is asked.
///
/// # Errors
/// What is wrong with the policies of either folder.
pub fn prove(settings: &Settings, files: &PolicyFiles, against: Option<&PolicyFiles>) -> Result<Proved, Findings> {
    let tools = approved(settings).unwrap_or_default();
    let set = compile(&convert::sources(files), &tools)?;
    let before = against.map(|files| compile(&convert::sources(files), &tools)).transpose()?;
    let prover = Prover::find_blocking();
    let solver = prover.solver().map(|(program, version)| format!("{} ({version})", program.display()));
    let solver = solver.map_err(str::to_owned);
    let mut proofs = Vec::new();
    if solver.is_ok() {
        proofs = policy_proofs(&prover, &set);
        for grant in grants(files) {
            proofs.extend(grant_proofs(&prover, &set, &grant));
        }
    }
    let comparison = before.as_ref().map(|before: &PolicySet| compare(&prover, before, &set));
    Ok(Proved { solver, proofs, comparison })
}

/// The exceptions that can be read; `check` has already said what is wrong with the others.
fn grants(files: &PolicyFiles) -> Vec<Grant> {
    let read = files.exceptions.iter().filter_map(|file| {
        let spec = exception::parse(&Document::parse(&file.path, &file.text).ok()?).ok()?;
        let digest = spec.digest().ok()?;
        Some(spec.grant(1, digest))
    });
    read.collect()
}
