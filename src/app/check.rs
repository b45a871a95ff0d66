//! `postern check`: the policies as they stand in the folder, against the tools that were approved.

use std::{collections::BTreeMap, sync::Arc};

use super::{convert, declared::declared};
use crate::{
    catalog::{Catalog, Pins, Tool},
    config::{PolicyFiles, Settings},
    domain::{Digest, Document, Findings, ServerName},
    exception, policy,
    store::Inspection,
};
use serde_json::value::RawValue;

/// What was found to be right.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The digest of the policy set.
    pub policy_set: Digest,
    /// Policies that were compiled.
    pub policies: usize,
    /// Things to know that are no faults.
    pub notes: Vec<String>,
}

/// Compiles the policies, runs their cases and reads the exceptions; changes nothing. Tools are those whose
/// definitions were approved; without a store of this folder nothing is known of tools, and the report says so.
///
/// # Errors
/// Everything that is wrong, each with its file and line.
pub fn check(settings: &Settings, files: &PolicyFiles) -> Result<Checked, Findings> {
    let mut notes = Vec::new();
    let tools = approved(settings).unwrap_or_else(|why| {
        notes.push(format!("no tool is known ({why}), so policies were read but not validated against tools"));
        Vec::new()
    });
    let sources = convert::sources(files);
    let mut findings = Findings::default();
    for file in &files.exceptions {
        if file.text.contains("\"@") {
            notes.push(format!("{} has placeholders and was not read", file.path));
            continue;
        }
        if let Err(faults) = Document::parse(&file.path, &file.text).and_then(|document| exception::parse(&document)) {
            findings.extend(faults);
        }
    }
    for file in &files.pilots {
        if file.text.contains("\"@") {
            notes.push(format!("{} has placeholders and was not read", file.path));
            continue;
        }
        let read = Document::parse(&file.path, &file.text).and_then(|document| exception::parse_pilot(&document));
        findings.extend(read.err().unwrap_or_default());
    }
    let set = match policy::compile(&sources, &tools) {
        Ok(set) => set,
        Err(faults) => {
            findings.extend(faults);
            return Err(findings);
        }
    };
    findings.extend(declared(&sources, set.registry()).err().unwrap_or_default());
    if !tools.is_empty() {
        findings.extend(set.run_cases(&sources));
    }
    notes.extend(set.notes().0.iter().map(ToString::to_string));
    findings.or(Checked { policy_set: set.digest(), policies: set.policies(), notes })
}

/// The tools whose definitions were approved.
pub(super) fn approved(settings: &Settings) -> Result<Vec<Arc<Tool>>, String> {
    let inspection = Inspection::open(&settings.data).map_err(|error| error.to_string())?;
    let rows = inspection.pins().map_err(|error| error.to_string())?;
    let mut definitions: BTreeMap<ServerName, Vec<Box<RawValue>>> = BTreeMap::new();
    for row in &rows {
        let definition = RawValue::from_string(row.definition.clone()).map_err(|error| error.to_string())?;
        definitions.entry(row.server.clone()).or_default().push(definition);
    }
    let catalog = Catalog::build(0, &definitions, &Pins::from(rows));
    Ok(catalog.tools().cloned().collect())
}
