//! `postern check`: the policies as they stand in the folder, against the tools that were approved.

use std::{collections::BTreeMap, sync::Arc};

use super::{convert, declared::declared};
use crate::{
    catalog::{Catalog, Pins, Tool},
    config::{PolicyFiles, Settings},
    domain::{Digest, Document, Findings, ServerName},
    exception::{self, Spec},
    policy::{self, Level, PolicySet},
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
    let (mut findings, mut exemptions) = (Findings::default(), Vec::new());
    for file in &files.exceptions {
        if file.text.contains("\"@") {
            notes.push(format!("{} has placeholders and was not read", file.path));
            continue;
        }
        let read = Document::parse(&file.path, &file.text)
            .and_then(|document| exception::parse(&document).map(|spec| (document, spec)));
        match read {
            Ok(read) => exemptions.push(read),
            Err(faults) => findings.extend(faults),
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
    for (document, spec) in &exemptions {
        rules(document, spec, &set, &mut findings);
    }
    findings.extend(declared(&sources, set.registry()).err().unwrap_or_default());
    if !tools.is_empty() {
        findings.extend(set.run_cases(&sources));
    }
    notes.extend(set.notes().0.iter().map(ToString::to_string));
    findings.or(Checked { policy_set: set.digest(), policies: set.policies(), notes })
}

/// What an exemption lifts must be soft guardrails of these policies, owned by whom the record says.
fn rules(document: &Document, spec: &Spec, set: &PolicySet, findings: &mut Findings) {
    let named = document.value.pointer("/rule_ids").and_then(serde_json::Value::as_array);
    for (at, id) in named.into_iter().flatten().enumerate() {
        let id = id.as_str().unwrap_or_default();
        let mut find = |path: &str, message: String| document.find(findings, path, message);
        let path = format!("/rule_ids/{at}");
        match (set.registry().soft_rules.get(id), set.policy(id).map(|policy| policy.level)) {
            (Some(owner), _) if spec.rule_owner.as_ref() != Some(owner) => {
                find("/rule_owner", format!("the rule `{id}` is owned by `{owner}`: write that person"));
            }
            (Some(_), _) => {}
            (None, Some(Level::Soft)) => {
                find(&path, format!("`{id}` has no @owner who could give it up: name one there"))
            }
            (None, Some(level)) => {
                find(
                    &path,
                    format!("`{id}` is of level {}, and only soft guardrails are lifted: remove it", level.as_str()),
                );
            }
            (None, None) => find(&path, format!("no policy has the @id `{id}`: mend it, or remove it")),
        }
    }
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
