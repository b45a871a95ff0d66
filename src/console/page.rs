//! The overview as HTML. Whatever comes from others goes through [`Escaped`].

use std::fmt::{self, Write};

use super::{
    escape::Escaped,
    overview::{ControlRow, DecisionRow, ExceptionRow, Page, QuarantineRow},
};
use crate::domain::Timestamp;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<link rel=\"stylesheet\" href=\"/console.css\">";

/// The whole page; an error only if formatting fails.
pub(super) fn overview(page: &Page, now: Timestamp) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(16 << 10);
    write!(out, "{HEAD}<title>Postern</title></head><body><header><h1>Postern</h1><p>{}</p>", time(now))?;
    out.write_str("<form method=\"post\" action=\"/logout\"><button>Sign out</button></form></header><main>")?;
    if let Some(reason) = &page.frozen {
        write!(out, "<p class=\"bad\" role=\"alert\">{}</p>", Escaped(reason))?;
    }
    exceptions(&mut out, &page.exceptions, now)?;
    controls(&mut out, &page.controls)?;
    quarantined(&mut out, &page.quarantined)?;
    decisions(&mut out, &page.decisions)?;
    out.write_str("</main></body></html>\n")?;
    Ok(out)
}

/// The beginning of a page, up to the heading.
pub(super) fn head(out: &mut String, title: &'static str) -> fmt::Result {
    write!(out, "{HEAD}<title>{title}</title></head><body><header><h1>{title}</h1>")
}

/// A page with one sentence of our own; text of others in it is escaped already.
pub(super) fn notice(sentence: &str) -> String {
    format!(
        "{HEAD}<title>Postern</title></head><body><header><h1>Postern</h1></header><main><p>{sentence}</p></main></body></html>\n"
    )
}

fn table(out: &mut String, title: &str, columns: &[&str], empty: bool) -> Result<bool, fmt::Error> {
    write!(out, "<section><h2>{title}</h2>")?;
    if empty {
        out.write_str("<p class=\"none\">None.</p></section>")?;
        return Ok(false);
    }
    out.write_str("<table><thead><tr>")?;
    for column in columns {
        write!(out, "<th scope=\"col\">{column}</th>")?;
    }
    out.write_str("</tr></thead><tbody>")?;
    Ok(true)
}

fn row(out: &mut String, class: &'static str, cells: &[&str]) -> fmt::Result {
    write!(out, "<tr class=\"{class}\">")?;
    for cell in cells {
        write!(out, "<td>{}</td>", Escaped(cell))?;
    }
    out.write_str("</tr>")
}

fn exceptions(out: &mut String, rows: &[ExceptionRow], now: Timestamp) -> fmt::Result {
    let columns = ["Exception", "State", "Owner", "Agents", "Tools", "Ends", "Used"];
    if !table(out, "Exceptions", &columns, rows.is_empty())? {
        return Ok(());
    }
    for item in rows {
        let class = match item.state.as_str() {
            "active" if item.ends > now => "good",
            "pending_approval" | "scheduled" => "wait",
            _ => "plain",
        };
        let used = format!("{} of {}", item.used, item.calls);
        let ends = time(item.ends);
        row(out, class, &[&item.id, &item.state, &item.owner, &item.agents, &item.tools, &ends, &used])?;
    }
    out.write_str("</tbody></table></section>")
}

fn controls(out: &mut String, rows: &[ControlRow]) -> fmt::Result {
    if !table(out, "Controls", &["Control", "Health", "Since"], rows.is_empty())? {
        return Ok(());
    }
    for item in rows {
        let (class, health) = if item.healthy { ("good", "working") } else { ("bad", "not working") };
        row(out, class, &[&item.id, health, &time(item.since)])?;
    }
    out.write_str("</tbody></table></section>")
}

fn quarantined(out: &mut String, rows: &[QuarantineRow]) -> fmt::Result {
    if !table(out, "Tools that wait for approval", &["Tool", "Why"], rows.is_empty())? {
        return Ok(());
    }
    for item in rows {
        row(out, "wait", &[&item.tool, &item.why])?;
    }
    out.write_str("</tbody></table></section>")
}

fn decisions(out: &mut String, rows: &[DecisionRow]) -> fmt::Result {
    let columns = ["At", "Decision", "Agent", "Tool", "Effect", "Why"];
    if !table(out, "Last decisions", &columns, rows.is_empty())? {
        return Ok(());
    }
    for item in rows {
        let class = if item.effect == "allow" { "good" } else { "bad" };
        row(out, class, &[&time(item.at), &item.id, &item.agent, &item.tool, &item.effect, &item.why])?;
    }
    out.write_str("</tbody></table></section>")
}

pub(super) fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
