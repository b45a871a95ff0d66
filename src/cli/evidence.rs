//! `evidence verify|show|export`, read from the data folder.

use std::io::Write as _;

use serde_json::Value;

use super::{
    command::{EvidenceCommand, Global, Journal},
    exit::Failure,
    parts::{EvidenceReport, Parts},
    run::operator,
    screen::{Format, Screen},
    table::{facts, printable, table},
};

/// Records of one table on the screen; columns are aligned within it.
const BLOCK: usize = 1_000;

pub(super) fn evidence(command: EvidenceCommand, global: &Global, parts: &Parts, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let (EvidenceCommand::Verify(journal) | EvidenceCommand::Show(journal) | EvidenceCommand::Export(journal)) = &command;
    let data = match &journal.data {
        Some(data) => data.clone(),
        None => operator(global)?.data,
    };
    if !data.is_dir() {
        return Err(Failure::Input(format!("`{}` is not a folder; name the data folder with --data", data.display())));
    }
    match command {
        EvidenceCommand::Verify(_) => {
            let report = (parts.verify)(&data).map_err(failed)?;
            screen.show(&report, say)?;
            if report.sound { Ok(()) } else { Err(Failure::Refused("the evidence is not sound".to_owned())) }
        }
        EvidenceCommand::Show(Journal { since, .. }) if screen.format == Format::Table => {
            let mut block = Vec::new();
            let mut show = |record: Value| {
                block.push(line(&record));
                if block.len() < BLOCK {
                    return Ok(());
                }
                let text = table(HEADINGS, &std::mem::take(&mut block));
                screen.out.write_all(text.as_bytes())
            };
            (parts.records)(&data, since, &mut show).map_err(failed)?;
            if !block.is_empty() {
                screen.out.write_all(table(HEADINGS, &block).as_bytes())?;
            }
            Ok(screen.out.flush()?)
        }
        EvidenceCommand::Show(Journal { since, .. }) | EvidenceCommand::Export(Journal { since, .. }) => {
            let mut out = std::io::BufWriter::new(&mut *screen.out);
            let written = (parts.records)(&data, since, &mut |record| writeln!(out, "{record}"));
            out.flush()?;
            written.map_err(failed)
        }
    }
}

const HEADINGS: [&str; 6] = ["seq", "at", "kind", "decision", "who", "what"];

/// The members that records have in common; what one does not have stays empty.
fn line(record: &Value) -> [String; 6] {
    let body = record.get("record").unwrap_or(record);
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| record.get(name).or_else(|| body.get(name)));
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    let nested = |outer: &str, inner: &str| body.get(outer).and_then(|o| o.get(inner)).and_then(Value::as_str).map(str::to_owned);
    [
        first(&["seq"]),
        first(&["at"]),
        first(&["kind"]),
        first(&["decision"]),
        nested("subject", "agent").unwrap_or_else(|| first(&["agent", "actor", "by"])),
        nested("verdict", "reason").unwrap_or_else(|| first(&["outcome", "exception", "event", "reason"])),
    ]
}

fn say(report: &EvidenceReport) -> String {
    let mut out = facts(&[
        ("records", report.records.to_string()),
        ("checkpoints", report.checkpoints.to_string()),
        ("head", report.head.map(|head| head.to_string()).unwrap_or_default()),
        ("verdict", if report.sound { "sound".to_owned() } else { "NOT SOUND".to_owned() }),
    ]);
    for fault in &report.faults {
        out.push_str(&format!("fault: {}\n", printable(fault)));
    }
    out
}

fn failed(error: anyhow::Error) -> Failure {
    match error.downcast::<std::io::Error>() {
        Ok(error) => Failure::Output(error),
        Err(error) => Failure::Refused(format!("{error:#}")),
    }
}
