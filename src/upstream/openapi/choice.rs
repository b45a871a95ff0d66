//! Which operations were chosen; a choice that nothing answers to is a fault that names the nearest.

use std::collections::BTreeSet;

use super::settings::Choice;
use crate::domain::Findings;

/// What there is to choose from.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) operations: BTreeSet<String>,
    pub(super) tags: BTreeSet<String>,
}

impl Choice {
    /// Whether an operation of these names and tags was chosen.
    pub(super) fn takes(&self, names: [&str; 2], tags: &[&str]) -> bool {
        if self.operations.is_empty() && self.tags.is_empty() {
            return true;
        }
        names.iter().any(|name| self.operations.contains(*name)) || tags.iter().any(|tag| self.tags.contains(*tag))
    }

    /// What was chosen and is not there.
    pub(super) fn unknown(&self, file: &str, offer: &Offer) -> Findings {
        let mut findings = Findings::default();
        let mut missing = |kind: &str, chosen: &BTreeSet<String>, there: &BTreeSet<String>| {
            for name in chosen.difference(there) {
                let near = there.iter().map(|known| (strsim::levenshtein(name, known), known)).min();
                let mend = match near {
                    Some((_, near)) => format!("the nearest is `{}`", near.escape_debug()),
                    None => format!("the document has no {kind}"),
                };
                findings.push(file, 0, "/paths", format!("no {kind} `{}` to include; {mend}", name.escape_debug()));
            }
        };
        missing("operation", &self.operations, &offer.operations);
        missing("tag", &self.tags, &offer.tags);
        findings
    }
}
