//! A document against the schema and the rules of its kind: every fault at once, each with its place and mend.

use std::sync::LazyLock;

use serde_json::Value;

use super::{
    Ceiling, Milestone, Period, Spec,
    ceiling::GRACE,
    form::{Form, escape},
    schema::{Schema, items, principals, rationale, span, text},
};
use crate::domain::{Document, Findings, Kind, Obligation, Timestamp};

/// The JSON Schema of the record, for editors and for `policies/schema/exception.schema.json`.
pub const SCHEMA: &str = include_str!("record.schema.json");

static COMPILED: LazyLock<Schema> = LazyLock::new(|| Schema::compile(SCHEMA));

/// Reads a record.
///
/// # Errors
/// Everything in which the document breaks the schema or the rules of its kind, at once.
pub fn parse(document: &Document) -> Result<Spec, Findings> {
    let mut findings = Findings::default();
    COMPILED.hold_against(document, &mut findings);
    rules(document, &mut findings);
    findings.or(())?;
    let form: Form = document.read()?;
    form.spec().map_err(|(path, message)| Findings::one(&document.file, document.line(&path), &path, message))
}

/// The rules that the schema cannot say. Each reads what it needs and is silent where that is missing.
fn rules(document: &Document, findings: &mut Findings) {
    let kind = document.value.get("kind").cloned().and_then(|kind| serde_json::from_value::<Kind>(kind).ok());
    window(document, kind, findings);
    attestation(document, kind, findings);
    subject(document, findings);
    grant(document, findings);
    controls(document, findings);
    of_kind(document, kind, findings);
    rationale(document, "why it is needed", findings);
    let mut find = |path: &str, message: &str| document.find(findings, path, message);
    if document.value.get("pilot").is_some() && kind.is_some_and(|kind| kind != Kind::Pilot) {
        find("/pilot", "only an exception of kind pilot belongs to a pilot: remove it");
    }
    if document.value.get("supersedes").is_some() {
        if kind.is_some_and(|kind| Ceiling::of(kind).renewals == 0) {
            find("/supersedes", "this kind cannot be renewed: remove it, and submit a record of its own");
        }
        if document.value.get("supersedes") == document.value.get("id") {
            find("/supersedes", "an exception cannot renew itself: give the new one an id of its own");
        }
    }
}

fn window(document: &Document, kind: Option<Kind>, findings: &mut Findings) {
    let Some((begin, end)) = span(document, findings) else { return };
    let Some(kind) = kind else { return };
    let ceiling = Ceiling::of(kind).window;
    if end.signed_duration_since(begin) > ceiling {
        let hours = ceiling.num_hours();
        document.find(findings, "/not_after", format!("this kind lasts at most {hours} hours: end it earlier"));
    }
}

fn attestation(document: &Document, kind: Option<Kind>, findings: &mut Findings) {
    let mut period = |path: &str| {
        let parsed = text(document, path)?.parse::<Period>();
        if let Err(error) = &parsed {
            document.find(findings, path, error.to_string());
        }
        parsed.ok()
    };
    let (every, grace) = (period("/attestation/every"), period("/attestation/grace"));
    let removal = period("/removal/shadow_every");
    let count = document.value.get("controls").and_then(Value::as_array).map_or(0, Vec::len);
    for at in 0..count {
        period(&format!("/controls/{at}/validation/every"));
    }
    let most = kind.and_then(|kind| Ceiling::of(kind).attestation);
    if let (Some(every), Some(most)) = (every, most)
        && every.delta() > most
    {
        let days = most.num_days();
        document.find(findings, "/attestation/every", format!("this kind is attested at least every {days} days"));
    }
    let most = kind.map(|kind| Ceiling::of(kind).removal);
    if let (Some(every), Some(most)) = (removal, most)
        && every.delta() > most
    {
        let message = format!("without this kind is tried at least every {} days", most.num_days());
        document.find(findings, "/removal/shadow_every", message);
    }
    if grace.is_some_and(|grace| grace.delta() > GRACE) {
        document.find(findings, "/attestation/grace", "the grace is at most 24 hours");
    }
}

fn subject(document: &Document, findings: &mut Findings) {
    for list in ["/subject/agents", "/subject/on_behalf_of/users"] {
        principals(document, list, "each one", findings);
    }
    let named = items(document, "/subject/on_behalf_of/users").next().is_some();
    if named && document.value.pointer("/subject/on_behalf_of/required") == Some(&Value::Bool(false)) {
        let path = "/subject/on_behalf_of/required";
        document.find(findings, path, "users are named, so the agent must act for one of them: write true");
    }
}

fn grant(document: &Document, findings: &mut Findings) {
    if text(document, "/grant/server").is_some_and(|name| name == "postern" || name.starts_with("postern-")) {
        let message = "no exception reaches governance: `postern` and `postern-…` are not tool servers";
        document.find(findings, "/grant/server", message);
    }
    let tools: Vec<_> = items(document, "/grant/tools").filter_map(|(_, tool)| tool.as_str()).collect();
    let path = "/grant/descriptor_digest";
    match document.value.pointer(path) {
        Some(Value::String(_)) if tools.len() > 1 => {
            document.find(findings, path, "several tools need a digest each: `{<tool>: sha256:<64 hex>}`");
        }
        Some(Value::Object(digests)) => {
            for tool in tools.iter().filter(|tool| !digests.contains_key(**tool)) {
                document.find(findings, path, format!("the digest of tool `{tool}` is missing"));
            }
            for name in digests.keys().filter(|name| !tools.contains(&name.as_str())) {
                let message = format!("`{name}` is not one of `tools`: remove it, or add it there");
                document.find(findings, &format!("{path}/{}", escape(name)), message);
            }
        }
        _ => {}
    }
    let Some(Value::Object(bounds)) = document.value.pointer("/grant/args") else { return };
    for (name, bound) in bounds {
        let path = format!("/grant/args/{}", escape(name));
        let has = |member: &str| bound.get(member).is_some();
        let forms = [has("in"), has("min") || has("max"), has("absent_or")].into_iter().filter(|form| *form).count();
        if forms > 1 {
            document.find(findings, &path, "one bound each: `in`, or `min` and `max`, or `absent_or`");
        }
        let end = |member: &str| bound.get(member).and_then(Value::as_i64);
        if let (Some(min), Some(max)) = (end("min"), end("max"))
            && min > max
        {
            document.find(findings, &path, "`min` is above `max`, so nothing fits: swap them");
        }
    }
}

fn controls(document: &Document, findings: &mut Findings) {
    for member in ["id", "obligation"] {
        let mut seen = Vec::new();
        for (at, control) in items(document, "/controls") {
            let Some(value) = control.get(member).and_then(Value::as_str) else { continue };
            let known = member == "id" || Obligation::IDS.contains(&value);
            if known && seen.contains(&value) {
                let path = format!("/controls/{at}/{member}");
                document.find(findings, &path, format!("`{value}` stands twice: keep one control of it"));
            }
            seen.push(value);
        }
    }
}

/// What belongs to one kind only, and what a kind demands of its controls.
fn of_kind(document: &Document, kind: Option<Kind>, findings: &mut Findings) {
    let Some(kind) = kind else { return };
    for member in ["rule_ids", "rule_owner"] {
        if kind != Kind::RuleExemption && document.value.get(member).is_some() {
            let message = format!("`{member}` belongs to the kind rule_exemption: remove it");
            document.find(findings, &format!("/{member}"), message);
        }
    }
    let mut seen = Vec::new();
    for (at, step) in items(document, "/exit/milestones") {
        let member = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
        if seen.contains(&member("name")) {
            let message = "another milestone has this name: tell them apart";
            document.find(findings, &format!("/exit/milestones/{at}/name"), message);
        }
        seen.push(member("name"));
        let due = Milestone { name: String::new(), due: member("due").to_owned() };
        if !due.due.is_empty() && due.overdue_from().is_none() {
            document.find(findings, &format!("/exit/milestones/{at}/due"), "there is no such day: write `2026-12-01`");
        }
    }
    if Ceiling::of(kind).milestones {
        milestones(document, findings);
    }
    if kind != Kind::ThirdPartyConnector {
        return;
    }
    for (duty, what) in
        [("egress.allow", "where its calls may go"), ("principal.fresh", "how old its credential may be")]
    {
        let met = |(_, control): (usize, &Value)| control.get("obligation").and_then(Value::as_str) == Some(duty);
        if !items(document, "/controls").any(met) {
            let message = format!("a third_party_connector says {what}: add a control with the obligation `{duty}`");
            document.find(findings, "/controls", message);
        }
    }
}

/// A kind that hangs on its milestones has one that is asked about while it lasts.
fn milestones(document: &Document, findings: &mut Findings) {
    let moment = |path: &str| text(document, path).and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(begin), Some(end)) = (moment("/not_before"), moment("/not_after")) else { return };
    let mut within = None;
    for (at, step) in items(document, "/exit/milestones") {
        let due = step.get("due").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(due) = (Milestone { name: String::new(), due }).overdue_from() else { return };
        if due <= begin {
            let path = format!("/exit/milestones/{at}/due");
            document.find(findings, &path, "it is due before the exception begins: give a later day");
        }
        within = Some(within.unwrap_or(false) || due <= end);
    }
    if within == Some(false) {
        let message = "none is due before the exception ends: at least one must be, so that it is asked about";
        document.find(findings, "/exit/milestones", message);
    }
}
