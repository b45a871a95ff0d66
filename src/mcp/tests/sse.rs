//! Event streams: events stay apart, however their bytes arrive.

use proptest::prelude::*;
use serde_json::json;

use crate::mcp::{Decoder, Event, StreamFault, comment, event};

fn decode(pieces: &[&[u8]]) -> Result<Vec<Event>, StreamFault> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(decoder.push(piece)?);
    }
    Ok(events)
}

fn message(data: &str) -> Event {
    Event { name: "message".to_owned(), data: data.to_owned() }
}

#[test]
fn every_line_end_ends_a_line() {
    assert_eq!(decode(&[b"data: a\r", b"\ndata: b\r\r", b"\n"]).unwrap(), [message("a\nb")]);
    assert_eq!(
        decode(&[b"\xef\xbb\xbfdata:a\n\n", b": c\nid: 7\nretry: 1\ndata\n\ndata: end"]).unwrap(),
        [message("a"), message("")]
    );
    assert_eq!(decode(&[b"event: endpoint\ndata: /m\n\n"]).unwrap()[0].name, "endpoint");
    assert_eq!(decode(&[&comment()]).unwrap(), []);
}

/// T032
#[test]
fn text_never_becomes_another_event() {
    let text = json!({"text": "a\r\n\r\ndata: {\"id\":2}\n\nevent: x\nid: 9"});
    let pretty = serde_json::to_string_pretty(&text).unwrap().replace('\n', "\r\n");
    let events = decode(&[&event(pretty.as_bytes())]).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&events[0].data).unwrap(), text);
}

#[test]
fn an_event_without_end_is_given_up_at_the_bound() {
    let mut decoder = Decoder::new(1_000);
    assert!(decoder.push(&[b'a'; 900]).is_ok());
    assert_eq!(decoder.push(&[b'a'; 200]), Err(StreamFault::TooLong(1_000)));
    let mut decoder = Decoder::new(1_000);
    assert!((0..2_000).any(|_| decoder.push(b"data:\n").is_err()));
    assert_eq!(decode(&[b"data: \xff\n\n"]), Err(StreamFault::NotUtf8));
}

#[test]
fn the_last_id_and_the_retry_time_of_a_stream_are_kept() {
    let mut decoder = Decoder::default();
    assert_eq!((decoder.last_event_id(), decoder.retry()), (None, None));
    decoder.push(b"id: s1-0\nretry: 250\ndata:\n\nid: s1-1\ndata: {}\n\nid: s1-2\ndata: torn").unwrap();
    assert_eq!(decoder.last_event_id(), Some("s1-1"));
    assert_eq!(decoder.retry(), Some(std::time::Duration::from_millis(250)));
    decoder.push(b"\n\nid: caf\xc3\xa9\nretry: soon\ndata: x\n\n").unwrap();
    assert_eq!(decoder.last_event_id(), Some("s1-2"), "an id that no header carries is none");
    assert_eq!(decoder.retry(), Some(std::time::Duration::from_millis(250)));
}

proptest! {
    /// T032
    #[test]
    fn no_byte_of_one_event_reaches_another(texts in prop::collection::vec(any::<String>(), 1..6), cuts in prop::collection::vec(1_usize..40, 1..8)) {
        let values: Vec<_> = texts.iter().map(|text| json!({ "text": text })).collect();
        let mut bytes = Vec::new();
        for value in &values {
            bytes.extend_from_slice(&event(serde_json::to_string_pretty(value).unwrap().as_bytes()));
            bytes.extend_from_slice(&comment());
        }
        let mut decoder = Decoder::default();
        let (mut rest, mut events, mut cuts) = (bytes.as_slice(), Vec::new(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            events.extend(decoder.push(piece).unwrap());
            rest = after;
        }
        let read: Vec<serde_json::Value> = events.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn any_bytes_decode_alike_however_they_are_cut(bytes in prop::collection::vec(prop::sample::select(b"data: \r\n:evntx".to_vec()), 0..80), cut in 0_usize..80) {
        let (one, two) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(decode(&[one, two]), decode(&[&bytes]));
    }
}
