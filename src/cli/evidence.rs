//! `evidence …`: what is read from the data folder or a copy, without a gateway.

use std::{
    io::{self, BufWriter, Write as _},
    path::PathBuf,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    command::Global,
    copies::{EvidenceCommand, Journal},
    exit::Failure,
    proof, retention,
    run::operator,
    screen::{Format, Screen},
    shred,
    signing::signing,
    table::{facts, printable, table},
    witnessed::Witnessed,
};
use crate::{
    evidence::{Caller, Line, Record, Report, Row},
    store::{Inspection, OpenError},
};

/// Records of one table on the screen; columns are aligned within it.
const BLOCK: usize = 1_000;

pub(super) fn evidence(command: &EvidenceCommand, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let inspect = |journal| Inspection::open(&folder(journal, global)?).map_err(|error| failed(&error));
    match command {
        EvidenceCommand::Verify(arguments) => proof::verify(arguments, global, screen)?
            .map_or(Ok(()), |(report, witnessed)| verified(report, witnessed, screen)),
        EvidenceCommand::Shred(asked) => shred::shred(asked, global, screen),
        EvidenceCommand::Prove(arguments) => proof::prove(arguments, global, screen),
        EvidenceCommand::Signing(command) => signing(command, global, screen),
        EvidenceCommand::Prune { dry_run } => retention::prune(*dry_run, global, screen),
        EvidenceCommand::Consistency(arguments) => proof::consistency(arguments, global, screen),
        EvidenceCommand::Show(journal) if screen.format == Format::Table => {
            show(&inspect(journal)?, journal.since, screen)
        }
        EvidenceCommand::Show(journal) | EvidenceCommand::Export(journal) => {
            let inspection = inspect(journal)?;
            let mut out = BufWriter::new(&mut *screen.out);
            each(&inspection, journal.since, |line| writeln!(out, "{}", line.write().map_err(io::Error::other)?))?;
            Ok(out.flush()?)
        }
    }
}

pub(super) fn folder(journal: &Journal, global: &Global) -> Result<PathBuf, Failure> {
    data(journal.data.as_ref(), global)
}

pub(super) fn data(given: Option<&PathBuf>, global: &Global) -> Result<PathBuf, Failure> {
    let data = match given {
        Some(data) => data.clone(),
        None => operator(global)?.data,
    };
    if !data.is_dir() {
        return Err(Failure::Input(format!("`{}` is not a folder; name the data folder with --data", data.display())));
    }
    Ok(data)
}

#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed: Option<Witnessed>,
}

fn verified(report: Report, witnessed: Option<Witnessed>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let verified = Verified { report, witnessed };
    screen.show(&verified, |verified| {
        let witnesses: Vec<_> = verified.witnessed.iter().flat_map(Witnessed::lines).collect();
        format!("{}{}", say(&verified.report), if witnesses.is_empty() { String::new() } else { facts(&witnesses) })
    })?;
    if !verified.report.holds() {
        return Err(Failure::Refused("the evidence is not what was written".to_owned()));
    }
    verified.witnessed.as_ref().map_or(Ok(()), Witnessed::holds)
}

fn show(inspection: &Inspection, since: u64, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut block = Vec::new();
    let mut shown = false;
    each(inspection, since, |found| {
        let Line::Row(row) = found else { return Ok(()) };
        block.push(line(&row));
        if block.len() < BLOCK {
            return Ok(());
        }
        shown = true;
        screen.out.write_all(table(HEADINGS, &std::mem::take(&mut block)).as_bytes())
    })?;
    if !block.is_empty() || !shown {
        screen.out.write_all(table(HEADINGS, &block).as_bytes())?;
    }
    Ok(screen.out.flush()?)
}

/// Gives every line; an output that went away is told apart from a journal that cannot be read.
fn each(inspection: &Inspection, since: u64, mut take: impl FnMut(Line) -> io::Result<()>) -> Result<(), Failure> {
    let mut broken = None;
    let read =
        inspection.export(since, |line| take(line).inspect_err(|error| broken = Some(io::Error::from(error.kind()))));
    match (broken, read) {
        (Some(error), _) => Err(Failure::Output(error)),
        (None, Err(error)) => Err(failed(&error)),
        (None, Ok(())) => Ok(()),
    }
}

const HEADINGS: [&str; 6] = ["seq", "at", "kind", "decision", "who", "what"];

pub(super) fn line(row: &Row) -> [String; 6] {
    let seq = row.seq.to_string();
    if let Some(gone) = row.pruned() {
        let at = gone.at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        return [seq, at, gone.kind, String::new(), String::new(), format!("removed, see record {}", gone.by)];
    }
    let Ok(record) = serde_json::from_slice::<Record>(&row.payload) else {
        return [seq, String::new(), "UNREADABLE".to_owned(), String::new(), String::new(), String::new()];
    };
    let summary = record.summary();
    let at = summary.at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let decision = summary.decision.map(|decision| decision.to_string()).unwrap_or_default();
    let (who, what) = told(&record);
    [seq, at, summary.kind.to_owned(), decision, who, what]
}

/// Who did it, and what it was, each in a few words.
fn told(record: &Record) -> (String, String) {
    let agent = |caller: &Caller| caller.agent.to_string();
    match record {
        Record::Intent(intent) => {
            let under = intent.verdict.exception.as_ref().map(|id| format!(" under {id}")).unwrap_or_default();
            let what =
                format!("{}/{} by {}{under}", intent.call.server, intent.call.tool, intent.verdict.basis.as_str());
            (agent(&intent.caller), what)
        }
        Record::Outcome(outcome) => (String::new(), format!("{}, {} bytes", word(&outcome.how), outcome.result_bytes)),
        Record::Denial(denial) => {
            (agent(&denial.caller), format!("{}: {}", denial.asked, denial.verdict.reason.as_str()))
        }
        Record::Inquiry(inquiry) => {
            (agent(&inquiry.caller), format!("{} {}/{}", inquiry.method, inquiry.server, inquiry.target))
        }
        Record::Subscription(subscription) => {
            let what = if subscription.opened { "begins to listen to" } else { "no longer listens to" };
            (agent(&subscription.caller), format!("{what} {}", subscription.topics.join(", ")))
        }
        Record::Listing(listing) => {
            let method = listing.method.as_deref().unwrap_or("tools/list");
            (agent(&listing.caller), format!("{method}: {} shown", listing.tools))
        }
        Record::Lifecycle(step) => {
            let event = step.event.get("event").and_then(Value::as_str).unwrap_or_default();
            (step.actor.clone(), format!("{} {event} {}", step.exception, step.reason))
        }
        Record::Pilot(step) => {
            let event = step.event.get("event").and_then(Value::as_str).unwrap_or_default();
            (step.actor.clone(), format!("{} {event} {}", step.pilot, step.reason))
        }
        Record::Catalog(change) => {
            (change.actor.clone(), format!("{}/{} {}", change.server, change.tool, word(&change.event)))
        }
        Record::Policy(change) => {
            (change.actor.clone(), format!("{} {} {}", word(&change.event), change.digest, change.detail))
        }
        Record::Key(change) => (change.principal.clone(), format!("{} {}", change.credential, word(&change.event))),
        Record::Signing(change) => {
            let how = if change.is_break() { "in place of a lost key" } else { "takes over" };
            (change.actor.clone(), format!("{} {how}: {}", change.new, change.reason))
        }
        Record::Hold(change) => {
            let event = format!("{:?}", change.event).to_lowercase();
            (change.actor.clone(), format!("{} {event} {}", change.hold, change.reason))
        }
        Record::Freeze(freeze) => {
            let word = if freeze.frozen { "frozen" } else { "released" };
            (freeze.actor.clone(), format!("{} {word}: {}", freeze.scope, freeze.reason))
        }
        Record::Watch(watch) => {
            let what = if watch.attached { "begins to watch" } else { "no longer watches" };
            (watch.person.to_string(), format!("{what} {}", watch.exception))
        }
        Record::Read(read) => {
            let by = read.by.as_ref().map_or_else(|| "console session".to_owned(), ToString::to_string);
            let of =
                [read.exception.as_ref().map(ToString::to_string), read.decision.as_ref().map(ToString::to_string)];
            let of = of.into_iter().flatten().chain((!read.what.is_empty()).then(|| read.what.clone()));
            let of = of.map(|of| format!(" {of}")).collect::<String>();
            let more = if read.more == 0 {
                String::new()
            } else {
                format!(", and {} times since the last such record", read.more)
            };
            (by, format!("reads {}{of}{more}", read.surface.as_str()))
        }
        Record::Start(start) => {
            let config = start.config.map(|digest| format!(" with the configuration {digest}")).unwrap_or_default();
            (String::new(), format!("{}{config}", start.version))
        }
        Record::Stop(_) => (String::new(), String::new()),
        Record::Recovered(found) => (String::new(), format!("{} calls without an outcome", found.unknown.len())),
        Record::Alarm(alarm) => (String::new(), format!("{}: {}", word(&alarm.about), alarm.detail)),
        Record::Aborted(aborted) => (String::new(), format!("record {} came too late", aborted.record)),
        Record::Retention(one) => {
            let what = format!(
                "{} records of traffic up to record {} removed after {} days",
                one.count, one.through, one.days
            );
            (one.actor.clone(), what)
        }
        Record::Shred(shred) => (shred.actor.clone(), format!("{} keys destroyed: {}", shred.keys.len(), shred.reason)),
        Record::Delivery(one) => (one.actor.clone(), format!("{} {}: {}", one.destination, one.id, word(&one.event))),
    }
}

fn word<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn say(report: &Report) -> String {
    let open: Vec<String> = report.open.iter().map(ToString::to_string).collect();
    let mut out = facts(&[
        ("records", report.records.to_string()),
        ("signed", format!("up to record {}", report.signed)),
        ("checkpoints", report.checkpoints.to_string()),
        ("hash only", report.pruned.to_string()),
        ("no outcome", open.join(", ")),
        ("verdict", if report.holds() { "as it was written".to_owned() } else { "NOT AS IT WAS WRITTEN".to_owned() }),
    ]);
    for found in &report.breaks {
        let said = format!("BREAK: the signing key was lost at record {}: {}", found.seq, found.reason);
        out.push_str(&format!("{}\n", printable(&said)));
    }
    for breach in &report.breaches {
        out.push_str(&format!("breach: {}\n", printable(&breach.to_string())));
    }
    out
}

pub(super) fn failed(error: &OpenError) -> Failure {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if !told.ends_with(&inner.to_string()) {
            told.push_str(&format!(": {inner}"));
        }
        source = inner.source();
    }
    Failure::Refused(told)
}
