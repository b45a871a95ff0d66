//! `postern exception request`: from a refused call to a record, and on to its submission.

use std::{fmt::Write as _, fs, io::Write as _, path::PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{
    client::{Body, Client},
    exit::Failure,
    render,
    screen::{Format, Screen},
};
use crate::{
    api::{DraftRequest, DraftView, ExceptionView},
    domain::{DecisionId, Findings, PersonId, Timestamp},
    exception::Wish,
};

/// Members in the order in which people write them.
const ORDER: [&str; 20] = [
    "apiVersion",
    "id",
    "kind",
    "category",
    "pilot",
    "subject",
    "grant",
    "deviation",
    "rationale",
    "ticket",
    "incident",
    "ends_on",
    "owner",
    "not_before",
    "not_after",
    "budget",
    "controls",
    "attestation",
    "removal",
    "exit",
];

#[derive(Debug, Args)]
pub(super) struct Request {
    /// The refused call: the decision that the refusal names, `dec_…`
    #[arg(long, value_name = "ID")]
    from_decision: DecisionId,
    /// The kind of exception [default: pilot]
    #[arg(long, value_parser = kind)]
    kind: Option<crate::domain::Kind>,
    /// The pilot it belongs to, `PI-…`
    #[arg(long)]
    pilot: Option<String>,
    /// Until when, UTC [default: 7 days after the call, or less if the kind ends earlier]
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Calls over its whole life [default: 10]
    #[arg(long)]
    calls: Option<u64>,
    /// Why it is needed, at least 40 characters
    #[arg(long, value_name = "TEXT")]
    rationale: Option<String>,
    /// Where the work is tracked
    #[arg(long)]
    ticket: Option<String>,
    /// The incident, for break_glass
    #[arg(long)]
    incident: Option<String>,
    /// The event that ends a temporary_elevation
    #[arg(long, value_name = "EVENT")]
    ends_on: Option<String>,
    /// Who answers for it [default: the agent's owner]
    #[arg(long, value_name = "PERSON")]
    owner: Option<String>,
    /// The owner's team
    #[arg(long)]
    team: Option<String>,
    /// What stands in the way of keeping the rule
    #[arg(long, value_name = "TEXT")]
    constraint: Option<String>,
    /// What the rule is for
    #[arg(long, value_name = "TEXT")]
    objective: Option<String>,
    /// What may go wrong
    #[arg(long, value_name = "TEXT")]
    risk: Option<String>,
    /// What is left of the risk: low, medium or high
    #[arg(long, value_name = "LEVEL", value_parser = risk)]
    residual_risk: Option<crate::exception::Risk>,
    /// The role that takes over from a pilot
    #[arg(long, value_name = "ROLE")]
    target_role: Option<String>,
    /// When a pilot is done
    #[arg(long, value_name = "TEXT")]
    criteria: Option<String>,
    /// Write the record to this file [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "submit")]
    out: Option<PathBuf>,
    /// Submit it at once; you become its requester
    #[arg(long)]
    submit: bool,
}

fn kind(text: &str) -> Result<crate::domain::Kind, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
}

fn risk(text: &str) -> Result<crate::exception::Risk, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
}

pub(super) async fn request(asked: Request, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let (out, submit) = (asked.out.clone(), asked.submit);
    let request = asked.draft();
    let draft: DraftView = client.post("/api/v1/exceptions/drafts", Body::Json(json!(request))).await?;
    if submit {
        if !draft.missing.is_empty() {
            return Err(Failure::Faulty(Findings(draft.missing)));
        }
        let view: ExceptionView = client.post("/api/v1/exceptions", Body::Json(draft.record)).await?;
        return Ok(screen.show(&view, render::exception_line)?);
    }
    if screen.format == Format::Json {
        return Ok(screen.show(&draft, |_| String::new())?);
    }
    let text = written(&draft);
    match out {
        None => Ok(screen.out.write_all(text.as_bytes())?),
        Some(path) => {
            let file = fs::OpenOptions::new().write(true).create_new(true).open(&path);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| Failure::Input(format!("`{}` cannot be written: {error}", path.display())))?;
            let next = format!("{0} is written; complete it, then `postern exception submit {0}`\n", path.display());
            Ok(screen.out.write_all(next.as_bytes())?)
        }
    }
}

impl Request {
    fn draft(self) -> DraftRequest {
        let wish = Wish {
            kind: self.kind,
            pilot: self.pilot,
            until: self.until,
            calls: self.calls,
            calls_per_min: None,
            rationale: self.rationale,
            ticket: self.ticket,
            incident: self.incident,
            ends_on: self.ends_on,
            owner: self.owner.as_deref().map(PersonId::from),
            team: self.team,
            constraint: self.constraint,
            objective: self.objective,
            identified_risk: self.risk,
            residual_risk: self.residual_risk,
            target_role: self.target_role,
            criteria: self.criteria,
        };
        DraftRequest { decision: self.from_decision, wish }
    }
}

/// The record as YAML (values in flow style), what it lacks as comments before it.
fn written(draft: &DraftView) -> String {
    let mut text = String::new();
    if !draft.missing.is_empty() {
        text.push_str("# Still to be filled in:\n");
    }
    for finding in &draft.missing {
        let _ = writeln!(text, "#   {finding}");
    }
    let Some(record) = draft.record.as_object() else { return text };
    let place = |name: &str| ORDER.iter().position(|one| *one == name).unwrap_or(ORDER.len());
    let mut members: Vec<_> = record.iter().collect();
    members.sort_by_key(|(name, _)| place(name));
    for (name, value) in members {
        match value.as_array().filter(|items| items.iter().all(Value::is_object)) {
            Some(items) => {
                let _ = writeln!(text, "{name}:");
                for item in items {
                    let _ = writeln!(text, "  - {item}");
                }
            }
            None => {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
    }
    text
}
