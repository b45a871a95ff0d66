//! The file of a pilot against its schema and the rules that a schema cannot say: every fault at once.

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::TimeDelta;
use serde::Deserialize;

use super::{
    Ceiling, Owner, PilotExit, PilotSpec,
    schema::{Schema, principals, rationale, span},
};
use crate::domain::{AgentId, Document, Findings, Kind, PersonId, PilotId, Timestamp, Window};

/// The JSON Schema of a pilot, for editors too.
pub const PILOT_SCHEMA: &str = include_str!("../../policies/schema/pilot.json");

static COMPILED: LazyLock<Schema> = LazyLock::new(|| Schema::compile(PILOT_SCHEMA));

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
    COMPILED.hold_against(document, &mut findings);
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
    rationale(document, "what the pilot is to show", findings);
    principals(document, "/cohort", "each agent", findings);
    let Some((begin, end)) = span(document, findings) else { return };
    let most: TimeDelta = Ceiling::of(Kind::Pilot).lifetime;
    if end.signed_duration_since(begin) > most {
        let message = format!("a pilot lasts at most {} days, renewals included: end it earlier", most.num_days());
        document.find(findings, "/not_after", message);
    }
}
