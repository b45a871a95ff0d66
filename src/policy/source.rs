//! The files that people write under `policies/`, and what each one is.

use serde::{Deserialize, Serialize};

use crate::domain::Digest;

/// One file of the policy folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceFile {
    /// The path as findings show it, with `/`; its last parts say what the file is.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Everything under the policy folder, except exceptions and pilots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The files, in any order.
    pub files: Vec<SourceFile>,
}

impl Sources {
    /// SHA-256 over the paths and texts of the files, sorted; the name of this bundle in the store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort();
        let lengths: Vec<_> = files.iter().map(|f| [f.path.len().to_be_bytes(), f.text.len().to_be_bytes()]).collect();
        let mut parts: Vec<&[u8]> = Vec::new();
        for (file, [path, text]) in files.iter().zip(&lengths) {
            parts.extend([&path[..], file.path.as_bytes(), &text[..], file.text.as_bytes()]);
        }
        Digest::of_parts(&parts)
    }
}

/// How strongly a policy speaks; for guardrails, the folder and the `@level` say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A forbid that nothing lifts.
    Hard,
    /// A forbid that only an exemption which names it lifts.
    Soft,
    /// A forbid that is only reported.
    Advisory,
    /// A permit of a role.
    Role,
}

impl Level {
    /// The folder's name and the value of `@level`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Advisory => "advisory",
            Self::Role => "role",
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Cedar policies of one level.
    Policies(Level),
    /// The registry of agents.
    Agents,
    /// The registry of people.
    People,
    /// Requests with the decision that is expected.
    Cases,
    /// Not for this room: texts for people, schemas for editors, the controls that exist.
    Other,
}

impl Place {
    /// What the file at this path is.
    ///
    /// # Errors
    /// A policy or a registry in a place where nobody would read it.
    pub(super) fn of(path: &str) -> Result<Self, String> {
        let parts: Vec<_> = path.split('/').collect();
        Ok(match parts.as_slice() {
            [.., name] if name.starts_with('.') => Self::Other,
            [.., "schema", _] | [.., "controls.yaml"] => Self::Other,
            [.., "roles", name] if name.ends_with(".cedar") => Self::Policies(Level::Role),
            [.., "guardrails", "hard", name] if name.ends_with(".cedar") => Self::Policies(Level::Hard),
            [.., "guardrails", "soft", name] if name.ends_with(".cedar") => Self::Policies(Level::Soft),
            [.., "guardrails", "advisory", name] if name.ends_with(".cedar") => Self::Policies(Level::Advisory),
            [.., "tests", name] if name.ends_with(".yaml") => Self::Cases,
            [.., "agents.yaml"] => Self::Agents,
            [.., "people.yaml"] => Self::People,
            [.., name] if name.ends_with(".md") => Self::Other,
            _ => {
                return Err("nothing reads a file here; policies are roles/*.cedar and \
                            guardrails/{hard,soft,advisory}/*.cedar, registries are agents.yaml and people.yaml, \
                            cases are tests/*.yaml"
                    .to_owned());
            }
        })
    }
}
