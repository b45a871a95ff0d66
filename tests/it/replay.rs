//! The corpora of the fuzz targets, on stable: what was found once never comes back.

use std::{fs, panic, path::Path};

use crate::properties::ALL;

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
