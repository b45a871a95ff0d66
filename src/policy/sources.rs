//! The policy files as text, with what each is for by its place.

use serde::{Deserialize, Serialize};

use crate::domain::Digest;

/// One file of the policies folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path relative to the policies folder, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The policies folder, exceptions and pilots left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The files, in order of their paths.
    pub files: Vec<SourceFile>,
}

/// Which set a Cedar file belongs to, by its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Hard,
    Soft,
    Advisory,
    Roles,
}

impl Layer {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Advisory => "advisory",
            Self::Roles => "roles",
        }
    }

    pub(super) fn of(path: &str) -> Option<Self> {
        let layers = [("roles/", Self::Roles), ("guardrails/hard/", Self::Hard), ("guardrails/soft/", Self::Soft), ("guardrails/advisory/", Self::Advisory)];
        layers.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, layer)| *layer)
    }
}

impl Sources {
    /// Digest over names and texts.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let parts: Vec<&[u8]> = self.files.iter().flat_map(|file| [file.path.as_bytes(), b"\0", file.text.as_bytes(), b"\0"]).collect();
        Digest::of_parts(&parts)
    }

    pub(super) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }
}
