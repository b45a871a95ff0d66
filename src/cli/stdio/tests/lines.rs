//! Lines in, lines out.

use std::io::{self, BufReader, Write};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::cli::stdio::pipes::{Line, read_lines, write_lines};

fn read(text: &'static [u8], limit: usize) -> Vec<Line> {
    let (to, mut from) = mpsc::channel(16);
    read_lines(BufReader::with_capacity(3, text), limit, &to).unwrap();
    drop(to);
    std::iter::from_fn(|| from.blocking_recv()).collect()
}

/// T031
#[test]
fn a_line_beyond_the_bound_is_skipped_and_the_next_one_is_read() {
    let text = |text: &'static str| Line::Text(Bytes::from_static(text.as_bytes()));
    assert_eq!(
        read(b"{\"a\":1}\r\n\n  \nlonger line\nb\nlast", 8),
        [text("{\"a\":1}"), Line::TooLong, text("b"), text("last")]
    );
    assert_eq!(read(b"", 8), []);
    assert_eq!(read(b"longer line", 8), [Line::TooLong]);
}

#[test]
fn messages_are_written_one_per_line_until_nobody_reads() {
    let (to, from) = mpsc::channel(4);
    to.try_send(Bytes::from_static(b"{}")).unwrap();
    to.try_send(Bytes::from_static(b"[]")).unwrap();
    drop(to);
    let mut written = Vec::new();
    write_lines(from, &mut written).unwrap();
    assert_eq!(written, b"{}\n[]\n");

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (to, from) = mpsc::channel(4);
    to.try_send(Bytes::from_static(b"{}")).unwrap();
    assert!(write_lines(from, Closed).is_err());
    assert!(to.is_closed(), "whoever writes sees it");
}
