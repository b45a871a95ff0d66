//! F8: lines of a pipe are read as they were written, none beyond the bound, however the bytes arrive.

use postern::{
    domain::Method,
    mcp::{
        Limits, Mirrors,
        client::{Along, Carried, Speaker, carry},
        scan,
    },
};
use serde_json::value::RawValue;

use crate::framing::{End, lines};

/// The promise. The first byte says how much a read brings, the second the bound; the rest is what the pipe brings.
pub fn holds(bytes: &[u8]) {
    let [seed, bound, pipe @ ..] = bytes else { return };
    let (chunk, bound) = (usize::from(*seed) % 23 + 1, usize::from(*bound) + 1);
    for limit in [bound, 1 << 20] {
        for chunk in [chunk, pipe.len() + 1] {
            assert_eq!(lines(pipe, chunk, limit), naive(pipe, limit), "two readings differ");
        }
    }
    ours(pipe, chunk);
}

fn naive(pipe: &[u8], limit: usize) -> (Vec<Vec<u8>>, End) {
    let mut all: Vec<Vec<u8>> = pipe.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if let Some(at) = all.iter().position(|line| line.len() > limit) {
        all.truncate(at);
        return (all, End::TooLong);
    }
    all.pop();
    (all, End::Closed)
}

/// What we write to a pipe is one line for each message, whatever the arguments hold.
fn ours(arguments: &[u8], chunk: usize) {
    let Ok(text) = scan(arguments, Limits::REQUEST) else { return };
    let Ok(arguments) = RawValue::from_string(text.trim().to_owned()) else { return };
    let call = |id| {
        let (method, along) = (Method::CallTool, Along { progress: true, ..Along::default() });
        let call = Carried { id, method, name: "a", arguments: Some(&arguments), members: &[], input: None, along };
        carry(Speaker::MODERN, call, &Mirrors::default()).body.to_vec()
    };
    let written = vec![call(1), call(2)];
    let pipe: Vec<u8> = written.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    assert_eq!(lines(&pipe, chunk, 8 << 20), (written, End::Closed), "messages ran together");
}
