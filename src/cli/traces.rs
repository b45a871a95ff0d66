//! `traces reconcile`: whether each use of an exception has its trace.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    command::Global,
    copies::Journal,
    evidence,
    exit::Failure,
    screen::Screen,
    table::{facts, table},
};
use crate::{
    app::{Backend, Dialect, TraceState, TracedUse, removed_uses, traced_uses},
    store::Inspection,
};

/// Uses that are named one by one.
const NAMED: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum TracesCommand {
    /// Compare the uses of exceptions in the journal with the traces that the collector acknowledged
    ///
    /// With a backend, each trace is asked for there too. Exit code 1 when one is missing.
    Reconcile(Reconcile),
}

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// The data folder [default: the one of the configuration]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Begin at this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    since: u64,
    /// Wait so long for traces that are on their way
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    within: u64,
    /// Ask this Phoenix for each trace
    #[arg(long, value_name = "URL", conflicts_with = "jaeger")]
    phoenix: Option<String>,
    /// The project of Phoenix
    #[arg(long, value_name = "NAME", default_value = "default")]
    project: String,
    /// Ask this backend, which speaks as Jaeger does, for each trace
    #[arg(long, value_name = "URL")]
    jaeger: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Reconciled {
    uses: usize,
    with_trace: usize,
    /// Of a hundred uses; 100 where there were none.
    percent: f64,
    backend: bool,
    /// Uses that were removed when their time was over; nothing is said of them.
    removed: usize,
    missing: Vec<TracedUse>,
}

pub(super) fn traces(command: &TracesCommand, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let TracesCommand::Reconcile(wanted) = command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(reconcile(wanted, global))?;
    screen.show(&found, say)?;
    if found.with_trace == found.uses {
        return Ok(());
    }
    Err(Failure::Refused(format!("{} uses of exceptions have no trace", found.uses - found.with_trace)))
}

async fn reconcile(wanted: &Reconcile, global: &Global) -> Result<Reconciled, Failure> {
    let folder = evidence::folder(&Journal { data: wanted.data.clone(), since: wanted.since }, global)?;
    let backend = backend(wanted)?;
    let end = Instant::now() + Duration::from_secs(wanted.within);
    loop {
        let inspection = Inspection::open(&folder).map_err(|error| evidence::failed(&error))?;
        let mut uses = traced_uses(&inspection, wanted.since).map_err(|error| evidence::failed(&error))?;
        if let Some(backend) = &backend {
            ask(backend, &mut uses).await?;
        }
        let on_its_way = |one: &TracedUse| matches!(one.state, TraceState::Waiting | TraceState::NotInBackend);
        if Instant::now() < end && uses.iter().any(on_its_way) {
            tokio::time::sleep(Duration::from_millis(250)).await;
            continue;
        }
        let removed = removed_uses(&inspection, wanted.since).map_err(|error| evidence::failed(&error))?;
        return Ok(count(uses, removed, backend.is_some()));
    }
}

/// What the backend has counts, whatever was acknowledged.
async fn ask(backend: &Backend, uses: &mut [TracedUse]) -> Result<(), Failure> {
    for one in uses {
        let Some(trace) = &one.trace else { continue };
        let has = backend.has(trace, &one.span).await.map_err(Failure::Unreachable)?;
        one.state = match (has, one.state) {
            (true, _) => TraceState::Acknowledged,
            (false, TraceState::Acknowledged) => TraceState::NotInBackend,
            (false, state) => state,
        };
    }
    Ok(())
}

fn backend(wanted: &Reconcile) -> Result<Option<Backend>, Failure> {
    let made = match (&wanted.phoenix, &wanted.jaeger) {
        (Some(url), _) => Backend::new(url, Dialect::Phoenix { project: wanted.project.clone() }),
        (None, Some(url)) => Backend::new(url, Dialect::Jaeger),
        (None, None) => return Ok(None),
    };
    made.map(Some).map_err(Failure::Refused)
}

fn count(uses: Vec<TracedUse>, removed: usize, backend: bool) -> Reconciled {
    let all = uses.len();
    let missing: Vec<_> = uses.into_iter().filter(|one| one.state != TraceState::Acknowledged).collect();
    let with_trace = all - missing.len();
    let part = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let percent = if all == 0 { 100.0 } else { part(with_trace) / part(all) * 100.0 };
    Reconciled { uses: all, with_trace, percent, backend, removed, missing }
}

fn say(found: &Reconciled) -> String {
    let held = if found.backend {
        "the collector's acknowledgements and the backend"
    } else {
        "the collector's acknowledgements"
    };
    let verdict = if found.missing.is_empty() { "each use has its trace" } else { "USES WITHOUT THEIR TRACE" };
    let mut out = facts(&[
        ("uses", found.uses.to_string()),
        ("with trace", format!("{} ({:.1} %)", found.with_trace, found.percent)),
        ("held against", held.to_owned()),
        ("removed before", found.removed.to_string()),
        ("verdict", verdict.to_owned()),
    ]);
    let line = |one: &TracedUse| {
        let trace = one.trace.clone().unwrap_or_default();
        [one.seq.to_string(), one.decision.to_string(), one.exception.to_string(), trace, why(one.state).to_owned()]
    };
    if !found.missing.is_empty() {
        let rows: Vec<_> = found.missing.iter().take(NAMED).map(line).collect();
        out.push_str(&table(["seq", "decision", "exception", "trace", "why"], &rows));
    }
    out
}

const fn why(state: TraceState) -> &'static str {
    match state {
        TraceState::Acknowledged => "",
        TraceState::Waiting => "not acknowledged yet",
        TraceState::Lost => "the collector refused it",
        TraceState::Untraced => "telemetry.otlp was not set",
        TraceState::NotInBackend => "not in the backend",
    }
}
