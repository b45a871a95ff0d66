//! The process edge: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use postern::{
    app,
    cli::{self, CheckReport, Parts, ProofReport},
};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &PARTS)
}

/// The rest of the house, as the commands need it.
const PARTS: Parts = Parts {
    serve: |settings| Box::pin(app::serve(settings)),
    check: |settings, files| {
        app::check(settings, files).map(|found| CheckReport {
            policy_set: found.policy_set,
            policies: found.policies,
            notes: found.notes,
            proofs: ProofReport::default(),
        })
    },
    prove: |settings, files, against| {
        app::prove(settings, files, against).map(|found| ProofReport {
            no_solver: found.solver.as_ref().err().cloned(),
            solver: found.solver.ok(),
            proofs: found.proofs,
            comparison: found.comparison,
        })
    },
};
