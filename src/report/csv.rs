//! Lines of CSV (RFC 4180) that no spreadsheet takes for a formula.

/// One line with its end. A cell that a spreadsheet would calculate begins with an apostrophe instead.
pub(super) fn line<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let formula = text.len() > 1 && text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        assert_eq!(line(["a", "b c", "1"]), "a,b c,1\r\n");
        assert_eq!(line(["a,b", "say \"x\"", "two\nlines"]), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n");
        assert_eq!(line(["=1+1", "@x", "-cmd", "-3", "-", "+SUM(A1)"]), "'=1+1,'@x,'-cmd,-3,-,'+SUM(A1)\r\n");
    }
}
