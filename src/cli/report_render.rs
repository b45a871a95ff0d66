//! Reports as a person reads them in a terminal.

use std::{fmt::Write as _, path::Path};

use super::table::{facts, printable, table};
use crate::report::{Bundle, Gone, Mapped, Register, Sprawl, Standards, Verification};

pub(super) fn register(register: &Register) -> String {
    let heads = ["id", "kind", "state", "owner", "agents", "tools", "until", "left", "used", "attest by", "controls"];
    let rows: Vec<[String; 11]> = register
        .rows
        .iter()
        .map(|row| {
            let state = row.reason.as_ref().map_or(row.state.clone(), |why| format!("{} ({why})", row.state));
            let agents: Vec<String> = row.agents.iter().map(ToString::to_string).collect();
            let kind = serde_json::to_value(row.kind).ok();
            [
                row.id.to_string(),
                kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(),
                state,
                row.owner.to_string(),
                agents.join(", "),
                format!("{}: {}", row.server, row.tools.join(", ")),
                row.until.format("%Y-%m-%d %H:%MZ").to_string(),
                row.days_left.map(|days| format!("{days} d")).unwrap_or_default(),
                format!("{}/{}", row.used, row.calls),
                row.attestation_due.map(|due| due.format("%Y-%m-%d %H:%MZ").to_string()).unwrap_or_default(),
                row.controls.join(", "),
            ]
        })
        .collect();
    let mut out = table(heads, &rows);
    for id in &register.damaged {
        let _ = writeln!(out, "{id} is not what the gateway wrote; see the alarms");
    }
    out.push_str(whole(register.complete));
    out.push_str(&removed(register.gone));
    out
}

pub(super) fn removed(gone: Option<Gone>) -> String {
    gone.map(|gone| format!("{}\n", gone.told())).unwrap_or_default()
}

const fn whole(complete: bool) -> &'static str {
    if complete { "" } else { "not complete: some records or exceptions could not be read\n" }
}

pub(super) fn sprawl(sprawl: &Sprawl) -> String {
    let rows: Vec<[String; 3]> =
        sprawl.measures().into_iter().map(|(measure, of, value)| [measure.to_owned(), of, value]).collect();
    let mut out = table(["measure", "of", "value"], &rows);
    let list = |ids: &[crate::domain::ExceptionId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let named = [
        ("overdue and active", list(&sprawl.attestations.overdue_active)),
        ("attestation lapsed", list(&sprawl.attestations.lapsed)),
        ("attestation in grace", list(&sprawl.attestations.in_grace)),
        ("unused", list(&sprawl.unused)),
        ("redundant", sprawl.analysis.as_ref().map(|found| list(&found.redundant)).unwrap_or_default()),
        ("found by", how(sprawl)),
        ("dead", sprawl.analysis.as_ref().map(|found| list(&found.dead)).unwrap_or_default()),
        ("post-review overdue", list(&sprawl.reviews_overdue)),
    ];
    let named = facts(&named);
    if !named.is_empty() {
        let _ = write!(out, "\n{named}");
    }
    for (control, ids) in sprawl.probes.iter().flat_map(|probes| &probes.failing) {
        let _ = writeln!(out, "control {} does not work: {}", printable(control), list(ids));
    }
    out.push_str(whole(sprawl.complete));
    out.push_str(&removed(sprawl.gone));
    out
}

pub(super) fn bundle(bundle: &Bundle, out: &Path, key: &str) -> String {
    let later = bundle.unsigned();
    let mut text = facts(&[
        ("bundle", out.display().to_string()),
        ("records", bundle.records().to_string()),
        ("under", format!("a checkpoint over {} records", bundle.signed())),
        ("key", key.to_owned()),
    ]);
    if let Some(gone) = bundle.gone() {
        let _ = writeln!(text, "{}; they are not in it", gone.told());
    }
    if later > 0 {
        let _ = writeln!(text, "{later} newer records are not signed yet and not in it; make it again in a moment");
    }
    text
}

pub(super) fn verification(found: &Verification) -> String {
    let rows: Vec<[String; 3]> = found
        .proven
        .iter()
        .map(|one| [one.seq.to_string(), one.at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), one.what.clone()])
        .collect();
    let mut out = table(["seq", "at", "record that holds"], &rows);
    if found.records > u64::try_from(found.proven.len()).unwrap_or(u64::MAX) {
        let _ = writeln!(out, "and more; {} in all", found.records);
    }
    let kinds: Vec<String> = found.by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let verdict = if found.holds { "as it was written" } else { "NOT what was written" };
    out.push('\n');
    out.push_str(&facts(&[
        ("exception", found.exception.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("records", format!("{} hold ({})", found.records, kinds.join(", "))),
        ("checkpoint", format!("over {} records", found.signed)),
        ("key", found.key.clone().unwrap_or_default()),
        ("verdict", verdict.to_owned()),
    ]));
    for fault in &found.faults {
        let place = fault.seq.map(|seq| format!(" record {seq}")).unwrap_or_default();
        let _ = writeln!(out, "{}{place}: {}", printable(&fault.file), printable(&fault.what));
    }
    if !found.key_given {
        out.push_str("held against the key in the bundle alone; give the gateway's own with --key\n");
    }
    out
}

pub(super) fn standards(map: &Standards, mapped: &[Mapped], checkpoints: u64) -> String {
    let rows: Vec<[String; 5]> = mapped
        .iter()
        .map(|one| {
            let ids: Vec<&str> = one.supports.iter().map(|control| control.id.as_str()).collect();
            let last = one.last.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
            let says = if one.held > 0 { map.says.clone() } else { "nothing held".to_owned() };
            [one.title.clone(), one.held.to_string(), last, says, ids.join(", ")]
        })
        .collect();
    let mut out = table(["evidence", "held", "last", "it", "controls"], &rows);
    let _ = writeln!(out, "\nmap {} of {}; {checkpoints} signed checkpoints", map.version, map.stamp);
    for alias in &map.aliases {
        let _ = writeln!(out, "{} means {}: {}", alias.id, alias.means.join(", "), alias.note);
    }
    out
}

/// How each redundant or dead exception was found.
fn how(sprawl: &Sprawl) -> String {
    let Some(analysis) = &sprawl.analysis else { return String::new() };
    let mut all: Vec<String> = analysis.how.iter().map(|(id, how)| format!("{id} by {how}")).collect();
    if analysis.not_looked_at > 0 {
        all.push(format!("{} were not looked at", analysis.not_looked_at));
    }
    all.join("; ")
}
