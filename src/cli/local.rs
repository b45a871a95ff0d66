//! `serve`: the gateway itself.

use super::{exit::Failure, parts::Parts};
use crate::config::Settings;

/// Runs the gateway until it is told to stop.
pub(super) fn serve(settings: Settings, parts: &Parts) -> Result<(), Failure> {
    // Files that are made from here on are for their owner only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let filter = tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let started =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).try_init();
    started.map_err(|error| Failure::Refused(format!("cannot start the log: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Refused(format!("cannot start: {error}")))?;
    runtime.block_on((parts.serve)(settings)).map_err(|error| match error.downcast::<crate::domain::Findings>() {
        Ok(findings) => Failure::Faulty(findings),
        Err(error) => Failure::Refused(format!("{error:#}")),
    })
}
