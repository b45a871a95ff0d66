//! Lines of CSV (RFC 4180) that no spreadsheet takes for a formula and no terminal obeys.

use super::page::visible;

/// One line with its end. A cell that a spreadsheet would calculate begins with an apostrophe instead; characters that
/// steer a terminal become `\u{…}` (T105).
pub(super) fn line<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let formula = text.len() > 1 && text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
    let mut out = String::with_capacity(text.len());
    if formula {
        out.push('\'');
    }
    for c in text.chars() {
        if visible(c) || c == '\n' {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    if out.contains([',', '"', '\n']) { format!("\"{}\"", out.replace('"', "\"\"")) } else { out }
}

#[cfg(test)]
mod tests {
    use super::line;

    /// T105
    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula_and_no_command() {
        assert_eq!(line(["a", "b c", "1"]), "a,b c,1\r\n");
        assert_eq!(line(["a,b", "say \"x\"", "two\nlines"]), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n");
        assert_eq!(line(["=1+1", "@x", "-cmd", "-3", "-", "+SUM(A1)"]), "'=1+1,'@x,'-cmd,-3,-,'+SUM(A1)\r\n");
        assert_eq!(line(["\u{1b}[2J", "\r\t", "\u{202e}x"]), "\\u{1b}[2J,\\u{d}\\u{9},\\u{202e}x\r\n");
    }
}
