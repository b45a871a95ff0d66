//! What is wrong with a file or a record: where, what, and how to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One fault of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The file, as the person who wrote it would name it; empty for a record that came over the API.
    pub file: String,
    /// Line, from 1; 0 if unknown.
    pub line: usize,
    /// JSON pointer (RFC 6901) into the document, or empty.
    pub path: String,
    /// What is wrong, and how to mend it; lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
            if self.line > 0 {
                write!(f, "{}:", self.line)?;
            }
            f.write_str(" ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All faults that were found, in order. Never empty when it is an `Err`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// One fault.
    #[must_use]
    pub fn one(file: &str, line: usize, path: &str, message: impl Into<String>) -> Self {
        let mut findings = Self::default();
        findings.push(file, line, path, message);
        findings
    }

    /// Adds a fault.
    pub fn push(&mut self, file: &str, line: usize, path: &str, message: impl Into<String>) {
        self.0.push(Finding { file: file.to_owned(), line, path: path.to_owned(), message: message.into() });
    }

    /// Adds the faults of another check.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value if nothing was found, else everything that was found, sorted by place.
    ///
    /// # Errors
    /// The findings, if there are any.
    pub fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
