//! A signed statement of how many records there are and what they are (C2SP tlog-checkpoint).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{SigningKey, VerifyingKey};

/// How many records there are, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Records, which is also the sequence number of the last.
    pub size: u64,
    /// The root of the Merkle tree (RFC 6962) over their payloads.
    pub root: [u8; 32],
}

/// The text is no checkpoint of this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not the form of a signed checkpoint.
    #[error("not a signed checkpoint")]
    Form,
    /// Of another log.
    #[error("the checkpoint is of another log")]
    Origin,
    /// No signature of this key.
    #[error("the checkpoint has no valid signature of this key")]
    Signature,
    /// Of a key for which no key vouches that the reader knows.
    #[error("the checkpoint is signed by a key for which no key that you know vouches")]
    Stranger,
}

impl Checkpoint {
    /// The signed note.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let public = key.verifying();
        let body = format!("{}\n{}\n{}\n", public.name(), self.size, STANDARD.encode(self.root));
        let mut signature = public.id().to_vec();
        signature.extend(key.sign(body.as_bytes()));
        format!("{body}\n\u{2014} {} {}\n", public.name(), STANDARD.encode(signature))
    }

    /// The checkpoint in this signed note, if this key signed it. Signatures of others (witnesses) may
    /// stand beside it.
    ///
    /// # Errors
    /// Its form is wrong, it is of another log, or this key did not sign it.
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        let (body, signatures) = parts(note)?;
        let checkpoint = Self::read(note)?;
        if body.lines().next() != Some(key.name()) {
            return Err(CheckpointError::Origin);
        }
        let signed =
            signatures.lines().filter_map(|line| signature(line, key)).any(|s| key.verify(body.as_bytes(), &s));
        if signed { Ok(checkpoint) } else { Err(CheckpointError::Signature) }
    }

    /// What the note says, whoever signed it.
    ///
    /// # Errors
    /// Its form is wrong.
    pub fn read(note: &str) -> Result<Self, CheckpointError> {
        let mut lines = parts(note)?.0.lines();
        let (Some(_), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Form);
        };
        let number: u64 = size.parse().map_err(|_| CheckpointError::Form)?;
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Form)?;
        let root = root.try_into().map_err(|_| CheckpointError::Form)?;
        if number.to_string() == size { Ok(Self { size: number, root }) } else { Err(CheckpointError::Form) }
    }
}

/// What is signed, and the lines of signatures.
pub(super) fn parts(note: &str) -> Result<(&str, &str), CheckpointError> {
    let split = note.find("\n\n").ok_or(CheckpointError::Form)?;
    note.split_at_checked(split + 1).ok_or(CheckpointError::Form)
}

fn signature(line: &str, key: &VerifyingKey) -> Option<Vec<u8>> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, signature) = bytes.split_at_checked(4)?;
    (name == key.name() && id == key.id()).then(|| signature.to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, CheckpointError};
    use crate::evidence::SigningKey;

    #[test]
    fn a_checkpoint_opens_only_as_it_was_signed() {
        let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
        let other = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
        let checkpoint = Checkpoint { size: 42, root: [7; 32] };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::open(&note, key.verifying()), Ok(checkpoint));
        assert_eq!(
            Checkpoint::open(&note.replace("\n42\n", "\n41\n"), key.verifying()),
            Err(CheckpointError::Signature)
        );
        assert_eq!(Checkpoint::open(&note, other.verifying()), Err(CheckpointError::Origin));
        assert_eq!(Checkpoint::open("x", key.verifying()), Err(CheckpointError::Form));
    }
}
