//! The corpora of the fuzz targets, on stable: what was found once never comes back.

use std::{fs, panic, path::Path};

use proptest::{prelude::*, sample::Index};

use crate::properties::{ALL, Property};

#[test]
fn every_corpus_keeps_the_promise_of_its_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut broken = Vec::new();
    for (name, holds) in ALL {
        let mut count = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            if panic::catch_unwind(|| holds(&bytes)).is_err() {
                broken.push(path);
            }
            count += 1;
        }
        assert!(count > 3, "the corpus of {name} is gone");
    }
    assert!(broken.is_empty(), "these break a promise: {broken:#?}");
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let named = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let known: Vec<_> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named("targets"), known);
    assert_eq!(named("corpus"), known);
}

/// Every input of every corpus, with its target.
fn inputs() -> Vec<(Property, Vec<u8>)> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut inputs = Vec::new();
    for property in ALL {
        let mut paths: Vec<_> =
            fs::read_dir(corpora.join(property.0)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        inputs.extend(paths.into_iter().map(|path| (property, fs::read(path).unwrap())));
    }
    inputs
}

fn change(bytes: &mut Vec<u8>, (at, byte, kind): (Index, u8, u8)) {
    if bytes.is_empty() {
        return bytes.push(byte);
    }
    let at = at.index(bytes.len());
    match kind {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => drop(bytes.remove(at)),
        3 => bytes.extend_from_within(at..),
        _ => bytes[at] ^= 1 << (byte % 8),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A little of what the fuzzer does, where there is none.
    #[test]
    fn a_changed_input_keeps_the_promise_too(input in prop::sample::select(inputs()), changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..5), 1..6)) {
        let ((_, holds), mut bytes) = input;
        changes.into_iter().for_each(|step| change(&mut bytes, step));
        holds(&bytes);
    }
}
