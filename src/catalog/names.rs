//! The names under which agents see tools: resolved by table, never by splitting a string (T062).

use crate::domain::{Digest, ExposedName, ToolRef};

/// Longest exposed name; some agents' model providers refuse longer ones.
const LONGEST: usize = 64;

/// `server__tool`, or, where that is longer than 64 characters, its beginning and eight hex digits of its digest.
#[must_use]
pub fn exposed(tool: &ToolRef) -> Option<ExposedName> {
    let name = format!("{}__{}", tool.server, tool.tool);
    if name.len() <= LONGEST {
        return name.parse().ok();
    }
    let digest = Digest::of(name.as_bytes()).to_string();
    let tail = digest.get("sha256:".len().."sha256:".len() + 8)?;
    format!("{}_{tail}", name.get(..LONGEST - 9)?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::exposed;
    use crate::domain::ToolRef;

    #[test]
    fn a_long_name_gets_a_short_stable_alias() {
        let tool = ToolRef { server: "crm".parse().unwrap(), tool: "x".repeat(100).parse().unwrap() };
        let name = exposed(&tool).unwrap();
        assert_eq!(name.as_str().len(), 64);
        assert_eq!(exposed(&tool).unwrap(), name);
    }
}
