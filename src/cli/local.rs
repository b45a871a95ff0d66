//! Commands that need no running gateway: `serve` and `check`.

use std::path::PathBuf;

use super::{
    exit::Failure,
    parts::{CheckReport, Parts},
    screen::Screen,
    table::{facts, printable},
};
use crate::config::{Settings, read_policies};

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

/// Compiles the policies and runs their cases.
pub(super) fn check(
    settings: Settings,
    policies: Option<PathBuf>,
    parts: &Parts,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let folder = policies.unwrap_or_else(|| settings.policies.clone());
    if !folder.is_dir() {
        return Err(Failure::Input(format!(
            "`{}` is not a folder; name the policies with --policies",
            folder.display()
        )));
    }
    let files = read_policies(&folder)?;
    let report = (parts.check)(&settings, &files)?;
    Ok(screen.show(&report, say)?)
}

fn say(report: &CheckReport) -> String {
    let mut out = facts(&[("policies", report.policies.to_string()), ("policy set", report.policy_set.to_string())]);
    for note in &report.notes {
        out.push_str(&format!("note: {}\n", printable(note)));
    }
    out.push_str("no faults\n");
    out
}
