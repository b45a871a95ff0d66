//! `postern check`: the policies compiled, their cases run, and what a solver proves of them.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    exit::Failure,
    parts::{CheckReport, Parts, ProofReport},
    screen::Screen,
    table::{facts, printable},
};
use crate::{
    config::{PolicyFiles, Settings, read_policies},
    policy::proof::{Answer, Comparison, Proof},
};

/// Names in one line of a failure.
const NAMED: usize = 20;

/// What can be said to `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Folder of the policies [default: the one of the configuration]
    #[arg(long, value_name = "DIR")]
    pub(super) policies: Option<PathBuf>,
    /// Show what roles and guardrails gain and lose compared with this folder, such as the policies before an edit
    #[arg(long, value_name = "DIR")]
    pub(super) against: Option<PathBuf>,
    /// Fail unless a solver (cvc5) is found and proves every claim
    #[arg(long)]
    pub(super) require_proofs: bool,
}

/// Compiles the policies, runs their cases, and asks the solver.
pub(super) fn check(
    settings: &Settings,
    arguments: CheckArguments,
    parts: &Parts,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let folder = arguments.policies.unwrap_or_else(|| settings.policies.clone());
    let files = read(&folder, "--policies")?;
    let against = arguments.against.map(|folder| read(&folder, "--against")).transpose()?;
    let mut report = (parts.check)(settings, &files)?;
    report.proofs = (parts.prove)(settings, &files, against.as_ref())?;
    screen.show(&report, say)?;
    if arguments.require_proofs { required(&report.proofs) } else { Ok(()) }
}

fn read(folder: &Path, option: &str) -> Result<PolicyFiles, Failure> {
    if folder.is_dir() {
        return Ok(read_policies(folder)?);
    }
    Err(Failure::Input(format!("`{}` is not a folder; name the policies with {option}", folder.display())))
}

/// What is missing, if proofs are required.
fn required(report: &ProofReport) -> Result<(), Failure> {
    if let Some(why) = &report.no_solver {
        return Err(Failure::Refused(format!("proofs are required and no solver was found: {why}")));
    }
    let mut missing: Vec<String> = report
        .proofs
        .iter()
        .filter(|proof| !proof.answer.is_proven())
        .map(|proof| format!("`{}` {}", proof.about, proof.claim.as_str()))
        .collect();
    let compared = report.comparison.iter().flat_map(|found| &found.not_proven);
    missing.extend(compared.map(|why| format!("comparison of {why}")));
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(NAMED);
    let count = missing.len();
    missing.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Failure::Refused(format!("proofs are required and {count} are missing: {}{more}", missing.join("; "))))
}

fn say(report: &CheckReport) -> String {
    let mut out = facts(&[("policies", report.policies.to_string()), ("policy set", report.policy_set.to_string())]);
    for note in &report.notes {
        out.push_str(&format!("note: {}\n", printable(note)));
    }
    proofs(&report.proofs, &mut out);
    out.push_str("no faults\n");
    out
}

fn proofs(report: &ProofReport, out: &mut String) {
    if let Some(why) = &report.no_solver {
        let why = printable(why);
        out.push_str(&format!("NOTHING IS PROVEN: no solver was found ({why}); install `cvc5` or set $CVC5\n"));
    }
    let [mut proven, mut refuted, mut unknown, mut millis] = [0_u64; 4];
    for proof in &report.proofs {
        millis = millis.saturating_add(proof.millis);
        let (count, word) = match proof.answer {
            Answer::Proven => (&mut proven, None),
            Answer::Refuted { .. } => (&mut refuted, Some("REFUTED")),
            Answer::NotProven { .. } => (&mut unknown, Some("NOT PROVEN")),
        };
        *count = count.saturating_add(1);
        if let Some(word) = word {
            out.push_str(&format!("{word}: {}\n", printable(&line(proof))));
        }
    }
    if let Some(solver) = &report.solver {
        let solver = printable(solver);
        out.push_str(&format!(
            "proofs: {proven} proven, {refuted} refuted, {unknown} not proven; {millis} ms with {solver}\n"
        ));
    }
    if let Some(comparison) = &report.comparison {
        compared(comparison, out);
    }
}

fn line(proof: &Proof) -> String {
    let claim = proof.claim.as_str();
    let answer = proof.answer.to_string();
    let answer = answer.split_once(": ").map_or(answer.as_str(), |(_, rest)| rest);
    format!("`{}` {claim}: {answer}", proof.about)
}

fn compared(found: &Comparison, out: &mut String) {
    for change in &found.changes {
        let word = if change.gained { "GAINED" } else { "LOST" };
        let text = format!("{}, {}; as in: {}", change.principal, change.what, change.example);
        out.push_str(&format!("{word}: {}\n", printable(&text)));
    }
    for why in &found.not_proven {
        out.push_str(&format!("NOT PROVEN: {}\n", printable(why)));
    }
    let gained = found.changes.iter().filter(|change| change.gained).count();
    let lost = found.changes.len().saturating_sub(gained);
    out.push_str(&format!(
        "comparison: {gained} gained, {lost} lost, {} not proven; {} of {} combinations differ in their policies; {} ms\n",
        found.not_proven.len(),
        found.asked,
        found.compared,
        found.millis
    ));
}

#[cfg(test)]
mod tests {
    use super::{proofs, required};
    use crate::{
        cli::ProofReport,
        policy::proof::{Answer, Claim, Proof},
    };

    fn with(answer: Answer) -> ProofReport {
        let proof = Proof { about: "EX-1".to_owned(), claim: Claim::Alive, answer, millis: 1 };
        ProofReport { solver: Some("cvc5".to_owned()), proofs: vec![proof], ..ProofReport::default() }
    }

    #[test]
    fn required_proofs_that_are_missing_are_a_failure_that_names_each() {
        let without = ProofReport { no_solver: Some("none".to_owned()), ..ProofReport::default() };
        let unknown = with(Answer::NotProven { why: "too slow".to_owned() });
        let refuted = with(Answer::Refuted { why: "so".to_owned(), example: None });
        assert!(required(&with(Answer::Proven)).is_ok());
        for (report, named) in [(without, "no solver"), (unknown, "`EX-1` admits"), (refuted, "`EX-1` admits")] {
            let failure = required(&report).unwrap_err();
            assert!(failure.code() == 1 && failure.to_string().contains(named), "{failure}");
        }
    }

    #[test]
    fn a_missing_solver_is_said_loudly_and_a_refutation_in_words() {
        let said = |report: &ProofReport| {
            let mut out = String::new();
            proofs(report, &mut out);
            out
        };
        let without = ProofReport { no_solver: Some("none".to_owned()), ..ProofReport::default() };
        assert!(said(&without).starts_with("NOTHING IS PROVEN: no solver was found (none)"));
        let refuted = said(&with(Answer::Refuted { why: "so".to_owned(), example: None }));
        assert!(refuted.starts_with("REFUTED: `EX-1` admits something for each agent and tool: so\n"), "{refuted}");
        assert!(refuted.contains("0 proven, 1 refuted, 0 not proven"), "{refuted}");
    }
}
