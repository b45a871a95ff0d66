//! The path of an operation: a template whose pieces no argument can leave.

use std::collections::BTreeSet;

use super::operation::{Piece, Segment};

/// Reads a template such as `/pets/{id}`.
///
/// # Errors
/// Why it is none.
pub(super) fn template(path: &str) -> Result<Vec<Segment>, String> {
    let Some(rest) = path.strip_prefix('/') else { return Err("a path must begin with `/`".to_owned()) };
    rest.split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<Segment, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        literal(before, &mut pieces)?;
        let (name, behind) = after.split_once('}').ok_or("a `{` of the path has no `}`")?;
        if name.is_empty() {
            return Err("a `{}` of the path holds no name".to_owned());
        }
        pieces.push(Piece::Parameter(name.to_owned()));
        rest = behind;
    }
    literal(rest, &mut pieces)?;
    if let [Piece::Text(only)] = pieces.as_slice()
        && dots(only)
    {
        return Err("a path must not hold `.` or `..` as a segment".to_owned());
    }
    Ok(Segment(pieces))
}

fn literal(text: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    // The characters that RFC 3986 has in a segment, percent-encoded ones included.
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&b);
    if !text.bytes().all(fits) {
        return Err("the path holds characters that cannot stand in one; encode them, and take a query out".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(())
}

/// Names of the parameters that the template wants.
pub(super) fn wanted(path: &[Segment]) -> BTreeSet<&str> {
    let pieces = path.iter().flat_map(|segment| &segment.0);
    pieces
        .filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
        .collect()
}

/// Whether a segment would be taken for a step in the tree, even by a server that decodes it more than once.
pub(super) fn dots(segment: &str) -> bool {
    let mut text = segment.to_owned();
    for _ in 0..3 {
        text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    matches!(text.as_str(), "." | "..")
}
