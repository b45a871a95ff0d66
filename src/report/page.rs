//! Reports as one printable page: no script, nothing from elsewhere, everything in it escaped.

use std::fmt::Write as _;

use super::{
    Register, Sprawl, plot,
    register::{moment, word},
};

const STYLE: &str = "
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1c1e21; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.note { color: #555; margin-top: 0; }
table { border-collapse: collapse; width: 100%; font-size: 12px; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
th { border-bottom: 2px solid #888; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; break-inside: avoid; } svg { max-width: 100%; height: auto; } figcaption { color: #555; }
.bad { color: #a40000; font-weight: 600; }
.k1 { color: #66757f; } .k2 { color: #c25b1e; } .k3 { color: #4b2e83; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } table { font-size: 9px; }
  thead { display: table-header-group; } tr { break-inside: avoid; } @page { size: A4 landscape; margin: 12mm; } }
";

/// Whether a character can be seen, and steers neither the cursor nor the direction of text.
pub(super) fn visible(c: char) -> bool {
    !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        && !c.is_control()
}

/// Text as it may stand in a page and in an attribute; characters that steer the direction of text are made visible.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if visible(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    out
}

fn page(title: &str, note: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p class=\"note\">{note}</p>\n{body}</body>\n</html>\n",
        title = escape(title),
        note = escape(note),
    )
}

fn made(at: crate::domain::Timestamp, records: u64, complete: bool, gone: Option<super::Gone>) -> String {
    let gone = gone.map(|gone| format!(" {}.", gone.told())).unwrap_or_default();
    let whole = if complete { "" } else { " NOT COMPLETE: some records or exceptions could not be read." };
    format!("Made {} from the journal up to record {records}.{whole}{gone}", moment(at))
}

impl Register {
    /// The register as a page of its own.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = String::from("<table>\n<thead><tr>");
        let heads = ["exception", "state", "who", "for what", "from, until", "used", "owner's word", "controls", "why"];
        heads.iter().for_each(|head| {
            let _ = write!(body, "<th>{head}</th>");
        });
        body.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            let left = row.days_left.map(|days| format!("\n{days} days left")).unwrap_or_default();
            let word_of = row.attested.as_ref().map(|(at, by)| format!("{} {by}\n", moment(*at))).unwrap_or_default();
            let due = row.attestation_due.map(|due| format!("due {}", moment(due))).unwrap_or_default();
            let approvers = row.approvers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let agents = row.agents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let standards =
                if row.standards.is_empty() { String::new() } else { format!("\n{}", row.standards.join(", ")) };
            let ticket = row.ticket.as_ref().map(|ticket| format!("\n{ticket}")).unwrap_or_default();
            let cells = [
                format!("{}\n{} r{}", row.id, word(&row.kind), row.revision),
                format!("{} {}", row.state, row.reason.clone().unwrap_or_default()),
                format!("owner {}\nrequester {}\napproved by {approvers}", row.owner, row.requester),
                format!("{}: {}\nfor {agents}", row.server, row.tools.join(", ")),
                format!("{}\n{}{left}", moment(row.from), moment(row.until)),
                format!("{} of {}", row.used, row.calls),
                format!("{word_of}{due}"),
                format!("{}{standards}", row.controls.join(", ")),
                format!("{}{ticket}", row.why),
            ];
            body.push_str("<tr>");
            for cell in cells {
                let _ = write!(body, "<td>{}</td>", escape(cell.trim()).replace('\n', "<br>"));
            }
            body.push_str("</tr>\n");
        }
        body.push_str("</tbody>\n</table>\n");
        for id in &self.damaged {
            let _ = writeln!(
                body,
                "<p class=\"bad\">{} is not what the gateway wrote; see the alarms.</p>",
                escape(id.as_str())
            );
        }
        page("Exception register", &made(self.at, self.records, self.complete, self.gone), &body)
    }
}

impl Sprawl {
    /// The measures as a page of its own, with plots.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = String::new();
        let figures = [
            (
                plot::days("Decisions by day", &self.by_day),
                "<span class=\"k1\">■ allowed by a role</span> <span class=\"k2\">■ admitted by an exception</span> \
                 <span class=\"k3\">■ refused</span>",
            ),
            (plot::bars("Exceptions by state", &self.by_state), "All exceptions that were ever asked for."),
            (plot::bars("Active by kind", &self.active_by_kind), ""),
            (plot::bars("Active by owner", &self.active_by_owner), ""),
            (
                plot::ordered(
                    "Active by age",
                    &self.active_by_age.iter().map(|age| (age.age.clone(), age.active)).collect::<Vec<_>>(),
                ),
                "Since the approval.",
            ),
        ];
        body.push_str("<table>\n<thead><tr><th>measure</th><th>of</th><th>value</th></tr></thead>\n<tbody>\n");
        for (measure, of, value) in self.measures() {
            let (of, value) = (escape(&of), escape(&value));
            let _ = writeln!(body, "<tr><td>{measure}</td><td>{of}</td><td class=\"n\">{value}</td></tr>");
        }
        body.push_str("</tbody>\n</table>\n");
        for (svg, caption) in figures.iter().filter(|(svg, _)| !svg.is_empty()) {
            let _ = writeln!(body, "<figure>{svg}<figcaption>{caption}</figcaption></figure>");
        }
        self.named(&mut body);
        let note = format!("{} Over {} days.", made(self.at, self.records, self.complete, self.gone), self.days);
        page("Exception sprawl", &note, &body)
    }

    /// The exceptions that somebody must look at, by name.
    fn named(&self, body: &mut String) {
        let lists = [
            ("Active with an overdue attestation", self.attestations.overdue_active.clone()),
            ("Suspended for a lapsed attestation", self.attestations.lapsed.clone()),
            ("Attestation due, in grace", self.attestations.in_grace.clone()),
            ("Active and unused", self.unused.clone()),
            ("Redundant", self.analysis.as_ref().map(|found| found.redundant.clone()).unwrap_or_default()),
            ("Dead", self.analysis.as_ref().map(|found| found.dead.clone()).unwrap_or_default()),
            ("Post-review overdue", self.reviews_overdue.clone()),
        ];
        let failing = self.probes.iter().flat_map(|probes| &probes.failing);
        let failing = failing.map(|(control, ids)| (format!("Control `{control}` does not work"), ids.clone()));
        for (title, ids) in lists.into_iter().map(|(title, ids)| (title.to_owned(), ids)).chain(failing) {
            if !ids.is_empty() {
                let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let _ = writeln!(body, "<h2>{}</h2>\n<p>{}</p>", escape(&title), escape(&ids));
            }
        }
    }
}
