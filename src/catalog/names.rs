//! The names under which agents see tools: `server__tool`, or a short alias that stays the same.

use std::collections::BTreeMap;

use crate::domain::{Digest, ExposedName, NameError, ToolRef};

/// Between server and tool. Server names hold no underscore, so the name splits in one way only (T062).
const SEPARATOR: &str = "__";
/// Characters that clients take in a tool name.
const LONGEST: usize = 64;

/// Exposed names that are taken, and by which tool.
#[derive(Debug, Default)]
pub struct Names {
    taken: BTreeMap<ExposedName, ToolRef>,
}

impl Names {
    /// The exposed name of this tool, now taken by it.
    ///
    /// # Errors
    /// The tool that has the name already, be it another or the same one listed twice.
    pub(super) fn take(&mut self, reference: &ToolRef) -> Result<ExposedName, Taken> {
        let exposed = exposed(reference)?;
        if let Some(holder) = self.taken.get(&exposed) {
            return Err(Taken::By { exposed, holder: holder.clone() });
        }
        self.taken.insert(exposed.clone(), reference.clone());
        Ok(exposed)
    }
}

/// Why a name could not be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Taken {
    /// Somebody has it.
    #[error("`{exposed}` is the name of `{holder}` already")]
    By { exposed: ExposedName, holder: ToolRef },
    /// Cannot happen with names that were read by the rules.
    #[error(transparent)]
    Unnameable(#[from] NameError),
}

/// `server__tool` if it fits, else its beginning and 8 hex digits that only this pair of names has.
fn exposed(reference: &ToolRef) -> Result<ExposedName, NameError> {
    let full = format!("{}{SEPARATOR}{}", reference.server, reference.tool);
    if full.len() <= LONGEST {
        return full.parse();
    }
    let [a, b, c, d, ..] = *Digest::of(full.as_bytes()).as_bytes();
    // All ASCII by the rules for names, so every index is a boundary.
    let start = full.get(..LONGEST - 9).unwrap_or_default();
    format!("{start}_{a:02x}{b:02x}{c:02x}{d:02x}").parse()
}

#[cfg(test)]
mod tests {
    use super::{Names, Taken};
    use crate::domain::ToolRef;

    fn reference(server: &str, tool: &str) -> ToolRef {
        ToolRef { server: server.parse().unwrap(), tool: tool.parse().unwrap() }
    }

    /// T062, T064
    #[test]
    fn a_name_belongs_to_one_pair_of_server_and_tool() {
        let mut names = Names::default();
        assert_eq!(names.take(&reference("fs", "x")).unwrap().as_str(), "fs__x");
        assert_eq!(names.take(&reference("fs-admin", "x")).unwrap().as_str(), "fs-admin__x");
        assert_eq!(names.take(&reference("evil", "fs__x")).unwrap().as_str(), "evil__fs__x");
        assert!(matches!(names.take(&reference("fs", "x")), Err(Taken::By { .. })));
    }

    #[test]
    fn a_long_name_gets_a_short_alias_that_stays_the_same() {
        let long = reference("github", &"a".repeat(100));
        let other = reference("github", &"a".repeat(101));
        let alias = Names::default().take(&long).unwrap();
        assert_eq!(alias.as_str().len(), 64);
        assert_eq!(alias, Names::default().take(&long).unwrap());
        assert_ne!(alias, Names::default().take(&other).unwrap());
    }
}
