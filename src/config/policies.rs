//! The policies folder as texts; what they mean is for the rooms that compile them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::domain::Findings;

/// Bytes of one file.
const FILE: u64 = 1 << 20;
/// Files of the whole folder.
const FILES: usize = 20_000;
/// Folders within folders.
const DEPTH: usize = 6;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path from the policies folder, with `/` (`roles/reader.cedar`).
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Everything in the policies folder, each list ordered by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFiles {
    /// Roles, guardrails, registry, controls, schema and tests.
    pub policies: Vec<SourceText>,
    /// Records under `exceptions/`; people submit them, the gateway does not load them.
    pub exceptions: Vec<SourceText>,
    /// Records under `pilots/`.
    pub pilots: Vec<SourceText>,
}

/// Reads the folder. One that does not exist is empty. Symbolic links are not followed; files that nobody
/// reads (`README.md`, names with a dot in front) are passed over, any other unknown file is a finding, so
/// that a policy is never left out unseen.
///
/// # Errors
/// Everything that cannot be read.
pub fn read_policies(folder: &Path) -> Result<PolicyFiles, Findings> {
    let mut walk = Walk { root: folder.to_path_buf(), files: Vec::new(), findings: Findings::default() };
    if folder.exists() {
        walk.folder(folder, 0);
    }
    let Walk { mut files, findings, .. } = walk;
    files.sort_by(|left, right| left.path.cmp(&right.path));
    let mut read = PolicyFiles::default();
    for file in files {
        let list = match file.path.split('/').next() {
            Some("exceptions") => &mut read.exceptions,
            Some("pilots") => &mut read.pilots,
            Some(_) | None => &mut read.policies,
        };
        list.push(file);
    }
    findings.or(read)
}

struct Walk {
    root: PathBuf,
    files: Vec<SourceText>,
    findings: Findings,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.find(folder, format!("cannot read the folder: {error}")),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, depth),
                Err(error) => self.find(folder, format!("cannot read the folder: {error}")),
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, depth: usize) {
        let path = entry.path();
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with('.') || name == "README.md") {
            return;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH => self.folder(&path, depth + 1),
            Ok(kind) if kind.is_dir() => self.find(&path, "too many folders within folders"),
            Ok(kind) if kind.is_file() => self.file(&path),
            Ok(_) => self.find(&path, "links and devices are not read here; put the file itself"),
            Err(error) => self.find(&path, format!("cannot read it: {error}")),
        }
    }

    fn file(&mut self, path: &Path) {
        if !matches!(path.extension().and_then(|end| end.to_str()), Some("cedar" | "yaml" | "json")) {
            return self
                .find(path, "nobody reads this file; name it .cedar, .yaml or .json, or take it out of the folder");
        }
        if self.files.len() >= FILES {
            return self.find(path, format!("more than {FILES} files"));
        }
        match fs::metadata(path) {
            Ok(facts) if facts.len() > FILE => return self.find(path, format!("larger than {FILE} bytes; split it")),
            Ok(_) => {}
            Err(error) => return self.find(path, format!("cannot read it: {error}")),
        }
        match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => self.files.push(SourceText { path: self.name(path), text }),
            Ok(Err(_)) => self.find(path, "not UTF-8; save it as UTF-8"),
            Err(error) => self.find(path, format!("cannot read it: {error}")),
        }
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn find(&mut self, path: &Path, message: impl Into<String>) {
        let name = self.name(path);
        self.findings.push(&name, 0, "", message);
    }
}
