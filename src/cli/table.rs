//! Aligned plain columns, with everything in them printable.

use std::fmt::Write as _;

/// Text of anybody, safe in a terminal: control and direction characters become `\u{…}` (T105).
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The rows under their headings, each column as wide as its widest cell; `none` if there are no rows.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return "none\n".to_owned();
    }
    let head = headings.map(str::to_uppercase);
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let mut widths = [0_usize; N];
    for row in std::iter::once(&head).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `name: value` lines, the values aligned; what has no value is left out.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let facts = || facts.iter().filter(|(_, value)| !value.is_empty());
    let width = facts().map(|(name, _)| name.chars().count() + 1).max().unwrap_or_default();
    let mut out = String::new();
    for (name, value) in facts() {
        let name = format!("{name}:");
        let _ = writeln!(out, "{}", format!("{name:<width$}  {}", printable(value)).trim_end());
    }
    out
}
