//! What the commands need of the rest of the house; `main` brings it.

use std::{future::Future, pin::Pin};

use serde::Serialize;

use crate::{
    config::{PolicyFiles, Settings},
    domain::{Digest, Findings},
    policy::proof::{Comparison, Proof},
};

/// The gateway while it runs.
pub type Serving = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// What `check` found to be right.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The digest of the policy set.
    pub policy_set: Digest,
    /// Policies that were compiled.
    pub policies: usize,
    /// Things to know that are no faults.
    pub notes: Vec<String>,
    /// What a solver says.
    pub proofs: ProofReport,
}

/// What was asked of the solver and what it said.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProofReport {
    /// The solver and its version.
    pub solver: Option<String>,
    /// Why there is none.
    pub no_solver: Option<String>,
    /// Each claim with its answer.
    pub proofs: Vec<Proof>,
    /// Against another folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// The rest of the house, as functions.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Builds the gateway and runs it until it is told to stop.
    pub serve: fn(Settings) -> Serving,
    /// Compiles policies and runs their cases; changes nothing.
    pub check: fn(&Settings, &PolicyFiles) -> Result<CheckReport, Findings>,
    /// Asks the solver about policies and exceptions, and what changed against an earlier folder; changes nothing.
    pub prove: fn(&Settings, &PolicyFiles, Option<&PolicyFiles>) -> Result<ProofReport, Findings>,
}
