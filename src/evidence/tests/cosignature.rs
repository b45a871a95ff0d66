//! Cosignatures: what counts as one, and what a note with them looks like.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    domain::Digest,
    evidence::{Checkpoint, CosignatureError, SigningKey, WitnessKey, WitnessKeyError},
};

/// A witness of the tests, written from the specification alone.
pub struct Signer {
    pair: Ed25519KeyPair,
    name: &'static str,
}

impl Signer {
    pub fn new(name: &'static str) -> Self {
        Self { pair: Ed25519KeyPair::generate().unwrap(), name }
    }

    fn typed(&self, algorithm: u8) -> Vec<u8> {
        [&[algorithm], self.pair.public_key().as_ref()].concat()
    }

    fn id(&self, algorithm: u8) -> Vec<u8> {
        let hashed = [self.name.as_bytes(), b"\n", &self.typed(algorithm)].concat();
        Digest::of(&hashed).as_bytes()[..4].to_vec()
    }

    pub fn key(&self, algorithm: u8) -> String {
        let id: String = self.id(algorithm).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}+{id}+{}", self.name, STANDARD.encode(self.typed(algorithm)))
    }

    pub fn line(&self, note: &str, time: u64) -> String {
        let body = &note[..note.find("\n\n").unwrap() + 1];
        let message = format!("cosignature/v1\ntime {time}\n{body}");
        let signature = self.pair.sign(message.as_bytes());
        let bytes = [&self.id(4), &time.to_be_bytes()[..], signature.as_ref()].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

fn note(size: u64) -> (String, SigningKey) {
    let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
    (Checkpoint { size, root: [9; 32] }.sign(&key), key)
}

#[test]
fn a_cosignature_counts_for_its_witness_its_time_and_its_checkpoint_alone() {
    let (first, second) = (Signer::new("witness.example/w1"), Signer::new("witness.example/w2"));
    let (key, other): (WitnessKey, WitnessKey) = (first.key(4).parse().unwrap(), second.key(4).parse().unwrap());
    let (log, signing) = note(42);
    assert_eq!(key.find(&log), Ok(None));
    let line = first.line(&log, 1_679_315_147);
    let found = key.find(&format!("{log}{line}")).unwrap().unwrap();
    assert_eq!((found.witness.as_str(), found.time.timestamp()), ("witness.example/w1", 1_679_315_147));
    assert_eq!(other.find(&format!("{log}{line}")), Ok(None));

    let with = found.attach(&log).unwrap();
    assert_eq!(with, format!("{log}{line}"));
    let later = key.find(&format!("{log}{}", first.line(&log, 1_679_315_999))).unwrap().unwrap();
    let again = other.find(&format!("{with}{}", second.line(&log, 5))).unwrap().unwrap().attach(&with).unwrap();
    let again = later.attach(&again).unwrap();
    assert_eq!(again.lines().filter(|line| line.starts_with('\u{2014}')).count(), 3, "{again}");
    assert_eq!(key.find(&again).unwrap().unwrap().time.timestamp(), 1_679_315_999);
    assert!(other.find(&again).unwrap().is_some());
    assert_eq!(Checkpoint::open(&again, signing.verifying()).unwrap().size, 42);

    let (elsewhere, _) = note(43);
    assert_eq!(key.find(&format!("{elsewhere}{line}")), Err(CosignatureError::Invalid));
    let mut bytes = STANDARD.decode(line.trim_end().rsplit(' ').next().unwrap()).unwrap();
    bytes[11] ^= 1;
    let turned = format!("\u{2014} witness.example/w1 {}\n", STANDARD.encode(bytes));
    assert_eq!(key.find(&format!("{log}{turned}")), Err(CosignatureError::Invalid));
    assert!(key.find("no note").is_err());
}

#[test]
fn the_key_of_a_witness_is_read_in_its_one_form() {
    let signer = Signer::new("witness.example/w1");
    let text = signer.key(4);
    let key: WitnessKey = text.parse().unwrap();
    assert_eq!((key.to_string(), key.name()), (text.clone(), "witness.example/w1"));
    assert_eq!(signer.key(1).parse::<WitnessKey>(), Err(WitnessKeyError::Algorithm(1)));
    assert_eq!(text.replace("/w1+", "/w2+").parse::<WitnessKey>(), Err(WitnessKeyError::Id));
    for broken in ["", "a+b", "w1+00000000+!!", &text[..text.len() - 8]] {
        assert!(broken.parse::<WitnessKey>().is_err(), "{broken}");
    }
}
