//! F4: no byte of one event reaches another, however the stream is cut and whatever the events hold.

use postern::mcp::{Decoder, Event, StreamFault, comment, event};

use super::naive;

const LONG: usize = 1 << 20;
const SHORT: usize = 48;

/// The promise. The first byte says how the stream is cut, the rest is the stream.
pub fn holds(bytes: &[u8]) {
    let Some((seed, stream)) = bytes.split_first() else { return };
    let (expected, whole) = naive::events::read(stream);
    for pieces in [vec![stream], cut(stream, *seed)] {
        let (events, fault) = decode(&pieces, LONG);
        let read: Vec<_> = events.iter().map(|event| (event.name.clone(), event.data.clone())).collect();
        match fault {
            None => assert!(whole && read == expected, "two readings differ: {read:?} {expected:?}"),
            Some(_) => assert!(!whole && expected.starts_with(&read), "what came before a fault differs: {read:?}"),
        }
        let (within, _) = decode(&pieces, SHORT);
        assert!(within.iter().all(|event| event.data.len() <= SHORT && event.name.len() <= SHORT.max(7)));
    }
    let (events, _) = decode(&cut(stream, *seed), LONG);
    let texts: Vec<&[u8]> = events.iter().map(|event| event.data.as_bytes()).collect();
    apart(&texts, *seed);
    let (one, two) = stream.split_at(usize::from(*seed) % (stream.len() + 1));
    apart(&[one, two], *seed);
}

/// Texts that are encoded one after the other are decoded as the same texts, each in its own event.
fn apart(texts: &[&[u8]], seed: u8) {
    let mut stream = Vec::new();
    for text in texts {
        stream.extend_from_slice(&event(text));
        stream.extend_from_slice(&comment());
    }
    let flat: Option<Vec<String>> =
        texts.iter().map(|text| std::str::from_utf8(text).ok().map(|text| text.replace(['\n', '\r'], " "))).collect();
    let (events, fault) = decode(&cut(&stream, seed), LONG);
    let Some(flat) = flat else { return assert_eq!(fault, Some(StreamFault::NotUtf8)) };
    assert_eq!(fault, None);
    assert!(events.iter().all(|event| event.name == "message"));
    assert_eq!(events.into_iter().map(|event| event.data).collect::<Vec<_>>(), flat, "events ran together");
}

fn decode(pieces: &[&[u8]], limit: usize) -> (Vec<Event>, Option<StreamFault>) {
    let (mut decoder, mut events) = (Decoder::new(limit), Vec::new());
    for piece in pieces {
        match decoder.push(piece) {
            Ok(more) => events.extend(more),
            Err(fault) => return (events, Some(fault)),
        }
    }
    (events, None)
}

fn cut(stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut rest, mut pieces, mut state) = (stream, Vec::new(), usize::from(seed));
    while !rest.is_empty() {
        state = state.wrapping_mul(75).wrapping_add(74) % 65_537;
        let (piece, after) = rest.split_at((state % 17 + 1).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
