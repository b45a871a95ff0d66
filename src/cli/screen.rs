//! Where answers go, and in which form.

use std::io::{self, Write};

use serde::Serialize;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    // Aligned columns for people.
    Table,
    // JSON for programs.
    Json,
    // Comma-separated values, for reports.
    Csv,
    // A printable page, for reports.
    Html,
}

/// The output of one command.
pub(super) struct Screen<'a> {
    pub(super) format: Format,
    pub(super) out: &'a mut dyn Write,
}

impl Screen<'_> {
    /// Writes text as it is, at once.
    pub(super) fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes a value: as JSON, or as the text that `people` makes of it.
    pub(super) fn show<T: Serialize>(&mut self, value: &T, people: impl FnOnce(&T) -> String) -> io::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *self.out, value)?;
                self.out.write_all(b"\n")?;
            }
            Format::Table | Format::Csv | Format::Html => self.out.write_all(people(value).as_bytes())?,
        }
        self.out.flush()
    }
}
