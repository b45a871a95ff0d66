//! The file of a pilot against its schema and the rules that a schema cannot say: every fault at once.

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::TimeDelta;
use jsonschema::{PatternOptions, Validator};
use serde::Deserialize;
use serde_json::Value;

use super::{Ceiling, Owner, PilotExit, PilotSpec, parse::sentence};
use crate::domain::{AgentId, Document, Findings, Kind, PersonId, PilotId, Timestamp, Window};

/// The JSON Schema of a pilot, for editors too.
pub const PILOT_SCHEMA: &str = include_str!("../../policies/schema/pilot.json");

static COMPILED: LazyLock<Result<(Value, Validator), String>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(PILOT_SCHEMA).map_err(|error| error.to_string())?;
    let validator = jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| error.to_string())?;
    Ok((schema, validator))
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    id: PilotId,
    title: String,
    owner: Owner,
    requester: Option<PersonId>,
    cohort: BTreeSet<AgentId>,
    not_before: Timestamp,
    not_after: Timestamp,
    exit: PilotExit,
    rationale: String,
    ticket: Option<String>,
}

/// Reads a pilot.
///
/// # Errors
/// Everything in which the document breaks the schema or the rules, at once.
pub fn parse_pilot(document: &Document) -> Result<PilotSpec, Findings> {
    let mut findings = Findings::default();
    match &*COMPILED {
        Ok((schema, validator)) => {
            for error in validator.iter_errors(&document.value) {
                let path = error.instance_path().as_str().to_owned();
                document.find(&mut findings, &path, sentence(schema, &error));
            }
        }
        Err(error) => document.find(&mut findings, "", format!("the schema of pilots cannot be read: {error}")),
    }
    rules(document, &mut findings);
    findings.or(())?;
    let form: Form = document.read()?;
    Ok(PilotSpec {
        id: form.id,
        title: form.title,
        owner: form.owner,
        requester: form.requester,
        cohort: form.cohort,
        window: Window { not_before: form.not_before, not_after: form.not_after },
        exit: form.exit,
        rationale: form.rationale,
        ticket: form.ticket,
    })
}

fn rules(document: &Document, findings: &mut Findings) {
    let text = |path: &str| document.value.pointer(path).and_then(Value::as_str);
    if let Some(rationale) = text("/rationale")
        && rationale.chars().count() >= 40
        && rationale.trim().chars().count() < 40
    {
        let message = "spaces do not count: say in at least 40 characters what the pilot is to show";
        document.find(findings, "/rationale", message);
    }
    let agents = document.value.pointer("/cohort").and_then(Value::as_array);
    for (at, agent) in agents.into_iter().flatten().enumerate() {
        let lower = agent.as_str().unwrap_or_default().to_ascii_lowercase();
        if lower.starts_with("role:") || lower.starts_with("group:") {
            let message = "a role or group is no principal: name each agent by its id";
            document.find(findings, &format!("/cohort/{at}"), message);
        }
    }
    let mut moment = |path: &str| {
        let parsed = text(path)?.parse::<Timestamp>();
        if parsed.is_err() {
            document.find(findings, path, "there is no such moment: write a UTC time, `2026-11-01T00:00:00Z`");
        }
        parsed.ok()
    };
    let (Some(begin), Some(end)) = (moment("/not_before"), moment("/not_after")) else { return };
    if end <= begin {
        document.find(findings, "/not_after", "it ends before it begins: put `not_after` behind `not_before`");
    }
    let most: TimeDelta = Ceiling::of(Kind::Pilot).lifetime;
    if end.signed_duration_since(begin) > most {
        let message = format!("a pilot lasts at most {} days, renewals included: end it earlier", most.num_days());
        document.find(findings, "/not_after", message);
    }
}
