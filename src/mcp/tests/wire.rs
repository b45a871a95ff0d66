//! Framing: what is framed in one way only passes untouched, everything else is made a syntax error.

use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use crate::mcp::server::Wire;

/// What the HTTP library gets to see of these bytes, arriving in two pieces.
fn seen(bytes: &[u8], cut: usize) -> Vec<u8> {
    let (one, two) = bytes.split_at(cut.min(bytes.len()));
    let mut out = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { Wire::new(one.chain(two)).read_to_end(&mut out).await }).unwrap();
    out
}

const GOOD: &str = "\r\nPOST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na\nb\nc\
    POST /mcp HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n3;x=\"y\"\r\na\nb\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n\
    GET /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n";

/// T008
#[test]
fn a_request_that_could_be_framed_otherwise_ends_in_a_syntax_error() {
    let long = "x".repeat(300);
    for bad in [
        "POST / HTTP/1.1\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\n\n",
        "POST / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        &format!("POST / HTTP/1.1\r\nContent-Length: {}1\r\n\r\n", " ".repeat(300)),
        &format!("POST / HTTP/1.1\r\nX: {long}\nY: z\r\n\r\n"),
    ] {
        let out = seen(bad.as_bytes(), 0);
        assert_eq!(out.last(), Some(&0), "{bad:?}");
        assert!(!out.windows(4).any(|end| end == b"\r\n\r\n") || bad.contains("chunked\r\n\r\n"), "{bad:?}");
    }
    let fine = format!("GET / HTTP/1.1\r\nX: {long}\r\nY: z\r\n\r\n{GOOD}");
    assert_eq!(seen(fine.as_bytes(), 0), fine.as_bytes());
}

proptest! {
    #[test]
    fn what_is_framed_in_one_way_passes_untouched_however_it_arrives(cut in 0..GOOD.len()) {
        prop_assert_eq!(seen(GOOD.as_bytes(), cut), GOOD.as_bytes());
    }

    #[test]
    fn a_cut_changes_nothing(bytes in prop::collection::vec(prop::sample::select(b"\r\n\r\n0a:;T ".to_vec()), 0..60), cut in 0_usize..60) {
        let mut text = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n".to_vec();
        text.extend(bytes);
        prop_assert_eq!(seen(&text, 40 + cut), seen(&text, 0));
    }
}
