//! The process edge: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use postern::cli::{self, Parts};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &PARTS)
}

/// The rest of the house, as the commands need it.
const PARTS: Parts = Parts {
    serve: |_| Box::pin(async { anyhow::bail!("the gateway is not part of this build") }),
    check: |_, _| Err(postern::domain::Findings::one("", 0, "", "the policy engine is not part of this build")),
};
