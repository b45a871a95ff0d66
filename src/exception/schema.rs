//! What records and pilots have in common: a schema whose faults are told in our words, and the rules of both.

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::domain::{Document, Findings, Timestamp};

/// A schema as JSON and compiled; the error is the reason why it is not one, which a test shows never to be.
pub(super) struct Schema(Result<(Value, Validator), String>);

impl Schema {
    pub(super) fn compile(text: &str) -> Self {
        let compile = || {
            let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            let validator = jsonschema::draft202012::options()
                .with_pattern_options(PatternOptions::regex())
                .build(&schema)
                .map_err(|error| error.to_string())?;
            Ok((schema, validator))
        };
        Self(compile())
    }

    /// Everything in which the document breaks the schema.
    pub(super) fn hold_against(&self, document: &Document, findings: &mut Findings) {
        match &self.0 {
            Ok((schema, validator)) => {
                for error in validator.iter_errors(&document.value) {
                    let path = error.instance_path().as_str().to_owned();
                    document.find(findings, &path, sentence(schema, &error));
                }
            }
            Err(error) => document.find(findings, "", format!("the schema cannot be read: {error}")),
        }
    }
}

/// What is wrong and how to mend it, in our words.
fn sentence(schema: &Value, error: &ValidationError<'_>) -> String {
    let place = error.schema_path().as_str();
    let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    let describe = |pointer: &str| {
        let found = schema.pointer(pointer)?;
        let target = found.get("$ref").and_then(Value::as_str).and_then(|r| schema.pointer(r.trim_start_matches('#')));
        found.get("description").or_else(|| target?.get("description")).and_then(Value::as_str)
    };
    let path = error.instance_path().as_str();
    if let ValidationErrorKind::Required { property } = error.kind() {
        let name = property.as_str().unwrap_or_default();
        // The rule may stand in a branch for one kind; the member is described where it is declared.
        let declared = format!("/properties/{name}");
        let mend = describe(&format!("{parent}{declared}")).or_else(|| describe(&declared));
        return mend.map_or_else(|| format!("`{name}` is missing"), |mend| format!("`{name}` is missing: {mend}"));
    }
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        return unexpected.iter().map(|name| unknown(path, name)).collect::<Vec<_>>().join("; ");
    }
    let of_list = matches!(error.kind(), ValidationErrorKind::Enum { .. });
    let said = if of_list && path == "/kind" {
        format!("there is no kind {}", error.instance())
    } else if of_list && path.ends_with("/obligation") {
        format!("{} is not a duty that this version can meet", error.instance())
    } else {
        let text = error.to_string();
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    };
    describe(parent).map_or_else(|| said.clone(), |mend| format!("{said}: {mend}"))
}

/// Why a member has no place here.
fn unknown(path: &str, name: &str) -> String {
    match (path, name) {
        ("/budget", "rows" | "cost_usd" | "denials_before_suspend") => {
            format!("this version cannot enforce `{name}`: remove it, and bound `calls` instead")
        }
        ("", "digest" | "status")
        | ("/governance", "approvals")
        | ("/attestation", "next_due")
        | ("/removal", "last") => {
            format!("`{name}` is kept by postern and is no part of the record: remove it")
        }
        _ => format!("there is no member `{name}` here: remove it, or mend its name"),
    }
}

/// Spaces are no reason.
pub(super) fn rationale(document: &Document, what: &str, findings: &mut Findings) {
    let padded = |text: &str| text.chars().count() >= 40 && text.trim().chars().count() < 40;
    if text(document, "/rationale").is_some_and(padded) {
        let message = format!("spaces do not count: say in at least 40 characters {what}");
        document.find(findings, "/rationale", message);
    }
}

/// Roles and groups are no principals; `mend` is what is to be named instead.
pub(super) fn principals(document: &Document, list: &str, mend: &str, findings: &mut Findings) {
    for (at, one) in items(document, list) {
        let lower = one.as_str().unwrap_or_default().to_ascii_lowercase();
        if lower.starts_with("role:") || lower.starts_with("group:") {
            let message = format!("a role or group is no principal: name {mend} by its id");
            document.find(findings, &format!("{list}/{at}"), message);
        }
    }
}

/// `not_before` and `not_after`, where both are moments.
pub(super) fn span(document: &Document, findings: &mut Findings) -> Option<(Timestamp, Timestamp)> {
    let mut moment = |path: &str| {
        let parsed = text(document, path)?.parse::<Timestamp>();
        if parsed.is_err() {
            document.find(findings, path, "there is no such moment: write a UTC time, `2026-11-01T00:00:00Z`");
        }
        parsed.ok()
    };
    let (begin, end) = (moment("/not_before"), moment("/not_after"));
    let (begin, end) = (begin?, end?);
    if end <= begin {
        document.find(findings, "/not_after", "it ends before it begins: put `not_after` behind `not_before`");
    }
    Some((begin, end))
}

pub(super) fn text<'a>(document: &'a Document, path: &str) -> Option<&'a str> {
    document.value.pointer(path).and_then(Value::as_str)
}

pub(super) fn items<'a>(document: &'a Document, path: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    document.value.pointer(path).and_then(Value::as_array).into_iter().flatten().enumerate()
}
