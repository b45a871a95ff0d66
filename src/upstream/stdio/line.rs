//! Lines from a pipe, none longer than the bound (T031).

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use crate::upstream::FailureKind;

/// Reads the next line into `line`, without its end; `false` at the end of the stream. A last line without an
/// end is no line.
pub(super) async fn next_line(
    pipe: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    limit: usize,
) -> Result<bool, FailureKind> {
    line.clear();
    loop {
        let bytes = pipe.fill_buf().await.map_err(|_| FailureKind::Closed)?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = end.and_then(|at| bytes.get(..at)).unwrap_or(bytes);
        if line.len() + piece.len() > limit {
            return Err(FailureKind::TooLarge);
        }
        line.extend_from_slice(piece);
        let used = piece.len() + usize::from(end.is_some());
        pipe.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::next_line;
    use crate::upstream::FailureKind;

    /// T031
    #[tokio::test]
    async fn a_line_beyond_the_bound_ends_the_reading_and_a_torn_one_is_none() {
        let (mut pipe, mut line) =
            (tokio::io::BufReader::with_capacity(4, &b"{\"a\":1}\n\nlonger line\ntorn"[..]), Vec::new());
        assert_eq!(next_line(&mut pipe, &mut line, 11).await, Ok(true));
        assert_eq!(line, b"{\"a\":1}");
        assert_eq!(next_line(&mut pipe, &mut line, 11).await, Ok(true));
        assert!(line.is_empty());
        assert_eq!(next_line(&mut pipe, &mut line, 11).await, Ok(true));
        assert_eq!(next_line(&mut pipe, &mut line, 11).await, Ok(false));
        let mut long = &b"longer line\n"[..];
        assert_eq!(next_line(&mut long, &mut line, 10).await, Err(FailureKind::TooLarge));
    }
}
