//! Cosignatures of witnesses on a checkpoint (C2SP tlog-cosignature): their keys, their check, and the note with them.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{CheckpointError, checkpoint::parts};
use crate::domain::{Digest, Timestamp};

/// `cosignature/v1`, which is Ed25519 over a time and the checkpoint.
const ALGORITHM: u8 = 4;
/// Bytes of the key's id and of the time before the signature.
const ID: usize = 4;
const TIME: usize = 8;

/// The text is no key of a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessKeyError {
    /// Not `name+id+key`.
    #[error("not the key of a witness: expected `name+id+base64`, as the witness shows it (C2SP vkey)")]
    Form,
    /// Another algorithm.
    #[error("a key of algorithm {0}; only Ed25519 cosignatures (`cosignature/v1`, algorithm 4) are understood")]
    Algorithm(u8),
    /// The id is that of another name or key.
    #[error("the id in the middle is not that of this name and key; copy the whole text again")]
    Id,
}

/// A cosignature that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The note has another form.
    #[error(transparent)]
    Note(#[from] CheckpointError),
    /// It bears the witness's name and key id, and does not hold.
    #[error("a cosignature in the name of the witness does not hold")]
    Invalid,
}

/// The key of a witness; text form `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WitnessKey {
    name: String,
    public: [u8; 32],
}

/// A witness has seen that the log up to a checkpoint continues all that it saw of it before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosignature {
    /// The witness, by the name of its key.
    pub witness: String,
    /// When, by the clock of the witness.
    pub time: Timestamp,
    #[serde(skip)]
    line: String,
}

impl WitnessKey {
    /// The name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both are of one pair of keys. The signature does not say the name, so that one key is one witness.
    #[must_use]
    pub fn is_same_witness(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// The first four bytes of SHA-256 over name, line feed, algorithm and key.
    #[must_use]
    pub fn id(&self) -> [u8; ID] {
        let digest = Digest::of_parts(&[self.name.as_bytes(), b"\n", &[ALGORITHM], &self.public]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    }

    /// The cosignature of this witness among the signatures of a note; none if it did not cosign.
    ///
    /// # Errors
    /// The text is no note, or what bears the witness's name and key id does not hold.
    pub fn find(&self, note: &str) -> Result<Option<Cosignature>, CosignatureError> {
        let (body, signatures) = parts(note)?;
        let mut invalid = false;
        for line in signatures.lines().filter(|line| self.is_of(line)) {
            match self.open(body, line) {
                Some(found) => return Ok(Some(found)),
                None => invalid = true,
            }
        }
        if invalid { Err(CosignatureError::Invalid) } else { Ok(None) }
    }

    fn is_of(&self, line: &str) -> bool {
        raw(line).is_some_and(|(name, bytes)| name == self.name && bytes.starts_with(&self.id()))
    }

    fn open(&self, body: &str, line: &str) -> Option<Cosignature> {
        let (_, bytes) = raw(line)?;
        let (time, signature) = bytes.get(ID..)?.split_first_chunk::<TIME>()?;
        let seconds = u64::from_be_bytes(*time);
        let message = format!("cosignature/v1\ntime {seconds}\n{body}");
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message.as_bytes(), signature).ok()?;
        let time = Timestamp::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
        Some(Cosignature { witness: self.name.clone(), time, line: line.to_owned() })
    }
}

impl Cosignature {
    /// The note with this cosignature as its last line, in the place of an earlier one of the same key.
    ///
    /// # Errors
    /// The text is no note.
    pub fn attach(&self, note: &str) -> Result<String, CheckpointError> {
        let (body, signatures) = parts(note)?;
        let of = |line: &str| raw(line).and_then(|(name, bytes)| Some((name.to_owned(), bytes.get(..ID)?.to_vec())));
        let mine = of(&self.line);
        let mut cosigned = body.to_owned();
        for line in std::iter::once("").chain(signatures.lines().filter(|line| !line.is_empty() && of(line) != mine)) {
            cosigned.push_str(line);
            cosigned.push('\n');
        }
        cosigned.push_str(&self.line);
        cosigned.push('\n');
        Ok(cosigned)
    }
}

/// Name and bytes of a signature line.
fn raw(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    Some((name, STANDARD.decode(encoded).ok()?))
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![ALGORITHM];
        typed.extend(self.public);
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(typed))
    }
}

impl FromStr for WitnessKey {
    type Err = WitnessKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(WitnessKeyError::Form);
        };
        let typed = STANDARD.decode(key).map_err(|_| WitnessKeyError::Form)?;
        let (algorithm, public) = typed.split_first().ok_or(WitnessKeyError::Form)?;
        if *algorithm != ALGORITHM {
            return Err(WitnessKeyError::Algorithm(*algorithm));
        }
        let public = public.try_into().map_err(|_| WitnessKeyError::Form)?;
        if name.is_empty() || name.chars().any(char::is_whitespace) {
            return Err(WitnessKeyError::Form);
        }
        let key = Self { name: name.to_owned(), public };
        let fits = format!("{:08x}", u32::from_be_bytes(key.id())) == id;
        if fits { Ok(key) } else { Err(WitnessKeyError::Id) }
    }
}
